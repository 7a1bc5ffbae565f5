//! Indexes: B-trees of keys, in a root that is in the file's record and in blocks of `$INDEX_ALLOCATION`. Directories are
//! indexes of names, and `$Secure` has indexes of numbers (`struct INDEX_ROOT`, `INDEX_BUFFER`, `NTFS_DE` of Linux
//! `fs/ntfs3/ntfs.h`).

use crate::attribute_list::Location;
use crate::bytes::{index, slice, u16_at, u32_at, u64_at};
use crate::data::Value;
use crate::fixup;
use crate::record::Kind;
use crate::store::{Inode, Store};
use std::cmp::Ordering;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use vfs::Result;
use vfs::reader::corrupt;

/// The name of the index of a directory: `$I30`.
pub(crate) const DIRECTORY: &[u16] = &[0x24, 0x49, 0x33, 0x30];
/// Levels that a tree has at most; with the smallest blocks four hold a hundred million names.
const DEPTH_MAX: usize = 24;
/// Nodes that a search looks at: one of each level, and those with more names that differ in case alone.
const NODES_SOUGHT_MAX: u64 = 4096;
/// Bytes of an entry before its key.
pub(crate) const ENTRY_HEADER: usize = 0x10;
/// `NTFS_DE.flags`: a block of smaller keys hangs below it.
pub(crate) const HAS_SUBNODE: u16 = 1;
/// `NTFS_DE.flags`: the end of its node; it has no key.
pub(crate) const LAST: u16 = 2;
/// What the root has as its number among the nodes that are kept.
const ROOT: u64 = u64::MAX;

/// An entry of a node.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    at: usize,
    key: Range<usize>,
    /// The block below it, in units of VCNs.
    subnode: Option<u64>,
    is_last: bool,
}

/// A node of a tree, checked.
#[derive(Debug)]
pub(crate) struct Node {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Node {
    /// The entries whose header is at `at` of `bytes`; `None` where it is damaged.
    fn parse(bytes: Vec<u8>, at: usize) -> Option<Self> {
        let start = at.checked_add(index(u32_at(&bytes, at)?))?;
        let end = at.checked_add(index(u32_at(&bytes, at.checked_add(4)?)?))?;
        let content = bytes.get(..end)?;
        let (mut entries, mut entry_at) = (Vec::new(), start);
        loop {
            let (entry, size) = entry(content, entry_at)?;
            let is_last = entry.is_last;
            entries.push(entry);
            if is_last {
                return Some(Self { bytes, entries });
            }
            entry_at = entry_at.checked_add(size)?;
        }
    }

    /// The entries that have keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&Entry, &[u8])> {
        let with_key = self.entries.iter().filter(|entry| !entry.is_last);
        with_key.map(|entry| (entry, self.key(entry)))
    }

    /// The key of an entry.
    pub(crate) fn key(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.key.clone()).unwrap_or(&[])
    }

    /// What a directory's entry refers to.
    pub(crate) fn reference(&self, entry: &Entry) -> u64 {
        u64_at(&self.bytes, entry.at).unwrap_or(0)
    }

    /// The data of an entry in an index that is no directory.
    fn data(&self, entry: &Entry) -> Option<&[u8]> {
        let start = entry.at.checked_add(u16_at(&self.bytes, entry.at)?.into())?;
        slice(&self.bytes, start, u16_at(&self.bytes, entry.at.checked_add(2)?)?.into())
    }
}

fn entry(content: &[u8], at: usize) -> Option<(Entry, usize)> {
    let size = usize::from(u16_at(content, at.checked_add(8)?)?);
    let raw = slice(content, at, size).filter(|raw| raw.len() >= ENTRY_HEADER && size & 7 == 0)?;
    let flags = u16_at(raw, 12)?;
    let is_last = flags & LAST != 0;
    let key_len = if is_last { 0 } else { usize::from(u16_at(raw, 10)?) };
    let subnode = if flags & HAS_SUBNODE == 0 { None } else { Some(u64_at(raw, size.checked_sub(8)?)?) };
    let room = if subnode.is_some() { size.checked_sub(8)? } else { size };
    let key_end = ENTRY_HEADER.checked_add(key_len).filter(|end| *end <= room)?;
    let key = at.checked_add(ENTRY_HEADER)?..at.checked_add(key_end)?;
    Some((Entry { at, key, subnode, is_last }, size))
}

/// An index of a file.
pub(crate) struct Index<'a> {
    store: &'a Store,
    inode: &'a Inode,
    root: Arc<Node>,
    blocks: Option<Value>,
    bitmap: Option<Value>,
    /// Which attribute the blocks are, among all of the volume.
    key: Option<Location>,
    block_bytes: u64,
    /// log2 of the unit that blocks are numbered in.
    unit_shift: u32,
}

