//! Extent trees (Linux `fs/ext4/ext4_extents.h`, `fs/ext4/extents.c`).

use crate::bytes::u32_at;
use crate::checksum::crc32c;
use crate::device::Device;
use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::layout::{RawExtent, RawExtentHeader, RawExtentIndex};
use crate::mapping::{Place, Run};
use std::sync::Arc;
use vfs::reader::corrupt;
use vfs::{Error, Result};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `EXT4_EXT_MAGIC`.
pub(crate) const MAGIC: u16 = 0xF30A;
/// The `i_block` of a file without extents: a leaf with room for four.
pub(crate) const EMPTY_ROOT: [u8; 60] = {
    let mut root = [0; 60];
    [root[0], root[1]] = MAGIC.to_le_bytes();
    root[4] = 4;
    root
};
const HEADER_BYTES: usize = 12;
const ENTRY_BYTES: usize = 12;
/// The deepest tree that the kernel accepts.
const DEPTH_MAX: u16 = 5;
/// A longer `ee_len` marks an unwritten extent of `ee_len` minus this.
const LENGTH_MAX: u16 = 32_768;
/// Nodes that are counted: enough for a file of 2^32 blocks in pieces of a hundred.
const NODES_MAX: u64 = 1 << 20;
/// One more than the last block number that a file can have.
const LOGICAL_END: u64 = 1 << 32;

/// A checked node of the tree: entries in ascending order, without overlap.
#[derive(Debug)]
pub(crate) enum Node {
    Index { depth: u16, children: Vec<Child> },
    Leaf(Vec<Extent>),
}

/// A subtree, and the first block of the file that it can hold.
#[derive(Debug)]
pub(crate) struct Child {
    first: u64,
    block: u64,
}

/// A run of blocks.
#[derive(Debug)]
pub(crate) struct Extent {
    first: u64,
    count: u64,
    place: Place,
}

impl Node {
    const fn depth(&self) -> u16 {
        match self {
            Self::Index { depth, .. } => *depth,
            Self::Leaf(_) => 0,
        }
    }

    /// Checks that the node describes only blocks that its parent promises: from `first` on and before `end`.
    fn check_range(&self, inode: &Inode, first: u64, end: u64) -> Result<()> {
        let found = match self {
            Self::Index { children, .. } => children.first().zip(children.last()).map(|(a, b)| (a.first, b.first)),
            Self::Leaf(extents) => extents
                .first()
                .zip(extents.last())
                .map(|(a, b)| (a.first, b.first.saturating_add(b.count).saturating_sub(1))),
        };
        match found {
            Some((from, to)) if from < first || to >= end => {
                let message =
                    format!("{}: an extent node of blocks {from} to {to} below {first} to {end}", inode.name());
                Err(corrupt(message))
            }
            _ => Ok(()),
        }
    }

    fn parse(device: &Device, inode: &Inode, bytes: &[u8]) -> Result<Self> {
        let cut = || corrupt(format!("{}: an extent node is cut short", inode.name()));
        let (header, rest) = RawExtentHeader::ref_from_prefix(bytes).map_err(|_| cut())?;
        let (entries, max, depth) = (header.eh_entries.get(), header.eh_max.get(), header.eh_depth.get());
        let room = rest.len().checked_div(ENTRY_BYTES).unwrap_or(0);
        let empty_index = depth > 0 && entries == 0;
        if empty_index
            || header.eh_magic.get() != MAGIC
            || entries > max
            || usize::from(max) > room
            || depth > DEPTH_MAX
        {
            let message = format!(
                "{}: no extent node (magic {:#06x}, {entries} of {max} entries, depth {depth})",
                inode.name(),
                header.eh_magic.get()
            );
            return Err(corrupt(message));
        }
        if depth == 0 {
            let extents: Result<Vec<_>> =
                slice_of::<RawExtent>(rest, entries).map(|raw| Extent::parse(device, inode, raw)).collect();
            let extents = extents?;
            in_order(inode, extents.iter().map(|extent| (extent.first, extent.count)))?;
            return Ok(Self::Leaf(extents));
        }
        let children: Vec<_> = slice_of::<RawExtentIndex>(rest, entries).map(Child::parse).collect();
        in_order(inode, children.iter().map(|child| (child.first, 1)))?;
        Ok(Self::Index { depth, children })
    }
}

