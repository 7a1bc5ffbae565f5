//! From blocks of a file to blocks of the volume, whichever way the inode describes them.

use crate::error::corrupt;
use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::{block_map, extent};
use vfs::Result;

/// Where a run of a file's blocks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the volume, from this block on.
    Stored(u64),
    /// Nowhere, or allocated and never written: reads as zeros.
    Hole,
}

/// Blocks of a file that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// How many blocks; 1 at least.
    pub(crate) count: u64,
    pub(crate) place: Place,
}

/// The run that begins at block `logical` of the file. It ends where the next one begins, not at the file's size.
pub(crate) fn run(fs: &Ext4, inode: &Inode, logical: u64) -> Result<Run> {
    let too_far = |_| corrupt(format!("{}: block {logical} is more than a file can have", inode.name()));
    let logical = u32::try_from(logical).map_err(too_far)?;
    if inode.has_extents() { extent::run(fs, inode, logical) } else { block_map::run(fs, inode, logical) }
}
