//! The superblock of a journal: where the log begins, and in which form it is written (Linux `fs/jbd2/journal.c`,
//! `journal_get_superblock`, `journal_load_superblock`).

use super::layout::{MAGIC, RawJournalSuperblock};
use crate::bytes::zero;
use crate::checksum::crc32c;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result};
use zerocopy::FromBytes;

const SUPERBLOCK_BYTES: usize = 1024;
const CHECKSUM_OFFSET: usize = 0xFC;
/// `h_blocktype` of the two versions; the first has no features.
const VERSION_1: u32 = 3;
const VERSION_2: u32 = 4;

/// Features (Linux `JBD2_FEATURE_*`).
mod feature {
    pub(super) const COMPAT_CHECKSUM: u32 = 0x1;
    pub(super) const INCOMPAT_64BIT: u32 = 0x2;
    pub(super) const INCOMPAT_ASYNC_COMMIT: u32 = 0x4;
    pub(super) const INCOMPAT_CSUM_V2: u32 = 0x8;
    pub(super) const INCOMPAT_CSUM_V3: u32 = 0x10;
    pub(super) const INCOMPAT_FAST_COMMIT: u32 = 0x20;
    /// Revokes (0x1) among them.
    pub(super) const INCOMPAT_KNOWN: u32 = 0x3F;
}

/// What in the log has checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksums {
    None,
    /// The commit block has a CRC-32 over the descriptors and data of its transaction.
    V1,
    /// Every block has a crc32c; those of data are in the tags, of which 16 bits are kept.
    V2,
    /// As version 2, with all 32 bits.
    V3,
}

impl Checksums {
    /// Whether each block has a checksum of its own.
    pub(crate) const fn per_block(self) -> bool {
        matches!(self, Self::V2 | Self::V3)
    }
}

/// A checked journal superblock.
#[derive(Clone, Debug)]
pub(crate) struct JournalSuperblock {
    pub(crate) uuid: [u8; 16],
    /// The first block of the log proper, and the one after its last; positions wrap from there to `first`.
    pub(crate) first: u32,
    pub(crate) end: u32,
    /// The blocks of fast commits, behind the log proper.
    pub(crate) fast_commits: Option<std::ops::Range<u32>>,
    /// The first transaction to be replayed.
    pub(crate) sequence: u32,
    /// The block at which it begins; 0 when there is nothing to be replayed.
    pub(crate) start: u32,
    pub(crate) checksums: Checksums,
    /// Whether block numbers have 64 bits.
    pub(crate) is_64bit: bool,
    /// Whether commit blocks may reach the disk before the blocks of their transaction.
    pub(crate) async_commit: bool,
    /// Seed of the checksums of the log.
    pub(crate) checksum_seed: u32,
    /// An error that the kernel recorded while it was mounted.
    pub(crate) has_error: bool,
}

impl JournalSuperblock {
    /// Parses block 0 of a journal of `blocks` blocks of `block_bytes` bytes.
    pub(crate) fn parse(block: &[u8], block_bytes: u64, blocks: u64) -> Result<Self> {
        let bytes = block.get(..SUPERBLOCK_BYTES).ok_or_else(|| corrupt("the journal's superblock is cut short"))?;
        let raw = RawJournalSuperblock::ref_from_bytes(bytes)
            .map_err(|_| corrupt("the journal's superblock is cut short"))?;
        let bad = |what: &str, value: u32| corrupt(format!("the journal's {what} cannot be {value}"));
        let version = raw.s_header.h_blocktype.get();
        if raw.s_header.h_magic.get() != MAGIC || !matches!(version, VERSION_1 | VERSION_2) {
            let (magic, version) = (raw.s_header.h_magic.get(), version);
            return Err(corrupt(format!("the journal has no superblock (magic {magic:#010x}, version {version})")));
        }
        if u64::from(raw.s_blocksize.get()) != block_bytes {
            return Err(bad("block size", raw.s_blocksize.get()));
        }
        let (maxlen, first, start) = (raw.s_maxlen.get(), raw.s_first.get(), raw.s_start.get());
        if u64::from(maxlen) > blocks {
            return Err(bad("length", maxlen));
        }
        if first == 0 || first >= maxlen {
            return Err(bad("first block", first));
        }
        let form = Form::parse(bytes, raw, version)?;
        let (end, fast_commits) =
            if form.fast_commit { split(raw.s_num_fc_blks.get(), maxlen) } else { (maxlen, None) };
        if end <= first || (start != 0 && (start < first || start >= end)) {
            return Err(bad("start", start));
        }
        Ok(Self {
            uuid: raw.s_uuid,
            first,
            end,
            fast_commits,
            sequence: raw.s_sequence.get(),
            start,
            checksums: form.checksums,
            is_64bit: form.is_64bit,
            async_commit: form.async_commit,
            checksum_seed: crc32c(!0, &raw.s_uuid),
            has_error: raw.s_errno.get() != 0,
        })
    }

