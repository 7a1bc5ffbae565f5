//! Inodes that were deleted while they were open, in the lists that a kernel frees after its recovery
//! (Linux `xlog_recover_process_iunlinks`). They have no names, so nobody sees them.

use crate::ag_header::AGI;
use crate::bytes::u32_at;
use crate::device::Device;
use crate::layout::RawAgi;
use zerocopy::FromBytes;

/// Allocation groups that are looked at, and inodes that are followed: what is only told is worth no more.
const GROUPS_MAX: u64 = 1024;
const INODES_MAX: usize = 4096;
/// Byte of `di_next_unlinked` in an inode.
const NEXT_OFFSET: u64 = 96;
/// `NULLAGINO`.
const NONE: u32 = u32::MAX;

/// How many there are, as far as that can be read.
pub(crate) fn count(device: &Device) -> usize {
    let superblock = &device.superblock;
    let sector_bytes = 1_u64 << superblock.sector_shift;
    let groups = 0..superblock.ag_count.min(GROUPS_MAX);
    let addresses = groups.clone().map(|group| superblock.ag_sector_address(group, AGI.sector));
    let wanted: Vec<_> = addresses.map(|address| address..address.saturating_add(sector_bytes)).collect();
    device.will_need(&wanted);
    let mut found = 0_usize;
    for group in groups {
        let Ok(sector) = AGI.read(device, group) else { continue };
        let Ok((agi, _)) = RawAgi::ref_from_prefix(&sector) else { continue };
        for first in agi.agi_unlinked {
            found = followed(device, group, first.get(), found);
        }
    }
    found
}

/// `found` and the inodes of one list.
fn followed(device: &Device, group: u64, first: u32, found: usize) -> usize {
    let superblock = &device.superblock;
    let (mut next, mut found) = (first, found);
    while next != NONE && found < INODES_MAX {
        let number = (group << superblock.ag_block_log << superblock.inodes_per_block_log()) | u64::from(next);
        let mut field = [0; 4];
        let address = superblock.inode_address(number).map(|address| address.saturating_add(NEXT_OFFSET));
        let read = address.map(|address| device.read(address, &mut field));
        let Some(Ok(())) = read else { break };
        found = found.saturating_add(1);
        next = u32_at(&field, 0).unwrap_or(NONE);
    }
    found
}
