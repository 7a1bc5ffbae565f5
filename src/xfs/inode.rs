//! Inodes: what is known of a file, and where its data and attributes are described.

use crate::device::{Device, Part};
use crate::fork::{Fork, Which};
use crate::layout::{RawInode, RawInodeV3, RawTimestamp};
use crate::superblock::Superblock;
use crate::time;
use crate::verify;
use vfs::reader::corrupt;
use vfs::{Attr, Device as DeviceNumber, Error, ErrorKind, FileType, NodeFlags, NodeId, Result};
use zerocopy::FromBytes;

const MAGIC: [u8; 2] = *b"IN";
/// Bytes of the fixed fields: in versions 1 and 2, and in version 3.
const CORE_BYTES: usize = size_of::<RawInode>();
const CORE_BYTES_V3: usize = CORE_BYTES + size_of::<RawInodeV3>();

/// Bits of `di_flags` that matter for reading.
pub(crate) mod flag {
    pub(crate) const REALTIME: u16 = 0x1;
}

/// Bits of `di_flags2` that matter for reading.
pub(crate) mod flag2 {
    pub(crate) const COWEXTSIZE: u64 = 0x4;
    pub(crate) const BIGTIME: u64 = 0x8;
    pub(crate) const NREXT64: u64 = 0x10;
    /// A file of the metadata directory tree, which no user sees.
    pub(crate) const METADATA: u64 = 0x20;
}

/// An inode in use.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) number: NodeId,
    pub(crate) attr: Attr,
    /// `di_flags`.
    pub(crate) flags: u16,
    /// `di_flags2`; 0 before version 3.
    pub(crate) flags2: u64,
    generation: u32,
    project: u32,
    /// Hints in blocks: for allocation, and for copies on write.
    extent_size: u32,
    cow_extent_size: u32,
    pub(crate) data: Fork,
    /// Where the extended attributes are; `None` where there never were any.
    pub(crate) attributes: Option<Fork>,
}

impl Inode {
    /// Reads an inode that is in use. One that was deleted while it was open is: no name leads to it, except where a change
    /// is half done.
    pub(crate) fn read(device: &Device, number: NodeId) -> Result<Self> {
        let superblock = &device.superblock;
        let address = superblock
            .inode_address(number.0)
            .ok_or_else(|| corrupt(format!("inode {} is outside the file system", number.0)))?;
        let mut record = vec![0; 1 << superblock.inode_shift];
        device.read(address, &mut record)?;
        Self::parse(superblock, number, &record)
    }

    /// The inode in `record`, which is as long as inodes of this file system are.
    pub(crate) fn parse(superblock: &Superblock, number: NodeId, record: &[u8]) -> Result<Self> {
        let bad = |what: &str| corrupt(format!("inode {}: {what}", number.0));
        let (raw, rest) = RawInode::ref_from_prefix(record).map_err(|_| bad("it is cut short"))?;
        if raw.di_magic != MAGIC {
            return Err(bad("there is no inode"));
        }
        let v3 = version_3(superblock, number, raw, rest, record)?;
        let mode = raw.di_mode.get();
        let links = if raw.di_version == 1 { raw.di_onlink.get().into() } else { raw.di_nlink.get() };
        if mode == 0 {
            return Err(unused(number));
        }
        let flags2 = v3.map_or(0, |v3| v3.di_flags2.get());
        let (data, attributes) = forks(number, raw, flags2, record)?;
        let attr = attributes_of(superblock, number, raw, v3, &data)?;
        let attr = Attr { links, ..attr };
        let has_project = raw.di_version > 1;
        let high = if superblock.features.projid32() { u32::from(raw.di_projid_hi.get()) << 16 } else { 0 };
        Ok(Self {
            number,
            attr,
            flags: raw.di_flags.get(),
            flags2,
            generation: raw.di_gen.get(),
            project: if has_project { high | u32::from(raw.di_projid_lo.get()) } else { 0 },
            extent_size: raw.di_extsize.get(),
            cow_extent_size: v3.map_or(0, |v3| v3.di_cowextsize.get()),
            data,
            attributes,
        })
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.attr.file_type == FileType::Directory
    }

