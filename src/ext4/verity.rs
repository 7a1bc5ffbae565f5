//! Verification of fs-verity files (Linux `fs/verity`, `fs/ext4/verity.c`, `Documentation/filesystems/fsverity.rst`): a
//! Merkle tree of the data and a descriptor with its root hash lie behind the end of such a file.
//!
//! That the root hash is the one that somebody signed is not checked: what is found is damage, and changes by those who
//! did not make the tree anew.

mod tree;

use crate::file;
use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::mapping::{self, Place};
use std::num::NonZeroUsize;
use std::sync::Arc;
use tree::{DESCRIPTOR_BYTES, Tree};
use vfs::reader::corrupt;
use vfs::{Kept, NodeId, Result};

/// The Merkle tree begins at the first multiple of this behind the data.
const METADATA_ALIGNMENT: u64 = 65_536;
/// The largest descriptor with its signature (Linux `FS_VERITY_MAX_DESCRIPTOR_SIZE`).
const DESCRIPTOR_BYTES_MAX: u64 = 16_384;
/// Behind the descriptor, in the last four bytes of the last block: its size.
const SIZE_BYTES: u64 = 4;
/// Pieces that Merkle tree and descriptor may be in.
const RUNS_MAX: usize = 1 << 16;
/// Data that is read and verified at a time; a multiple of every block size.
const PIECE_BYTES: usize = 128 << 10;
/// Files whose descriptor is kept, and bytes of verified tree blocks that are kept.
const TREES_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");
const BLOCK_BYTES_MAX: usize = 4 << 20;

/// What verification keeps.
pub(crate) struct Verity {
    trees: Kept<NodeId, Tree>,
    /// Verified tree blocks, by their number in the tree.
    blocks: Kept<(NodeId, u64), Vec<u8>>,
}

impl Verity {
    /// For a file system with blocks of `block_len` bytes, which no tree block is larger than.
    pub(crate) fn new(block_len: usize) -> Self {
        let blocks_max = BLOCK_BYTES_MAX.checked_div(block_len).and_then(NonZeroUsize::new);
        Self { trees: Kept::new(TREES_MAX), blocks: Kept::new(blocks_max.unwrap_or(NonZeroUsize::MIN)) }
    }

    /// Reads from byte `offset` on as [`file::read`] does, only what the hashes of the file fit to.
    pub(crate) fn read(&self, fs: &Ext4, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let cut = || corrupt(format!("{}: a verified read was cut short", inode.name()));
        let tree = self.trees.get_or_read(inode.number, || read_tree(fs, inode))?;
        let left = inode.attr.size.saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        let mut rest = buf.get_mut(..wanted).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let first = at >> tree.block_shift;
            let start = first << tree.block_shift;
            let skipped = usize::try_from(at.saturating_sub(start)).map_err(|_| cut())?;
            let bytes = skipped.saturating_add(rest.len()).next_multiple_of(tree.block_len()).min(PIECE_BYTES);
            // What is behind the end counts as zeros.
            let mut piece = vec![0; bytes];
            file::read(fs, inode, start, &mut piece)?;
            for (number, block) in (first..).zip(piece.chunks_exact(tree.block_len())) {
                self.verify(fs, inode, &tree, number, block)?;
            }
            let verified = piece.get(skipped..).ok_or_else(cut)?;
            let length = verified.len().min(rest.len());
            let (part, after) = rest.split_at_mut_checked(length).ok_or_else(cut)?;
            part.copy_from_slice(verified.get(..length).ok_or_else(cut)?);
            rest = after;
            at = at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
        Ok(wanted)
    }

