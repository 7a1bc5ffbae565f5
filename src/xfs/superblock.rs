//! The superblock: geometry, features, identity; checked as the kernel's `xfs_validate_sb_common` does.

use crate::features::Features;
use crate::layout::RawSuperblock;
use crate::verify;
use block::{ReadAt, ReadError, ReadErrorKind};
use vfs::reader::{corrupt, io};
use vfs::{Error, ErrorKind, Result};
use zerocopy::FromBytes;

const MAGIC: [u8; 4] = *b"XFSB";
/// Byte of `sb_crc`.
pub(crate) const CRC_OFFSET: usize = 224;
/// What `sb_logstart` and inode numbers say when there is none.
const NONE: u64 = u64::MAX;

/// Whether the volume holds XFS: the magic number is where it has to be.
///
/// # Errors
/// When the volume cannot be read.
pub fn probe(volume: &dyn ReadAt) -> std::result::Result<bool, ReadError> {
    let mut magic = [0; 4];
    match volume.read_exact_at(0, &mut magic) {
        Err(error) if error.kind == ReadErrorKind::OutOfRange => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(magic == MAGIC),
    }
}

/// Where the log is, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogGeometry {
    /// Block of the file system (`xfs_fsblock_t`) at which it begins; `None` when it is on a device of its own, at byte 0.
    pub(crate) start: Option<u64>,
    /// Its length in blocks of the file system.
    pub(crate) blocks: u64,
    /// log2 of the size of its sectors in bytes: 9 at least.
    pub(crate) sector_shift: u32,
    /// Records are padded to multiples of so many bytes; 0 or 1 when they are not.
    pub(crate) stripe_unit: u32,
}

/// The realtime part of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RealtimeGeometry {
    /// Its length in blocks.
    pub(crate) blocks: u64,
    /// Length of its unit of allocation in blocks.
    pub(crate) extent_blocks: u32,
    /// Its groups, with the feature `metadir`.
    pub(crate) groups: Option<RealtimeGroups>,
    /// Block of the data volume (counted from its start) at which it begins; 0 when it is on a device of its own.
    pub(crate) start: u64,
    /// Blocks of zones that are kept back.
    pub(crate) reserved: u64,
}

/// How block numbers of the realtime part are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RealtimeGroups {
    pub(crate) count: u32,
    /// Blocks of a group, the last one excepted.
    pub(crate) blocks: u64,
    /// Bits of a block number below the number of the group.
    pub(crate) shift: u32,
    /// Whether groups lie as far apart as `shift` says, and not one behind the other.
    pub(crate) has_gaps: bool,
}

/// Counters of the superblock; with lazy counting they are right after a clean unmount only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) inodes: u64,
    pub(crate) inodes_free: u64,
    pub(crate) blocks_free: u64,
    pub(crate) realtime_extents_free: u64,
}

/// A checked superblock.
#[derive(Clone, Debug)]
pub(crate) struct Superblock {
    pub(crate) features: Features,
    /// log2 of the block size in bytes: 9 to 16.
    pub(crate) block_shift: u32,
    /// log2 of the sector size in bytes: 9 to 15.
    pub(crate) sector_shift: u32,
    /// log2 of the size of an inode in bytes: 8 to 11.
    pub(crate) inode_shift: u32,
    /// log2 of the number of blocks in a block of a directory.
    pub(crate) dir_block_log: u32,
    /// Blocks of the data volume.
    pub(crate) blocks: u64,
    /// Blocks of an allocation group; the last may be shorter.
    pub(crate) ag_blocks: u64,
    pub(crate) ag_count: u64,
    /// Bits of a block number below the number of the group.
    pub(crate) ag_block_log: u32,
    /// The root directory.
    pub(crate) root: u64,
    /// The root of the metadata directory, with the feature `metadir`.
    pub(crate) metadir: Option<u64>,
    /// Inodes that are for the file system itself: quotas, realtime bitmap and summary.
    pub(crate) internal_inodes: Vec<u64>,
    pub(crate) log: LogGeometry,
    pub(crate) realtime: Option<RealtimeGeometry>,
    pub(crate) counters: Counters,
    /// `sb_lsn`: where the log ended when this was written; 0 before version 5.
    pub(crate) lsn: u64,
    /// Most of the space that inodes may take, in percent; 0 for no limit.
    pub(crate) inode_percent_max: u8,
    /// `sb_spino_align`: blocks of the smallest sparse inode chunk.
    pub(crate) sparse_inode_blocks: u32,
    pub(crate) label: Option<String>,
    /// What the user sees, and what a log is marked with.
    pub(crate) uuid: [u8; 16],
    /// What metadata is marked with.
    pub(crate) meta_uuid: [u8; 16],
    pub(crate) notices: Vec<String>,
}

