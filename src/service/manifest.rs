//! What the vault knows of a recovery point: `points/VM/POINT/manifest.json`.

use crate::{PointId, UnixTime, VmName};
use image::Format;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A recovery point, as its import recorded it. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this form: 1.
    pub version: u32,
    /// The VM that it is of.
    pub vm: VmName,
    /// Its name among the VM's points.
    pub point: PointId,
    /// The VM's operating system, as whoever imported it said.
    pub os: Option<String>,
    /// When the disks were in this state.
    pub taken_at: UnixTime,
    /// When it came into the vault.
    pub imported_at: UnixTime,
    /// What the state of the disks is worth.
    pub consistency: Consistency,
    /// The disks; their place is their logical unit number.
    pub disks: Vec<DiskEntry>,
    /// What is on them: partitions, groups, volumes.
    pub layout: session::Report,
}

impl Manifest {
    /// The sizes of all disks together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.disks.iter().fold(0, |sum, disk| sum.saturating_add(disk.bytes))
    }

    /// What a list of points says of it.
    #[must_use]
    pub fn summary(&self) -> PointSummary {
        PointSummary {
            vm: self.vm.clone(),
            point: self.point.clone(),
            os: self.os.clone(),
            taken_at: self.taken_at,
            imported_at: self.imported_at,
            consistency: self.consistency,
            disks: self.disks.len(),
            bytes: self.bytes(),
        }
    }
}

/// A line in a list of points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointSummary {
    /// The VM that it is of.
    pub vm: VmName,
    /// Its name among the VM's points.
    pub point: PointId,
    /// The VM's operating system.
    pub os: Option<String>,
    /// When the disks were in this state.
    pub taken_at: UnixTime,
    /// When it came into the vault.
    pub imported_at: UnixTime,
    /// What the state of the disks is worth.
    pub consistency: Consistency,
    /// How many disks it has.
    pub disks: usize,
    /// The sizes of all disks together, in bytes.
    pub bytes: u64,
}

/// A VM in a list of VMs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSummary {
    /// Its name.
    pub vm: VmName,
    /// How many recovery points it has.
    pub points: usize,
}

/// What is certain about the moment at which a recovery point was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// As after a power failure: journals have to be replayed.
    #[default]
    Crash,
    /// File systems were brought to rest.
    FileSystem,
    /// Applications (databases) were too.
    Application,
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crash => "crash",
            Self::FileSystem => "file-system",
            Self::Application => "application",
        })
    }
}

/// A disk of a recovery point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskEntry {
    /// Its logical unit number.
    pub lun: u16,
    /// The format of its image.
    pub format: Format,
    /// Its logical block size in bytes.
    pub block_size: u32,
    /// Its size in bytes, as the VM saw it.
    pub bytes: u64,
    /// The image, and behind it the files that it is based on.
    pub files: Vec<FileEntry>,
}

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The name by which the image refers to it; for the image itself, its own.
    pub name: String,
    /// Where it lies beside the manifest.
    pub object: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The SHA-256 of its contents, in hexadecimal digits.
    pub sha256: String,
}
