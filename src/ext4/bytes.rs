//! Little-endian numbers in byte slices of any origin: a number that is not there is `None`.

/// The bytes at `at`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The 16-bit number at `at`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// The 32-bit number at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// `bytes` with those from `at` on, `count` of them, set to zero.
pub(crate) fn zero(bytes: &mut [u8], at: usize, count: usize) {
    if let Some(field) = at.checked_add(count).and_then(|end| bytes.get_mut(at..end)) {
        field.fill(0);
    }
}