impl Superblock {
    /// Reads the superblock at the start of `volume`.
    pub(crate) fn read(volume: &dyn ReadAt) -> Result<Self> {
        let bytes = read_sector(volume)?;
        let superblock = Self::parse(&bytes)?;
        let size = superblock.blocks << superblock.block_shift;
        if size > volume.size() {
            return Err(corrupt(format!(
                "the file system has {size} bytes and its volume {}: the volume is cut short",
                volume.size()
            )));
        }
        Ok(superblock)
    }

    /// Checks a superblock, which is all of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let raw = raw(bytes)?;
        let features = checked_features(raw)?;
        if features.is_v5() {
            verify::check_sum(bytes, CRC_OFFSET, &|| "the superblock".to_owned()).map_err(|error| {
                let advice = "xfs_repair, run on a copy of the disk, can restore it from one of its copies";
                Error { message: format!("{}; {advice}", error.message), ..error }
            })?;
        }
        if raw.sb_inprogress != 0 {
            return Err(corrupt("mkfs.xfs did not finish making this file system"));
        }
        let block_shift = shift("block", raw.sb_blocksize.get(), raw.sb_blocklog, 9..=16)?;
        let sector_shift = shift("sector", raw.sb_sectsize.get().into(), raw.sb_sectlog, 9..=15)?;
        let inode_shift = shift("inode", raw.sb_inodesize.get().into(), raw.sb_inodelog, 8..=11)?;
        let bad = |what: String| corrupt(format!("the superblock: {what}"));
        if features.is_v5() && (block_shift < 10 || inode_shift < 9) {
            return Err(bad(format!("blocks of 2^{block_shift} bytes with inodes of 2^{inode_shift}, in version 5")));
        }
        // Sectors larger than blocks cannot be, nor inodes; a block of a directory has 64 KiB at most.
        let inodes_per_block = block_shift.checked_sub(inode_shift);
        let dir_block_log = u32::from(raw.sb_dirblklog);
        if sector_shift > block_shift
            || inodes_per_block != Some(raw.sb_inopblog.into())
            || dir_block_log.saturating_add(block_shift) > 16
        {
            return Err(bad("sizes of sectors, inodes and directory blocks do not fit that of blocks".to_owned()));
        }
        let (blocks, ag_blocks, ag_count) =
            (raw.sb_dblocks.get(), u64::from(raw.sb_agblocks.get()), u64::from(raw.sb_agcount.get()));
        let ag_block_log = u32::from(raw.sb_agblklog);
        let log_fits = ag_blocks > 1 && ag_blocks.next_power_of_two().trailing_zeros() == ag_block_log;
        // The kernel's limits: a group of 1 TiB, bytes that fit a signed number.
        let is_small = ag_blocks.checked_shl(block_shift).is_some_and(|bytes| bytes <= 1 << 40)
            && blocks <= (i64::MAX.unsigned_abs() >> block_shift);
        if !log_fits || !is_small || blocks == 0 || ag_count != blocks.div_ceil(ag_blocks) {
            return Err(bad(format!("{ag_count} allocation groups of {ag_blocks} blocks for {blocks} blocks")));
        }
        let meta_uuid = if features.meta_uuid() { raw.sb_meta_uuid } else { raw.sb_uuid };
        let superblock = Self {
            features,
            block_shift,
            sector_shift,
            inode_shift,
            dir_block_log,
            blocks,
            ag_blocks,
            ag_count,
            ag_block_log,
            root: raw.sb_rootino.get(),
            metadir: features.metadir().then_some(raw.sb_metadirino.get()),
            internal_inodes: internal_inodes(raw, features),
            log: log_geometry(raw, features, block_shift)?,
            realtime: realtime_geometry(raw, features, block_shift)?,
            counters: Counters {
                inodes: raw.sb_icount.get(),
                inodes_free: raw.sb_ifree.get(),
                blocks_free: raw.sb_fdblocks.get(),
                realtime_extents_free: raw.sb_frextents.get(),
            },
            lsn: if features.is_v5() { raw.sb_lsn.get() } else { 0 },
            inode_percent_max: raw.sb_imax_pct.min(100),
            sparse_inode_blocks: if features.spinodes() { raw.sb_spino_align.get() } else { 0 },
            label: text(&raw.sb_fname),
            uuid: raw.sb_uuid,
            meta_uuid,
            notices: Vec::new(),
        };
        if superblock.inode_address(superblock.root).is_none() {
            return Err(bad(format!("inode {} as the root, which cannot be", superblock.root)));
        }
        Ok(superblock)
    }

    /// Size of a block in bytes.
    pub(crate) const fn block_bytes(&self) -> u64 {
        1 << self.block_shift
    }

    /// Size of a block in memory.
    pub(crate) const fn block_len(&self) -> usize {
        1 << self.block_shift
    }

    /// log2 of the number of inodes in a block.
    pub(crate) const fn inodes_per_block_log(&self) -> u32 {
        // Checked when it was parsed: an inode is not larger than a block.
        self.block_shift.saturating_sub(self.inode_shift)
    }

    /// Blocks of allocation group `group`; the last may be shorter than the others.
    pub(crate) fn ag_length(&self, group: u64) -> u64 {
        let before = group.saturating_mul(self.ag_blocks);
        self.blocks.saturating_sub(before).min(self.ag_blocks)
    }

    /// The byte of the data volume at which `count` blocks from `first` on begin (`xfs_fsblock_t`: group, then block of the
    /// group); `None` unless they exist and lie in one group.
    pub(crate) fn block_address(&self, first: u64, count: u64) -> Option<u64> {
        let group = first >> self.ag_block_log;
        let in_group = first & (1_u64 << self.ag_block_log).wrapping_sub(1);
        let is_inside =
            group < self.ag_count && in_group.checked_add(count).is_some_and(|end| end <= self.ag_length(group));
        // Cannot be cut off: the number of blocks was checked to leave room for the shift.
        is_inside.then(|| group.saturating_mul(self.ag_blocks).saturating_add(in_group) << self.block_shift)
    }

    /// The byte of the data volume at which inode `number` is; `None` when there cannot be such an inode.
    pub(crate) fn inode_address(&self, number: u64) -> Option<u64> {
        let block = number >> self.inodes_per_block_log();
        let in_block = number & (1_u64 << self.inodes_per_block_log()).wrapping_sub(1);
        // The superblock and the headers of the group are no inodes.
        if block & (1_u64 << self.ag_block_log).wrapping_sub(1) == 0 {
            return None;
        }
        self.block_address(block, 1).map(|address| address.saturating_add(in_block << self.inode_shift))
    }

    /// The byte of the data volume at which sector `sector` of allocation group `group` begins: superblock 0, AGF 1,
    /// AGI 2, AGFL 3.
    pub(crate) fn ag_sector_address(&self, group: u64, sector: u64) -> u64 {
        (group.saturating_mul(self.ag_blocks) << self.block_shift).saturating_add(sector << self.sector_shift)
    }
}

