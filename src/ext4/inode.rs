//! Inodes: what is known of a file, and where its data is described.

use crate::bytes::{array, u16_at, u32_at, zero};
use crate::checksum::crc32c;
use crate::device::Device;
use crate::inode_table::read_record;
use crate::layout::{RawInode, RawInodeExtra};
use crate::superblock::Superblock;
use vfs::reader::corrupt;
use vfs::{Attr, Device as DeviceNumber, Error, ErrorKind, FileType, NodeFlags, NodeId, Result, Timestamp};
use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

/// The root directory.
pub(crate) const ROOT: NodeId = NodeId(2);

/// Inode flags that matter for reading (Linux `EXT4_*_FL`).
pub(crate) mod flag {
    pub(crate) const ENCRYPT: u32 = 0x800;
    pub(crate) const INDEX: u32 = 0x1000;
    pub(crate) const HUGE_FILE: u32 = 0x4_0000;
    pub(crate) const EXTENTS: u32 = 0x8_0000;
    /// The data of the file can be checked against a Merkle tree behind its end.
    pub(crate) const VERITY: u32 = 0x10_0000;
    pub(crate) const INLINE_DATA: u32 = 0x1000_0000;
    /// The data of the inode is the value of an extended attribute.
    pub(crate) const EA_INODE: u32 = 0x20_0000;
    /// Names in this directory are looked up without regard to case.
    pub(crate) const CASEFOLD: u32 = 0x4000_0000;
    /// New entries of the directory belong to its project.
    pub(crate) const PROJECT_INHERIT: u32 = 0x2000_0000;
    /// What users see (Linux `EXT4_FL_USER_VISIBLE`): all but `EXT4_IMAGIC_FL`, `EXT4_HUGE_FILE_FL`, `EXT4_EA_INODE_FL`
    /// and the bits without a meaning.
    pub(crate) const VISIBLE: u32 = 0x725B_DFFF;
}

/// An inode in use.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) number: NodeId,
    pub(crate) attr: Attr,
    pub(crate) flags: u32,
    generation: u32,
    /// The project whose quota the inode counts towards; 0 without the feature `project`.
    project: u32,
    /// Block map or root of the extent tree, target of a short symlink, or device number.
    pub(crate) i_block: [u8; 60],
    /// Block with extended attributes; 0 for none.
    pub(crate) xattr_block: u64,
    /// The part behind the fixed fields: extended attributes may be in it.
    pub(crate) tail: Vec<u8>,
    /// Seed of the checksums of blocks that belong to this inode.
    pub(crate) checksum_seed: u32,
}

impl Inode {
    /// Reads an inode that is in use.
    pub(crate) fn read(device: &Device, number: NodeId) -> Result<Self> {
        Self::parse(&device.superblock, number, read_record(device, number)?, Verify::Checksum)
    }

    /// The inode in a record that was put together in memory.
    pub(crate) fn of_record(device: &Device, number: NodeId, record: Vec<u8>) -> Result<Self> {
        Self::parse(&device.superblock, number, record, Verify::Nothing)
    }

