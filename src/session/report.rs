//! What a recovery point holds, as `fr-mount volumes` and the table after mounting show it. The names of the fields
//! are the names in `--json` output: they are part of the interface.

use serde::{Deserialize, Serialize};

/// Everything that was found, readable or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The source as the user wrote it; never holds a secret.
    pub source: String,
    /// Every disk, in the order of targets and LUNs, or of the image files.
    pub disks: Vec<DiskReport>,
    /// Every volume: what a file system may be in.
    pub volumes: Vec<VolumeReport>,
    /// What the user should know about the whole: damaged tables, skipped LUNs.
    pub notices: Vec<String>,
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskReport {
    /// Number of the disk, from 0.
    pub disk: usize,
    /// Where it is: `IQN LUN n`, or the path of the image.
    pub location: String,
    /// Vendor and product, as the disk says.
    pub model: Option<String>,
    /// Serial number, as the disk says.
    pub serial: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// Logical block size in bytes.
    pub block_size: u32,
    /// Its partition table: `GPT`, `hybrid`, `MBR`, or `none`.
    pub table: String,
}

/// Which part of a disk a volume is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionReport {
    /// Number of the partition as Linux counts; `None` for a whole disk.
    pub number: Option<u32>,
    /// The partition's type in words.
    pub kind: String,
    /// The partition's own name (GPT).
    pub name: Option<String>,
    /// First byte on the disk.
    pub start: u64,
}

/// What can be done with a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "reason")]
pub enum VolumeState {
    /// Its files can be shown.
    Readable,
    /// It is mounted.
    Mounted,
    /// It holds no file system (swap, a boot loader's area, nothing at all).
    NoFileSystem(String),
    /// fr-mount does not read this (yet), or it is damaged: why, and what to do.
    Unreadable(String),
}

/// What a file system says of itself, readable or not, as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystemReport {
    /// Size of a block in bytes.
    pub block_size: u32,
    /// Size of an inode in bytes.
    pub inode_size: u32,
    /// The features that it uses, by the names that `mke2fs` or `mkfs.xfs` gives them; `incompat:0x40000` and the like for
    /// those without a name.
    pub features: Vec<String>,
    /// `clean`, or what speaks against it: `errors-recorded`, `not-clean`, `journal-to-be-replayed`,
    /// `journal-not-replayable`, `hibernated`, `orphans`; nothing when
    /// it is not known.
    pub state: Vec<String>,
    /// Whether the format records what follows; XFS does not.
    pub has_history: bool,
    /// Where it was mounted last.
    pub last_mount_path: Option<String>,
    /// When it was mounted last, in seconds since 1970.
    pub last_mount_at: Option<i64>,
    /// When its superblock was written last, in seconds since 1970.
    pub last_write_at: Option<i64>,
}

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeReport {
    /// Its name: unique within the recovery point, and the same each time.
    pub name: String,
    /// Number of the disk it is on.
    pub disk: usize,
    /// Which part of the disk it is.
    pub partition: PartitionReport,
    /// Size in bytes.
    pub bytes: u64,
    /// What is in it: `ext4`, `xfs`, `swap`, …; `None` when it was not recognised.
    pub format: Option<String>,
    /// The file system's label.
    pub label: Option<String>,
    /// The drive letters that the recovered Windows gave it (`C:`).
    pub drive_letters: Vec<String>,
    /// The file system's UUID.
    pub uuid: Option<String>,
    /// What the file system says of itself; `None` when there is none that is known so well, or it is damaged.
    pub file_system: Option<FileSystemReport>,
    /// Whether its files can be shown.
    #[serde(flatten)]
    pub state: VolumeState,
    /// Where it is mounted.
    pub mount_path: Option<String>,
    /// What the user should know about it.
    pub notices: Vec<String>,
}
