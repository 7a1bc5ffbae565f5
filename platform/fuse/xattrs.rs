//! Extended attributes, the ACLs among them, for one who asks.

use vfs::{ErrorKind, FileSystem, NodeId};

/// The names under which Linux shows ACLs.
const ACCESS: &[u8] = b"system.posix_acl_access";
const DEFAULT: &[u8] = b"system.posix_acl_default";
/// Attributes of this class exist only for the superuser (xattr(7)).
const TRUSTED: &[u8] = b"trusted.";

fn is_hidden(name: &[u8], uid: u32) -> bool {
    uid != 0 && name.starts_with(TRUSTED)
}

/// The names, each ended by a zero byte.
pub(crate) fn list(fs: &dyn FileSystem, node: NodeId, uid: u32) -> vfs::Result<Vec<u8>> {
    let acl = fs.acl(node)?;
    let mut names = fs.xattrs(node)?;
    // A name with a zero byte in it would be two names.
    names.retain(|name| !is_hidden(name, uid) && name != ACCESS && name != DEFAULT && !name.contains(&0));
    if acl.access.is_some() {
        names.push(ACCESS.to_vec());
    }
    if acl.default.is_some() {
        names.push(DEFAULT.to_vec());
    }
    names.iter_mut().for_each(|name| name.push(0));
    Ok(names.concat())
}

/// The value of the attribute of that name.
pub(crate) fn get(fs: &dyn FileSystem, node: NodeId, name: &[u8], uid: u32) -> vfs::Result<Vec<u8>> {
    let none = || vfs::Error::new(ErrorKind::NoAttribute, "no such extended attribute");
    if name == ACCESS || name == DEFAULT {
        let acl = fs.acl(node)?;
        let acl = if name == ACCESS { acl.access } else { acl.default };
        return acl.map(|acl| acl.to_xattr()).ok_or_else(none);
    }
    if is_hidden(name, uid) {
        return Err(none());
    }
    fs.xattr(node, name)
}
