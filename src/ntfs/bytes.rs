//! Little-endian numbers in byte slices of any origin: a number that is not there is `None`.

pub(crate) use vfs::bytes::little_endian::{u16_at, u32_at, u64_at};
pub(crate) use vfs::bytes::{array, length, slice};

/// A 32-bit number of the disk as an index; it fits wherever this program runs.
pub(crate) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