    fn parse(superblock: &Superblock, number: NodeId, mut bytes: Vec<u8>, verify: Verify) -> Result<Self> {
        let cut = || corrupt(format!("inode {} is cut short", number.0));
        let (raw, extra) = RawInode::ref_from_prefix(&bytes).map_err(|_| cut())?;
        let generation = raw.i_generation.get();
        let number_le = u32::try_from(number.0).unwrap_or(u32::MAX).to_le_bytes();
        let checksum_seed = crc32c(crc32c(superblock.checksum_seed, &number_le), &generation.to_le_bytes());
        let extra_bytes = extra_size(number, extra)?;
        if verify == Verify::Checksum {
            check_sum(superblock, number, checksum_seed, &bytes, extra_bytes)?;
        }
        // Where the record has room for fixed fields but does not say that they are in use, the kernel takes them as they
        // are.
        let fields_bytes = if extra_bytes == 0 { size_of::<RawInodeExtra>().min(extra.len()) } else { extra_bytes };
        let extra = Extra::new(extra, fields_bytes);
        let attr = attributes(superblock, number, raw, extra)?;
        let project = extra.field(32, |extra| extra.i_projid).filter(|_| superblock.features.project()).unwrap_or(0);
        let flags = raw.i_flags.get();
        let i_block = raw.i_block;
        let high = if superblock.features.is_64bit() { u64::from(raw.i_file_acl_high.get()) << 32 } else { 0 };
        let xattr_block = high | u64::from(raw.i_file_acl_lo.get());
        let tail_at = if extra_bytes == 0 { bytes.len() } else { size_of::<RawInode>().saturating_add(extra_bytes) };
        let tail = bytes.split_off(tail_at.min(bytes.len()));
        Ok(Self { number, attr, flags, generation, project, i_block, xattr_block, tail, checksum_seed })
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.attr.file_type == FileType::Directory
    }

    /// What `lsattr` shows (Linux `ext4_fileattr_get`): a file has no entries that could inherit its project.
    pub(crate) fn visible_flags(&self) -> NodeFlags {
        let is_file = self.attr.file_type == FileType::Regular;
        let hidden = if is_file { flag::PROJECT_INHERIT } else { 0 };
        NodeFlags {
            flags: self.flags & flag::VISIBLE & !hidden,
            generation: self.generation,
            project: self.project,
            ..NodeFlags::default()
        }
    }

    /// Whether contents, names of entries or target are encrypted; attributes are not.
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.flags & flag::ENCRYPT != 0
    }

    /// Whether the data can be verified (fs-verity).
    pub(crate) const fn is_verity(&self) -> bool {
        self.flags & flag::VERITY != 0
    }

    pub(crate) const fn has_extents(&self) -> bool {
        self.flags & flag::EXTENTS != 0
    }

    /// Whether data, entries or target are in the inode, `i_block` first.
    pub(crate) const fn has_inline_data(&self) -> bool {
        self.flags & flag::INLINE_DATA != 0
    }

    /// Whether the target of this symlink is in `i_block` (Linux `ext4_inode_is_fast_symlink`).
    pub(crate) fn is_fast_symlink(&self, superblock: &Superblock) -> bool {
        let xattr_bytes = if self.xattr_block == 0 { 0 } else { superblock.cluster_bytes() };
        self.attr.file_type == FileType::Symlink && self.attr.allocated == xattr_bytes && !self.has_inline_data()
    }

    /// What the data of this inode is, for messages.
    pub(crate) fn name(&self) -> String {
        format!("inode {}", self.number.0)
    }
}

/// What is verified of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verify {
    Checksum,
    Nothing,
}

/// The inode that comes next in the list of orphans: it is kept where the time of deletion will be.
pub(crate) fn next_orphan(record: &[u8]) -> u64 {
    RawInode::ref_from_prefix(record).map_or(0, |(raw, _)| raw.i_dtime.get().into())
}

/// The bytes that an inode takes to which no name leads; `None` for one that has names, or is not one.
pub(crate) fn allocated_if_deleted(superblock: &Superblock, record: &[u8]) -> Option<u64> {
    let (raw, _) = RawInode::ref_from_prefix(record).ok()?;
    (raw.i_links_count.get() == 0 && raw.i_mode.get() != 0).then(|| allocated(superblock, raw))
}

/// The type of file that a record is of.
pub(crate) fn file_type_of(record: &[u8]) -> Option<FileType> {
    u16_at(record, 0).and_then(FileType::of_mode)
}

/// The flags in a record.
pub(crate) fn flags_of(record: &[u8]) -> u32 {
    u32_at(record, 0x20).unwrap_or(0)
}

/// How many bytes behind the first 128 belong to fixed fields.
fn extra_size(number: NodeId, extra: &[u8]) -> Result<usize> {
    let Some(size) = u16_at(extra, 0).map(usize::from) else { return Ok(0) };
    if size > extra.len() || size % 4 != 0 {
        let message = format!("inode {}: {size} extra bytes in a record with room for {}", number.0, extra.len());
        return Err(corrupt(message));
    }
    Ok(size)
}

