//! How a file system is opened.

use crate::reparse::VolumeMap;
use crate::security::SecurityOptions;
use std::sync::Arc;

/// What [`crate::Ntfs::open_with`] does about the log, and how files are shown.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Whether a log that still holds changes is replayed, in memory. Without it the volume is shown as it lies.
    pub replay: bool,
    /// Whether short names (`PROGRA~1`) are listed beside the long ones. They are found in any case.
    pub short_names: bool,
    /// Whether the streams of a file are found as `file:stream` too.
    pub stream_paths: bool,
    /// Whose files are whose.
    pub security: SecurityOptions,
    /// Where links to other volumes lead.
    pub volumes: Arc<VolumeMap>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            replay: true,
            short_names: false,
            stream_paths: false,
            security: SecurityOptions::default(),
            volumes: Arc::default(),
        }
    }
}