impl Child {
    fn parse(raw: &RawExtentIndex) -> Self {
        let block = u64::from(raw.ei_leaf_hi.get()) << 32 | u64::from(raw.ei_leaf_lo.get());
        Self { first: raw.ei_block.get().into(), block }
    }
}

impl Extent {
    fn parse(device: &Device, inode: &Inode, raw: &RawExtent) -> Result<Self> {
        let (first, length) = (u64::from(raw.ee_block.get()), raw.ee_len.get());
        let (count, unwritten) = match length.checked_sub(LENGTH_MAX) {
            None | Some(0) => (u64::from(length), false),
            Some(count) => (u64::from(count), true),
        };
        let start = u64::from(raw.ee_start_hi.get()) << 32 | u64::from(raw.ee_start_lo.get());
        if count == 0 || first.saturating_add(count) > LOGICAL_END {
            return Err(corrupt(format!("{}: no extent has {count} blocks at block {first}", inode.name())));
        }
        device.offset(start, count, &inode.name())?;
        // Blocks of directories are written before anything points to them: the kernel reads them however they are marked.
        let is_blank = unwritten && !inode.is_directory();
        Ok(Self { first, count, place: if is_blank { Place::Unwritten } else { Place::Stored(start) } })
    }
}

/// The first `count` structures in `bytes`.
fn slice_of<'a, T>(bytes: &'a [u8], count: u16) -> impl Iterator<Item = &'a T>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned + 'a,
{
    bytes.chunks_exact(ENTRY_BYTES).take(count.into()).filter_map(|entry| T::ref_from_bytes(entry).ok())
}

/// Checks that entries (first block, count) come in ascending order without overlap.
fn in_order(inode: &Inode, entries: impl Iterator<Item = (u64, u64)>) -> Result<()> {
    let mut end = 0;
    for (first, count) in entries {
        if first < end {
            return Err(corrupt(format!("{}: extents are out of order at block {first}", inode.name())));
        }
        end = first.saturating_add(count);
    }
    Ok(())
}

/// The run that begins at block `logical`.
pub(crate) fn run(fs: &Ext4, inode: &Inode, logical: u32) -> Result<Run> {
    let logical = u64::from(logical);
    // Where the neighbour of the current subtree begins: a hole ends there at the latest.
    let mut end = LOGICAL_END;
    let mut node = None;
    let root = Node::parse(&fs.device, inode, &inode.i_block)?;
    for _ in 0..=DEPTH_MAX {
        let (depth, children) = match node.as_deref().unwrap_or(&root) {
            Node::Leaf(extents) => return Ok(in_leaf(extents, logical, end)),
            Node::Index { depth, children } => (*depth, children),
        };
        let after = children.partition_point(|child| child.first <= logical);
        if let Some(next) = children.get(after) {
            end = end.min(next.first);
        }
        let Some(child) = after.checked_sub(1).and_then(|at| children.get(at)) else {
            return Ok(hole(logical, end));
        };
        let below = fs.extent_node(inode, child.block)?;
        below.check_range(inode, child.first, end)?;
        if below.depth() != depth.saturating_sub(1) {
            let message = format!("{}: an extent node of depth {} below depth {depth}", inode.name(), below.depth());
            return Err(corrupt(message));
        }
        node = Some(below);
    }
    Err(corrupt(format!("{}: the extent tree is too deep", inode.name())))
}

fn hole(logical: u64, end: u64) -> Run {
    Run { count: end.saturating_sub(logical).max(1), place: Place::Hole }
}