impl<'a> Index<'a> {
    /// The index of this name; `None` when the file has none.
    pub(crate) fn open(store: &'a Store, inode: &'a Inode, name: &[u16]) -> Result<Option<Self>> {
        let Some(root) = Value::find(store, inode, Kind::INDEX_ROOT, name)? else { return Ok(None) };
        let root_value = root.read_all(store, u64::from(store.device.geometry.record_bytes))?;
        let damaged = || corrupt(format!("{}: the root of its index is damaged", inode.name()));
        let block_bytes = u32_at(&root_value, 8).ok_or_else(damaged)?;
        let impossible = || corrupt(format!("{}: its index has blocks of {block_bytes} bytes", inode.name()));
        let unit_shift = store.device.geometry.index_unit_shift(block_bytes).ok_or_else(impossible)?;
        let part = |kind| inode.parts(kind, name).into_iter().next();
        let root_key = part(Kind::INDEX_ROOT).ok_or_else(damaged)?;
        let root = store.nodes.get_or_read((root_key, ROOT), || Node::parse(root_value, 0x10).ok_or_else(damaged))?;
        Ok(Some(Self {
            store,
            inode,
            root,
            blocks: Value::find(store, inode, Kind::INDEX_ALLOCATION, name)?,
            bitmap: Value::find(store, inode, Kind::BITMAP, name)?,
            key: part(Kind::INDEX_ALLOCATION),
            block_bytes: block_bytes.into(),
            unit_shift,
        }))
    }

    /// The block at `vcn`.
    fn block(&self, vcn: u64) -> Result<Arc<Node>> {
        let missing =
            || corrupt(format!("{}: its index has no blocks, and block {vcn} of it is meant", self.inode.name()));
        let key = self.key.clone().ok_or_else(missing)?;
        self.store.nodes.get_or_read((key, vcn), || self.read_block(vcn))
    }

    fn read_block(&self, vcn: u64) -> Result<Node> {
        let damaged = |why: &str| corrupt(format!("{}: block {vcn} of its index is damaged: {why}", self.inode.name()));
        let blocks = self.blocks.as_ref().ok_or_else(|| damaged("there are no blocks"))?;
        let offset = vcn.checked_mul(1 << self.unit_shift);
        let offset =
            offset.filter(|offset| offset.checked_add(self.block_bytes).is_some_and(|end| end <= blocks.size()));
        let offset = offset.ok_or_else(|| damaged("it lies behind the end of the index"))?;
        let mut bytes = vec![0; usize::try_from(self.block_bytes).unwrap_or(0)];
        blocks.read(self.store, offset, &mut bytes)?;
        if bytes.get(..4) != Some(b"INDX") {
            return Err(damaged("it does not begin with INDX"));
        }
        fixup::undo(&mut bytes).map_err(|_| damaged("it was written in part (its update sequence is wrong)"))?;
        if u64_at(&bytes, 0x10) != Some(vcn) {
            return Err(damaged("it is that of another place"));
        }
        Node::parse(bytes, 0x18).ok_or_else(|| damaged("its entries do not follow each other"))
    }

    /// No index has more blocks than the volume has room for, whatever its size is given as.
    fn blocks_count(&self) -> u64 {
        let geometry = &self.store.device.geometry;
        let volume_bytes = geometry.clusters.saturating_mul(geometry.cluster_bytes());
        let bytes = self.blocks.as_ref().map_or(0, Value::size).min(volume_bytes);
        bytes.checked_div(self.block_bytes).unwrap_or(0)
    }

    /// Gives the entries whose keys are equal by `compare` to `each`, in their order, until that breaks.
    pub(crate) fn find(
        &self,
        compare: &dyn Fn(&[u8]) -> Option<Ordering>,
        each: &mut dyn FnMut(&Node, &Entry) -> ControlFlow<()>,
    ) -> Result<()> {
        // A node may not be reached twice.
        let nodes_left = self.blocks_count().saturating_add(1).min(NODES_SOUGHT_MAX);
        let mut search = Search { index: self, compare, each, nodes_left };
        search.node(&self.root, 0).map(|_| ())
    }

    /// The data of the key that is equal by `compare`, of an index that is no directory.
    pub(crate) fn data(&self, compare: &dyn Fn(&[u8]) -> Option<Ordering>) -> Result<Option<Vec<u8>>> {
        let mut found = None;
        self.find(compare, &mut |node, entry| {
            found = Some(node.data(entry).map(<[u8]>::to_vec));
            ControlFlow::Break(())
        })?;
        match found {
            Some(None) => Err(corrupt(format!("{}: an entry of its index is damaged", self.inode.name()))),
            found => Ok(found.flatten()),
        }
    }

