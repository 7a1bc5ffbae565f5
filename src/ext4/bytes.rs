//! Little-endian numbers in byte slices of any origin: a number that is not there is `None`.

pub(crate) use vfs::bytes::array;
pub(crate) use vfs::bytes::little_endian::{u16_at, u32_at};

/// `bytes` with those from `at` on, `count` of them, set to zero.
pub(crate) fn zero(bytes: &mut [u8], at: usize, count: usize) {
    if let Some(field) = at.checked_add(count).and_then(|end| bytes.get_mut(at..end)) {
        field.fill(0);
    }
}
