//! The block that a list of extents takes when it does not fit into its inode any more, which counts as one of the
//! file's (Linux `xfs_bmap_extents_to_btree`, `xfs_bmap_btree_to_extents`). What trees of more than a block gain or
//! lose is not followed.

use crate::bytes::array;
use crate::filesystem::Xfs;
use crate::fork::{Fork, Which};
use crate::inode::Inode;
use crate::mapping::{self, BLOCKS_END, Place, Run};
use vfs::{ErrorKind, NodeId, Result};

/// Extents that are counted: more than a block holds.
const EXTENTS_MAX: usize = 1 << 13;

/// Forks whose extents are counted: many times those that a kernel changes at once.
const FORKS_MAX: usize = 1 << 12;

/// Counts such blocks for all forks that are mapped otherwise than the disk says.
pub(super) fn count_blocks(fs: &mut Xfs) -> Result<()> {
    for (number, which) in fs.finished.forks().into_iter().take(FORKS_MAX) {
        match difference(fs, number, which) {
            Ok((gained, lost)) => {
                let changes = fs.finished.of(number.0);
                changes.gained = changes.gained.saturating_add(gained);
                changes.lost = changes.lost.saturating_add(lost);
            }
            // Whoever reads the file is told.
            Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Blocks that a fork gained and lost.
fn difference(fs: &Xfs, number: NodeId, which: Which) -> Result<(u64, u64)> {
    let inode = Inode::read(&fs.device, number)?;
    let had_block = match inode.fork(which) {
        Some(Fork::Extents(_)) => false,
        Some(Fork::Tree(root)) if root.level == 1 && root.pointers.len() == 1 => true,
        _ => return Ok((0, 0)),
    };
    let has_block = extents(fs, &inode, which)? > room(fs, number, which)?;
    Ok((u64::from(has_block && !had_block), u64::from(had_block && !has_block)))
}

/// Extents for which the inode has room.
fn room(fs: &Xfs, number: NodeId, which: Which) -> Result<usize> {
    const EXTENT_BYTES: usize = 16;
    let superblock = &fs.device.superblock;
    let address = superblock.inode_address(number.0).unwrap_or(u64::MAX);
    let mut fields = [0; 84];
    fs.device.read(address, &mut fields)?;
    let [version, boundary] = [4, 82].map(|at| array::<1>(&fields, at).map_or(0, |byte| usize::from(byte[0])));
    let literal = (1_usize << superblock.inode_shift).saturating_sub(if version >= 3 { 176 } else { 100 });
    let boundary = boundary.saturating_mul(8);
    let bytes = match which {
        Which::Data if boundary == 0 => literal,
        Which::Data => boundary,
        Which::Attributes => literal.saturating_sub(boundary),
    };
    Ok(bytes / EXTENT_BYTES)
}

/// How many extents a fork has: where something was mapped anew, it is one with its neighbours if it fits them.
fn extents(fs: &Xfs, inode: &Inode, which: Which) -> Result<usize> {
    let changed = fs.finished.pieces(inode.number, which);
    let (mut at, mut count, mut before): (u64, usize, Option<(Run, bool)>) = (0, 0, None);
    while at < BLOCKS_END && count < EXTENTS_MAX {
        let run = mapping::run(fs, inode, which, at)?;
        let is_new = changed.is_some_and(|changed| changed.run(at).is_some());
        at = at.saturating_add(run.count);
        if run.place == Place::Hole {
            before = None;
            continue;
        }
        match before {
            Some((other, other_is_new)) if (is_new || other_is_new) && is_one(other, run) => {
                before = Some((Run { count: other.count.saturating_add(run.count), ..other }, true));
            }
            _ => {
                count = count.saturating_add(1);
                before = Some((run, is_new));
            }
        }
    }
    Ok(count)
}

/// Whether two runs, one behind the other, make one extent.
fn is_one(first: Run, second: Run) -> bool {
    /// `XFS_MAX_BMBT_EXTLEN`.
    const BLOCKS_MAX: u64 = (1 << 21) - 1;
    let is_behind = match (first.place, second.place) {
        (Place::Stored(first_block), Place::Stored(block))
        | (Place::Unwritten(first_block), Place::Unwritten(block)) => first_block.saturating_add(first.count) == block,
        _ => false,
    };
    is_behind && first.count.saturating_add(second.count) <= BLOCKS_MAX
}
