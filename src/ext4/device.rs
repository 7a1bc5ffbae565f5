//! The volume, read in blocks of the file system.

use crate::inode_table::InodeTables;
use crate::superblock::Superblock;
use block::ReadAt;
use std::ops::Range;
use std::sync::Arc;
use vfs::Result;
use vfs::reader::{corrupt, io};

/// A volume and the superblock that describes it.
pub(crate) struct Device {
    volume: Arc<dyn ReadAt>,
    pub(crate) superblock: Superblock,
    pub(crate) inode_tables: InodeTables,
}

impl Device {
    pub(crate) fn open(volume: Arc<dyn ReadAt>) -> Result<Self> {
        let superblock = Superblock::read(volume.as_ref())?;
        Ok(Self { volume, superblock, inode_tables: InodeTables::new() })
    }

    /// The volume itself.
    pub(crate) fn volume(&self) -> Arc<dyn ReadAt> {
        Arc::clone(&self.volume)
    }

    /// Fills `buf` from byte `offset` of the volume on.
    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.volume.read_exact_at(offset, buf).map_err(io)
    }

    /// Block `number`, which `what` points to.
    pub(crate) fn block(&self, number: u64, what: &str) -> Result<Vec<u8>> {
        let offset = self.offset(number, 1, what)?;
        let mut block = vec![0; self.superblock.block_len()];
        self.read(offset, &mut block)?;
        Ok(block)
    }

    /// The byte at which `count` blocks from `first` on begin; an error unless they can hold data of `what`.
    pub(crate) fn offset(&self, first: u64, count: u64, what: &str) -> Result<u64> {
        let superblock = &self.superblock;
        let inside =
            first > superblock.first_data_block && first.checked_add(count).is_some_and(|end| end <= superblock.blocks);
        if !inside {
            let (from, to) = (superblock.first_data_block, superblock.blocks);
            return Err(corrupt(format!(
                "{what} points to {count} blocks at {first}; there are blocks {from} to {to}"
            )));
        }
        // Cannot be cut off: the number of blocks was checked to leave room for the shift.
        Ok(first << superblock.block_shift)
    }

    /// Hints that these bytes of the volume are wanted soon.
    pub(crate) fn will_need(&self, ranges: &[Range<u64>]) {
        self.volume.will_need(ranges);
    }
}
