//! The shape of a Merkle tree: which block holds which hash (Linux `fs/verity/open.c`).

use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::layout::RawVerityDescriptor;
use sha2::{Digest, Sha256, Sha512};
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result};
use zerocopy::FromBytes;

/// `struct fsverity_descriptor` without its signature.
pub(super) const DESCRIPTOR_BYTES: usize = 256;
const VERSION: u8 = 1;
/// log2 of the smallest tree block.
const BLOCK_SHIFT_MIN: u32 = 10;
/// The most levels of a tree (Linux `FS_VERITY_MAX_LEVELS`).
const LEVELS_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    /// log2 of the bytes of a hash.
    const fn hash_shift(self) -> u32 {
        match self {
            Self::Sha256 => 5,
            Self::Sha512 => 6,
        }
    }

    /// Bytes that the algorithm takes in at a time: a salt is filled up to them.
    const fn input_bytes(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// How the data of a file is hashed.
pub(super) struct Tree {
    algorithm: Algorithm,
    /// log2 of the bytes of a block, of data and of the tree; no more than that of the file system.
    pub(super) block_shift: u32,
    /// What comes before each block, filled up with zeros.
    salt: Vec<u8>,
    /// The hash of the block at the top.
    pub(super) root: Vec<u8>,
    /// The first block of each level in the tree, the one that hashes data first; none for a file of one block.
    levels: Vec<u64>,
}

/// A block on the way down the tree.
pub(super) struct Step {
    /// Its number in the tree.
    pub(super) block: u64,
    /// Byte of the hash of what comes next.
    pub(super) hash_at: usize,
}

impl Tree {
    /// The tree that a descriptor describes, which has so many bytes of signature.
    pub(super) fn parse(
        fs: &Ext4,
        inode: &Inode,
        descriptor: &[u8; DESCRIPTOR_BYTES],
        signature_bytes: usize,
    ) -> Result<Self> {
        let bad = |what: &str| corrupt(format!("{}: its verity descriptor has {what}", inode.name()));
        let raw = RawVerityDescriptor::ref_from_bytes(descriptor).map_err(|_| bad("another size"))?;
        let unsupported = |what: &str, found: u8| {
            let message = format!("{}: verity {what} {found}, which this version cannot verify", inode.name());
            Error::new(ErrorKind::Unsupported, message)
        };
        let algorithm = match (raw.version, raw.hash_algorithm) {
            (VERSION, 1) => Algorithm::Sha256,
            (VERSION, 2) => Algorithm::Sha512,
            (VERSION, other) => return Err(unsupported("hash algorithm", other)),
            (other, _) => return Err(unsupported("version", other)),
        };
        let block_shift = u32::from(raw.log_blocksize);
        if !(BLOCK_SHIFT_MIN..=fs.device.superblock.block_shift).contains(&block_shift) {
            return Err(bad("a block size that is too small, or larger than that of the file system"));
        }
        let (expected, found) = (inode.attr.size, raw.data_size.get());
        if expected != found {
            return Err(bad(&format!("{found} bytes of data, not {expected}")));
        }
        let has_signature = usize::try_from(raw.sig_size.get()).is_ok_and(|size| size <= signature_bytes);
        if !has_signature || raw.reserved.iter().any(|byte| *byte != 0) {
            return Err(bad("fields that contradict each other"));
        }
        let salt = raw.salt.get(..raw.salt_size.into()).ok_or_else(|| bad("too long a salt"))?;
        let mut salt = salt.to_vec();
        salt.resize(salt.len().next_multiple_of(algorithm.input_bytes()), 0);
        let root = raw.root_hash.get(..1 << algorithm.hash_shift()).ok_or_else(|| bad("no root hash"))?.to_vec();
        if expected == 0 && root.iter().any(|byte| *byte != 0) {
            return Err(bad("a hash of no data"));
        }
        let levels = levels(expected, block_shift, algorithm).ok_or_else(|| bad("too large a tree"))?;
        Ok(Self { algorithm, block_shift, salt, root, levels })
    }

    pub(super) const fn block_len(&self) -> usize {
        1 << self.block_shift
    }

    /// The hash of a block.
    pub(super) fn hash(&self, block: &[u8]) -> Vec<u8> {
        match self.algorithm {
            Algorithm::Sha256 => Sha256::new().chain_update(&self.salt).chain_update(block).finalize().to_vec(),
            Algorithm::Sha512 => Sha512::new().chain_update(&self.salt).chain_update(block).finalize().to_vec(),
        }
    }

    /// The tree blocks between the root hash and data block `number`, from the top.
    pub(super) fn path(&self, number: u64) -> impl Iterator<Item = Step> {
        let arity_shift = arity_shift(self.block_shift, self.algorithm);
        let shifts = (0..self.levels.len()).map(move |_| arity_shift).scan(0_u32, |sum, shift| {
            let before = *sum;
            *sum = sum.saturating_add(shift);
            Some(before)
        });
        let levels: Vec<_> = self.levels.iter().copied().zip(shifts).collect();
        levels.into_iter().rev().map(move |(first, shift)| {
            let position = number.checked_shr(shift).unwrap_or(0);
            let slot = position & (1_u64 << arity_shift).wrapping_sub(1);
            let hash_at = usize::try_from(slot << self.algorithm.hash_shift()).unwrap_or(usize::MAX);
            Step { block: first.saturating_add(position >> arity_shift), hash_at }
        })
    }
}

/// log2 of the hashes in a block.
const fn arity_shift(block_shift: u32, algorithm: Algorithm) -> u32 {
    block_shift.saturating_sub(algorithm.hash_shift())
}

/// The first block of each level of the tree over so much data: the root comes first in the tree, the level that hashes
/// data last. `None` when there are more levels than there may be.
fn levels(data_bytes: u64, block_shift: u32, algorithm: Algorithm) -> Option<Vec<u64>> {
    let arity = 1_u64 << arity_shift(block_shift, algorithm);
    let mut blocks = data_bytes.div_ceil(1 << block_shift);
    let mut counts = Vec::new();
    while blocks > 1 {
        blocks = blocks.div_ceil(arity);
        counts.push(blocks);
        if counts.len() > LEVELS_MAX {
            return None;
        }
    }
    let mut start = 0_u64;
    let mut levels = Vec::new();
    for count in counts.iter().rev() {
        levels.push(start);
        start = start.checked_add(*count)?;
    }
    levels.reverse();
    Some(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_comes_first_and_hashes_of_data_last() {
        let of = |bytes, shift, algorithm| levels(bytes, shift, algorithm).unwrap();
        assert_eq!(of(0, 12, Algorithm::Sha256), []);
        assert_eq!(of(4096, 12, Algorithm::Sha256), []);
        assert_eq!(of(4097, 12, Algorithm::Sha256), [0]);
        assert_eq!(of(128 * 4096, 12, Algorithm::Sha256), [0]);
        assert_eq!(of(128 * 4096 + 1, 12, Algorithm::Sha256), [1, 0]);
        // 600 blocks of data, 38 of hashes, 3 of their hashes, 1 root.
        assert_eq!(of(600 << 10, 10, Algorithm::Sha512), [4, 1, 0]);
    }

    #[test]
    fn more_levels_than_the_kernel_takes_are_refused() {
        assert_eq!(levels(1 << 42, 10, Algorithm::Sha512).unwrap().len(), 8);
        assert_eq!(levels((1 << 42) + 1, 10, Algorithm::Sha512), None);
        assert_eq!(levels(i64::MAX as u64, 10, Algorithm::Sha256), None);
    }

    #[test]
    fn the_way_to_a_block_goes_through_one_block_of_each_level() {
        let levels = levels(600 << 10, 10, Algorithm::Sha512).unwrap();
        let tree = Tree { algorithm: Algorithm::Sha512, block_shift: 10, salt: vec![], root: vec![0; 64], levels };
        let path = |number| tree.path(number).map(|step| (step.block, step.hash_at)).collect::<Vec<_>>();
        assert_eq!(path(0), [(0, 0), (1, 0), (4, 0)]);
        assert_eq!(path(599), [(0, 2 * 64), (3, 5 * 64), (4 + 37, 7 * 64)]);
    }
}
