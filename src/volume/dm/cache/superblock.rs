//! The superblock of a cache's metadata.

use crate::Error;
use crate::dm::persistent::{Common, Fields, Kind, Metadata};
use std::num::NonZeroU64;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `CACHE_SUPERBLOCK_MAGIC`, which the kernel writes as the octal number `06142003`.
const MAGIC: u64 = 0o6_142_003;
/// `SUPERBLOCK_CSUM_XOR`.
const KIND: Kind = Kind { name: "the superblock of a cache", xor: 9_031_977, number_at: 8 };
/// `CLEAN_SHUTDOWN` and `NEEDS_CHECK`, as bits.
const CLEAN_SHUTDOWN: u32 = 1;
const NEEDS_CHECK: u32 = 2;
/// Blocks are multiples of 32 KiB (`DATA_DEV_BLOCK_SIZE_MIN_SECTORS` of `dm-cache-target.c`).
const COMMON: Common =
    Common { owner: "cache", blocks: "blocks", kind: KIND, magic: MAGIC, data_block_sectors_min: 64 };

/// `struct cache_disk_superblock`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    csum: U32,
    flags: U32,
    blocknr: U64,
    uuid: [u8; 16],
    magic: U64,
    version: U32,
    policy_name: [u8; 16],
    policy_hint_size: U32,
    metadata_space_map_root: [u8; 128],
    mapping_root: U64,
    hint_root: U64,
    discard_root: U64,
    discard_block_size: U64,
    discard_nr_blocks: U64,
    /// In sectors of 512 bytes, as the next.
    data_block_size: U32,
    metadata_block_size: U32,
    cache_blocks: U32,
    compat_flags: U32,
    compat_ro_flags: U32,
    incompat_flags: U32,
    read_hits: U32,
    read_misses: U32,
    write_hits: U32,
    write_misses: U32,
    policy_version: [U32; 3],
    /// Of version 2.
    dirty_root: U64,
}

/// The superblock, checked.
pub(super) struct Superblock {
    pub(super) is_clean_shutdown: bool,
    pub(super) needs_check: bool,
    pub(super) block_bytes: NonZeroU64,
    pub(super) cache_blocks: u32,
    pub(super) mapping_root: u64,
    /// Where it is a set of its own which blocks are dirty: version 2.
    pub(super) dirty_root: Option<u64>,
    pub(super) policy: String,
}

impl Superblock {
    pub(super) fn read(metadata: &Metadata) -> Result<Self, Error> {
        let block = COMMON.block(metadata)?;
        let (raw, _) = Raw::ref_from_prefix(&block).map_err(|_| COMMON.damaged("is cut short"))?;
        let version = raw.version.get();
        let block_bytes = COMMON.check(&Fields {
            magic: raw.magic.get(),
            version,
            incompat_flags: raw.incompat_flags.get(),
            metadata_block_size: raw.metadata_block_size.get(),
            data_block_size: raw.data_block_size.get(),
        })?;
        let policy = raw.policy_name.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Self {
            is_clean_shutdown: raw.flags.get() & CLEAN_SHUTDOWN != 0,
            needs_check: raw.flags.get() & NEEDS_CHECK != 0,
            block_bytes,
            cache_blocks: raw.cache_blocks.get(),
            mapping_root: raw.mapping_root.get(),
            dirty_root: (version == 2).then(|| raw.dirty_root.get()),
            policy: String::from_utf8_lossy(policy).into_owned(),
        })
    }
}
