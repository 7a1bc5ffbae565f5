//! What `--json` prints, as far as tests look at it: the one place that knows the names of its fields.

use serde::Deserialize;
use std::path::PathBuf;

/// What `fr-mount volumes` and mounting print.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) disks: Vec<Disk>,
    pub(crate) groups: Vec<Group>,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) notices: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) uuid: Option<String>,
    pub(crate) health: String,
    pub(crate) members: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Disk {
    pub(crate) disk: usize,
    pub(crate) bytes: u64,
    pub(crate) block_size: u32,
    pub(crate) table: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) position: String,
    pub(crate) health: String,
    pub(crate) disk: Option<usize>,
    pub(crate) partition: Partition,
    pub(crate) bytes: u64,
    pub(crate) format: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) uuid: Option<String>,
    pub(crate) file_system: Option<FileSystem>,
    pub(crate) state: String,
    pub(crate) mount_path: Option<PathBuf>,
    pub(crate) notices: Vec<String>,
}

/// What a file system says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct FileSystem {
    pub(crate) block_size: u32,
    pub(crate) inode_size: u32,
    pub(crate) features: Vec<String>,
    pub(crate) state: Vec<String>,
    pub(crate) has_history: bool,
    pub(crate) last_mount_path: Option<String>,
    pub(crate) last_mount_at: Option<i64>,
    pub(crate) last_write_at: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Partition {
    pub(crate) number: Option<u32>,
    pub(crate) start: u64,
}

impl Report {
    pub(crate) fn volume(&self, name: &str) -> &Volume {
        self.volumes.iter().find(|volume| volume.name == name).unwrap_or_else(|| panic!("no volume {name}: {self:#?}"))
    }
}

/// One session, as `fr-mount status` prints it.
#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) pid: u32,
    pub(crate) source: String,
    pub(crate) mount_point: PathBuf,
    pub(crate) alive: bool,
    pub(crate) state: String,
    pub(crate) kind: String,
    pub(crate) seconds_left: Option<u64>,
    pub(crate) bytes_read: u64,
}

/// A failure, as every command prints it with `--json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Failed {
    pub(crate) error: Failure,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) exit_code: i32,
}
