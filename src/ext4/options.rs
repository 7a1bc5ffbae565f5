//! How a file system is opened.

use block::ReadAt;
use std::sync::Arc;

/// What [`crate::Ext4::open_with`] does about the journal, and what it verifies beyond the checksums of the format.
#[derive(Clone)]
pub struct OpenOptions {
    /// Whether a journal that still holds changes is replayed, in memory. Without it the volume is shown as it lies,
    /// as the kernel's mount option `noload` does.
    pub replay: bool,
    /// The device that holds the journal, for a file system whose journal is not on its own volume
    /// ([`crate::external_journal`] tells which one).
    pub journal: Option<Arc<dyn ReadAt>>,
    /// Whether data of fs-verity files is checked against the root hash in the file system; signatures of it are not.
    pub verify: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { replay: true, journal: None, verify: false }
    }
}
