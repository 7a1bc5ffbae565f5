//! The list of a member's bad blocks, beside its superblock (Linux `drivers/md/md.c`, `super_1_load`).

use super::superblock::SECTOR;
use crate::{Device, Error};
use std::ops::Range;

/// The list is a page at most.
const SECTORS_MAX: u16 = 8;

/// Where bad blocks are recorded on a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadBlockLog {
    /// First byte of the device.
    at: u64,
    sectors: u16,
    /// log2 of the sectors that the list counts in.
    shift: u32,
}

impl BadBlockLog {
    /// The list `offset` sectors behind the superblock at byte `superblock`.
    ///
    /// # Errors
    /// When there cannot be one.
    pub(super) fn new(superblock: u64, offset: i32, sectors: u16, shift: u8) -> Result<Self, Error> {
        let damaged = |what: &str| Error::Damaged(format!("its list of bad blocks {what}"));
        if sectors > SECTORS_MAX {
            return Err(damaged(&format!("is {sectors} sectors long; no more than {SECTORS_MAX} can be")));
        }
        if offset == 0 || shift >= 54 {
            return Err(damaged("is at no place where one can be"));
        }
        let at = superblock.checked_add_signed(i64::from(offset).saturating_mul(512));
        Ok(Self { at: at.ok_or_else(|| damaged("is before the device"))?, sectors, shift: u32::from(shift) })
    }

    /// The bytes of the device that cannot be relied on.
    ///
    /// # Errors
    /// When the list cannot be read: then nobody knows which they are.
    pub(super) fn read(&self, device: &Device) -> Result<Vec<Range<u64>>, Error> {
        let mut bytes = vec![0; usize::from(self.sectors).saturating_mul(512)];
        device.data.read_exact_at(self.at, &mut bytes)?;
        let entries = bytes.as_chunks().0.iter().map(|entry| u64::from_le_bytes(*entry));
        let range = |entry: u64| {
            // What overflows is behind any device.
            let scaled = |count: u64| count.saturating_mul(SECTOR).saturating_mul(1 << self.shift);
            let start = scaled(entry >> 10);
            start..start.saturating_add(scaled(entry & 0x3ff))
        };
        let ranges = entries.take_while(|entry| *entry != u64::MAX).map(range);
        // Entries of no length are none, as for Linux: a list that was never written may be all zeros.
        Ok(ranges.filter(|range| !range.is_empty()).collect())
    }
}
