//! Structures as they lie in the log, with the kernel's field names (Linux `fs/xfs/libxfs/xfs_log_format.h`). What
//! frames the log is big-endian; what a log item consists of is in the order of the machine that wrote it.

use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The log is counted in these, whatever a sector is (`BBSIZE`).
pub(crate) const BASIC_BLOCK: usize = 512;
/// log2 of [`BASIC_BLOCK`].
pub(crate) const BASIC_BLOCK_SHIFT: u32 = 9;
/// `XLOG_HEADER_MAGIC_NUM`: no number of a cycle.
pub(crate) const RECORD_MAGIC: u32 = 0xFEED_BABE;
/// Cycle numbers that one block of a record's header has room for (`XLOG_CYCLE_DATA_SIZE`).
pub(crate) const CYCLES_PER_HEADER: usize = 64;
/// Bytes of a record that one block of its header describes (`XLOG_HEADER_CYCLE_SIZE`).
pub(crate) const HEADER_CYCLE_BYTES: u64 = 32 << 10;
/// `XLOG_MAX_RECORD_BSIZE`.
pub(crate) const RECORD_BYTES_MAX: u64 = 256 << 10;
/// `XLOG_MAX_ICLOGS`: records that can be under way to the disk at once.
pub(crate) const RECORDS_IN_FLIGHT: u64 = 8;

/// `struct xlog_rec_header`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawRecordHeader {
    pub(crate) h_magicno: U32,
    pub(crate) h_cycle: U32,
    pub(crate) h_version: U32,
    /// Length in bytes, without the header.
    pub(crate) h_len: U32,
    pub(crate) h_lsn: U64,
    pub(crate) h_tail_lsn: U64,
    /// Little-endian.
    pub(crate) h_crc: [u8; 4],
    pub(crate) h_prev_block: U32,
    pub(crate) h_num_logops: U32,
    /// The first words of the first 64 blocks, in whose place their cycle number is.
    pub(crate) h_cycle_data: [[u8; 4]; CYCLES_PER_HEADER],
    pub(crate) h_fmt: U32,
    pub(crate) h_fs_uuid: [u8; 16],
    /// Size of the log's buffers in memory; it says how many blocks the header has.
    pub(crate) h_size: U32,
}

/// Byte of `h_crc` in a record's header.
pub(crate) const RECORD_CRC_OFFSET: usize = 32;
/// Bytes of the header that its checksum covers: the structure as a 64-bit compiler pads it, and as one for i386 does
/// not.
pub(crate) const RECORD_SUMMED_BYTES: [usize; 2] = [328, 324];
/// The same of each further block of the header (`struct xlog_rec_ext_header`).
pub(crate) const EXTENSION_SUMMED_BYTES: usize = 260;
/// Byte at which the first words begin in a further block of the header (`xh_cycle_data`).
pub(crate) const EXTENSION_CYCLES_OFFSET: usize = 4;

/// `struct xlog_op_header`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawOperation {
    pub(crate) oh_tid: U32,
    pub(crate) oh_len: U32,
    pub(crate) oh_clientid: u8,
    pub(crate) oh_flags: u8,
    pub(crate) oh_res2: [u8; 2],
}

/// `oh_flags`.
pub(crate) mod operation {
    pub(crate) const START: u8 = 0x01;
    pub(crate) const COMMIT: u8 = 0x02;
    pub(crate) const CONTINUE: u8 = 0x04;
    pub(crate) const WAS_CONTINUED: u8 = 0x08;
    pub(crate) const END: u8 = 0x10;
    pub(crate) const UNMOUNT: u8 = 0x20;
}

/// `XFS_TRANS_HEADER_MAGIC`, which begins a transaction.
pub(crate) const TRANSACTION_MAGIC: u32 = 0x5452_414E;
/// `struct xfs_trans_header`.
pub(crate) const TRANSACTION_HEADER_BYTES: usize = 16;
/// `XLOG_MAX_REGIONS_IN_ITEM`.
pub(crate) const REGIONS_MAX: u16 = 257;

const _: () = {
    assert!(size_of::<RawRecordHeader>() == 324);
    assert!(size_of::<RawOperation>() == 12);
};
