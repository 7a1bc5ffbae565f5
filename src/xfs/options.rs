//! How a file system is opened.

use block::ReadAt;
use std::sync::Arc;

/// What [`crate::Xfs::open_with`] does about the log, and which other volumes belong to the file system.
#[derive(Clone)]
pub struct OpenOptions {
    /// Whether a log that still holds changes is replayed, in memory. Without it the volume is shown as it lies, as the
    /// kernel's mount options `ro,norecovery` do.
    pub replay: bool,
    /// The device that holds the log, for a file system whose log is not on its own volume ([`crate::external`]).
    pub log: Option<Arc<dyn ReadAt>>,
    /// The device that holds the data of realtime files, for a file system with one.
    pub realtime: Option<Arc<dyn ReadAt>>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { replay: true, log: None, realtime: None }
    }
}