/// The first sector of `volume`, as long as its superblock says that a sector is.
pub(crate) fn read_sector(volume: &dyn ReadAt) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 512];
    volume.read_exact_at(0, &mut bytes).map_err(io)?;
    let length = usize::from(raw(&bytes)?.sb_sectsize.get());
    if length > bytes.len() && length.is_power_of_two() && length <= 1 << 15 {
        bytes.resize(length, 0);
        volume.read_exact_at(0, &mut bytes).map_err(io)?;
    }
    Ok(bytes)
}

/// The superblock at the start of `bytes`.
pub(crate) fn raw(bytes: &[u8]) -> Result<&RawSuperblock> {
    let (raw, _) = RawSuperblock::ref_from_prefix(bytes).map_err(|_| corrupt("the superblock is cut short"))?;
    if raw.sb_magicnum != MAGIC {
        return Err(corrupt("there is no XFS superblock"));
    }
    Ok(raw)
}

/// The features, unless one of them cannot be read.
fn checked_features(raw: &RawSuperblock) -> Result<Features> {
    let features = Features::of(raw);
    let unsupported = |message: String| Err(Error::new(ErrorKind::Unsupported, message));
    if !matches!(features.version(), 4 | 5) {
        return unsupported(format!("version {} of the format is not read", features.version()));
    }
    if let Some(names) = features.unreadable() {
        return unsupported(format!("it has what this version does not read: {names}"));
    }
    if features.needsrepair() {
        return unsupported(
            "it is marked as in need of repair (needsrepair): something was changed in it and not finished; run \
             xfs_repair on a copy of the disk, and open that"
                .to_owned(),
        );
    }
    Ok(features)
}