    /// A file of the file system itself, of the metadata directory tree.
    pub(crate) const fn is_metadata(&self) -> bool {
        self.flags2 & flag2::METADATA != 0
    }

    /// `di_used_blocks` of the reverse mappings of a zone, which is in the place of the hint for copies on write.
    pub(crate) const fn used_blocks(&self) -> u32 {
        self.cow_extent_size
    }

    /// The volume that the blocks of a fork are on.
    pub(crate) fn part(&self, which: Which) -> Part {
        let is_realtime = self.flags & flag::REALTIME != 0 && self.attr.file_type == FileType::Regular;
        if which == Which::Data && is_realtime { Part::Realtime } else { Part::Data }
    }

    /// The fork, if the inode has it.
    pub(crate) const fn fork(&self, which: Which) -> Option<&Fork> {
        match which {
            Which::Data => Some(&self.data),
            Which::Attributes => self.attributes.as_ref(),
        }
    }

    /// Tells the files apart that had this number one after the other.
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    /// What `lsattr` and `xfs_io -c stat` show (Linux `xfs_fileattr_get`).
    pub(crate) fn visible_flags(&self, superblock: &Superblock) -> NodeFlags {
        let xflags = self.xflags();
        let hint = |blocks: u32| blocks.checked_shl(superblock.block_shift).unwrap_or(0);
        NodeFlags {
            flags: NodeFlags::from_extended(xflags),
            extended: Some(xflags),
            generation: self.generation,
            project: self.project,
            extent_size_hint: hint(self.extent_size),
            cow_extent_size_hint: if self.flags2 & flag2::COWEXTSIZE == 0 { 0 } else { hint(self.cow_extent_size) },
        }
    }

    /// `fsx_xflags` (Linux `xfs_ip2xflags`).
    fn xflags(&self) -> u32 {
        const HAS_ATTRIBUTES: u32 = 0x8000_0000;
        /// Bits of `di_flags` that are the same there: all but `XFS_DIFLAG_NEWRTBM`.
        const SAME: u16 = 0x7FFB;
        let of_flags2 = XFLAGS2.iter().filter(|(flag, _)| self.flags2 & flag != 0);
        let attributes = if self.attributes.is_some() { HAS_ATTRIBUTES } else { 0 };
        of_flags2.fold(u32::from(self.flags & SAME) | attributes, |all, (_, xflag)| all | xflag)
    }

    /// What the data of this inode is, for messages.
    pub(crate) fn name(&self) -> String {
        format!("inode {}", self.number.0)
    }
}

/// Bits of `di_flags2` and what they are in `fsx_xflags`: DAX, COWEXTSIZE.
const XFLAGS2: &[(u64, u32)] = &[(0x1, 0x8000), (0x4, 0x1_0000)];

fn unused(number: NodeId) -> Error {
    Error::new(ErrorKind::NotFound, format!("inode {} is not in use", number.0))
}

/// The part that only version 3 has, with everything that it says of itself verified.
fn version_3<'a>(
    superblock: &Superblock,
    number: NodeId,
    raw: &RawInode,
    rest: &'a [u8],
    record: &[u8],
) -> Result<Option<&'a RawInodeV3>> {
    let bad = |what: String| corrupt(format!("inode {}: {what}", number.0));
    match (raw.di_version, superblock.features.is_v5()) {
        (1 | 2, false) => return Ok(None),
        (3, true) => {}
        (version, _) => return Err(bad(format!("version {version} in this version of the file system"))),
    }
    let (v3, _) = RawInodeV3::ref_from_prefix(rest).map_err(|_| bad("it is cut short".to_owned()))?;
    verify::check_sum(record, CORE_BYTES, &|| format!("inode {}", number.0))?;
    if v3.di_ino.get() != number.0 {
        return Err(bad(format!("it says that it is inode {}", v3.di_ino.get())));
    }
    if v3.di_uuid != superblock.meta_uuid {
        return Err(bad("it belongs to another file system".to_owned()));
    }
    Ok(Some(v3))
}

