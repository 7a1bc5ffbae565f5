//! On-disk layouts, big-endian unless said otherwise, with the kernel's names (`fs/xfs/libxfs/xfs_format.h`).

use zerocopy::big_endian::{I32, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

type Uuid = [u8; 16];

/// `struct xfs_dsb`: the superblock, at byte 0 of each allocation group.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawSuperblock {
    pub(crate) sb_magicnum: [u8; 4],
    pub(crate) sb_blocksize: U32,
    pub(crate) sb_dblocks: U64,
    pub(crate) sb_rblocks: U64,
    pub(crate) sb_rextents: U64,
    pub(crate) sb_uuid: Uuid,
    pub(crate) sb_logstart: U64,
    pub(crate) sb_rootino: U64,
    pub(crate) sb_rbmino: U64,
    pub(crate) sb_rsumino: U64,
    pub(crate) sb_rextsize: U32,
    pub(crate) sb_agblocks: U32,
    pub(crate) sb_agcount: U32,
    pub(crate) sb_rbmblocks: U32,
    pub(crate) sb_logblocks: U32,
    pub(crate) sb_versionnum: U16,
    pub(crate) sb_sectsize: U16,
    pub(crate) sb_inodesize: U16,
    pub(crate) sb_inopblock: U16,
    pub(crate) sb_fname: [u8; 12],
    pub(crate) sb_blocklog: u8,
    pub(crate) sb_sectlog: u8,
    pub(crate) sb_inodelog: u8,
    pub(crate) sb_inopblog: u8,
    pub(crate) sb_agblklog: u8,
    pub(crate) sb_rextslog: u8,
    pub(crate) sb_inprogress: u8,
    pub(crate) sb_imax_pct: u8,
    pub(crate) sb_icount: U64,
    pub(crate) sb_ifree: U64,
    pub(crate) sb_fdblocks: U64,
    pub(crate) sb_frextents: U64,
    pub(crate) sb_uquotino: U64,
    pub(crate) sb_gquotino: U64,
    pub(crate) sb_qflags: U16,
    pub(crate) sb_flags: u8,
    pub(crate) sb_shared_vn: u8,
    pub(crate) sb_inoalignmt: U32,
    pub(crate) sb_unit: U32,
    pub(crate) sb_width: U32,
    pub(crate) sb_dirblklog: u8,
    pub(crate) sb_logsectlog: u8,
    pub(crate) sb_logsectsize: U16,
    pub(crate) sb_logsunit: U32,
    pub(crate) sb_features2: U32,
    pub(crate) sb_bad_features2: U32,
    // Version 5 from here on.
    pub(crate) sb_features_compat: U32,
    pub(crate) sb_features_ro_compat: U32,
    pub(crate) sb_features_incompat: U32,
    pub(crate) sb_features_log_incompat: U32,
    /// Little-endian.
    pub(crate) sb_crc: [u8; 4],
    pub(crate) sb_spino_align: U32,
    pub(crate) sb_pquotino: U64,
    pub(crate) sb_lsn: U64,
    pub(crate) sb_meta_uuid: Uuid,
    // With the feature metadir.
    pub(crate) sb_metadirino: U64,
    pub(crate) sb_rgcount: U32,
    pub(crate) sb_rgextents: U32,
    pub(crate) sb_rgblklog: u8,
    pub(crate) sb_pad: [u8; 7],
    // With the feature zoned.
    pub(crate) sb_rtstart: U64,
    pub(crate) sb_rtreserved: U64,
}

/// `struct xfs_agf`: free space of an allocation group, in its second sector.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawAgf {
    pub(crate) agf_magicnum: [u8; 4],
    pub(crate) agf_versionnum: U32,
    pub(crate) agf_seqno: U32,
    pub(crate) agf_length: U32,
    pub(crate) agf_roots: [U32; 3],
    pub(crate) agf_levels: [U32; 3],
    pub(crate) agf_flfirst: U32,
    pub(crate) agf_fllast: U32,
    pub(crate) agf_flcount: U32,
    pub(crate) agf_freeblks: U32,
    pub(crate) agf_longest: U32,
    pub(crate) agf_btreeblks: U32,
    pub(crate) agf_uuid: Uuid,
    pub(crate) agf_rmap_blocks: U32,
}

/// `struct xfs_agi`: inodes of an allocation group, in its third sector.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawAgi {
    pub(crate) agi_magicnum: [u8; 4],
    pub(crate) agi_versionnum: U32,
    pub(crate) agi_seqno: U32,
    pub(crate) agi_length: U32,
    pub(crate) agi_count: U32,
    pub(crate) agi_root: U32,
    pub(crate) agi_level: U32,
    pub(crate) agi_freecount: U32,
    pub(crate) agi_newino: U32,
    pub(crate) agi_dirino: U32,
    pub(crate) agi_unlinked: [U32; 64],
    pub(crate) agi_uuid: Uuid,
    pub(crate) agi_crc: [u8; 4],
    pub(crate) agi_pad32: U32,
    pub(crate) agi_lsn: U64,
}

