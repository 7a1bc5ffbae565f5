//! From blocks of a fork to blocks of the volume.

use crate::bytes::length;
use crate::device::Part;
use crate::filesystem::Xfs;
use crate::fork::{Extent, Fork, Root, Which};
use crate::inode::Inode;
use crate::tree::Node;
use std::sync::Arc;
use vfs::Result;
use vfs::reader::corrupt;

/// One more than the last block that a fork can have: offsets have 54 bits.
pub(crate) const BLOCKS_END: u64 = 1 << 54;

/// Where a run of a fork's blocks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the volume, from this block on (`xfs_fsblock_t`, or a block of the realtime part).
    Stored(u64),
    /// Allocated, from this block on, and never written: reads as zeros.
    Unwritten(u64),
    /// Nowhere: reads as zeros.
    Hole,
}

/// Blocks of a fork that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// How many blocks; 1 at least.
    pub(crate) count: u64,
    pub(crate) place: Place,
}

/// The run of a fork that begins at its block `logical`. It ends where the next one begins, not at the file's size.
pub(crate) fn run(fs: &Xfs, inode: &Inode, which: Which, logical: u64) -> Result<Run> {
    let Some(changed) = fs.finished.pieces(inode.number, which) else {
        return run_on_disk(fs, inode, which, logical);
    };
    if let Some(run) = changed.run(logical) {
        return Ok(run);
    }
    let run = run_on_disk(fs, inode, which, logical)?;
    Ok(Run { count: run.count.min(changed.next(logical).saturating_sub(logical)), ..run })
}

/// The same, as the disk says.
fn run_on_disk(fs: &Xfs, inode: &Inode, which: Which, logical: u64) -> Result<Run> {
    if logical >= BLOCKS_END {
        return Err(corrupt(format!("{}: block {logical} is more than a file can have", inode.name())));
    }
    let found = match inode.fork(which) {
        None | Some(Fork::Device(_) | Fork::Local(_) | Fork::Metadata) => Around::default(),
        Some(Fork::Extents(extents)) => around(extents, logical, BLOCKS_END),
        Some(Fork::Tree(root)) => in_tree(fs, inode, which, root, logical)?,
    };
    let Some(extent) = found.extent else {
        return Ok(Run { count: found.next.saturating_sub(logical).max(1), place: Place::Hole });
    };
    let before = logical.saturating_sub(extent.offset);
    let count = extent.count.saturating_sub(before);
    let start = extent.start.saturating_add(before);
    let place = if extent.is_unwritten { Place::Unwritten(start) } else { Place::Stored(start) };
    Ok(Run { count, place })
}

/// The extent that holds a block, or where the next one begins.
struct Around {
    extent: Option<Extent>,
    next: u64,
}

impl Default for Around {
    fn default() -> Self {
        Self { extent: None, next: BLOCKS_END }
    }
}

/// Looks in extents that are in order; behind the last of them comes `next`.
fn around(extents: &[Extent], logical: u64, next: u64) -> Around {
    let behind = extents.partition_point(|extent| extent.offset <= logical);
    let extent = behind.checked_sub(1).and_then(|index| extents.get(index)).filter(|extent| extent.end() > logical);
    let next = extents.get(behind).map_or(next, |extent| extent.offset);
    Around { extent: extent.copied(), next }
}

/// Looks in a tree.
fn in_tree(fs: &Xfs, inode: &Inode, which: Which, root: &Root, logical: u64) -> Result<Around> {
    if !fs.device.superblock.features.is_v5() {
        fs.count_extents(inode, which, root)?;
    }
    let (mut level, mut next) = (root.level, BLOCKS_END);
    let mut below = step(&root.keys, &root.pointers, logical, &mut next);
    // Ends: each block is on a lower level than the one before, which was checked when it was read.
    while let Some((key, block)) = below {
        level = level.saturating_sub(1);
        let node: Arc<Node> = fs.tree_node(inode, block, level)?;
        // A kernel reads all blocks of a tree and needs no keys. Where one is damaged, a leaf that is not asked would be a
        // hole; in version 4 nothing else tells.
        if node.first() != Some(key) {
            let what =
                format!("{}: block {block} of its extents: it does not begin as the key above it says", inode.name());
            return Err(corrupt(what));
        }
        below = match node.as_ref() {
            Node::Leaf(extents) => return Ok(around(extents, logical, next)),
            Node::Inner { keys, pointers } => step(keys, pointers, logical, &mut next),
        };
    }
    Ok(Around { extent: None, next })
}

