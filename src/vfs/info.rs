//! What is known of a whole file system.

/// A file system's own description, as `fr-mount volumes` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsInfo {
    /// The format: `ext4`, `xfs`, `ntfs`.
    pub format: &'static str,
    /// The label, lossily as text; `None` when there is none.
    pub label: Option<String>,
    /// The UUID or serial number, in the notation that `blkid` uses.
    pub uuid: Option<String>,
    /// Allocation unit in bytes.
    pub block_size: u32,
    /// The longest name in bytes.
    pub name_bytes_max: u32,
    /// Things that the user should know: a backup superblock was used, errors were recorded, and so on.
    pub notices: Vec<String>,
}

/// How much of a file system is used, as `statfs` shows it. Counting it may read a good part of the volume, so that it is
/// asked for apart from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Space {
    /// Size of the file system in allocation units, as `statfs` counts it.
    pub blocks: u64,
    /// Free allocation units.
    pub blocks_free: u64,
    /// Free allocation units for ordinary users.
    pub blocks_available: u64,
    /// Number of inodes.
    pub inodes: u64,
    /// Free inodes.
    pub inodes_free: u64,
}
