//! Inodes: the core and the forks of one inode (Linux `fs/xfs/xfs_inode_item_recover.c`).

use super::buffer::{INODE_MAGIC, put_inode_checksum};
use super::fields::{Item, Region, cut_short};
use super::replay::Replay;
use super::{root, stamp};
use crate::bytes::{array, u16_at, u64_at};
use vfs::Result;
use vfs::reader::corrupt;

/// `ilf_fields`.
pub(crate) mod field {
    /// The data fork: its bytes, its extents, the root of its tree.
    pub(crate) const DATA: u32 = 0x002;
    pub(crate) const DATA_EXTENTS: u32 = 0x004;
    pub(crate) const DATA_ROOT: u32 = 0x008;
    pub(crate) const DEVICE: u32 = 0x010;
    /// The same of the attribute fork.
    pub(crate) const ATTR: u32 = 0x040;
    pub(crate) const ATTR_EXTENTS: u32 = 0x080;
    pub(crate) const ATTR_ROOT: u32 = 0x100;
    /// The blocks of a fork's tree have to be marked with this inode, as the forks of two inodes were exchanged.
    pub(crate) const DATA_OWNER: u32 = 0x200;
    pub(crate) const ATTR_OWNER: u32 = 0x400;
}

const DATA_FORK: u32 = field::DATA | field::DATA_EXTENTS | field::DATA_ROOT;
const ATTR_FORK: u32 = field::ATTR | field::ATTR_EXTENTS | field::ATTR_ROOT;
const OWNERS: u32 = field::DATA_OWNER | field::ATTR_OWNER;

/// `di_flags2`.
const BIGTIME: u64 = 1 << 3;
const LARGE_EXTENT_COUNTS: u64 = 1 << 4;
/// `DI_MAX_FLUSH`.
const FLUSHES_MAX: u16 = 0xFFFF;

/// Where the forks begin: behind the inode of version 3, or of an older one.
const CORE_V3: usize = 176;
const CORE_V2: usize = 100;
const LSN_OFFSET: usize = 112;
const FLUSHES_OFFSET: usize = 30;
const FLAGS2_OFFSET: usize = 120;
const FORKOFF_OFFSET: usize = 82;

/// `struct xfs_inode_log_format`, or the one without padding that 32-bit kernels write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InodeFormat {
    regions: u16,
    fields: u32,
    pub(crate) number: u64,
    device: u32,
    /// The buffer that the inode is in.
    pub(crate) sector: u64,
    pub(crate) sectors: u32,
    /// Byte of the buffer at which it begins.
    offset: usize,
}

impl InodeFormat {
    pub(crate) fn parse(item: &Item<'_>) -> Result<Self> {
        let region = item.region(0)?;
        let padding = match region.len() {
            56 => 4,
            52 => 0,
            length => return Err(corrupt(format!("the log is damaged: an inode's description of {length} bytes"))),
        };
        let at = |offset: usize| offset.saturating_add(padding);
        Ok(Self {
            regions: region.u16(2)?,
            fields: region.u32(4)?,
            number: region.u64(at(12))?,
            device: region.u32(at(20))?,
            sector: region.u64(at(36))?,
            sectors: region.u32(at(44))?,
            offset: usize::try_from(region.u32(at(48))?).unwrap_or(usize::MAX),
        })
    }
}

/// The parts of an inode in which it keeps its forks.
pub(crate) struct Forks {
    pub(crate) data: std::ops::Range<usize>,
    pub(crate) attr: std::ops::Range<usize>,
}

impl Forks {
    pub(crate) fn of(inode: &[u8]) -> Self {
        let start = if inode.get(4).is_some_and(|version| *version >= 3) { CORE_V3 } else { CORE_V2 };
        let offset = usize::from(inode.get(FORKOFF_OFFSET).copied().unwrap_or(0)).saturating_mul(8);
        let end = inode.len().max(start);
        let middle = if offset == 0 { end } else { start.saturating_add(offset).min(end) };
        Self { data: start..middle, attr: middle..end }
    }
}

