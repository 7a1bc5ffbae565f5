//! The checksum of LVM2's own structures.

/// The CRC-32 of Ethernet from a start of LVM2's own, not complemented at its end (`lib/misc/crc.c`).
pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    /// `INITIAL_CRC`.
    const INITIAL: u32 = 0xf597_a6cf;
    let mut hasher = crc32fast::Hasher::new_with_initial(!INITIAL);
    for part in parts {
        hasher.update(part);
    }
    !hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::checksum;

    /// As `lib/misc/crc.c` has it with a table of 16 entries.
    fn by_nibbles(data: &[u8]) -> u32 {
        let step = |crc: u32| (0..4).fold(crc, |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)));
        data.iter().fold(0xf597_a6cf, |crc, byte| step(step(crc ^ u32::from(*byte))))
    }

    #[test]
    fn the_checksum_is_that_of_lvm2() {
        let data: Vec<u8> = (0..=255).collect();
        assert_eq!(checksum(&[&data]), by_nibbles(&data));
        assert_eq!(checksum(&[&data[..100], &data[100..]]), by_nibbles(&data));
        assert_eq!(checksum(&[]), 0xf597_a6cf);
    }
}
