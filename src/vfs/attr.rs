//! What is known of one node: type, owner, size, times.

/// A node of one file system: an inode number, an MFT record number. Never reused while the file system is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    /// A file with data.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A UNIX-domain socket.
    Socket,
}

impl FileType {
    /// The type in a mode, as UNIX file systems record it (`S_IFMT`); `None` for one that no file has.
    #[must_use]
    pub const fn of_mode(mode: u16) -> Option<Self> {
        match mode >> 12 {
            0x1 => Some(Self::Fifo),
            0x2 => Some(Self::CharDevice),
            0x4 => Some(Self::Directory),
            0x6 => Some(Self::BlockDevice),
            0x8 => Some(Self::Regular),
            0xA => Some(Self::Symlink),
            0xC => Some(Self::Socket),
            _ => None,
        }
    }

    /// The type in an entry of a directory, in the numbers that ext4 and XFS share (Linux `include/linux/fs_types.h`,
    /// `FT_*`); `None` for one that is not known, which is for the inode to tell.
    #[must_use]
    pub const fn of_entry(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Regular),
            2 => Some(Self::Directory),
            3 => Some(Self::CharDevice),
            4 => Some(Self::BlockDevice),
            5 => Some(Self::Fifo),
            6 => Some(Self::Socket),
            7 => Some(Self::Symlink),
            _ => None,
        }
    }
}

/// A point in time: `seconds` since 1970-01-01 00:00 UTC (negative before), plus `nanoseconds` (0 to 999,999,999).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Whole seconds since the epoch, rounded towards the past.
    pub seconds: i64,
    /// Nanoseconds after that second.
    pub nanoseconds: u32,
}

/// The numbers of a device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    /// Major number (the driver).
    pub major: u32,
    /// Minor number (the device of that driver).
    pub minor: u32,
}

/// `FS_*_FL` bits, and what they are called in `fsx_xflags` (`FS_XFLAG_*`), for those that are there (Linux
/// `fileattr_fill_flags`, `fileattr_fill_xflags`).
const SHORT_AND_EXTENDED: [(u32, u32); 8] = [
    (0x8, 0x20),
    (0x10, 0x8),
    (0x20, 0x10),
    (0x40, 0x80),
    (0x80, 0x40),
    (0x10_0000, 0x2_0000),
    (0x200_0000, 0x8000),
    (0x2000_0000, 0x200),
];

/// What `lsattr` shows of a node beside its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NodeFlags {
    /// Linux `FS_*_FL` bits (`include/uapi/linux/fs.h`): those that the format records and users may see.
    pub flags: u32,
    /// Linux `FS_XFLAG_*` bits, where the format has more of them than follow from `flags`.
    pub extended: Option<u32>,
    /// Tells nodes apart that had the same number one after the other; for NFS servers.
    pub generation: u32,
    /// The project whose quota the node counts towards; 0 where the format records none.
    pub project: u32,
    /// In what size extents are best allocated, in bytes; 0 for no wish.
    pub extent_size_hint: u32,
    /// The same for copies on write.
    pub cow_extent_size_hint: u32,
}

impl NodeFlags {
    /// The `FS_XFLAG_*` bits: those that the format records, or that follow from `flags`.
    #[must_use]
    pub fn extended(&self) -> u32 {
        let set = SHORT_AND_EXTENDED.iter().filter(|(flag, _)| self.flags & flag != 0);
        self.extended.unwrap_or_else(|| set.fold(0, |all, (_, extended)| all | extended))
    }

    /// The `FS_*_FL` bits that follow from `FS_XFLAG_*` bits, for a format that records those.
    #[must_use]
    pub fn from_extended(extended: u32) -> u32 {
        let set = SHORT_AND_EXTENDED.iter().filter(|(_, bit)| extended & bit != 0);
        set.fold(0, |all, (flag, _)| all | flag)
    }
}

/// The attributes of a node, as `stat` shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attr {
    /// What the node is.
    pub file_type: FileType,
    /// Permission bits, set-user-id, set-group-id and sticky: `0o7777` at most.
    pub permissions: u16,
    /// Number of hard links.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes; for a symlink the length of its target.
    pub size: u64,
    /// Bytes that are allocated for it on the disk (what `st_blocks` counts in units of 512).
    pub allocated: u64,
    /// Last access.
    pub accessed: Timestamp,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of the attributes.
    pub changed: Timestamp,
    /// Creation, where the format records it.
    pub created: Option<Timestamp>,
    /// The device, for device nodes only.
    pub device: Option<Device>,
}
