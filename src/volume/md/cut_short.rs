//! A member whose device is shorter than its superblock says.

use block::{ReadAt, ReadError, ReadErrorKind};
use std::ops::Range;
use std::sync::Arc;

/// A member in its full size, so that what lies on others stays where it was. What is behind its end is missing.
pub(super) struct CutShort {
    /// What is left of it.
    pub(super) left: Arc<dyn ReadAt>,
    /// The size that it had, in bytes.
    pub(super) size: u64,
}

impl ReadAt for CutShort {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        if offset.saturating_add(length) > self.left.size() {
            return Err(ReadError::new(ReadErrorKind::Missing, offset, length).with_detail("the member is cut short"));
        }
        self.left.read_exact_at(offset, buf)
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        let end = self.left.size();
        let inside = |range: &Range<u64>| range.start.min(end)..range.end.min(end);
        let inside: Vec<_> = ranges.iter().map(inside).filter(|range| !range.is_empty()).collect();
        self.left.will_need(&inside);
    }
}
