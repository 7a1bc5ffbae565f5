//! Data of files: holes and unwritten extents are zeros, everything else comes from the volume.

use crate::filesystem::Ext4;
use crate::inline;
use crate::inode::Inode;
use crate::mapping::{self, Place};
use std::ops::Range;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result, Segment, SegmentKind};

/// Reads from byte `offset` on; fewer bytes than `buf` has room for only at the end.
pub(crate) fn read(fs: &Ext4, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<usize> {
    if inode.has_inline_data() {
        return read_inline(fs, inode, offset, buf);
    }
    let left = inode.attr.size.saturating_sub(offset);
    let wanted = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
    read_stored(fs, inode, offset, buf.get_mut(..wanted).unwrap_or_default())?;
    Ok(wanted)
}

/// Fills `buf` with what the blocks of the file hold from byte `offset` on, also behind its end.
pub(crate) fn read_stored(fs: &Ext4, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<()> {
    let shift = fs.device.superblock.block_shift;
    let mut rest = buf;
    let mut at = offset;
    while !rest.is_empty() {
        let run = mapping::run(fs, inode, at >> shift)?;
        let in_block = at & fs.device.superblock.block_bytes().wrapping_sub(1);
        let run_bytes = (run.count << shift).saturating_sub(in_block);
        let length = usize::try_from(run_bytes).map_or(rest.len(), |bytes| bytes.min(rest.len()));
        let (part, after) = rest.split_at_mut_checked(length).ok_or_else(|| corrupt("a read without an end"))?;
        match run.place {
            Place::Hole | Place::Unwritten => part.fill(0),
            Place::Stored(block) => {
                let start = fs.device.offset(block, run.count, &inode.name())?;
                fs.device.read(start.saturating_add(in_block), part)?;
            }
        }
        rest = after;
        at = at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn read_inline(fs: &Ext4, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<usize> {
    let left = inode.attr.size.saturating_sub(offset);
    let wanted = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
    let data = inline::data(fs, inode)?;
    let stored = usize::try_from(offset).ok().and_then(|offset| data.get(offset..)).unwrap_or_default();
    let zeros = std::iter::repeat(&0);
    for (byte, stored) in buf.iter_mut().take(wanted).zip(stored.iter().chain(zeros)) {
        *byte = *stored;
    }
    Ok(wanted)
}

/// The stored bytes, or the hole, at `offset`.
pub(crate) fn segment(fs: &Ext4, inode: &Inode, offset: u64) -> Result<Segment> {
    let shift = fs.device.superblock.block_shift;
    if offset >= inode.attr.size {
        return Err(Error::new(ErrorKind::NotFound, "there is no data at or after the end of a file"));
    }
    if inode.has_inline_data() {
        let stored = u64::try_from(inline::data(fs, inode)?.len()).unwrap_or(0);
        let is_data = offset < stored;
        let kind = if is_data { SegmentKind::Data } else { SegmentKind::Hole };
        return Ok(Segment { kind, range: if is_data { 0..stored } else { stored..inode.attr.size } });
    }
    let first = offset >> shift;
    let run = mapping::run(fs, inode, first)?;
    let kind = match run.place {
        Place::Stored(_) => SegmentKind::Data,
        Place::Hole | Place::Unwritten => SegmentKind::Hole,
    };
    let end = (first.saturating_add(run.count) << shift).min(inode.attr.size);
    Ok(Segment { kind, range: first << shift..end })
}

/// Hints at the bytes of the volume that hold this part of the file.
pub(crate) fn will_read(fs: &Ext4, inode: &Inode, range: Range<u64>) {
    /// Pieces that one hint looks up; in a file with smaller ones less is fetched ahead.
    const RUNS_MAX: usize = 64;
    let shift = fs.device.superblock.block_shift;
    if inode.has_inline_data() {
        return;
    }
    let end = range.end.min(inode.attr.size).div_ceil(fs.device.superblock.block_bytes());
    let mut block = range.start >> shift;
    let mut wanted = Vec::new();
    for _ in 0..RUNS_MAX {
        if block >= end {
            break;
        }
        // A hint never fails: whoever reads the damaged place is told.
        let Ok(run) = mapping::run(fs, inode, block) else { break };
        let count = run.count.min(end.saturating_sub(block));
        if let Place::Stored(start) = run.place {
            wanted.push(start << shift..start.saturating_add(count) << shift);
        }
        block = block.saturating_add(count);
    }
    fs.device.will_need(&wanted);
}
