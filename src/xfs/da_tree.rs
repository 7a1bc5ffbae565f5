//! The trees that directories and attributes are found in by the hash of a name (Linux `libxfs/xfs_da_btree.c`).

use crate::filesystem::Xfs;
use crate::fork::Which;
use crate::inode::Inode;
use crate::layout::{RawDaInfo, RawDaNodeEntry};
use crate::mapping;
use crate::verify;
use std::collections::HashSet;
use std::sync::Arc;
use vfs::Result;
use vfs::reader::corrupt;
use zerocopy::FromBytes;

const NODE_MAGIC_V4: u16 = 0xFEBE;
const NODE_MAGIC_V5: u16 = 0x3EBE;
/// Levels of the highest tree that there can be (Linux `XFS_DA_NODE_MAXDEPTH`).
const LEVELS_MAX: u16 = 5;

/// A tree: the fork that it is in, and the block of the fork at which its root is.
#[derive(Clone, Copy)]
pub(crate) struct DaTree<'a> {
    pub(crate) fs: &'a Xfs,
    pub(crate) inode: &'a Inode,
    pub(crate) which: Which,
    /// Block of the fork (in blocks of the file system).
    pub(crate) root: u64,
    /// Blocks of the file system in a block of the tree.
    pub(crate) block_count: u64,
}

/// A block of a tree, verified as far as what all kinds of them have in common.
pub(crate) struct DaBlock {
    pub(crate) bytes: Vec<u8>,
    /// What kind of block it is.
    pub(crate) magic: u16,
    /// The next block on its level; 0 behind the last.
    pub(crate) forward: u32,
}

