//! Checksums as ext4 computes them.

/// crc32c without inversion at either end, continued from `seed` (Linux `crc32c_le`).
pub(crate) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// crc16 with polynomial 0x8005, reflected, continued from `seed` (Linux `lib/crc16.c`).
pub(crate) fn crc16(seed: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(seed, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 })
    })
}

/// CRC-32, most significant bit first, without inversion at either end, continued from `seed` (Linux `crc32_be`).
pub(crate) fn crc32_be(seed: u32, bytes: &[u8]) -> u32 {
    let mirrored: Vec<_> = bytes.iter().map(|byte| byte.reverse_bits()).collect();
    let mut hasher = crc32fast::Hasher::new_with_initial(!seed.reverse_bits());
    hasher.update(&mirrored);
    (!hasher.finalize()).reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_the_polynomials() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xE306_9283);
        assert_eq!(crc16(0, b"123456789"), 0xBB3D);
        assert_eq!(crc32_be(!0, b"123456789"), 0x0376_E6E7);
        assert_eq!(crc32_be(crc32_be(!0, b"1234"), b"56789"), 0x0376_E6E7);
        assert_eq!(crc32c(crc32c(!0, b"1234"), b"56789"), crc32c(!0, b"123456789"));
    }
}
