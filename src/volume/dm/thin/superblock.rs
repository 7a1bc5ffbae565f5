//! The superblock of a thin pool's metadata.

use super::{DETAILS_BYTES, Kind, Metadata, Tree};
use crate::Error;
use std::num::NonZeroU64;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `THIN_SUPERBLOCK_MAGIC`.
const MAGIC: u64 = 27_022_010;
/// `SUPERBLOCK_CSUM_XOR`.
const KIND: Kind = Kind { name: "the superblock of a thin pool", xor: 160_774, number_at: 8 };
/// `THIN_METADATA_NEEDS_CHECK_FLAG`.
const NEEDS_CHECK: u32 = 1;
/// Sectors of 512 bytes in a block of data: a multiple of 64 KiB up to 1 GiB (`DATA_DEV_BLOCK_SIZE_MIN_SECTORS` and `_MAX_`
/// of `dm-thin.c`).
const DATA_BLOCK_SECTORS_MIN: u32 = 128;
const DATA_BLOCK_SECTORS_MAX: u32 = 1 << 21;
/// Sectors of a block of metadata.
const METADATA_BLOCK_SECTORS: u32 = 8;

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
        let damaged = |what: String| Error::Damaged(format!("the superblock of the thin pool's metadata {what}"));
        if metadata.blocks() > 0 && metadata.unchecked(0, KIND)?.iter().all(|byte| *byte == 0) {
            return Err(damaged("is all zeros: the pool was never used, or its metadata were wiped".to_owned()));
        }
        let block = metadata.block(0, KIND)?;
        let (raw, _) = Raw::ref_from_prefix(&block).map_err(|_| damaged("is cut short".to_owned()))?;
        if raw.magic.get() != MAGIC {
            return Err(damaged(format!("has the magic number {} instead of {MAGIC}", raw.magic.get())));
        }
        if !matches!(raw.version.get(), 1 | 2) {
            return Err(damaged(format!("is of version {}; 1 and 2 are known", raw.version.get())));
        }
        if raw.incompat_flags.get() != 0 {
            return Err(damaged(format!("has the features {:#x}, which are not known here", raw.incompat_flags.get())));
        }
        if raw.metadata_block_size.get() != METADATA_BLOCK_SECTORS {
            return Err(damaged(format!("has metadata blocks of {} sectors", raw.metadata_block_size.get())));
        }
        let sectors = raw.data_block_size.get();
        let is_size = sectors.is_multiple_of(DATA_BLOCK_SECTORS_MIN) && sectors <= DATA_BLOCK_SECTORS_MAX;
        let block_bytes = NonZeroU64::new(u64::from(sectors).saturating_mul(512)).filter(|_| is_size);
        let block_bytes = block_bytes.ok_or_else(|| damaged(format!("has data blocks of {sectors} sectors")))?;
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
