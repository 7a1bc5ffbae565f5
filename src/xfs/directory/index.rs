//! Names found by their hash: in the block itself where there is only one, or in the leaves of a tree (Linux
//! `libxfs/xfs_dir2_leaf.c`, `xfs_dir2_node.c`).

use super::blocks::{Blocks, DataBlock};
use super::layout::{RawLeafCounts, RawLeafEntry};
use super::sought::Sought;
use crate::bytes::u32_at;
use crate::da_tree::{DaBlock, DaTree};
use vfs::{NodeId, Result};
use zerocopy::FromBytes;

/// Magic numbers of leaves: of the only one, which also says what is free in the blocks of entries, and of one of many.
const ONLY_LEAF_V4: u16 = 0xD2F1;
const ONLY_LEAF_V5: u16 = 0x3DF1;
const LEAF_V4: u16 = 0xD2FF;
const LEAF_V5: u16 = 0x3DFF;

/// The node that the index leads to. An error says that the index, or what it leads to, is damaged.
pub(super) fn find(blocks: &Blocks<'_>, sought: &mut Sought<'_>) -> Result<Option<NodeId>> {
    let mut followed = Followed { blocks, block: None };
    if blocks.is_single() {
        let block = blocks.read(0)?;
        let (entries, stale) = block.index();
        check(entries, stale).map_err(|why| block.bad(0, &why))?;
        for entry in with_hash(entries, sought.hash()) {
            if let Some(found) = followed.follow(entry, sought)? {
                return Ok(Some(found));
            }
        }
        return Ok(sought.alike());
    }
    let tree = blocks.tree();
    let Some(first) = tree.leaf(sought.hash())? else { return Ok(None) };
    let mut found = None;
    tree.leaves_from(first, &mut |number, leaf| {
        let entries = leaf_entries(&tree, number, leaf)?;
        for entry in with_hash(entries, sought.hash()) {
            found = followed.follow(entry, sought)?;
            if found.is_some() {
                return Ok(false);
            }
        }
        // Names with the same hash may go on in the next leaf.
        Ok(entries.last().is_none_or(|last| last.hashval.get() <= sought.hash()))
    })?;
    Ok(found.or_else(|| sought.alike()))
}

/// The block of entries that the index led to last.
struct Followed<'a> {
    blocks: &'a Blocks<'a>,
    block: Option<DataBlock<'a>>,
}

impl Followed<'_> {
    /// The node of the entry that `leaf_entry` leads to, if that has the very name that is sought.
    fn follow(&mut self, leaf_entry: &RawLeafEntry, sought: &mut Sought<'_>) -> Result<Option<NodeId>> {
        /// Bytes that an address counts (Linux `XFS_DIR2_DATA_ALIGN_LOG`).
        const UNIT_SHIFT: u32 = 3;
        let address = leaf_entry.address.get();
        if address == 0 {
            return Ok(None);
        }
        let at = u64::from(address) << UNIT_SHIFT;
        let (number, offset) = (self.blocks.number_at(at), self.blocks.offset_at(at));
        let block = match self.block.take() {
            Some(block) if block.number() == number => block,
            _ => self.blocks.read(number)?,
        };
        let block = self.block.insert(block);
        let entry = block.entry(offset)?;
        if sought.is_exactly(entry.name, entry.node) {
            return Ok(Some(entry.node));
        }
        // Where the index leads to another entry than it means, the right one may be anywhere.
        if !sought.has_hash_of(entry.name) {
            return Err(block.bad(offset, "an entry whose name has another hash than its index says"));
        }
        Ok(None)
    }
}

/// The entries with this hash, of entries that are in order.
fn with_hash(entries: &[RawLeafEntry], hash: u32) -> impl Iterator<Item = &RawLeafEntry> {
    let first = entries.partition_point(|entry| entry.hashval.get() < hash);
    entries.get(first..).unwrap_or(&[]).iter().take_while(move |entry| entry.hashval.get() == hash)
}

/// The entries of a leaf (Linux `xfs_dir3_leaf_check_int`).
fn leaf_entries<'b>(tree: &DaTree<'_>, number: u64, leaf: &'b DaBlock) -> Result<&'b [RawLeafEntry]> {
    let is_v5 = tree.fs.device.superblock.features.is_v5();
    // `struct xfs_dir2_leaf_hdr` and `struct xfs_dir3_leaf_hdr`.
    let (only_leaf, one_leaf, counts_at, header_bytes) =
        if is_v5 { (ONLY_LEAF_V5, LEAF_V5, 56, 64) } else { (ONLY_LEAF_V4, LEAF_V4, 12, 16) };
    let is_only = leaf.magic == only_leaf;
    if !(leaf.magic == one_leaf || is_only && number == tree.root && leaf.forward == 0) {
        return Err(tree.bad(number, &format!("magic number {:#06x} in the place of a leaf", leaf.magic)));
    }
    let raw = RawLeafCounts::ref_from_prefix(leaf.bytes.get(counts_at..).unwrap_or(&[]));
    let (raw, _) = raw.map_err(|_| tree.bad(number, "it is cut short"))?;
    let (count, stale) = (raw.count.get(), usize::from(raw.stale.get()));
    let end = if is_only { bests_at(&leaf.bytes) } else { Some(leaf.bytes.len()) };
    let rest = end.and_then(|end| leaf.bytes.get(header_bytes..end)).unwrap_or(&[]);
    let entries = <[RawLeafEntry]>::ref_from_prefix_with_elems(rest, count.into());
    let (entries, _) = entries.map_err(|_| tree.bad(number, &format!("{count} entries are more than fit")))?;
    check(entries, stale).map_err(|why| tree.bad(number, &why))?;
    Ok(entries)
}

/// Where the only leaf has the free bytes of each block of entries: two bytes for each, before their number, which is
/// in the last four (Linux `struct xfs_dir2_leaf_tail`).
fn bests_at(bytes: &[u8]) -> Option<usize> {
    let count_at = bytes.len().checked_sub(4)?;
    let count = usize::try_from(u32_at(bytes, count_at)?).ok()?;
    count_at.checked_sub(count.checked_mul(2)?)
}

/// Whether entries are in the order of their hashes, and as many removed as is said.
fn check(entries: &[RawLeafEntry], stale: usize) -> std::result::Result<(), String> {
    if !entries.is_sorted_by(|a, b| a.hashval.get() <= b.hashval.get()) {
        return Err("hashes out of order in the index".to_owned());
    }
    let found = entries.iter().filter(|entry| entry.address.get() == 0).count();
    if found != stale {
        return Err(format!("{found} removed entries in the index, not {stale},"));
    }
    Ok(())
}
