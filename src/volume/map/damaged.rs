//! A member some of whose bytes must not be read: bad blocks that its owner recorded, parts that were not rebuilt yet.

use block::{ReadAt, ReadError, ReadErrorKind};
use std::ops::Range;
use std::sync::Arc;

/// `inner` without some ranges: reading a byte of them is an error, as of a disk that cannot read it.
pub struct Excluded {
    inner: Arc<dyn ReadAt>,
    /// In bytes, by their start, not overlapping.
    ranges: Vec<Range<u64>>,
    kind: ReadErrorKind,
    why: Arc<str>,
}

impl Excluded {
    /// `inner` without `ranges`, which hold what its owner could not read or write.
    #[must_use]
    pub fn bad_blocks(inner: Arc<dyn ReadAt>, ranges: Vec<Range<u64>>) -> Self {
        Self::new(inner, ranges, ReadErrorKind::Damaged, "recorded as a bad block")
    }

    /// `inner` without `ranges`, which were not filled yet.
    #[must_use]
    pub fn not_rebuilt(inner: Arc<dyn ReadAt>, ranges: Vec<Range<u64>>) -> Self {
        Self::new(inner, ranges, ReadErrorKind::Missing, "not rebuilt yet")
    }

    fn new(inner: Arc<dyn ReadAt>, mut ranges: Vec<Range<u64>>, kind: ReadErrorKind, why: &str) -> Self {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_by_key(|range| range.start);
        let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        Self { inner, ranges: merged, kind, why: Arc::from(why) }
    }

    fn touches(&self, start: u64, end: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= start);
        self.ranges.get(after).is_some_and(|range| start < end && range.start < end)
    }
}

impl ReadAt for Excluded {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        if self.touches(offset, offset.saturating_add(length)) {
            return Err(ReadError::new(self.kind, offset, length).with_detail(&self.why));
        }
        self.inner.read_exact_at(offset, buf)
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        self.inner.will_need(ranges);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::{BlockSize, MemoryDisk};

    #[test]
    fn only_reads_that_touch_an_excluded_byte_fail() {
        let disk = Arc::new(MemoryDisk::new(vec![7; 4096], BlockSize::B512));
        let excluded = Excluded::bad_blocks(disk, vec![1000..1100, 512..600, 590..700, 9..9]);
        let read = |start, length| excluded.read_exact_at(start, &mut vec![0; length]).map_err(|error| error.kind);
        for (start, length) in [(0, 512), (700, 300), (1100, 2996), (9, 1), (600, 0)] {
            assert_eq!(read(start, length), Ok(()), "{start} {length}");
        }
        for (start, length) in [(0, 513), (699, 1), (590, 20), (0, 4096), (1099, 1)] {
            assert_eq!(read(start, length), Err(ReadErrorKind::Damaged), "{start} {length}");
        }
    }
}
