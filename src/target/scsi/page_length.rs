//! Length fields in front of data that the target made itself.

/// `length` for a one-byte field. What the target makes is shorter than that field can tell; should it ever not be,
/// the field tells less than is there, which SCSI readers cope with.
pub(super) fn u8_length(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

/// `length` for a two-byte field; see [`u8_length`].
pub(super) fn u16_length(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

/// `length` for a four-byte field; see [`u8_length`].
pub(super) fn u32_length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
