//! The superblock of a cache's metadata.

use crate::Error;
use crate::dm::persistent::{Kind, Metadata};
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
/// Sectors of 512 bytes in a block of the cache: a multiple of 32 KiB up to 1 GiB (`DATA_DEV_BLOCK_SIZE_MIN_SECTORS` and
/// `_MAX_` of `dm-cache-target.c`).
const DATA_BLOCK_SECTORS_MIN: u32 = 64;
const DATA_BLOCK_SECTORS_MAX: u32 = 1 << 21;
/// Sectors of a block of metadata.
const METADATA_BLOCK_SECTORS: u32 = 8;

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
        let damaged = |what: String| Error::Damaged(format!("the superblock of the cache's metadata {what}"));
        if metadata.blocks() > 0 && metadata.unchecked(0, KIND)?.iter().all(|byte| *byte == 0) {
            return Err(damaged("is all zeros: the cache was never used, or its metadata were wiped".to_owned()));
        }
        let block = metadata.block(0, KIND)?;
        let (raw, _) = Raw::ref_from_prefix(&block).map_err(|_| damaged("is cut short".to_owned()))?;
        if raw.magic.get() != MAGIC {
            return Err(damaged(format!("has the magic number {} instead of {MAGIC}", raw.magic.get())));
        }
        let version = raw.version.get();
        if !matches!(version, 1 | 2) {
            return Err(damaged(format!("is of version {version}; 1 and 2 are known")));
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
        let block_bytes = block_bytes.ok_or_else(|| damaged(format!("has blocks of {sectors} sectors")))?;
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
