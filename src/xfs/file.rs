//! Data of files: holes and unwritten extents are zeros, everything else comes from the volume.

use crate::filesystem::Xfs;
use crate::fork::Which;
use crate::inode::Inode;
use crate::mapping::{self, Place};
use std::ops::Range;
use vfs::{Error, ErrorKind, Result, Segment, SegmentKind};

/// Reads from byte `offset` on; fewer bytes than `buf` has room for only at the end.
pub(crate) fn read(fs: &Xfs, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<usize> {
    let left = inode.attr.size.saturating_sub(offset);
    let wanted = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
    mapping::read(fs, inode, Which::Data, offset, buf.get_mut(..wanted).unwrap_or_default())?;
    Ok(wanted)
}

/// The stored bytes, or the hole, at `offset`.
pub(crate) fn segment(fs: &Xfs, inode: &Inode, offset: u64) -> Result<Segment> {
    let shift = fs.device.superblock.block_shift;
    let size = inode.attr.size;
    if offset >= size {
        return Err(Error::new(ErrorKind::NotFound, "there is no data at or after the end of a file"));
    }
    let first = offset >> shift;
    let run = mapping::run(fs, inode, Which::Data, first)?;
    let kind = match run.place {
        Place::Stored(_) => SegmentKind::Data,
        Place::Hole | Place::Unwritten(_) => SegmentKind::Hole,
    };
    // A file of 8 EiB less one byte ends in the last block that there can be.
    let end = first.saturating_add(run.count).min(u64::MAX >> shift) << shift;
    Ok(Segment { kind, range: first << shift..end.min(size) })
}

/// Hints at the bytes of the volume that hold this part of the file.
pub(crate) fn will_read(fs: &Xfs, inode: &Inode, range: Range<u64>) {
    /// Pieces that one hint looks up; in a file with smaller ones less is fetched ahead.
    const RUNS_MAX: usize = 64;
    let superblock = &fs.device.superblock;
    let part = inode.part(Which::Data);
    let end = range.end.min(inode.attr.size).div_ceil(superblock.block_bytes());
    let (mut block, mut wanted) = (range.start >> superblock.block_shift, Vec::new());
    for _ in 0..RUNS_MAX {
        if block >= end {
            break;
        }
        // A hint never fails: whoever reads the damaged place is told.
        let Ok(run) = mapping::run(fs, inode, Which::Data, block) else { break };
        let count = run.count.min(end.saturating_sub(block));
        if let Place::Stored(start) = run.place
            && let Ok(address) = fs.device.address(part, start, count, &|| inode.name())
        {
            wanted.push(address..address.saturating_add(count << superblock.block_shift));
        }
        block = block.saturating_add(count);
    }
    fs.device.will_need_part(part, &wanted);
}