/// Verifies the inode's checksum (Linux `ext4_inode_csum`).
fn check_sum(superblock: &Superblock, number: NodeId, seed: u32, bytes: &[u8], extra_bytes: usize) -> Result<()> {
    const LOW: usize = 0x7C;
    const HIGH: usize = 0x82;
    if !superblock.features.metadata_csum() {
        return Ok(());
    }
    let has_high = extra_bytes >= 4;
    let low = u32::from(u16_at(bytes, LOW).unwrap_or(0));
    let high = u16_at(bytes, HIGH).filter(|_| has_high).map(u32::from);
    let mut blank = bytes.to_vec();
    zero(&mut blank, LOW, 2);
    if has_high {
        zero(&mut blank, HIGH, 2);
    }
    let sum = crc32c(seed, &blank);
    let (expected, found) = match high {
        Some(high) => (high << 16 | low, sum),
        None => (low, sum & 0xFFFF),
    };
    // A record that was never used is all zeros, without a checksum: it is simply not in use.
    if expected != found && bytes.iter().any(|byte| *byte != 0) {
        return Err(corrupt(format!("inode {}: checksum {found:#010x}, not {expected:#010x}", number.0)));
    }
    Ok(())
}

/// The fields behind the first 128 bytes, as far as the inode has them.
#[derive(Clone, Copy)]
struct Extra<'a> {
    raw: Option<&'a RawInodeExtra>,
    bytes: usize,
}

impl<'a> Extra<'a> {
    fn new(extra: &'a [u8], bytes: usize) -> Self {
        Self { raw: RawInodeExtra::ref_from_prefix(extra).ok().map(|(raw, _)| raw), bytes }
    }

    /// The field that ends at byte `end`, if the inode says that it has so many.
    fn field(&self, end: usize, field: impl Fn(&RawInodeExtra) -> U32) -> Option<u32> {
        self.raw.filter(|_| self.bytes >= end).map(|raw| field(raw).get())
    }
}

fn attributes(superblock: &Superblock, number: NodeId, raw: &RawInode, extra: Extra<'_>) -> Result<Attr> {
    let mode = raw.i_mode.get();
    if raw.i_links_count.get() == 0 {
        return Err(Error::new(ErrorKind::NotFound, format!("inode {} is not in use", number.0)));
    }
    let file_type =
        FileType::of_mode(mode).ok_or_else(|| corrupt(format!("inode {}: no file has mode {mode:#o}", number.0)))?;
    let has_high_size = file_type == FileType::Regular || superblock.features.large_dir();
    let size_high = if has_high_size { u64::from(raw.i_size_high.get()) << 32 } else { 0 };
    let size = size_high | u64::from(raw.i_size_lo.get());
    if i64::try_from(size).is_err() {
        return Err(corrupt(format!("inode {}: no file has {size} bytes", number.0)));
    }
    // The kernel shows data in the inode as if it were in sectors, so that nobody takes such a file for a hole.
    let has_inline_data = file_type == FileType::Regular && raw.i_flags.get() & flag::INLINE_DATA != 0;
    let inline_bytes = if has_inline_data { size.next_multiple_of(512) } else { 0 };
    let is_device = matches!(file_type, FileType::CharDevice | FileType::BlockDevice);
    Ok(Attr {
        file_type,
        permissions: mode & 0o7777,
        links: raw.i_links_count.get().into(),
        uid: u32::from(raw.i_uid_high.get()) << 16 | u32::from(raw.i_uid.get()),
        gid: u32::from(raw.i_gid_high.get()) << 16 | u32::from(raw.i_gid.get()),
        size,
        allocated: allocated(superblock, raw).saturating_add(inline_bytes),
        accessed: timestamp(raw.i_atime.get(), extra.field(16, |extra| extra.i_atime_extra)),
        modified: timestamp(raw.i_mtime.get(), extra.field(12, |extra| extra.i_mtime_extra)),
        changed: timestamp(raw.i_ctime.get(), extra.field(8, |extra| extra.i_ctime_extra)),
        created: extra
            .field(20, |extra| extra.i_crtime)
            .map(|seconds| timestamp(seconds, extra.field(24, |extra| extra.i_crtime_extra))),
        device: if is_device { device_number(&raw.i_block) } else { None },
    })
}

