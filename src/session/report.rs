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
    /// What was made of the disks, and of each other: partition tables, arrays, volume groups.
    pub groups: Vec<GroupReport>,
    /// What these hold: partitions, arrays, logical volumes, also those that only serve others.
    pub parts: Vec<PartReport>,
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

/// A partition table, an array or a volume group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReport {
    /// What it is, in words: `GPT`, `md RAID 5`, `LVM2 volume group`.
    pub kind: String,
    /// The name that its owner gave it.
    pub name: Option<String>,
    /// Its identity, as its own tools write it.
    pub uuid: Option<String>,
    /// `whole`, `degraded` (something is missing, and read from what is left), `partial`, `unreadable`.
    pub health: String,
    /// Its members, also those that are missing; for a partition table the one device that it is on.
    pub members: Vec<MemberReport>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Where it is; `None` when it is missing.
    pub position: Option<String>,
    /// Its identity.
    pub uuid: Option<String>,
    /// Its place among the others, in words.
    pub role: String,
    /// `active`, `spare`, `stale` (out of date, not read), `rebuilding`, `journal`, `missing`.
    pub state: String,
}

/// What a group holds: a partition, an array, a logical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReport {
    /// Where it is: `0:2` is a partition of disk 0, `vg0/home` a logical volume, `md/data` an array.
    pub position: String,
    /// The group that it is of, as a position in [`Report::groups`].
    pub group: usize,
    /// How it is laid out, or a partition's type, in words.
    pub kind: String,
    /// What it is to others of its group, in words (`RAID image`); `None` for what holds data of its own.
    pub role: Option<String>,
    /// Its identity.
    pub uuid: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// `whole`, `degraded`, `partial`, `unreadable`.
    pub health: String,
}

/// Which part of a disk a volume is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionReport {
    /// Number of the partition as Linux counts; `None` for a whole disk.
    pub number: Option<u32>,
    /// The partition's type in words, or the layout of what is no partition.
    pub kind: String,
    /// The partition's own name (GPT).
    pub name: Option<String>,
    /// First byte on what the partition is on; 0 for others.
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
    /// Where it is: `0` is a disk, `0:2` a partition of it, `vg0/home` a logical volume, `md/data` an array.
    pub position: String,
    /// Number of the disk it is on; `None` for a volume that may lie on several.
    pub disk: Option<usize>,
    /// Which part of the disk it is, or how it is laid out.
    pub partition: PartitionReport,
    /// Size in bytes.
    pub bytes: u64,
    /// `whole`, `degraded` (members are missing, and what they held is read from others), `partial`, `unreadable`.
    pub health: String,
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