impl Replay {
    /// Linux `xlog_recover_inode_commit_pass2`.
    pub(crate) fn inode(&mut self, item: &Item<'_>, lsn: u64) -> Result<()> {
        /// Of a buffer of inodes, in sectors of 512 bytes: 64 KiB.
        const SECTORS_MAX: u32 = 128;
        let format = InodeFormat::parse(item)?;
        if self.cancelled.contains(format.sector, format.sectors) {
            return Ok(());
        }
        let number = format.number;
        let bad = |what: &str| corrupt(format!("the log is damaged: inode {number}: {what}"));
        let inode_bytes = 1_usize << self.superblock.inode_shift;
        let end = format.offset.checked_add(inode_bytes).filter(|_| format.sectors <= SECTORS_MAX);
        let old = self.volume.read(format.sector, format.sectors.min(SECTORS_MAX).into())?;
        let mut new = old.clone();
        let place =
            end.and_then(|end| new.get_mut(format.offset..end)).ok_or_else(|| bad("it is outside its buffer"))?;
        if !place.starts_with(&INODE_MAGIC) {
            return Err(corrupt(format!("inode {number}, which the log changes, is not where the log says")));
        }
        let core = item.region(1)?;
        if core.u16(0)? != u16::from_be_bytes(INODE_MAGIC) {
            return Err(bad("what was logged of it is none"));
        }
        let is_newer = is_newer(place, core, lsn, self.superblock.features.is_v5())?;
        if !is_newer {
            put_core(core, place, lsn).map_err(|_| bad("what was logged of it is cut short"))?;
            if !self.superblock.features.is_v5() {
                put(place, FLUSHES_OFFSET, &[0; 2])?;
            }
            self.put_forks(item, format, place).map_err(|_| bad("its forks do not fit into it"))?;
            put_inode_checksum(place);
        }
        let (mode, inode) = (u16_at(place, 2), place.to_vec());
        self.volume.write(format.sector, &old, &new, &mut self.memory)?;
        if format.fields & OWNERS != 0 && mode != Some(0) {
            self.change_owner(&inode, format)?;
        }
        Ok(())
    }

    fn put_forks(&self, item: &Item<'_>, format: InodeFormat, inode: &mut [u8]) -> Result<()> {
        let forks = Forks::of(inode);
        let mut regions = item.regions.iter().skip(2).take(usize::from(format.regions.saturating_sub(2)));
        if format.fields & field::DEVICE != 0 {
            put(inode, forks.data.start, &format.device.to_be_bytes())?;
        }
        if format.fields & DATA_FORK != 0 {
            let region = regions.next().ok_or_else(cut_short)?;
            if format.fields & DATA_FORK == field::DATA_ROOT {
                let shape = root::shape(inode, self.superblock.features.is_v5())?;
                root::put(shape, region.bytes, inode.get_mut(forks.data).ok_or_else(cut_short)?)?;
            } else {
                put(inode.get_mut(forks.data).ok_or_else(cut_short)?, 0, region.bytes)?;
            }
        }
        if format.fields & ATTR_FORK != 0 {
            let region = regions.next().ok_or_else(cut_short)?;
            let fork = inode.get_mut(forks.attr).ok_or_else(cut_short)?;
            if format.fields & ATTR_FORK == field::ATTR_ROOT {
                root::put(root::Shape::block_map(self.superblock.features.is_v5()), region.bytes, fork)?;
            } else {
                put(fork, 0, region.bytes)?;
            }
        }
        Ok(())
    }

    /// Marks the blocks of the trees of an inode with its number (Linux `xfs_recover_inode_owner_change`).
    fn change_owner(&mut self, inode: &[u8], format: InodeFormat) -> Result<()> {
        let forks = Forks::of(inode);
        for (bit, fork) in [(field::DATA_OWNER, forks.data), (field::ATTR_OWNER, forks.attr)] {
            if format.fields & bit != 0 {
                let root = inode.get(fork).unwrap_or_default();
                self.own_tree(root, format.number)?;
            }
        }
        Ok(())
    }
}

