//! What differs between operating systems.

use std::fs::{DirBuilder, File};
use std::path::Path;

/// Directories that `builder` makes are for their owner only.
pub(crate) fn private(builder: &mut DirBuilder) {
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    #[cfg(not(unix))]
    let _ = builder;
}

/// Whether what was opened is what is at `path` now.
#[cfg(unix)]
pub(crate) fn is_file_at(opened: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
    let (opened, there) = (opened.metadata().map(identity), std::fs::metadata(path).map(identity));
    opened.ok().is_some_and(|opened| there.is_ok_and(|there| opened == there))
}

/// Whether what was opened is what is at `path` now: here, what is open cannot be replaced.
#[cfg(not(unix))]
pub(crate) fn is_file_at(_opened: &File, path: &Path) -> bool {
    path.exists()
}
