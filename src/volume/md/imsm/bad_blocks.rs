//! The log of blocks of disks that could not be read or written (mdadm `load_bbm_log`).

use std::ops::Range;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct bbm_log_entry`: blocks of a disk that could not be read or written.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawBadBlocks {
    marked_count: u8,
    disk_ordinal: u8,
    w1: U16,
    dw1: U32,
}

const BBM_SIGNATURE: u32 = 0xABAD_B10C;
const BBM_ENTRIES_MAX: u32 = 254;

/// The log of bad blocks at the end of the block (mdadm `load_bbm_log`).
pub(super) fn read(bytes: &[u8], log_bytes: u32, sector: u64) -> Result<Vec<(usize, Range<u64>)>, String> {
    if log_bytes == 0 {
        return Ok(Vec::new());
    }
    let wrong = || format!("its log of bad blocks of {log_bytes} bytes is damaged");
    let start = usize::try_from(log_bytes).ok().and_then(|length| bytes.len().checked_sub(length));
    let log = start.and_then(|start| bytes.get(start..)).ok_or_else(wrong)?;
    let (head, entries) = <[U32; 2]>::ref_from_prefix(log).map_err(|_| wrong())?;
    let [signature, count] = head.map(U32::get);
    let entries = <[RawBadBlocks]>::ref_from_bytes(entries).map_err(|_| wrong())?;
    let is_right = signature == BBM_SIGNATURE && count <= BBM_ENTRIES_MAX;
    if !is_right || usize::try_from(count).ok() != Some(entries.len()) {
        return Err(wrong());
    }
    let range = |entry: &RawBadBlocks| {
        let first = u64::from(entry.w1.get()) | u64::from(entry.dw1.get()) << 16;
        let first = first.saturating_mul(sector);
        let length = u64::from(entry.marked_count).saturating_add(1).saturating_mul(sector);
        (usize::from(entry.disk_ordinal), first..first.saturating_add(length))
    };
    Ok(entries.iter().map(range).collect())
}
