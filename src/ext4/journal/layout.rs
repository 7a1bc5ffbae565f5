//! Structures as they lie in the log, with the kernel's field names (Linux `include/linux/jbd2.h`). Nothing here is
//! checked, except that the header of a block is one.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `JBD2_MAGIC_NUMBER`.
pub(crate) const MAGIC: u32 = 0xC03B_3998;

/// `journal_header_t`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawHeader {
    pub(crate) h_magic: U32,
    pub(crate) h_blocktype: U32,
    pub(crate) h_sequence: U32,
}

pub(crate) const HEADER_BYTES: usize = size_of::<RawHeader>();

/// `journal_superblock_t`, 1024 bytes.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawJournalSuperblock {
    pub(crate) s_header: RawHeader,
    pub(crate) s_blocksize: U32,
    pub(crate) s_maxlen: U32,
    pub(crate) s_first: U32,
    pub(crate) s_sequence: U32,
    pub(crate) s_start: U32,
    pub(crate) s_errno: U32,
    pub(crate) s_feature_compat: U32,
    pub(crate) s_feature_incompat: U32,
    pub(crate) s_feature_ro_compat: U32,
    pub(crate) s_uuid: [u8; 16],
    pub(crate) s_nr_users: U32,
    pub(crate) s_dynsuper: U32,
    pub(crate) s_max_transaction: U32,
    pub(crate) s_max_trans_data: U32,
    pub(crate) s_checksum_type: u8,
    pub(crate) s_padding2: [u8; 3],
    pub(crate) s_num_fc_blks: U32,
    pub(crate) s_head: U32,
    pub(crate) s_padding: [U32; 40],
    pub(crate) s_checksum: U32,
    pub(crate) s_users: [u8; 768],
}

/// `journal_block_tag_t`; what comes after the flags is there only in some forms.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawTag {
    pub(crate) t_blocknr: U32,
    pub(crate) t_checksum: U16,
    pub(crate) t_flags: U16,
}

/// `struct commit_header`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawCommit {
    pub(crate) header: RawHeader,
    pub(crate) h_chksum_type: u8,
    pub(crate) h_chksum_size: u8,
    pub(crate) h_padding: [u8; 2],
    pub(crate) h_chksum: [U32; 8],
    pub(crate) h_commit_sec: U64,
    pub(crate) h_commit_nsec: U32,
}

/// Byte of `h_chksum[0]` in a commit block.
pub(crate) const COMMIT_CHECKSUM_OFFSET: usize = 16;

const _: () = {
    assert!(size_of::<RawJournalSuperblock>() == 1024);
    assert!(size_of::<RawTag>() == 8);
    assert!(size_of::<RawCommit>() == 60);
};

/// What a block of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockType {
    /// Says where the blocks that follow belong.
    Descriptor,
    /// Ends a transaction.
    Commit,
    /// Names blocks whose older copies in the log must not be replayed.
    Revoke,
}

/// The type and sequence number of a block of the log; `None` when it is none, where a log ends.
pub(crate) fn header(block: &[u8]) -> Option<(BlockType, u32)> {
    let (raw, _) = RawHeader::ref_from_prefix(block).ok()?;
    let block_type = match raw.h_blocktype.get() {
        1 => BlockType::Descriptor,
        2 => BlockType::Commit,
        5 => BlockType::Revoke,
        _ => return None,
    };
    (raw.h_magic.get() == MAGIC).then(|| (block_type, raw.h_sequence.get()))
}
