//! What differs between operating systems.

use std::fs::DirBuilder;

/// Directories that `builder` makes are for their owner only.
pub(crate) fn private(builder: &mut DirBuilder) {
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    #[cfg(not(unix))]
    let _ = builder;
}
