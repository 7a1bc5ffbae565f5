//! Extended attributes.

use crate::filesystem::Xfs;
use crate::inode::Inode;
use vfs::{Acl, Error, ErrorKind, Result};

/// The full names of the attributes that users see.
pub(crate) fn names(fs: &Xfs, inode: &Inode) -> Result<Vec<Vec<u8>>> {
    let _ = (fs, inode);
    Err(Error::new(ErrorKind::Unsupported, "extended attributes are not read"))
}

/// The value of the attribute with this full name.
pub(crate) fn value(fs: &Xfs, inode: &Inode, name: &[u8]) -> Result<Vec<u8>> {
    let _ = (fs, inode, name);
    Err(Error::new(ErrorKind::Unsupported, "extended attributes are not read"))
}

/// The access-control lists.
pub(crate) fn acl(fs: &Xfs, inode: &Inode) -> Result<Acl> {
    let _ = (fs, inode);
    Err(Error::new(ErrorKind::Unsupported, "extended attributes are not read"))
}