/// Allocated bytes (Linux `ext4_inode_blocks`): units of 512 bytes, or of blocks for huge files.
fn allocated(superblock: &Superblock, raw: &RawInode) -> u64 {
    let low = u64::from(raw.i_blocks_lo.get());
    if !superblock.features.huge_file() {
        return low << 9;
    }
    let units = u64::from(raw.i_blocks_high.get()) << 32 | low;
    let shift = if raw.i_flags.get() & flag::HUGE_FILE != 0 { superblock.block_shift } else { 9 };
    units.checked_shl(shift).unwrap_or(u64::MAX)
}

/// A time from its seconds and its extra field: two more bits of seconds, then nanoseconds (Linux
/// `ext4_decode_extra_time`).
fn timestamp(seconds: u32, extra: Option<u32>) -> Timestamp {
    let extra = extra.unwrap_or(0);
    let seconds = i64::from(seconds.cast_signed());
    let epoch = i64::from(extra & 3) << 32;
    Timestamp { seconds: seconds.saturating_add(epoch), nanoseconds: (extra >> 2).min(999_999_999) }
}

/// The device number in `i_block`: 16 bits in the first word, or 32 in the second (Linux `old_decode_dev`,
/// `new_decode_dev`).
fn device_number(i_block: &[u8; 60]) -> Option<DeviceNumber> {
    let old = u32::from_le_bytes(array(i_block, 0)?);
    if old != 0 {
        return Some(DeviceNumber { major: (old >> 8) & 0xFF, minor: old & 0xFF });
    }
    let new = u32::from_le_bytes(array(i_block, 4)?);
    Some(DeviceNumber { major: (new >> 8) & 0xFFF, minor: (new & 0xFF) | ((new >> 12) & 0xF_FF00) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_reach_from_1901_to_2446() {
        let at = |seconds: i32, extra| timestamp(seconds as u32, extra);
        assert_eq!(at(-1, None), Timestamp { seconds: -1, nanoseconds: 0 });
        assert_eq!(at(i32::MIN, Some(0)).seconds, -2_147_483_648);
        assert_eq!(at(-1, Some(1)).seconds, 0xFFFF_FFFF);
        assert_eq!(at(i32::MAX, Some(3)).seconds, 0x3_7FFF_FFFF);
        assert_eq!(at(5, Some(999_999_999 << 2)), Timestamp { seconds: 5, nanoseconds: 999_999_999 });
    }

    #[test]
    fn device_numbers_have_an_old_and_a_new_form() {
        let number = |first: u32, second: u32| {
            let mut i_block = [0; 60];
            i_block[..4].copy_from_slice(&first.to_le_bytes());
            i_block[4..8].copy_from_slice(&second.to_le_bytes());
            device_number(&i_block).map(|number| (number.major, number.minor))
        };
        assert_eq!(number(0x0103, 0), Some((1, 3)));
        assert_eq!(number(0, (300 & 0xFFF) << 8 | 70_000 & 0xFF | (70_000 & !0xFF) << 12), Some((300, 70_000)));
    }

    #[test]
    fn extra_bytes_beyond_the_record_are_corrupt() {
        assert_eq!(extra_size(ROOT, &[]).unwrap(), 0);
        assert_eq!(extra_size(ROOT, &[32, 0, 0, 0].repeat(32)).unwrap(), 32);
        assert!(extra_size(ROOT, &[200, 0, 0, 0]).is_err());
        assert!(extra_size(ROOT, &[3, 0, 0, 0]).is_err());
    }
}
