//! What the replay of a log keeps in memory: the sectors of 512 bytes that it changed, which lie over the volume, and
//! an account of the memory that this takes.

use crate::reader::{corrupt, io};
use crate::{Error, ErrorKind, Result};
use block::{Patches, ReadAt, ReadError, ReadErrorKind};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Most of the memory that the replay of a log takes, in bytes.
pub const BYTES_MAX: usize = 512 << 20;
/// log2 of the bytes of a sector of [`Sectors`]: what [`block::Overlay::new`] wants to know.
pub const SECTOR_SHIFT: u32 = 9;
/// Bytes of a sector, whatever the disk has.
pub const SECTOR: usize = 1 << SECTOR_SHIFT;

/// Sectors that differ from those of the volume, by their number.
#[derive(Default)]
pub struct Sectors(BTreeMap<u64, Box<[u8; SECTOR]>>);

/// What a kept sector takes, in bytes.
const SECTOR_MEMORY: usize = SECTOR + 48;

impl Sectors {
    /// The memory that they take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.len().saturating_mul(SECTOR_MEMORY)
    }
}

impl Patches for Sectors {
    fn next(&self, block: u64) -> Option<u64> {
        self.0.range(block..).next().map(|(number, _)| *number)
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> std::result::Result<(), ReadError> {
        let outside = || ReadError::new(ReadErrorKind::OutOfRange, block << SECTOR_SHIFT, 0);
        let sector = self.0.get(&block).ok_or_else(outside)?;
        let sector = sector.get(..buf.len()).ok_or_else(outside)?;
        buf.copy_from_slice(sector);
        Ok(())
    }
}

/// The volume as the replay left it so far.
pub struct Volume {
    base: Arc<dyn ReadAt>,
    changed: Sectors,
}

impl Volume {
    /// The volume before the replay.
    #[must_use]
    pub fn new(base: Arc<dyn ReadAt>) -> Self {
        Self { base, changed: Sectors::default() }
    }

    /// What was changed, to be laid over the volume.
    #[must_use]
    pub fn into_changed(self) -> Sectors {
        self.changed
    }

    /// `count` sectors from `sector` on.
    ///
    /// # Errors
    /// Damage when they lie outside, or what kept them from being read.
    pub fn read(&self, sector: u64, count: u64) -> Result<Vec<u8>> {
        let outside =
            || corrupt(format!("the log is damaged: it changes {count} sectors at {sector}, which do not exist"));
        let address = sector.checked_mul(1 << SECTOR_SHIFT).ok_or_else(outside)?;
        let length = usize::try_from(count << SECTOR_SHIFT).map_err(|_| outside())?;
        let end = sector.checked_add(count).filter(|end| *end <= self.base.size() >> SECTOR_SHIFT);
        let end = end.ok_or_else(outside)?;
        let mut bytes = vec![0; length];
        let kept = || self.changed.0.range(sector..end);
        if u64::try_from(kept().count()).is_ok_and(|kept| kept < count) {
            self.base.read_exact_at(address, &mut bytes).map_err(io)?;
        }
        for (number, kept) in kept() {
            let at = usize::try_from(number.saturating_sub(sector) << SECTOR_SHIFT).unwrap_or(usize::MAX);
            if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..SECTOR)) {
                place.copy_from_slice(kept.as_slice());
            }
        }
        Ok(bytes)
    }

    /// Puts `new` in the place of `old`, which was read from `sector` on. Only sectors that differ are kept.
    ///
    /// # Errors
    /// When they take too much memory.
    pub fn write(&mut self, sector: u64, old: &[u8], new: &[u8], memory: &mut Memory) -> Result<()> {
        let sectors = old.chunks_exact(SECTOR).zip(new.chunks_exact(SECTOR));
        for (number, (old, new)) in (sector..).zip(sectors) {
            let Ok(new) = <[u8; SECTOR]>::try_from(new) else { continue };
            if old == new {
                continue;
            }
            match self.changed.0.entry(number) {
                std::collections::btree_map::Entry::Occupied(mut entry) => **entry.get_mut() = new,
                std::collections::btree_map::Entry::Vacant(entry) => {
                    memory.take(SECTOR_MEMORY)?;
                    entry.insert(Box::new(new));
                }
            }
        }
        Ok(())
    }

    /// Reads `count` sectors, lets `change` change them, and keeps what it changed.
    ///
    /// # Errors
    /// Those of [`Self::read`], of `change` and of [`Self::write`].
    pub fn update<T>(
        &mut self,
        sector: u64,
        count: u64,
        memory: &mut Memory,
        change: impl FnOnce(&mut [u8]) -> Result<T>,
    ) -> Result<T> {
        let old = self.read(sector, count)?;
        let mut new = old.clone();
        let result = change(&mut new)?;
        self.write(sector, &old, &new, memory)?;
        Ok(result)
    }

    /// Says that these sectors will be wanted soon: those that are not kept.
    pub fn will_need(&self, wanted: &[Range<u64>]) {
        let missing = |range: &&Range<u64>| {
            let kept = self.changed.0.range((**range).clone()).count();
            u64::try_from(kept).is_ok_and(|kept| kept < range.end.saturating_sub(range.start))
        };
        let bytes = |sector: u64| sector.saturating_mul(1 << SECTOR_SHIFT);
        let ranges: Vec<_> = wanted
            .iter()
            .filter(|range| range.start < range.end)
            .filter(missing)
            .map(|range| bytes(range.start)..bytes(range.end))
            .collect();
        self.base.will_need(&ranges);
    }
}

/// What a replay took so far.
pub struct Memory {
    taken: usize,
    most: usize,
}

impl Memory {
    /// Up to `most` bytes may be taken.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { taken: 0, most }
    }

    /// Notes that `bytes` more are taken.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when that is too much.
    pub fn take(&mut self, bytes: usize) -> Result<()> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken <= self.most {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("what its log changes takes more than the {} MiB that are kept in memory", self.most >> 20),
        ))
    }

    /// Notes that `bytes` are no longer taken.
    pub fn give_back(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_sub(bytes);
    }
}