/// The two forks (Linux `xfs_dinode_verify`, `XFS_DFORK_DSIZE` and the like).
fn forks(number: NodeId, raw: &RawInode, flags2: u64, record: &[u8]) -> Result<(Fork, Option<Fork>)> {
    let bad = |what: String| corrupt(format!("inode {}: {what}", number.0));
    let core = if raw.di_version == 3 { CORE_BYTES_V3 } else { CORE_BYTES };
    let literal = record.get(core..).unwrap_or(&[]);
    let boundary = usize::from(raw.di_forkoff).saturating_mul(8);
    let (data, attributes) = match boundary {
        0 => (literal, None),
        // At least one attribute fits, or there is no fork.
        _ => {
            let (data, attributes) = literal
                .split_at_checked(boundary)
                .filter(|(_, attributes)| !attributes.is_empty())
                .ok_or_else(|| bad(format!("an attribute fork at byte {boundary} of {}", literal.len())))?;
            (data, Some(attributes))
        }
    };
    let (extents, attribute_extents) = extent_counts(raw, flags2);
    let name = |which: &str| format!("inode {}: the {which} fork", number.0);
    let data = Fork::parse(raw.di_format, data, extents, &|| name("data"))?;
    let attributes = attributes
        .map(|attributes| Fork::parse(raw.di_aformat, attributes, attribute_extents, &|| name("attribute")))
        .transpose()?;
    Ok((data, attributes))
}

/// Numbers of extents of the data and the attribute fork.
fn extent_counts(raw: &RawInode, flags2: u64) -> (u64, u64) {
    if flags2 & flag2::NREXT64 != 0 {
        (raw.di_big_nextents.get(), raw.di_nextents.get().into())
    } else {
        (raw.di_nextents.get().into(), raw.di_anextents.get().into())
    }
}

fn attributes_of(
    superblock: &Superblock,
    number: NodeId,
    raw: &RawInode,
    v3: Option<&RawInodeV3>,
    data: &Fork,
) -> Result<Attr> {
    let bad = |what: String| corrupt(format!("inode {}: {what}", number.0));
    let mode = raw.di_mode.get();
    let file_type = FileType::of_mode(mode).ok_or_else(|| bad(format!("mode {mode:#o} is of no type of file")))?;
    let device = match (file_type, data) {
        (FileType::CharDevice | FileType::BlockDevice, Fork::Device(number)) => Some(device_number(*number)),
        (FileType::CharDevice | FileType::BlockDevice | FileType::Fifo | FileType::Socket, _)
            if !matches!(data, Fork::Device(_)) =>
        {
            return Err(bad("a special file with data".to_owned()));
        }
        (FileType::Regular | FileType::Directory | FileType::Symlink, Fork::Device(_)) => {
            return Err(bad("a device number in the place of data".to_owned()));
        }
        (_, Fork::Metadata) if v3.is_none_or(|v3| v3.di_flags2.get() & flag2::METADATA == 0) => {
            return Err(bad("a tree of the file system itself in the place of data".to_owned()));
        }
        (FileType::Regular, Fork::Local(_)) => return Err(bad("a file with its data in the inode".to_owned())),
        _ => None,
    };
    let size = raw.di_size.get();
    if i64::try_from(size).is_err() {
        return Err(bad(format!("a size of {size} bytes")));
    }
    let is_big = v3.is_some_and(|v3| v3.di_flags2.get() & flag2::BIGTIME != 0);
    let time = |raw: RawTimestamp| {
        let time = if is_big { Some(time::of_big(raw)) } else { time::of_legacy(raw) };
        time.ok_or_else(|| bad("a time with more nanoseconds than a second has".to_owned()))
    };
    Ok(Attr {
        file_type,
        permissions: mode & 0o7777,
        links: 0,
        uid: raw.di_uid.get(),
        gid: raw.di_gid.get(),
        size,
        allocated: raw.di_nblocks.get().checked_shl(superblock.block_shift).unwrap_or(u64::MAX),
        accessed: time(raw.di_atime)?,
        modified: time(raw.di_mtime)?,
        changed: time(raw.di_ctime)?,
        created: v3.map(|v3| time(v3.di_crtime)).transpose()?,
        device,
    })
}

/// `xfs_dev_t`: 14 bits of major and 18 of minor number, as IRIX had them (Linux `sysv_major`).
const fn device_number(number: u32) -> DeviceNumber {
    DeviceNumber { major: (number >> 18) & 0x3FFF, minor: number & 0x3_FFFF }
}