/// The key and the block below that can hold `logical`: the first one where all begin later. `next` becomes where the one
/// behind it begins.
fn step(keys: &[u64], pointers: &[u64], logical: u64, next: &mut u64) -> Option<(u64, u64)> {
    let behind = keys.partition_point(|key| *key <= logical).max(1);
    if let Some(key) = keys.get(behind) {
        *next = *key;
    }
    let index = behind.saturating_sub(1);
    Some((*keys.get(index)?, *pointers.get(index)?))
}

/// Fills `buf` with what `part`'s blocks of a fork hold, from the fork's byte `offset` on: zeros where there are none.
pub(crate) fn read(fs: &Xfs, inode: &Inode, which: Which, offset: u64, buf: &mut [u8]) -> Result<()> {
    let superblock = &fs.device.superblock;
    let shift = superblock.block_shift;
    let part = inode.part(which);
    let (mut rest, mut at) = (buf, offset);
    while !rest.is_empty() {
        let run = run(fs, inode, which, at >> shift)?;
        let in_block = at & superblock.block_bytes().wrapping_sub(1);
        let run_bytes = run.count.min(u64::MAX >> shift) << shift;
        let run_bytes = run_bytes.saturating_sub(in_block);
        let bytes = usize::try_from(run_bytes).map_or(rest.len(), |bytes| bytes.min(rest.len()));
        let (now, after) = rest.split_at_mut_checked(bytes).ok_or_else(|| corrupt("a read without an end"))?;
        match run.place {
            Place::Hole | Place::Unwritten(_) => now.fill(0),
            Place::Stored(block) => {
                let start = fs.device.address(part, block, run.count, &|| inode.name())?;
                fs.device.read_part(part, start.saturating_add(in_block), now)?;
            }
        }
        rest = after;
        at = at.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// Some blocks of a fork that hold metadata: a block of a directory, of attributes, of a target.
pub(crate) struct Blocks {
    pub(crate) bytes: Vec<u8>,
    /// The byte of the data volume at which the first of them begins.
    pub(crate) address: u64,
}

/// `count` blocks (64 KiB at most) of a fork from its block `first` on, that `what` is in; `None` where there is a hole.
pub(crate) fn blocks(
    fs: &Xfs,
    inode: &Inode,
    which: Which,
    first: u64,
    count: u64,
    what: &dyn Fn() -> String,
) -> Result<Option<Blocks>> {
    let superblock = &fs.device.superblock;
    let bytes_max = usize::try_from(count << superblock.block_shift).ok().filter(|bytes| *bytes <= 1 << 16);
    let bytes_max = bytes_max.ok_or_else(|| corrupt(format!("{}: {count} blocks in one", what())))?;
    let mut found: Option<Blocks> = None;
    let mut logical = first;
    let end = first.saturating_add(count);
    while logical < end {
        let run = run(fs, inode, which, logical)?;
        let blocks = run.count.min(end.saturating_sub(logical));
        // The kernel reads such blocks also where they count as unwritten; only allocation makes them so, and never does.
        let Place::Stored(block) = run.place else {
            return match found {
                None if blocks == count => Ok(None),
                _ => Err(corrupt(format!("{}: a hole in the middle of it", what()))),
            };
        };
        let address = fs.device.address(Part::Data, block, blocks, what)?;
        let found = found.get_or_insert_with(|| Blocks { bytes: Vec::with_capacity(bytes_max), address });
        let from = found.bytes.len();
        let bytes = usize::try_from(blocks << superblock.block_shift).unwrap_or(bytes_max);
        found.bytes.resize(from.saturating_add(bytes).min(bytes_max), 0);
        fs.device.read(address, found.bytes.get_mut(from..).unwrap_or_default())?;
        logical = logical.saturating_add(blocks);
    }
    debug_assert!(found.as_ref().is_none_or(|found| length(&found.bytes) == count << superblock.block_shift));
    Ok(found)
}