/// A size that must be the power of two that its logarithm says.
fn shift(what: &str, size: u32, log: u8, valid: std::ops::RangeInclusive<u32>) -> Result<u32> {
    let log = u32::from(log);
    if valid.contains(&log) && 1_u32.checked_shl(log) == Some(size) {
        return Ok(log);
    }
    Err(corrupt(format!("the superblock: a {what} size of {size} bytes, and 2^{log}")))
}

fn internal_inodes(raw: &RawSuperblock, features: Features) -> Vec<u64> {
    let mut found = vec![raw.sb_rbmino.get(), raw.sb_rsumino.get(), raw.sb_uquotino.get(), raw.sb_gquotino.get()];
    if features.is_v5() {
        found.push(raw.sb_pquotino.get());
    }
    found.retain(|number| !matches!(*number, 0 | NONE));
    found
}

fn log_geometry(raw: &RawSuperblock, features: Features, block_shift: u32) -> Result<LogGeometry> {
    /// Linux `XFS_MAX_LOG_BYTES`.
    const BYTES_MAX: u64 = (1 << 31) - 1;
    let blocks = u64::from(raw.sb_logblocks.get());
    let sector_shift = if features.log_sectors() { u32::from(raw.sb_logsectlog) } else { 9 };
    if !(9..=15).contains(&sector_shift) || blocks << block_shift > BYTES_MAX {
        return Err(corrupt(format!(
            "the superblock: a log of {blocks} blocks with sectors of 2^{sector_shift} bytes"
        )));
    }
    let start = Some(raw.sb_logstart.get()).filter(|start| *start != 0);
    Ok(LogGeometry { start, blocks, sector_shift, stripe_unit: raw.sb_logsunit.get() })
}

fn realtime_geometry(raw: &RawSuperblock, features: Features, block_shift: u32) -> Result<Option<RealtimeGeometry>> {
    let (blocks, extent_blocks) = (raw.sb_rblocks.get(), raw.sb_rextsize.get());
    if blocks == 0 {
        return Ok(None);
    }
    let bad = || corrupt(format!("the superblock: a realtime part of {blocks} blocks, {extent_blocks} in an extent"));
    let start = if features.zoned() { raw.sb_rtstart.get() } else { 0 };
    let end = blocks.checked_add(start).filter(|end| *end <= i64::MAX.unsigned_abs() >> block_shift);
    if extent_blocks == 0 || end.is_none() {
        return Err(bad());
    }
    let groups = if features.metadir() {
        let group_blocks = u64::from(raw.sb_rgextents.get()).saturating_mul(extent_blocks.into());
        let shift = u32::from(raw.sb_rgblklog);
        if group_blocks == 0 || shift > 32 || group_blocks > 1 << shift {
            return Err(bad());
        }
        let count = raw.sb_rgcount.get();
        Some(RealtimeGroups { count, blocks: group_blocks, shift, has_gaps: features.zone_gaps() })
    } else {
        None
    };
    let reserved = if features.zoned() { raw.sb_rtreserved.get() } else { 0 };
    Ok(Some(RealtimeGeometry { blocks, extent_blocks, groups, start, reserved }))
}

/// A label, lossily as text, up to its first zero byte; `None` when it is empty.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or(&[]);
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}
