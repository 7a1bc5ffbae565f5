//! What the replay changed: sectors of 512 bytes that lie over the volume.

use super::layout::{BASIC_BLOCK, BASIC_BLOCK_SHIFT};
use super::memory::Memory;
use block::{Patches, ReadAt, ReadError, ReadErrorKind};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use vfs::Result;
use vfs::reader::{corrupt, io};

/// Sectors that differ from those of the volume, by their number.
#[derive(Default)]
pub(crate) struct Sectors(BTreeMap<u64, Box<[u8; BASIC_BLOCK]>>);

/// What a kept sector takes, in bytes.
const SECTOR_MEMORY: usize = BASIC_BLOCK + 48;

impl Sectors {
    pub(crate) fn memory_bytes(&self) -> usize {
        self.0.len().saturating_mul(SECTOR_MEMORY)
    }
}

impl Patches for Sectors {
    fn next(&self, block: u64) -> Option<u64> {
        self.0.range(block..).next().map(|(number, _)| *number)
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> std::result::Result<(), ReadError> {
        let outside = || ReadError::new(ReadErrorKind::OutOfRange, block << BASIC_BLOCK_SHIFT, 0);
        let sector = self.0.get(&block).ok_or_else(outside)?;
        let sector = sector.get(..buf.len()).ok_or_else(outside)?;
        buf.copy_from_slice(sector);
        Ok(())
    }
}

/// The volume as the replay left it so far.
pub(crate) struct Volume {
    base: Arc<dyn ReadAt>,
    changed: Sectors,
}

impl Volume {
    pub(crate) fn new(base: Arc<dyn ReadAt>) -> Self {
        Self { base, changed: Sectors::default() }
    }

    pub(crate) fn into_changed(self) -> Sectors {
        self.changed
    }

    /// `count` sectors from `sector` on.
    pub(crate) fn read(&self, sector: u64, count: u64) -> Result<Vec<u8>> {
        let outside =
            || corrupt(format!("the log is damaged: it changes {count} sectors at {sector}, which do not exist"));
        let address = sector.checked_mul(1 << BASIC_BLOCK_SHIFT).ok_or_else(outside)?;
        let length = usize::try_from(count << BASIC_BLOCK_SHIFT).map_err(|_| outside())?;
        let end = sector.checked_add(count).filter(|end| *end <= self.base.size() >> BASIC_BLOCK_SHIFT);
        let end = end.ok_or_else(outside)?;
        let mut bytes = vec![0; length];
        let kept = || self.changed.0.range(sector..end);
        if u64::try_from(kept().count()).is_ok_and(|kept| kept < count) {
            self.base.read_exact_at(address, &mut bytes).map_err(io)?;
        }
        for (number, kept) in kept() {
            let at = usize::try_from(number.saturating_sub(sector) << BASIC_BLOCK_SHIFT).unwrap_or(usize::MAX);
            if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..BASIC_BLOCK)) {
                place.copy_from_slice(kept.as_slice());
            }
        }
        Ok(bytes)
    }

    /// Puts `new` in the place of `old`, which was read from `sector` on. Only sectors that differ are kept.
    pub(crate) fn write(&mut self, sector: u64, old: &[u8], new: &[u8], memory: &mut Memory) -> Result<()> {
        let sectors = old.chunks_exact(BASIC_BLOCK).zip(new.chunks_exact(BASIC_BLOCK));
        for (number, (old, new)) in (sector..).zip(sectors) {
            let Ok(new) = <[u8; BASIC_BLOCK]>::try_from(new) else { continue };
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
    pub(crate) fn update<T>(
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
    pub(crate) fn will_need(&self, wanted: &[Range<u64>]) {
        let missing = |range: &&Range<u64>| {
            let kept = self.changed.0.range((**range).clone()).count();
            u64::try_from(kept).is_ok_and(|kept| kept < range.end.saturating_sub(range.start))
        };
        let bytes = |sector: u64| sector.saturating_mul(1 << BASIC_BLOCK_SHIFT);
        let ranges: Vec<_> = wanted
            .iter()
            .filter(|range| range.start < range.end)
            .filter(missing)
            .map(|range| bytes(range.start)..bytes(range.end))
            .collect();
        self.base.will_need(&ranges);
    }
}
