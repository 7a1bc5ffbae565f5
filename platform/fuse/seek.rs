//! SEEK_DATA and SEEK_HOLE (lseek(2)).

use vfs::{ErrorKind, FileSystem, NodeId, SegmentKind};

/// `whence` of a search for data.
pub(crate) const SEEK_DATA: i32 = 3;
/// `whence` of a search for a hole; the end of a file counts as one.
pub(crate) const SEEK_HOLE: i32 = 4;

/// The first offset from `from` on that is data, or in a hole; `None` when there is none or `from` is beyond the end.
pub(crate) fn seek(fs: &dyn FileSystem, node: NodeId, from: u64, whence: i32) -> vfs::Result<Option<u64>> {
    let wanted = if whence == SEEK_DATA { SegmentKind::Data } else { SegmentKind::Hole };
    let size = fs.attr(node)?.size;
    let mut offset = from;
    // Every turn goes on, and a file has only so many segments.
    while offset < size {
        let segment = match fs.segment(node, offset) {
            Ok(segment) => segment,
            Err(error) if error.kind == ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        };
        if segment.kind == wanted {
            return Ok(Some(offset));
        }
        if segment.range.end <= offset {
            return Err(vfs::Error::new(ErrorKind::Corrupt, "a part of a file does not go on"));
        }
        offset = segment.range.end;
    }
    Ok(Some(size).filter(|size| wanted == SegmentKind::Hole && from < *size))
}
