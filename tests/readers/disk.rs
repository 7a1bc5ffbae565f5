//! An image that is damaged in some places, and that sees what is read of it.

use block::{ReadAt, ReadError, ReadErrorKind};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A reader that asks for more at once allocates more than any answer of it needs.
const READ_BYTES_MAX: usize = 128 << 10;

/// Bytes shared by many disks, and what is different on this one.
pub(crate) struct Disk {
    image: Arc<Vec<u8>>,
    patches: Vec<(u64, Vec<u8>)>,
    /// Bytes from here on cannot be read, though the disk seems to have them.
    pub(crate) readable: u64,
    /// More reads than this are a loop without an end.
    reads_max: usize,
    reads: AtomicUsize,
    seen: Mutex<Vec<Range<u64>>>,
}

impl Disk {
    pub(crate) fn new(image: &Arc<Vec<u8>>) -> Self {
        Self {
            image: Arc::clone(image),
            patches: Vec::new(),
            readable: u64::MAX,
            reads_max: usize::MAX,
            reads: AtomicUsize::new(0),
            seen: Mutex::default(),
        }
    }

    /// With these bytes at `at`; later ones lie over earlier ones.
    pub(crate) fn with(mut self, at: u64, bytes: impl Into<Vec<u8>>) -> Self {
        self.patches.push((at, bytes.into()));
        self
    }

    pub(crate) fn with_reads_max(mut self, reads_max: usize) -> Self {
        self.reads_max = reads_max;
        self
    }

    /// How often it was read.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// The ranges that were read since the last call.
    pub(crate) fn take_seen(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The bytes as they are on this disk.
    pub(crate) fn bytes(&self, at: u64, buf: &mut [u8]) {
        buf.copy_from_slice(&self.image[at as usize..at as usize + buf.len()]);
        let end = at + buf.len() as u64;
        for (start, bytes) in &self.patches {
            let (from, to) = (at.max(*start), end.min(start + bytes.len() as u64));
            if from < to {
                let part = &bytes[(from - start) as usize..(to - start) as usize];
                buf[(from - at) as usize..(to - at) as usize].copy_from_slice(part);
            }
        }
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.image.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        assert!(buf.len() <= READ_BYTES_MAX, "a read of {} bytes", buf.len());
        assert!(self.reads.fetch_add(1, Ordering::Relaxed) < self.reads_max, "more reads than the image has answers");
        let length = buf.len() as u64;
        let error = |kind| Err(ReadError::new(kind, offset, length));
        let Some(end) = offset.checked_add(length).filter(|end| *end <= self.size()) else {
            return error(ReadErrorKind::OutOfRange);
        };
        if end > self.readable {
            return error(ReadErrorKind::Device);
        }
        self.seen.lock().unwrap().push(offset..end);
        self.bytes(offset, buf);
        Ok(())
    }
}

/// Numbers that are the same every time (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// One of these, whose lengths are their weights: a place in one of the ranges.
    pub(crate) fn place(&mut self, ranges: &[Range<u64>]) -> u64 {
        let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let mut at = self.next() % total;
        let mut ranges = ranges.iter();
        let mut range = ranges.next().unwrap();
        while at >= range.end - range.start {
            at -= range.end - range.start;
            range = ranges.next().unwrap();
        }
        range.start + at
    }
}
