//! Nodes of B-trees. Source: Linux, `drivers/md/persistent-data/dm-btree-internal.h`.

use super::{BLOCK_BYTES, Kind};
use crate::Error;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `INTERNAL_NODE` and `LEAF_NODE`.
const INTERNAL_NODE: u32 = 1;
const LEAF_NODE: u32 = 2;
/// Bytes of a key, and of what inner nodes have for each.
const KEY_BYTES: usize = 8;

/// `struct node_header`; behind it are `max_entries` keys, and then as many values.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    csum: U32,
    flags: U32,
    blocknr: U64,
    nr_entries: U32,
    max_entries: U32,
    /// In bytes.
    value_size: U32,
    padding: U32,
}

/// A node whose keys ascend and whose entries are inside of it.
pub(super) struct Node {
    block: Box<[u8]>,
    is_leaf: bool,
    entries: usize,
    value_bytes: usize,
    values_at: usize,
}

impl Node {
    /// `BTREE_CSUM_XOR`.
    pub(super) const KIND: Kind = Kind { name: "a node of a tree", xor: 121_107, number_at: 8 };

    /// The node in a block whose checksum is right.
    pub(super) fn parse(block: Box<[u8]>, number: u64) -> Result<Self, Error> {
        let damaged = |what: &str| Error::Damaged(format!("block {number} of the metadata, a node of a tree, {what}"));
        let (header, _) = Header::ref_from_prefix(&block).map_err(|_| damaged("is cut short"))?;
        let is_leaf = match header.flags.get() & (INTERNAL_NODE | LEAF_NODE) {
            INTERNAL_NODE => false,
            LEAF_NODE => true,
            _ => return Err(damaged("is neither a leaf nor an inner node")),
        };
        let count = |field: U32| usize::try_from(field.get()).unwrap_or(usize::MAX);
        let (entries, most, value_bytes) =
            (count(header.nr_entries), count(header.max_entries), count(header.value_size));
        let values_at = most.checked_mul(KEY_BYTES).and_then(|bytes| bytes.checked_add(size_of::<Header>()));
        let end = most.checked_mul(value_bytes).and_then(|bytes| bytes.checked_add(values_at?));
        let fits = end.is_some_and(|end| end <= BLOCK_BYTES);
        let Some(values_at) = values_at.filter(|_| fits && entries <= most) else {
            return Err(damaged(&format!(
                "has {entries} of {most} entries of {value_bytes} bytes, which are too many"
            )));
        };
        if !is_leaf && (value_bytes != KEY_BYTES || entries == 0) {
            return Err(damaged(&format!("is an inner one of {entries} entries of {value_bytes} bytes")));
        }
        let node = Self { block, is_leaf, entries, value_bytes, values_at };
        if node.keys().is_sorted_by(|one, next| one.get() < next.get()) {
            Ok(node)
        } else {
            Err(damaged("has keys that do not ascend"))
        }
    }

    /// A leaf of nothing.
    pub(super) fn empty() -> Self {
        Self { block: Box::default(), is_leaf: true, entries: 0, value_bytes: 0, values_at: 0 }
    }

    pub(super) const fn is_leaf(&self) -> bool {
        self.is_leaf
    }

    pub(super) const fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// Its keys, ascending.
    fn keys(&self) -> &[U64] {
        let bytes = self.block.get(size_of::<Header>()..).unwrap_or_default();
        <[U64]>::ref_from_prefix_with_elems(bytes, self.entries).map_or(&[], |(keys, _)| keys)
    }

    pub(super) fn key(&self, index: usize) -> Option<u64> {
        self.keys().get(index).map(|key| key.get())
    }

    pub(super) fn last_key(&self) -> Option<u64> {
        self.keys().last().map(|key| key.get())
    }

    /// How many of its keys are below `key`.
    pub(super) fn below(&self, key: u64) -> usize {
        self.keys().partition_point(|found| found.get() < key)
    }

    /// The value of an entry.
    pub(super) fn value(&self, index: usize) -> Option<&[u8]> {
        let start = index.checked_mul(self.value_bytes)?.checked_add(self.values_at)?;
        self.block.get(start..start.checked_add(self.value_bytes)?).filter(|_| index < self.entries)
    }

    /// The same where values are numbers of 8 bytes.
    pub(super) fn number(&self, index: usize) -> Option<u64> {
        self.value(index)?.try_into().ok().map(u64::from_le_bytes)
    }
}
