//! Data and directories that are so small that they lie in the inode (the feature `inline_data`, Linux `fs/ext4/inline.c`):
//! first in `i_block`, and what does not fit there in the extended attribute `system.data`.

use crate::bytes::u32_at;
use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::xattr;
use vfs::reader::corrupt;
use vfs::{NodeId, Result};

/// Bytes of a directory's `i_block` that hold the inode of its parent; its entries come behind.
const PARENT_BYTES: usize = 4;

/// The stored bytes; where the file is longer, the rest of it is zeros.
pub(crate) fn data(fs: &Ext4, inode: &Inode) -> Result<Vec<u8>> {
    let mut data = inode.i_block.to_vec();
    data.extend(in_attribute(fs, inode)?);
    if let Ok(size) = usize::try_from(inode.attr.size) {
        data.truncate(size);
    }
    Ok(data)
}

/// The two areas that hold entries of a directory; an entry lies in one of them.
pub(crate) fn entries(fs: &Ext4, dir: &Inode) -> Result<[Vec<u8>; 2]> {
    let first = dir.i_block.get(PARENT_BYTES..).unwrap_or_default().to_vec();
    Ok([first, in_attribute(fs, dir)?])
}

/// What does not fit into `i_block`. The attribute is there even if it has nothing to hold: without it, `i_block` may hold
/// anything (Linux `ext4_find_inline_data_nolock`).
fn in_attribute(fs: &Ext4, inode: &Inode) -> Result<Vec<u8>> {
    let missing = || corrupt(format!("{}: inline data without the attribute system.data", inode.name()));
    xattr::inline_data(fs, inode)?.ok_or_else(missing)
}

/// The directory that this one is in, which has no entries for `.` and `..`.
pub(crate) fn parent(dir: &Inode) -> Result<NodeId> {
    let parent = u32_at(&dir.i_block, 0).filter(|parent| *parent != 0);
    let parent = parent.ok_or_else(|| corrupt(format!("directory {}: it has no parent", dir.name())))?;
    Ok(NodeId(parent.into()))
}
