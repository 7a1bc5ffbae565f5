//! How a disk is divided into logical blocks.

use std::fmt;

/// The size of a logical block (a "sector") in bytes: 512 or 4096, the two that disks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockSize(u32);

impl BlockSize {
    /// 512 bytes.
    pub const B512: Self = Self(512);
    /// 4096 bytes.
    pub const B4096: Self = Self(4096);

    /// `bytes` as a block size; `None` when no disk that fr-mount reads has such blocks.
    #[must_use]
    pub const fn from_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            512 | 4096 => Some(Self(bytes)),
            _ => None,
        }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.0
    }

    /// log2 of the size in bytes.
    #[must_use]
    pub const fn shift(self) -> u32 {
        self.0.trailing_zeros()
    }
}

impl fmt::Display for BlockSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The shape of a disk. Its size in bytes always fits `u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    block_size: BlockSize,
    blocks: u64,
}

impl Geometry {
    /// A disk of `blocks` logical blocks; `None` when its size in bytes would not fit `u64`.
    #[must_use]
    pub fn new(block_size: BlockSize, blocks: u64) -> Option<Self> {
        blocks.checked_mul(u64::from(block_size.bytes()))?;
        Some(Self { block_size, blocks })
    }

    /// A disk of no blocks.
    #[must_use]
    pub const fn empty(block_size: BlockSize) -> Self {
        Self { block_size, blocks: 0 }
    }

    /// The size of one logical block.
    #[must_use]
    pub const fn block_size(self) -> BlockSize {
        self.block_size
    }

    /// How many logical blocks the disk has.
    #[must_use]
    pub const fn blocks(self) -> u64 {
        self.blocks
    }

    /// The size of the disk in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        // Cannot saturate: `new` checked this very product.
        self.blocks.saturating_mul(u64::from(self.block_size.bytes()))
    }
}

/// A run of logical blocks: `count` blocks from block `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockRange {
    /// The first logical block address.
    pub first: u64,
    /// How many blocks; never 0 in a submitted read.
    pub count: u32,
}

impl BlockRange {
    /// The block after the last one; `None` when that does not fit `u64`.
    #[must_use]
    pub fn end(self) -> Option<u64> {
        self.first.checked_add(u64::from(self.count))
    }

    /// Whether the run is not empty and lies inside a disk of this geometry.
    #[must_use]
    pub fn fits(self, geometry: Geometry) -> bool {
        self.count > 0 && self.end().is_some_and(|end| end <= geometry.blocks())
    }
}