/// The run at `logical`, which is before `end`.
fn in_leaf(extents: &[Extent], logical: u64, end: u64) -> Run {
    let after = extents.partition_point(|extent| extent.first <= logical);
    let end = extents.get(after).map_or(end, |next| end.min(next.first));
    let Some(extent) = after.checked_sub(1).and_then(|at| extents.get(at)) else { return hole(logical, end) };
    let skipped = logical.saturating_sub(extent.first);
    match (extent.count.saturating_sub(skipped), extent.place) {
        (0, _) => hole(logical, end),
        (count, Place::Stored(start)) => Run { count, place: Place::Stored(start.saturating_add(skipped)) },
        (count, place) => Run { count, place },
    }
}

/// How many blocks of the volume a tree of so many extents takes at least: none while they fit into the inode.
pub(crate) fn nodes_for(fs: &Ext4, extents: u64) -> u64 {
    const IN_INODE: u64 = 4;
    let entries = fs.device.superblock.block_bytes().saturating_sub(16).div_euclid(12).max(1);
    if extents <= IN_INODE { 0 } else { extents.div_ceil(entries) }
}

/// How many blocks of the volume the tree itself takes.
pub(crate) fn node_count(fs: &Ext4, inode: &Inode) -> Result<u64> {
    let mut count = 0_u64;
    let root = Arc::new(Node::parse(&fs.device, inode, &inode.i_block)?);
    let mut nodes = vec![root];
    while let Some(node) = nodes.pop() {
        let Node::Index { depth, children } = node.as_ref() else { continue };
        for child in children {
            count = count.saturating_add(1);
            if count > NODES_MAX {
                return Err(corrupt(format!("{}: its extent tree has more nodes than it can need", inode.name())));
            }
            if *depth > 1 {
                let below = fs.extent_node(inode, child.block)?;
                if below.depth() >= *depth {
                    return Err(corrupt(format!("{}: its extent tree leads back into itself", inode.name())));
                }
                nodes.push(below);
            }
        }
    }
    Ok(count)
}

/// Reads and verifies the node in `block`.
pub(crate) fn read_node(device: &Device, inode: &Inode, block: u64) -> Result<Node> {
    let bytes = device.block(block, &inode.name())?;
    if device.superblock.features.metadata_csum() {
        check_sum(inode, block, &bytes)?;
    }
    Node::parse(device, inode, &bytes)
}

/// Verifies the checksum behind the last possible entry (Linux `ext4_extent_block_csum`).
fn check_sum(inode: &Inode, block: u64, bytes: &[u8]) -> Result<()> {
    let cut = || -> Error { corrupt(format!("{}: the extent node in block {block} has no checksum", inode.name())) };
    let (header, _) = RawExtentHeader::ref_from_prefix(bytes).map_err(|_| cut())?;
    let entries = usize::from(header.eh_max.get()).checked_mul(ENTRY_BYTES).ok_or_else(cut)?;
    let tail = entries.checked_add(HEADER_BYTES).ok_or_else(cut)?;
    let expected = u32_at(bytes, tail).ok_or_else(cut)?;
    let found = crc32c(inode.checksum_seed, bytes.get(..tail).ok_or_else(cut)?);
    if expected != found {
        let message =
            format!("{}: extent node in block {block}: checksum {found:#010x}, not {expected:#010x}", inode.name());
        return Err(corrupt(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(first: u64, count: u64, start: u64) -> Extent {
        Extent { first, count, place: Place::Stored(start) }
    }

    #[test]
    fn runs_holes_and_unwritten_extents_of_a_leaf() {
        let leaf = [stored(2, 3, 100), stored(10, 1, 50), Extent { first: 11, count: 4, place: Place::Unwritten }];
        let at = |logical| {
            let run = in_leaf(&leaf, logical, 20);
            (run.count, run.place)
        };
        assert_eq!(at(0), (2, Place::Hole));
        assert_eq!(at(2), (3, Place::Stored(100)));
        assert_eq!(at(4), (1, Place::Stored(102)));
        assert_eq!(at(5), (5, Place::Hole));
        assert_eq!(at(10), (1, Place::Stored(50)));
        assert_eq!(at(12), (3, Place::Unwritten));
        assert_eq!(at(15), (5, Place::Hole));
    }
}