/// Whether the inode on the disk is newer than what was logged.
fn is_newer(inode: &[u8], core: Region<'_>, lsn: u64, is_v5: bool) -> Result<bool> {
    if inode.get(4).is_some_and(|version| *version >= 3) {
        return Ok(u64_at(inode, LSN_OFFSET).is_some_and(|found| stamp::is_set(found) && found > lsn));
    }
    if is_v5 {
        return Ok(false);
    }
    let (logged, found) = (core.u16(FLUSHES_OFFSET)?, u16_at(inode, FLUSHES_OFFSET).unwrap_or(0));
    // The number may have begun again.
    let has_wrapped = found == FLUSHES_MAX && logged < FLUSHES_MAX >> 1;
    Ok(logged < found && !has_wrapped)
}

/// Writes a logged core over an inode (Linux `xfs_log_dinode_to_disk`). The fields lie where they do on the disk and
/// differ in the order of their bytes; `di_next_unlinked` stays as it is.
fn put_core(core: Region<'_>, inode: &mut [u8], lsn: u64) -> Result<()> {
    const U16: [usize; 7] = [0, 2, 6, 20, 22, 88, 90];
    const U32: [usize; 6] = [8, 12, 16, 72, 84, 92];
    const TIMES: [usize; 3] = [32, 40, 48];
    const U64: [usize; 2] = [56, 64];
    let mut swap16 = |at: usize| put(inode, at, &core.u16(at)?.to_be_bytes());
    U16.into_iter().try_for_each(&mut swap16)?;
    let [version, forkoff, aformat] = [4, 82, 83].map(|at| core.slice(at, 1));
    let is_v3 = version?.first().is_some_and(|version| *version >= 3);
    put(inode, 4, core.slice(4, 2)?)?;
    put(inode, 82, forkoff?)?;
    put(inode, 83, aformat?)?;
    U32.into_iter().try_for_each(|at| put(inode, at, &core.u32(at)?.to_be_bytes()))?;
    U64.into_iter().try_for_each(|at| put(inode, at, &core.u64(at)?.to_be_bytes()))?;
    let flags2 = if is_v3 { core.u64(FLAGS2_OFFSET)? } else { 0 };
    let put_time = |inode: &mut [u8], at: usize| {
        if flags2 & BIGTIME != 0 {
            return put(inode, at, &core.u64(at)?.to_be_bytes());
        }
        let nanoseconds = at.saturating_add(4);
        put(inode, at, &core.u32(at)?.to_be_bytes())?;
        put(inode, nanoseconds, &core.u32(nanoseconds)?.to_be_bytes())
    };
    TIMES.into_iter().try_for_each(|at| put_time(inode, at))?;
    if is_v3 {
        put(inode, 104, &core.u64(104)?.to_be_bytes())?;
        put(inode, LSN_OFFSET, &lsn.to_be_bytes())?;
        put(inode, FLAGS2_OFFSET, &flags2.to_be_bytes())?;
        put(inode, 128, &core.u32(128)?.to_be_bytes())?;
        put(inode, 132, &[0; 12])?;
        put_time(inode, 144)?;
        put(inode, 152, &core.u64(152)?.to_be_bytes())?;
        put(inode, 160, core.slice(160, 16)?)?;
        put(inode, 24, &[0; 8])?;
    } else {
        put(inode, 24, &[0; 6])?;
        put(inode, FLUSHES_OFFSET, &core.u16(FLUSHES_OFFSET)?.to_be_bytes())?;
    }
    put(inode, 76, &core.u32(76)?.to_be_bytes())?;
    put(inode, 80, &core.u16(80)?.to_be_bytes())?;
    if flags2 & LARGE_EXTENT_COUNTS != 0 {
        put(inode, 24, &core.u64(24)?.to_be_bytes())?;
    }
    Ok(())
}

fn put(to: &mut [u8], at: usize, bytes: &[u8]) -> Result<()> {
    let place = at.checked_add(bytes.len()).and_then(|end| to.get_mut(at..end)).ok_or_else(cut_short)?;
    place.copy_from_slice(bytes);
    Ok(())
}

/// `di_metatype` of an inode on the disk: what a file of the metadata directory is.
pub(crate) fn metatype(inode: &[u8]) -> u16 {
    array(inode, 6).map_or(0, u16::from_be_bytes)
}
