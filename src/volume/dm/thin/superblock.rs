//! The superblock of a thin pool's metadata.

use super::{DETAILS_BYTES, Kind, Metadata, Tree};
use crate::Error;
use crate::dm::persistent::{Common, Fields};
use std::num::NonZeroU64;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `THIN_SUPERBLOCK_MAGIC`.
const MAGIC: u64 = 27_022_010;
/// `SUPERBLOCK_CSUM_XOR`.
const KIND: Kind = Kind { name: "the superblock of a thin pool", xor: 160_774, number_at: 8 };
/// `THIN_METADATA_NEEDS_CHECK_FLAG`.
const NEEDS_CHECK: u32 = 1;
/// Blocks of data are multiples of 64 KiB (`DATA_DEV_BLOCK_SIZE_MIN_SECTORS` of `dm-thin.c`).
const COMMON: Common =
    Common { owner: "thin pool", blocks: "data blocks", kind: KIND, magic: MAGIC, data_block_sectors_min: 128 };

/// `struct thin_disk_superblock`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    csum: U32,
    flags: U32,
    blocknr: U64,
    uuid: [u8; 16],
    magic: U64,
    version: U32,
    time: U32,
    trans_id: U64,
    held_root: U64,
    /// Of `struct disk_sm_root`: how many blocks the data have comes first, the rest is of no use here.
    data_nr_blocks: U64,
    data_space_map_root: [u8; 120],
    metadata_space_map_root: [u8; 128],
    data_mapping_root: U64,
    device_details_root: U64,
    /// In sectors of 512 bytes, as the next.
    data_block_size: U32,
    metadata_block_size: U32,
    metadata_nr_blocks: U64,
    compat_flags: U32,
    compat_ro_flags: U32,
    incompat_flags: U32,
}

/// The superblock, checked.
pub(super) struct Superblock {
    pub(super) transaction_id: u64,
    pub(super) block_bytes: NonZeroU64,
    pub(super) data_blocks: u64,
    pub(super) needs_check: bool,
    pub(super) held_root: Option<u64>,
    data_mapping_root: u64,
    device_details_root: u64,
}

impl Superblock {
    pub(super) fn read(metadata: &Metadata) -> Result<Self, Error> {
        let block = COMMON.block(metadata)?;
        let (raw, _) = Raw::ref_from_prefix(&block).map_err(|_| COMMON.damaged("is cut short"))?;
        let block_bytes = COMMON.check(&Fields {
            magic: raw.magic.get(),
            version: raw.version.get(),
            incompat_flags: raw.incompat_flags.get(),
            metadata_block_size: raw.metadata_block_size.get(),
            data_block_size: raw.data_block_size.get(),
        })?;
        Ok(Self {
            transaction_id: raw.trans_id.get(),
            block_bytes,
            data_blocks: raw.data_nr_blocks.get(),
            needs_check: raw.flags.get() & NEEDS_CHECK != 0,
            held_root: Some(raw.held_root.get()).filter(|root| *root != 0),
            data_mapping_root: raw.data_mapping_root.get(),
            device_details_root: raw.device_details_root.get(),
        })
    }

    /// The tree of the volumes' own trees.
    pub(super) const fn devices(&self) -> Tree {
        Tree { root: self.data_mapping_root, value_bytes: 8 }
    }

    /// The tree of what else is known of each volume.
    pub(super) const fn details(&self) -> Tree {
        Tree { root: self.device_details_root, value_bytes: DETAILS_BYTES }
    }
}