    /// Checks data block `number` against the root hash, going down the tree.
    fn verify(&self, fs: &Ext4, inode: &Inode, tree: &Tree, number: u64, data: &[u8]) -> Result<()> {
        let mut parent: Option<(Arc<Vec<u8>>, usize)> = None;
        for step in tree.path(number) {
            let expected = expected(tree, parent.as_ref())?;
            let block = self.blocks.get_or_read((inode.number, step.block), || {
                let start = metadata_start(inode)?.saturating_add(step.block << tree.block_shift);
                let mut block = vec![0; tree.block_len()];
                file::read_stored(fs, inode, start, &mut block)?;
                if tree.hash(&block) != expected {
                    let message = format!("{}: block {} of its Merkle tree fails its hash", inode.name(), step.block);
                    return Err(corrupt(message));
                }
                Ok(block)
            })?;
            parent = Some((block, step.hash_at));
        }
        if tree.hash(data) != expected(tree, parent.as_ref())? {
            let bytes = tree.block_len();
            return Err(corrupt(format!("{}: block {number} (of {bytes} bytes) fails its verity hash", inode.name())));
        }
        Ok(())
    }
}

/// The hash of what is below a place in a tree block, or the root hash.
fn expected<'a>(tree: &'a Tree, parent: Option<&'a (Arc<Vec<u8>>, usize)>) -> Result<&'a [u8]> {
    let Some((block, at)) = parent else { return Ok(&tree.root) };
    let hash = block.get(*at..).and_then(|hashes| hashes.get(..tree.root.len()));
    hash.ok_or_else(|| corrupt("a Merkle tree block without room for its hashes"))
}

/// Where the Merkle tree begins, in bytes from the start of the file.
fn metadata_start(inode: &Inode) -> Result<u64> {
    let start = inode.attr.size.checked_next_multiple_of(METADATA_ALIGNMENT);
    start.ok_or_else(|| corrupt(format!("{}: no room for a Merkle tree behind its data", inode.name())))
}

/// Reads the descriptor (Linux `ext4_get_verity_descriptor_location`): it begins with a block of the file system, and its
/// size ends the last block that the file has.
fn read_tree(fs: &Ext4, inode: &Inode) -> Result<Tree> {
    let bad = || corrupt(format!("{}: its verity descriptor is missing or damaged", inode.name()));
    if !inode.has_extents() || inode.has_inline_data() {
        return Err(bad());
    }
    let start = metadata_start(inode)?;
    let size_at = allocated_end(fs, inode, start)?.and_then(|end| end.checked_sub(SIZE_BYTES)).ok_or_else(bad)?;
    let mut size = [0; 4];
    file::read_stored(fs, inode, size_at, &mut size)?;
    let size = u64::from(u32::from_le_bytes(size));
    let end = size_at.checked_sub(size).ok_or_else(bad)?;
    let descriptor_at = end >> fs.device.superblock.block_shift << fs.device.superblock.block_shift;
    if size > DESCRIPTOR_BYTES_MAX || descriptor_at < start {
        return Err(bad());
    }
    let signature_bytes = usize::try_from(size).ok().and_then(|size| size.checked_sub(DESCRIPTOR_BYTES));
    let mut descriptor = [0; DESCRIPTOR_BYTES];
    file::read_stored(fs, inode, descriptor_at, &mut descriptor)?;
    Tree::parse(fs, inode, &descriptor, signature_bytes.ok_or_else(bad)?)
}

/// The end of the last block that is allocated from byte `start` of the file on; `None` when there is none.
fn allocated_end(fs: &Ext4, inode: &Inode, start: u64) -> Result<Option<u64>> {
    /// One more than the last block that a file can have.
    const END: u64 = (1 << 32) - 1;
    let shift = fs.device.superblock.block_shift;
    let (mut at, mut end) = (start >> shift, None);
    for _ in 0..RUNS_MAX {
        if at >= END {
            return Ok(end);
        }
        let run = mapping::run(fs, inode, at)?;
        at = at.saturating_add(run.count.min(END.saturating_sub(at)));
        if run.place != Place::Hole {
            end = Some(at << shift);
        }
    }
    Err(corrupt(format!("{}: its Merkle tree is in too many pieces", inode.name())))
}
