//! Where the blocks of the log lie: in an inode of the file system, or on a device of their own.

use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::mapping::{self, Place};
use block::ReadAt;
use std::ops::Range;
use std::sync::Arc;
use vfs::Result;
use vfs::reader::{corrupt, io};

/// Runs of blocks that a journal's inode may consist of; real ones have a few.
const RUNS_MAX: usize = 1 << 16;

/// The blocks of a log.
pub(crate) struct Log {
    /// The block that holds its superblock.
    pub(crate) superblock: u32,
    volume: Arc<dyn ReadAt>,
    block_shift: u32,
    /// First block in the log and first block on the volume of each run, in ascending order; the last ends at `blocks`.
    runs: Vec<(u64, u64)>,
    pub(crate) blocks: u64,
}

impl Log {
    /// The log in `inode` of `fs`, which is read as it lies on the disk.
    pub(crate) fn in_inode(fs: &Ext4, inode: &Inode) -> Result<Self> {
        let superblock = &fs.device.superblock;
        let blocks = inode.attr.size >> superblock.block_shift;
        let (mut runs, mut at) = (Vec::new(), 0_u64);
        while at < blocks {
            let run = mapping::run(fs, inode, at)?;
            let Place::Stored(start) = run.place else {
                return Err(corrupt(format!("the journal has no block {at}")));
            };
            fs.device.offset(start, run.count.min(blocks.saturating_sub(at)), "the journal")?;
            if runs.len() == RUNS_MAX {
                return Err(corrupt("the journal is in more pieces than any journal"));
            }
            runs.push((at, start));
            at = at.saturating_add(run.count);
        }
        if overlap(&runs, blocks) {
            return Err(corrupt("blocks of the journal lie over each other"));
        }
        Ok(Self { superblock: 0, volume: fs.device.volume(), block_shift: superblock.block_shift, runs, blocks })
    }

    /// The log on a device that has nothing else: its blocks are those of the device, and its superblock lies behind the
    /// device's own (Linux `ext4_get_dev_journal`).
    pub(crate) fn on_device(device: Arc<dyn ReadAt>, block_shift: u32) -> Self {
        let blocks = device.size() >> block_shift;
        let superblock = if block_shift == 10 { 2 } else { 1 };
        Self { superblock, volume: device, block_shift, runs: vec![(0, 0)], blocks }
    }

    pub(crate) const fn block_len(&self) -> usize {
        1 << self.block_shift
    }

    /// The byte of the volume at which a block of the log begins.
    fn offset(&self, block: u64) -> Option<u64> {
        let after = self.runs.partition_point(|(first, _)| *first <= block);
        let (first, start) = self.runs.get(after.checked_sub(1)?).filter(|_| block < self.blocks)?;
        start.checked_add(block.checked_sub(*first)?)?.checked_mul(1 << self.block_shift)
    }

    /// Fills `buf` with a block of the log.
    pub(crate) fn read_into(&self, block: u32, buf: &mut [u8]) -> std::result::Result<(), block::ReadError> {
        let outside =
            || block::ReadError::new(block::ReadErrorKind::OutOfRange, 0, 0).with_detail("behind the journal");
        self.volume.read_exact_at(self.offset(block.into()).ok_or_else(outside)?, buf)
    }

    /// A block of the log.
    pub(crate) fn read(&self, block: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.block_len()];
        self.read_into(block, &mut bytes).map_err(io)?;
        Ok(bytes)
    }

    /// Hints that these blocks of the log are wanted soon.
    pub(crate) fn will_need(&self, block: u32) {
        if let Some(range) = self.range(block) {
            self.volume.will_need(&[range]);
        }
    }

    fn range(&self, block: u32) -> Option<Range<u64>> {
        let start = self.offset(block.into())?;
        Some(start..start.checked_add(1 << self.block_shift)?)
    }
}

/// Whether two runs (first block in the log, first block on the volume) of a log of so many blocks share a block. A log
/// that does would be long without taking any room.
fn overlap(runs: &[(u64, u64)], blocks: u64) -> bool {
    let ends = runs.iter().skip(1).map(|(first, _)| *first).chain([blocks]);
    let mut places: Vec<_> =
        runs.iter().zip(ends).map(|((first, start), end)| (*start, end.saturating_sub(*first))).collect();
    places.sort_unstable();
    places.windows(2).any(|pair| matches!(pair, [(a, count), (b, _)] if a.saturating_add(*count) > *b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_share_blocks_are_seen() {
        assert!(!overlap(&[(0, 100), (10, 50), (20, 110)], 30));
        assert!(overlap(&[(0, 100), (10, 50), (20, 109)], 30));
        assert!(overlap(&[(0, 100), (10, 105)], 11));
        assert!(!overlap(&[(0, 5)], 1000) && !overlap(&[], 0));
    }
}
