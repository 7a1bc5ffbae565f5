//! What entries of all forms have in common.

use crate::superblock::Superblock;
use vfs::{FileType, NodeId};

/// The longest name (Linux `MAXNAMELEN` less one).
pub(super) const NAME_BYTES_MAX: usize = 255;
/// Entries in blocks are aligned to so many bytes (Linux `XFS_DIR2_DATA_ALIGN`).
pub(super) const ALIGN: usize = 8;

/// A checked entry.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) node: NodeId,
    pub(super) file_type: Option<FileType>,
    /// Where the next entry begins in the block, or in the inode.
    pub(super) end: usize,
}

/// Why there cannot be such an entry.
pub(super) fn fault(superblock: &Superblock, name: &[u8], inode: u64) -> Option<String> {
    if name.is_empty() || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
        return Some("a name that no file can have".to_owned());
    }
    inode_fault(superblock, inode)
}

/// Why no entry can be for inode `inode` (Linux `xfs_verify_dir_ino`).
pub(super) fn inode_fault(superblock: &Superblock, inode: u64) -> Option<String> {
    if superblock.inode_address(inode).is_none() {
        return Some(format!("an entry for inode {inode}, which cannot exist,"));
    }
    let is_internal = superblock.internal_inodes.contains(&inode);
    is_internal.then(|| format!("an entry for inode {inode}, which belongs to the file system itself,"))
}

/// Bytes of an entry in a block with a name of so many bytes (Linux `xfs_dir2_data_entsize`): the inode number, the
/// length of the name, the name, its type and the tag.
pub(super) const fn data_bytes(name_bytes: usize, has_type: bool) -> usize {
    let type_bytes = if has_type { 1 } else { 0 };
    let bytes = name_bytes.saturating_add(8 + 1 + 2).saturating_add(type_bytes);
    // A name has 255 bytes at most: nothing is cut off.
    bytes.saturating_add(ALIGN - 1) & !(ALIGN - 1)
}
