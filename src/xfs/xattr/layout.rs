//! On-disk layouts of extended attributes, big-endian, with the kernel's names (`fs/xfs/libxfs/xfs_da_format.h`).

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct xfs_attr_sf_hdr`: before the attributes that are in the inode.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawShortHeader {
    /// Bytes of all that there is, this header included.
    pub(super) totsize: U16,
    pub(super) count: u8,
    pub(super) padding: u8,
}

/// `struct xfs_attr_sf_entry`: name and value follow.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawShortEntry {
    pub(super) namelen: u8,
    pub(super) valuelen: u8,
    pub(super) flags: u8,
}

/// `struct xfs_attr_leaf_hdr` and `struct xfs_attr3_leaf_hdr`, from where `struct xfs_da_blkinfo` and its longer form end.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawLeafHeader {
    pub(super) count: U16,
    pub(super) usedbytes: U16,
    /// Byte of the block at which the first name is; 0 stands for 65536.
    pub(super) firstused: U16,
    pub(super) holes: u8,
    pub(super) pad1: u8,
    /// Three free areas: base and size of each.
    pub(super) freemap: [[U16; 2]; 3],
}

/// `struct xfs_attr_leaf_entry`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawLeafEntry {
    pub(super) hashval: U32,
    /// Byte of the block at which the name is: [`RawLocalName`] or [`RawRemoteName`].
    pub(super) nameidx: U16,
    pub(super) flags: u8,
    pub(super) pad2: u8,
}

/// `struct xfs_attr_leaf_name_local`: name and value follow.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawLocalName {
    pub(super) valuelen: U16,
    pub(super) namelen: u8,
}

/// `struct xfs_attr_leaf_name_remote`: the name follows.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawRemoteName {
    /// Block of the fork at which the value begins.
    pub(super) valueblk: U32,
    pub(super) valuelen: U32,
    pub(super) namelen: u8,
}

/// `struct xfs_attr3_rmt_hdr`, as far as it is not in [`crate::verify::REMOTE`]: before each block of a value, in version 5.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawRemoteHeader {
    pub(super) rm_magic: [u8; 4],
    /// Byte of the value at which this block begins.
    pub(super) rm_offset: U32,
    /// Bytes of the value in this block.
    pub(super) rm_bytes: U32,
    pub(super) rm_crc: [u8; 4],
    pub(super) rm_uuid: [u8; 16],
    pub(super) rm_owner: [u8; 8],
    pub(super) rm_blkno: [u8; 8],
    pub(super) rm_lsn: [u8; 8],
}
