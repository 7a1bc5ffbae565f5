//! Directories.

use crate::filesystem::Xfs;
use crate::inode::Inode;
use std::ops::ControlFlow;
use vfs::{Cursor, DirEntry, Error, ErrorKind, NodeId, Result};

/// The node that `name` names in directory `dir`.
pub(crate) fn lookup(fs: &Xfs, dir: &Inode, name: &[u8]) -> Result<NodeId> {
    let _ = (fs, dir, name);
    Err(Error::new(ErrorKind::Unsupported, "directories are not read"))
}

/// Gives the entries that come after `from` to `each`, until that breaks or there are no more.
pub(crate) fn list(
    fs: &Xfs,
    dir: &Inode,
    from: Cursor,
    each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let _ = (fs, dir, from, each);
    Err(Error::new(ErrorKind::Unsupported, "directories are not read"))
}
