//! A part of something readable, such as a partition of a disk.

use crate::{ReadAt, ReadError, ReadErrorKind};
use std::ops::Range;
use std::sync::Arc;

/// `length` bytes of `inner` from `start` on.
pub struct Slice {
    inner: Arc<dyn ReadAt>,
    start: u64,
    length: u64,
}

impl Slice {
    /// The part of `inner` that begins at byte `start` and is `length` bytes long.
    ///
    /// # Errors
    /// [`ReadErrorKind::OutOfRange`] when it is not wholly inside `inner`.
    pub fn new(inner: Arc<dyn ReadAt>, start: u64, length: u64) -> Result<Self, ReadError> {
        match start.checked_add(length) {
            Some(end) if end <= inner.size() => Ok(Self { inner, start, length }),
            _ => Err(ReadError::new(ReadErrorKind::OutOfRange, start, length)),
        }
    }
}

impl ReadAt for Slice {
    fn size(&self) -> u64 {
        self.length
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let out_of_range = ReadError::new(ReadErrorKind::OutOfRange, offset, length);
        if offset.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(out_of_range);
        }
        let at = self.start.checked_add(offset).ok_or(out_of_range)?;
        self.inner.read_exact_at(at, buf).map_err(|error| error.at(offset, length))
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        let shifted: Vec<_> = ranges
            .iter()
            .map(|range| range.start.min(self.length)..range.end.min(self.length))
            .map(|range| self.start.saturating_add(range.start)..self.start.saturating_add(range.end))
            .filter(|range| !range.is_empty())
            .collect();
        self.inner.will_need(&shifted);
    }
}