    /// The block of the log after `block`.
    pub(crate) const fn after(&self, block: u32, count: u32) -> Option<u32> {
        let Some(next) = block.checked_add(count) else { return None };
        if next < self.end { Some(next) } else { next.checked_sub(self.end.saturating_sub(self.first)) }
    }

    /// The size of a tag in a descriptor block, in bytes, without the UUID that may follow (Linux `journal_tag_bytes`).
    pub(crate) const fn tag_bytes(&self) -> usize {
        match (self.checksums, self.is_64bit) {
            (Checksums::V3, _) => 16,
            (Checksums::V2, true) => 14,
            (Checksums::V2, false) => 10,
            (_, true) => 12,
            (_, false) => 8,
        }
    }
}

/// The log proper, and behind it the blocks of fast commits (Linux `journal_load_superblock`).
fn split(fast_commit_blocks: u32, maxlen: u32) -> (u32, Option<std::ops::Range<u32>>) {
    const FAST_COMMIT_BLOCKS_DEFAULT: u32 = 256;
    /// The log proper has no fewer blocks.
    const LOG_BLOCKS_MIN: u32 = 1024;
    let count = if fast_commit_blocks == 0 { FAST_COMMIT_BLOCKS_DEFAULT } else { fast_commit_blocks };
    match maxlen.checked_sub(count) {
        Some(end) if end >= LOG_BLOCKS_MIN => (end, Some(end.saturating_add(1)..maxlen)),
        _ => (maxlen, None),
    }
}

/// What the features say.
struct Form {
    checksums: Checksums,
    is_64bit: bool,
    async_commit: bool,
    fast_commit: bool,
}

impl Form {
    fn parse(bytes: &[u8], raw: &RawJournalSuperblock, version: u32) -> Result<Self> {
        let unsupported = |what: String| Error::new(ErrorKind::Unsupported, what);
        if version == VERSION_1 {
            return Ok(Self { checksums: Checksums::None, is_64bit: false, async_commit: false, fast_commit: false });
        }
        let (compat, incompat) = (raw.s_feature_compat.get(), raw.s_feature_incompat.get());
        let unknown = incompat & !feature::INCOMPAT_KNOWN;
        if unknown != 0 {
            return Err(unsupported(format!("its journal uses features that are not known: {unknown:#x}")));
        }
        let has = |bit: u32| incompat & bit != 0;
        let v1 = compat & feature::COMPAT_CHECKSUM != 0;
        let checksums = match (v1, has(feature::INCOMPAT_CSUM_V2), has(feature::INCOMPAT_CSUM_V3)) {
            (false, false, false) => Checksums::None,
            (true, false, false) => Checksums::V1,
            (false, true, false) => Checksums::V2,
            (false, false, true) => Checksums::V3,
            _ => return Err(corrupt("the journal has checksums of more than one version")),
        };
        if checksums.per_block() {
            check_sum(bytes, raw)?;
        }
        Ok(Self {
            checksums,
            is_64bit: has(feature::INCOMPAT_64BIT),
            async_commit: has(feature::INCOMPAT_ASYNC_COMMIT),
            fast_commit: has(feature::INCOMPAT_FAST_COMMIT),
        })
    }
}

fn check_sum(bytes: &[u8], raw: &RawJournalSuperblock) -> Result<()> {
    const CRC32C: u8 = 4;
    if raw.s_checksum_type != CRC32C {
        let message = format!("journal checksums of type {} are not known", raw.s_checksum_type);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let mut blank = bytes.to_vec();
    zero(&mut blank, CHECKSUM_OFFSET, 4);
    let (expected, found) = (raw.s_checksum.get(), crc32c(!0, &blank));
    if expected != found {
        return Err(corrupt(format!("the journal's superblock: checksum {found:#010x}, not {expected:#010x}")));
    }
    Ok(())
}
