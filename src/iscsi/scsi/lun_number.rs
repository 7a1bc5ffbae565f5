//! Logical unit numbers (SAM-5 section 4.7).

use std::fmt;

/// A logical unit number: eight bytes, as REPORT LUNS tells them and every command carries them. Which of the address
/// methods a target uses for a unit is its own business, so that the number goes back to it as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LunNumber(pub u64);

impl LunNumber {
    /// A unit by its plain number: peripheral addressing below 256, flat space addressing above; `None` from 16384 on.
    #[must_use]
    pub const fn from_index(index: u16) -> Option<Self> {
        let [high, low] = index.to_be_bytes();
        match index {
            0..=255 => Some(Self::from_wire([0, low, 0, 0, 0, 0, 0, 0])),
            256..=0x3fff => Some(Self::from_wire([0x40 | high, low, 0, 0, 0, 0, 0, 0])),
            _ => None,
        }
    }

    /// The number of a unit with single level peripheral or flat space addressing, or with extended flat space
    /// addressing; `None` for other methods.
    #[must_use]
    pub const fn index(self) -> Option<u32> {
        match self.to_wire() {
            [0, low, 0, 0, 0, 0, 0, 0] => Some(u32::from_be_bytes([0, 0, 0, low])),
            [high, low, 0, 0, 0, 0, 0, 0] if high >> 6 == 0b01 => Some(u32::from_be_bytes([0, 0, high & 0x3f, low])),
            // Extended logical unit addressing, method 2 (flat space), 3 or 5 bytes of number.
            [0xd2, a, b, c, 0, 0, 0, 0] => Some(u32::from_be_bytes([0, a, b, c])),
            [0xe2, 0, a, b, c, d, 0, 0] => Some(u32::from_be_bytes([a, b, c, d])),
            _ => None,
        }
    }

    /// The eight bytes of a LUN field.
    #[must_use]
    pub const fn to_wire(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The number in a LUN field; every value is one.
    #[must_use]
    pub const fn from_wire(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Whether this is a well-known logical unit (such as REPORT LUNS, W-LUN 01c1h), which is never a disk.
    #[must_use]
    pub const fn is_well_known(self) -> bool {
        matches!(self.to_wire(), [0xc1, ..])
    }
}

impl fmt::Display for LunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index() {
            Some(index) => write!(f, "{index}"),
            None => write!(f, "{:#018x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_survive_the_wire() {
        for index in 0..0x4000 {
            let lun = LunNumber::from_index(index).unwrap();
            assert_eq!(lun.index(), Some(u32::from(index)));
            assert_eq!(LunNumber::from_wire(lun.to_wire()), lun);
            assert_eq!(lun.to_string(), index.to_string());
        }
        assert_eq!(LunNumber::from_index(0x4000), None);
    }

    #[test]
    fn all_eight_bytes_are_kept_for_methods_that_have_no_plain_number() {
        let lun = LunNumber::from_wire([0x81, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(lun.index(), None);
        assert_eq!(lun.to_string(), "0x8102030405060708");
        assert_eq!(lun.to_wire(), [0x81, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn extended_flat_space_is_a_plain_number() {
        assert_eq!(LunNumber::from_wire([0xd2, 1, 0, 2, 0, 0, 0, 0]).to_string(), "65538");
        assert_eq!(LunNumber::from_wire([0xe2, 0, 1, 0, 0, 2, 0, 0]).to_string(), "16777218");
    }

    #[test]
    fn well_known_units_are_recognised() {
        assert!(LunNumber::from_wire([0xc1, 1, 0, 0, 0, 0, 0, 0]).is_well_known());
        assert!(!LunNumber::from_wire([0, 1, 0, 0, 0, 0, 0, 0]).is_well_known());
    }
}
