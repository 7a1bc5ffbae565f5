//! Metadata in the form of Linux' persistent-data library (`drivers/md/persistent-data`), which thin pools and caches keep
//! theirs in: blocks of 4096 bytes with checksums, never written in place, all reached from a superblock in block 0.

use crate::Error;
use block::ReadAt;
use node::Node;
use recent::Recent;
use std::sync::{Arc, Mutex, PoisonError};
use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U64};

mod array;
mod node;
mod recent;
mod superblock;
#[cfg(test)]
pub(super) mod testing;
mod tree;

pub(super) use array::{bits, values};
pub(super) use superblock::{Common, Fields};
pub(super) use tree::{Reached, Tree};

/// Bytes of a block of metadata (`THIN_METADATA_BLOCK_SIZE`, `DM_CACHE_METADATA_BLOCK_SIZE`).
pub(super) const BLOCK_BYTES: usize = 4096;

/// What a block is checked as.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// What messages call it.
    pub(super) name: &'static str,
    /// What its checksum is XORed with.
    pub(super) xor: u32,
    /// Where in it its own number is, in bytes.
    pub(super) number_at: usize,
}

/// The metadata device of a pool or a cache.
pub(super) struct Metadata {
    device: Arc<dyn ReadAt>,
    /// How many blocks it has.
    blocks: u64,
    /// Nodes that were read and checked.
    nodes: Mutex<Recent<Node>>,
}

impl Metadata {
    pub(super) fn new(device: Arc<dyn ReadAt>) -> Self {
        let blocks = device.size() >> 12;
        Self { device, blocks, nodes: Mutex::new(Recent::new()) }
    }

    /// How many blocks the device has.
    pub(super) const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// A block as it is on the device, unchecked.
    ///
    /// # Errors
    /// When it is not on the device, or cannot be read.
    pub(super) fn unchecked(&self, number: u64, kind: Kind) -> Result<Box<[u8]>, Error> {
        let at = number.checked_mul(4096).filter(|_| number < self.blocks).ok_or_else(|| {
            let (name, blocks) = (kind.name, self.blocks);
            Error::Damaged(format!("{name} of the metadata should be in block {number}, but there are {blocks} blocks"))
        })?;
        let mut block = vec![0; BLOCK_BYTES].into_boxed_slice();
        self.device.read_exact_at(at, &mut block)?;
        Ok(block)
    }

    /// A block whose checksum and number are right.
    ///
    /// # Errors
    /// When it cannot be read, or is not what should be there.
    pub(super) fn block(&self, number: u64, kind: Kind) -> Result<Box<[u8]>, Error> {
        let block = self.unchecked(number, kind)?;
        check(&block, number, kind)?;
        Ok(block)
    }

    /// A node of a tree.
    fn node(&self, number: u64) -> Result<Arc<Node>, Error> {
        if let Some(node) = self.cached(number) {
            return Ok(node);
        }
        let node = Arc::new(Node::parse(self.block(number, Node::KIND)?, number)?);
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&node));
        Ok(node)
    }

    /// The same when it was read already; else it is said that it will be needed.
    fn known_node(&self, number: u64) -> Option<Arc<Node>> {
        let node = self.cached(number);
        if node.is_none() && number < self.blocks {
            let start = number.saturating_mul(4096);
            let range = start..start.saturating_add(4096);
            self.device.will_need(&[range]);
        }
        node
    }

    /// How many nodes are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn cached(&self, number: u64) -> Option<Arc<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).find(number)
    }
}

/// Whether `block` is what it should be. Source: `dm_bm_checksum` of `dm-block-manager.c`, `node_check` of
/// `dm-btree-spine.c`, `array_block_check` of `dm-array.c`.
fn check(block: &[u8], number: u64, kind: Kind) -> Result<(), Error> {
    let name = kind.name;
    let damaged = |what: String| Error::Damaged(format!("block {number} of the metadata, {name}, {what}"));
    let (csum, checked) = U32::ref_from_prefix(block).map_err(|_| damaged("is cut short".to_owned()))?;
    // The kernel's crc32c is not complemented at its end.
    let computed = !crc32c::crc32c(checked) ^ kind.xor;
    if computed != csum.get() {
        return Err(damaged(format!("has checksum {:#010x}, but its contents have {computed:#010x}", csum.get())));
    }
    let found = block.get(kind.number_at..).and_then(|rest| U64::ref_from_prefix(rest).ok());
    match found.map(|(found, _)| found.get()) {
        Some(found) if found == number => Ok(()),
        Some(found) => Err(damaged(format!("says that it is block {found}"))),
        None => Err(damaged("is cut short".to_owned())),
    }
}

#[cfg(test)]
mod tests;