    /// Gives the nodes from `first` on, by number, to `each`, until that breaks. The root is number 0; the blocks in use
    /// follow in the order in which they lie, as ntfs-3g and Linux list them.
    pub(crate) fn nodes(&self, first: u64, each: &mut dyn FnMut(u64, &Node) -> ControlFlow<()>) -> Result<()> {
        if first == 0 && each(0, &self.root).is_break() {
            return Ok(());
        }
        let count = self.blocks_count();
        let units = self.block_bytes >> self.unit_shift;
        let mut bitmap = Bitmap { index: self, from: 0, bytes: Vec::new() };
        let mut next = first.max(1).saturating_sub(1);
        while next < count {
            let Some(block) = bitmap.next(next)?.filter(|block| *block < count) else { break };
            next = block.saturating_add(1);
            let node = self.block(block.saturating_mul(units))?;
            if each(block.saturating_add(1), &node).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hints that the nodes from `first` on will be read soon.
    pub(crate) fn will_list(&self, first: u64) {
        /// What one hint is for.
        const AHEAD: u64 = 1 << 20;
        let start = first.saturating_sub(1).saturating_mul(self.block_bytes);
        if let Some(blocks) = &self.blocks {
            blocks.will_read(self.store, &(start..start.saturating_add(AHEAD)));
        }
    }
}

/// Which blocks are in use, a piece of it at a time.
struct Bitmap<'a> {
    index: &'a Index<'a>,
    /// The byte of the bitmap that `bytes` begin at.
    from: u64,
    bytes: Vec<u8>,
}

impl Bitmap<'_> {
    const PIECE: u64 = 4096;

    /// The first block in use from this one on.
    fn next(&mut self, mut block: u64) -> Result<Option<u64>> {
        loop {
            let bits = self.bits_from(block)?;
            let Some(bits) = bits else { return Ok(None) };
            match bits.iter().position(|bits| *bits != 0) {
                Some(0) if bits.first().is_some_and(|bits| bits >> (block & 7) == 0) => {
                    block = (block | 7).saturating_add(1);
                }
                Some(0) => {
                    let here = bits.first().map_or(0, |bits| (bits >> (block & 7)).trailing_zeros());
                    return Ok(Some(block.saturating_add(here.into())));
                }
                skipped => {
                    let skipped = skipped.unwrap_or(bits.len());
                    let skipped = u64::try_from(skipped).unwrap_or(u64::MAX).saturating_mul(8);
                    block = (block & !7).saturating_add(skipped);
                }
            }
        }
    }

    /// The bytes of the bitmap from the one of `block` on, as far as they are at hand; `None` behind its end: blocks that it
    /// has no room for are not in use.
    fn bits_from(&mut self, block: u64) -> Result<Option<&[u8]>> {
        let missing =
            || corrupt(format!("{}: its index does not say which blocks are in use", self.index.inode.name()));
        let byte = block >> 3;
        let known = self.from..self.from.saturating_add(crate::bytes::length(&self.bytes));
        if !known.contains(&byte) {
            let bitmap = self.index.bitmap.as_ref().ok_or_else(missing)?;
            let mut bytes = vec![0; usize::try_from(Self::PIECE).unwrap_or(0)];
            let from = byte & !Self::PIECE.wrapping_sub(1);
            let read = bitmap.read(self.index.store, from, &mut bytes)?;
            bytes.truncate(read);
            (self.from, self.bytes) = (from, bytes);
        }
        let at = usize::try_from(byte.saturating_sub(self.from)).unwrap_or(usize::MAX);
        Ok(self.bytes.get(at..).filter(|bits| !bits.is_empty()))
    }
}

struct Search<'a, 'b> {
    index: &'a Index<'b>,
    compare: &'a dyn Fn(&[u8]) -> Option<Ordering>,
    each: &'a mut dyn FnMut(&Node, &Entry) -> ControlFlow<()>,
    nodes_left: u64,
}

impl Search<'_, '_> {
    fn node(&mut self, node: &Node, depth: usize) -> Result<ControlFlow<()>> {
        let damaged = |why: &str| corrupt(format!("{}: its index is damaged: {why}", self.index.inode.name()));
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or_else(|| damaged("it comes back to itself"))?;
        if depth > DEPTH_MAX {
            return Err(damaged("it is too deep"));
        }
        for entry in &node.entries {
            // The end of a node is greater than all keys.
            let order = if entry.is_last { Some(Ordering::Greater) } else { (self.compare)(node.key(entry)) };
            let order = order.ok_or_else(|| damaged("a key of it is none"))?;
            if order == Ordering::Less {
                continue;
            }
            if let Some(vcn) = entry.subnode {
                let below = self.index.block(vcn)?;
                if self.node(&below, depth.saturating_add(1))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if order == Ordering::Greater || (self.each)(node, entry).is_break() {
                return Ok(if order == Ordering::Greater { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests;
