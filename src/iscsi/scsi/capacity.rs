//! READ CAPACITY: how many blocks of which size (SBC-3 sections 5.15 and 5.16).

/// The shape of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Number of logical blocks.
    pub blocks: u64,
    /// Size of a logical block in bytes.
    pub block_bytes: u32,
}

impl Capacity {
    /// The answer of READ CAPACITY (16).
    #[must_use]
    pub fn parse_16(data: &[u8]) -> Option<Self> {
        let (last, rest) = data.split_first_chunk()?;
        let block_bytes = u32::from_be_bytes(*rest.first_chunk()?);
        // The last block of the largest address leaves no room for a count.
        let blocks = u64::from_be_bytes(*last).checked_add(1)?;
        Some(Self { blocks, block_bytes })
    }

    /// The answer of READ CAPACITY (10); `Err` when the disk is too large for it and READ CAPACITY (16) is needed.
    #[must_use]
    pub fn parse_10(data: &[u8]) -> Option<Result<Self, NeedsCapacity16>> {
        let (last, rest) = data.split_first_chunk()?;
        let block_bytes = u32::from_be_bytes(*rest.first_chunk()?);
        let last = u32::from_be_bytes(*last);
        Some(match last.checked_add(1) {
            Some(blocks) => Ok(Self { blocks: u64::from(blocks), block_bytes }),
            None => Err(NeedsCapacity16),
        })
    }
}

/// The disk has more blocks than READ CAPACITY (10) can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsCapacity16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_blocks_is_one_more_than_the_last_address() {
        let data = [&((1_u64 << 34) - 1).to_be_bytes()[..], &512_u32.to_be_bytes(), &[0; 20]].concat();
        assert_eq!(Capacity::parse_16(&data), Some(Capacity { blocks: 1 << 34, block_bytes: 512 }));
        let data = [6143_u32.to_be_bytes(), 4096_u32.to_be_bytes()].concat();
        assert_eq!(Capacity::parse_10(&data), Some(Ok(Capacity { blocks: 6144, block_bytes: 4096 })));
    }

    #[test]
    fn a_disk_too_large_for_ten_byte_commands_says_so() {
        let data = [u32::MAX.to_be_bytes(), 512_u32.to_be_bytes()].concat();
        assert_eq!(Capacity::parse_10(&data), Some(Err(NeedsCapacity16)));
    }

    #[test]
    fn short_or_impossible_answers_are_no_capacity() {
        assert_eq!(Capacity::parse_10(&[0; 7]), None);
        assert_eq!(Capacity::parse_16(&[0; 11]), None);
        assert_eq!(Capacity::parse_16(&[0xff; 32]), None);
    }
}
