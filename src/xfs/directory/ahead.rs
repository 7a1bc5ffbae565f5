//! What a listing will read next.

use super::blocks::Blocks;
use super::entry::Entry;
use crate::device::{Device, Part};
use crate::fork::Which;
use crate::mapping::{self, Place};
use std::collections::BTreeSet;

/// Inodes are allocated together, so many at a time (Linux `XFS_INODES_PER_CHUNK`).
const CHUNK_LOG: u32 = 6;
/// Bytes of a directory that are fetched ahead, and at which distances that is asked for.
const AHEAD_BYTES: u64 = 256 << 10;
const STEP_BYTES: u64 = 64 << 10;
/// Pieces that one hint looks up; in a directory with smaller ones less is fetched ahead.
const RUNS_MAX: usize = 64;

/// Hints at the inodes of entries, and those beside them.
pub(super) fn inodes<'a>(device: &Device, entries: impl Iterator<Item = Entry<'a>>) {
    let superblock = &device.superblock;
    let bytes = 1_u64 << superblock.inode_shift.saturating_add(CHUNK_LOG);
    let chunk =
        |entry: Entry<'_>| superblock.inode_address(entry.node.0).map(|address| address & !bytes.wrapping_sub(1));
    let chunks: BTreeSet<_> = entries.filter_map(chunk).collect();
    let ranges: Vec<_> = chunks.into_iter().map(|start| start..start.saturating_add(bytes)).collect();
    device.will_need(&ranges);
}

/// Hints at the blocks of a directory from `number` on.
pub(super) fn blocks(directory: &Blocks<'_>, number: u64) {
    let per_step = (STEP_BYTES >> directory.shift()).max(1);
    if !number.is_multiple_of(per_step) {
        return;
    }
    let (device, dir) = (&directory.fs.device, directory.dir);
    let shift = device.superblock.block_shift;
    let end = number.saturating_add(AHEAD_BYTES >> directory.shift()).min(directory.count());
    let (mut block, end) = (directory.fs_block(number.saturating_add(1)), directory.fs_block(end));
    let mut wanted = Vec::new();
    for _ in 0..RUNS_MAX {
        if block >= end {
            break;
        }
        // A hint never fails: whoever reads the damaged place is told.
        let Ok(run) = mapping::run(directory.fs, dir, Which::Data, block) else { break };
        let count = run.count.min(end.saturating_sub(block));
        if let Place::Stored(start) = run.place
            && let Ok(address) = device.address(Part::Data, start, count, &|| dir.name())
        {
            wanted.push(address..address.saturating_add(count << shift));
        }
        block = block.saturating_add(count);
    }
    device.will_need(&wanted);
}
