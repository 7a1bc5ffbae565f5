//! What the superblocks of thin pools and of caches have in common.

use super::{Kind, Metadata};
use crate::Error;
use std::num::NonZeroU64;

/// Sectors of 512 bytes of a block of metadata.
const METADATA_BLOCK_SECTORS: u32 = 8;
/// Sectors of a block of data: 1 GiB at most (`DATA_DEV_BLOCK_SIZE_MAX_SECTORS` of `dm-thin.c` and `dm-cache-target.c`).
const DATA_BLOCK_SECTORS_MAX: u32 = 1 << 21;

/// What is right for one of them.
pub(in crate::dm) struct Common {
    /// What it is of, in messages: `thin pool`.
    pub(in crate::dm) owner: &'static str,
    /// What its blocks of data are called in messages.
    pub(in crate::dm) blocks: &'static str,
    pub(in crate::dm) kind: Kind,
    pub(in crate::dm) magic: u64,
    /// Blocks of data are multiples of so many sectors.
    pub(in crate::dm) data_block_sectors_min: u32,
}

/// Fields that both have, at different places.
pub(in crate::dm) struct Fields {
    pub(in crate::dm) magic: u64,
    pub(in crate::dm) version: u32,
    pub(in crate::dm) incompat_flags: u32,
    pub(in crate::dm) metadata_block_size: u32,
    pub(in crate::dm) data_block_size: u32,
}

impl Common {
    pub(in crate::dm) fn damaged(&self, what: &str) -> Error {
        Error::Damaged(format!("the superblock of the {}'s metadata {what}", self.owner))
    }

    /// The block that it is in.
    ///
    /// # Errors
    /// When it cannot be read, was never written, or is damaged.
    pub(in crate::dm) fn block(&self, metadata: &Metadata) -> Result<Box<[u8]>, Error> {
        if metadata.blocks() > 0 && metadata.unchecked(0, self.kind)?.iter().all(|byte| *byte == 0) {
            let owner = self.owner.rsplit(' ').next().unwrap_or(self.owner);
            return Err(self.damaged(&format!("is all zeros: the {owner} was never used, or its metadata were wiped")));
        }
        metadata.block(0, self.kind)
    }

    /// The size of a block of data in bytes.
    ///
    /// # Errors
    /// When a field is not what is known here.
    pub(in crate::dm) fn check(&self, fields: &Fields) -> Result<NonZeroU64, Error> {
        if fields.magic != self.magic {
            return Err(self.damaged(&format!("has the magic number {} instead of {}", fields.magic, self.magic)));
        }
        if !matches!(fields.version, 1 | 2) {
            return Err(self.damaged(&format!("is of version {}; 1 and 2 are known", fields.version)));
        }
        if fields.incompat_flags != 0 {
            let features = fields.incompat_flags;
            return Err(self.damaged(&format!("has the features {features:#x}, which are not known here")));
        }
        if fields.metadata_block_size != METADATA_BLOCK_SECTORS {
            return Err(self.damaged(&format!("has metadata blocks of {} sectors", fields.metadata_block_size)));
        }
        let sectors = fields.data_block_size;
        let is_size = sectors.is_multiple_of(self.data_block_sectors_min) && sectors <= DATA_BLOCK_SECTORS_MAX;
        let bytes = NonZeroU64::new(u64::from(sectors).saturating_mul(512)).filter(|_| is_size);
        bytes.ok_or_else(|| self.damaged(&format!("has {} of {sectors} sectors", self.blocks)))
    }
}