impl DaTree<'_> {
    /// The block at `block` of the fork; an error where there is a hole.
    pub(crate) fn block(&self, block: u64) -> Result<Arc<DaBlock>> {
        self.fs.da_block(self.inode, self.which, block, || self.read(block))
    }

    fn read(&self, block: u64) -> Result<DaBlock> {
        let what = || format!("{}: block {block} of its {}", self.inode.name(), self.name());
        let blocks = mapping::blocks(self.fs, self.inode, self.which, block, self.block_count, &what)?;
        let blocks = blocks.ok_or_else(|| corrupt(format!("{}: it is a hole", what())))?;
        let superblock = &self.fs.device.superblock;
        let owner = self.inode.number.0;
        verify::check_block(superblock, verify::DA_BLOCK, &blocks.bytes, blocks.address, owner, &what)?;
        let (raw, _) = RawDaInfo::ref_from_prefix(&blocks.bytes).map_err(|_| corrupt(what()))?;
        let (magic, forward) = (raw.magic.get(), raw.forw.get());
        Ok(DaBlock { bytes: blocks.bytes, magic, forward })
    }

    /// The number and the block of the first leaf that can hold `hash`; `None` where all hashes are smaller.
    pub(crate) fn leaf(&self, hash: u32) -> Result<Option<(u64, Arc<DaBlock>)>> {
        let (mut number, mut level_above) = (self.root, None);
        for _ in 0..=LEVELS_MAX {
            let block = self.block(number)?;
            if !self.is_node(block.magic) {
                // Below a node on level 1 there are leaves; where the root is one, there is nothing above it.
                return match level_above {
                    None | Some(1) => Ok(Some((number, block))),
                    Some(level) => Err(self.bad(number, &format!("a leaf below level {level}"))),
                };
            }
            let (level, entries) = self.node(number, &block)?;
            if level_above.is_some_and(|above: u16| above.checked_sub(1) != Some(level)) {
                return Err(self.bad(number, &format!("level {level} in the wrong place")));
            }
            level_above = Some(level);
            let found = entries.partition_point(|entry| entry.hashval.get() < hash);
            let Some(entry) = entries.get(found) else { return Ok(None) };
            number = entry.before.get().into();
        }
        Err(self.bad(number, "more levels than there can be"))
    }

    /// Gives the leaves from `first` on to `each`, in the order of their hashes, until that says false or there are no
    /// more.
    pub(crate) fn leaves_from(
        &self,
        first: (u64, Arc<DaBlock>),
        each: &mut dyn FnMut(u64, &DaBlock) -> Result<bool>,
    ) -> Result<()> {
        let (mut seen, (mut number, mut block)) = (HashSet::new(), first);
        // Ends: a block that comes again is damage, and there is no block that is not in the fork.
        while each(number, &block)? {
            if block.forward == 0 {
                return Ok(());
            }
            seen.insert(number);
            number = block.forward.into();
            if seen.contains(&number) {
                return Err(self.bad(number, "it comes after itself"));
            }
            block = self.block(number)?;
            if self.is_node(block.magic) {
                return Err(self.bad(number, "a node among leaves"));
            }
        }
        Ok(())
    }

    /// An error of block `number` of this tree.
    pub(crate) fn bad(&self, number: u64, why: &str) -> vfs::Error {
        corrupt(format!("{}: block {number} of its {}: {why}", self.inode.name(), self.name()))
    }

    fn is_node(&self, magic: u16) -> bool {
        magic == if self.fs.device.superblock.features.is_v5() { NODE_MAGIC_V5 } else { NODE_MAGIC_V4 }
    }

    const fn name(&self) -> &'static str {
        match self.which {
            Which::Data => "entries",
            Which::Attributes => "attributes",
        }
    }

    /// The level and the entries of a node.
    fn node<'b>(&self, number: u64, block: &'b DaBlock) -> Result<(u16, &'b [RawDaNodeEntry])> {
        use crate::bytes::u16_at;
        // `struct xfs_da_node_hdr` and `struct xfs_da3_node_hdr`.
        let (counts_at, header_bytes) = if self.fs.device.superblock.features.is_v5() { (56, 64) } else { (12, 16) };
        let count = u16_at(&block.bytes, counts_at).unwrap_or(0);
        let level = u16_at(&block.bytes, counts_at.saturating_add(2)).unwrap_or(0);
        let rest = block.bytes.get(header_bytes..).unwrap_or(&[]);
        let entries = <[RawDaNodeEntry]>::ref_from_prefix_with_elems(rest, count.into());
        let (entries, _) = entries.map_err(|_| self.bad(number, &format!("{count} entries are more than fit")))?;
        if count == 0 || level == 0 || level > LEVELS_MAX {
            return Err(self.bad(number, &format!("a node with {count} entries on level {level}")));
        }
        if !entries.is_sorted_by(|a, b| a.hashval.get() <= b.hashval.get()) {
            return Err(self.bad(number, "hashes out of order"));
        }
        Ok((level, entries))
    }
}

/// The hash of a name in directories and attributes (Linux `xfs_da_hashname`): four bytes at a time.
pub(crate) fn hash(name: &[u8]) -> u32 {
    let chunks = name.chunks_exact(4);
    let rest = chunks.remainder();
    let word = |shift: u32, byte: u8| u32::from(byte) << shift;
    let hash = chunks.fold(0_u32, |hash, chunk| {
        let [a, b, c, d] = *chunk else { return hash };
        word(21, a) ^ word(14, b) ^ word(7, c) ^ word(0, d) ^ hash.rotate_left(28)
    });
    match *rest {
        [a, b, c] => word(14, a) ^ word(7, b) ^ word(0, c) ^ hash.rotate_left(21),
        [a, b] => word(7, a) ^ word(0, b) ^ hash.rotate_left(14),
        [a] => word(0, a) ^ hash.rotate_left(7),
        _ => hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, one byte at a time.
    fn simple(name: &[u8]) -> u32 {
        name.iter().fold(0_u32, |hash, byte| u32::from(*byte) ^ hash.rotate_left(7))
    }

    #[test]
    fn hashes_of_names() {
        assert_eq!(hash(b"."), 0x2E);
        assert_eq!(hash(b".."), 0x172E);
        for name in [&b""[..], b"a", b"ab", b"abc", b"abcd", b"abcde", b"SGI_ACL_FILE", &[0xFF; 255]] {
            assert_eq!(hash(name), simple(name), "{name:?}");
        }
    }
}
