//! On-disk layouts of directories, big-endian, with the kernel's names (`fs/xfs/libxfs/xfs_da_format.h`).

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct xfs_dir2_sf_hdr` without the parent, which has 4 bytes, or 8 where `i8count` is not 0.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawShortHeader {
    /// Number of entries, without `.` and `..`.
    pub(super) count: u8,
    /// How many of the inode numbers, that of the parent included, need 8 bytes.
    pub(super) i8count: u8,
}

/// `struct xfs_dir2_sf_entry` up to its name; then comes the type, if there are types, and the inode number.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawShortEntry {
    pub(super) namelen: u8,
    /// Where the entry would be in a block.
    pub(super) offset: U16,
}

/// `struct xfs_dir2_data_entry` up to its name; then comes the type, if there are types, and in the last two of a
/// multiple of 8 bytes the tag.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawDataEntry {
    pub(super) inumber: U64,
    pub(super) namelen: u8,
}

/// `struct xfs_dir2_data_unused` up to the unused bytes; the tag is in the last two of its `length` bytes.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawDataUnused {
    pub(super) freetag: U16,
    pub(super) length: U16,
}

/// `struct xfs_dir2_leaf_entry`: where the entry is whose name has this hash.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawLeafEntry {
    pub(super) hashval: U32,
    /// In units of 8 bytes from the start of the directory; 0 where the entry was removed.
    pub(super) address: U32,
}

/// `struct xfs_dir2_block_tail`: the end of a block that holds its own index.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawBlockTail {
    pub(super) count: U32,
    pub(super) stale: U32,
}

/// What `struct xfs_dir2_leaf_hdr` and `struct xfs_dir3_leaf_hdr` have behind what all blocks of a tree begin with.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawLeafCounts {
    pub(super) count: U16,
    pub(super) stale: U16,
}
