//! Numbers in byte slices of any origin, for readers of formats: a number that is not there is `None`.

/// The bytes at `at`.
#[must_use]
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The `length` bytes at `at`.
#[must_use]
pub fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// A length in memory as a number of bytes on a disk; no object in memory is too long for that.
#[must_use]
pub fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Numbers whose lowest byte comes first.
pub mod little_endian {
    use super::array;

    /// The 16-bit number at `at`.
    #[must_use]
    pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
        array(bytes, at).map(u16::from_le_bytes)
    }

    /// The 32-bit number at `at`.
    #[must_use]
    pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
        array(bytes, at).map(u32::from_le_bytes)
    }

    /// The 64-bit number at `at`.
    #[must_use]
    pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
        array(bytes, at).map(u64::from_le_bytes)
    }
}

/// Numbers whose highest byte comes first.
pub mod big_endian {
    use super::array;

    /// The 16-bit number at `at`.
    #[must_use]
    pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
        array(bytes, at).map(u16::from_be_bytes)
    }

    /// The 32-bit number at `at`.
    #[must_use]
    pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
        array(bytes, at).map(u32::from_be_bytes)
    }

    /// The 64-bit number at `at`.
    #[must_use]
    pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
        array(bytes, at).map(u64::from_be_bytes)
    }
}