/// A time: `xfs_legacy_timestamp`, or with the flag `bigtime` one number of nanoseconds since [`crate::inode`] says when.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawTimestamp {
    pub(crate) t_sec: I32,
    pub(crate) t_nsec: I32,
}

/// `struct xfs_dinode` up to where versions 1 and 2 end: 100 bytes.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawInode {
    pub(crate) di_magic: [u8; 2],
    pub(crate) di_mode: U16,
    pub(crate) di_version: u8,
    pub(crate) di_format: u8,
    /// The number of links in version 1; `di_metatype` of a file of the metadata directory.
    pub(crate) di_onlink: U16,
    pub(crate) di_uid: U32,
    pub(crate) di_gid: U32,
    pub(crate) di_nlink: U32,
    pub(crate) di_projid_lo: U16,
    pub(crate) di_projid_hi: U16,
    /// Number of data extents with `nrext64`; else padding and, in version 2, `di_flushiter`.
    pub(crate) di_big_nextents: U64,
    pub(crate) di_atime: RawTimestamp,
    pub(crate) di_mtime: RawTimestamp,
    pub(crate) di_ctime: RawTimestamp,
    pub(crate) di_size: U64,
    pub(crate) di_nblocks: U64,
    pub(crate) di_extsize: U32,
    /// Number of data extents; with `nrext64` that of attribute extents (`di_big_anextents`).
    pub(crate) di_nextents: U32,
    pub(crate) di_anextents: U16,
    pub(crate) di_forkoff: u8,
    pub(crate) di_aformat: u8,
    pub(crate) di_dmevmask: U32,
    pub(crate) di_dmstate: U16,
    pub(crate) di_flags: U16,
    pub(crate) di_gen: U32,
    pub(crate) di_next_unlinked: U32,
}

/// The rest of `struct xfs_dinode`, in version 3: 76 bytes.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawInodeV3 {
    /// Little-endian.
    pub(crate) di_crc: [u8; 4],
    pub(crate) di_changecount: U64,
    pub(crate) di_lsn: U64,
    pub(crate) di_flags2: U64,
    pub(crate) di_cowextsize: U32,
    pub(crate) di_pad2: [u8; 12],
    pub(crate) di_crtime: RawTimestamp,
    pub(crate) di_ino: U64,
    pub(crate) di_uuid: Uuid,
}

/// `struct xfs_btree_block` of a tree with 64-bit pointers, as every block-map tree is: 24 bytes, then in version 5 those of
/// [`RawLongBlockV5`].
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawLongBlock {
    pub(crate) bb_magic: [u8; 4],
    pub(crate) bb_level: U16,
    pub(crate) bb_numrecs: U16,
    pub(crate) bb_leftsib: U64,
    pub(crate) bb_rightsib: U64,
}

/// The rest of a long tree block's header in version 5: 48 bytes.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawLongBlockV5 {
    pub(crate) bb_blkno: U64,
    pub(crate) bb_lsn: U64,
    pub(crate) bb_uuid: Uuid,
    pub(crate) bb_owner: U64,
    pub(crate) bb_crc: [u8; 4],
    pub(crate) bb_pad: U32,
}

/// `struct xfs_bmdr_block`: the root of a block-map tree in an inode.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawBmdrBlock {
    pub(crate) bb_level: U16,
    pub(crate) bb_numrecs: U16,
}

/// `struct xfs_bmbt_rec`: an extent of a file, packed into 128 bits.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawExtent {
    pub(crate) l0: U64,
    pub(crate) l1: U64,
}

/// `struct xfs_dsymlink_hdr`: before each piece of a link's target that is in a block, in version 5.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawSymlinkHeader {
    pub(crate) sl_magic: [u8; 4],
    pub(crate) sl_offset: U32,
    pub(crate) sl_bytes: U32,
    pub(crate) sl_crc: [u8; 4],
    pub(crate) sl_uuid: Uuid,
    pub(crate) sl_owner: U64,
    pub(crate) sl_blkno: U64,
    pub(crate) sl_lsn: U64,
}

/// `struct xfs_rtsb`: the superblock of a realtime device with realtime groups.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawRealtimeSuperblock {
    pub(crate) rsb_magicnum: [u8; 4],
    pub(crate) rsb_crc: [u8; 4],
    pub(crate) rsb_pad: U32,
    pub(crate) rsb_fname: [u8; 12],
    pub(crate) rsb_uuid: Uuid,
    pub(crate) rsb_meta_uuid: Uuid,
}

/// `struct xfs_da_blkinfo`: how blocks of directory and attribute trees begin.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawDaInfo {
    pub(crate) forw: U32,
    pub(crate) back: U32,
    pub(crate) magic: U16,
    pub(crate) pad: U16,
}

/// `struct xfs_da_node_entry`: a subtree, and the greatest hash in it.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawDaNodeEntry {
    pub(crate) hashval: U32,
    pub(crate) before: U32,
}
