//! Bytes at any offset, synchronously.

use crate::ReadError;
use std::ops::Range;

/// Something of a fixed size that any bytes can be read from: a disk behind its cache, a partition, a volume.
pub trait ReadAt: Send + Sync {
    /// The size in bytes.
    fn size(&self) -> u64;

    /// Fills `buf` with the bytes from `offset` on. An empty `buf` is always answered.
    ///
    /// # Errors
    /// All of `buf` is filled or an error says why not; a range that is not wholly inside is
    /// [`crate::ReadErrorKind::OutOfRange`].
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError>;

    /// Says which byte ranges will be wanted soon, in that order. A hint: it never blocks, never fails, and may be
    /// ignored; ranges or parts of ranges that lie outside are ignored.
    fn will_need(&self, ranges: &[Range<u64>]) {
        let _ = ranges;
    }
}
