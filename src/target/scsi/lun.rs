//! Logical unit numbers on the wire (SAM-5 section 4.7): peripheral addressing below 256, flat space above.

/// As many logical units as flat space addressing can tell apart (14 bits).
pub(crate) const LUNS_MAX: usize = 1 << 14;

/// Address method, in the first two bits: peripheral device.
const PERIPHERAL: u8 = 0b00;
/// Address method: flat space.
const FLAT: u8 = 0b01;

/// Which logical unit of the target: 0, 1, 2 ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LunIndex(u16);

impl LunIndex {
    /// The logical unit at `index`; `None` above [`LUNS_MAX`].
    pub(crate) fn new(index: usize) -> Option<Self> {
        (index < LUNS_MAX).then(|| u16::try_from(index).ok().map(Self)).flatten()
    }

    /// What the eight bytes of a LUN field mean; `None` for what no unit of this target can have.
    pub(crate) const fn from_wire(lun: [u8; 8]) -> Option<Self> {
        let [first, second, 0, 0, 0, 0, 0, 0] = lun else { return None };
        let index = u16::from_be_bytes([first & 0x3f, second]);
        match first >> 6 {
            PERIPHERAL if first == 0 => Some(Self(index)),
            FLAT => Some(Self(index)),
            _ => None,
        }
    }

    /// The LUN field that REPORT LUNS tells for this unit.
    pub(crate) const fn to_wire(self) -> [u8; 8] {
        let [high, low] = self.0.to_be_bytes();
        let method = if high == 0 { PERIPHERAL } else { FLAT };
        [method << 6 | high, low, 0, 0, 0, 0, 0, 0]
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_wire() {
        for index in 0..LUNS_MAX {
            let lun = LunIndex::new(index).unwrap();
            assert_eq!(LunIndex::from_wire(lun.to_wire()), Some(lun));
            assert_eq!(lun.index(), index);
        }
        assert_eq!(LunIndex::new(LUNS_MAX), None);
    }

    #[test]
    fn numbers_above_255_are_flat() {
        assert_eq!(LunIndex::new(255).unwrap().to_wire(), [0, 255, 0, 0, 0, 0, 0, 0]);
        assert_eq!(LunIndex::new(256).unwrap().to_wire(), [0x41, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn small_numbers_are_understood_in_flat_form_too() {
        assert_eq!(LunIndex::from_wire([0x40, 7, 0, 0, 0, 0, 0, 0]), LunIndex::new(7));
    }

    #[test]
    fn other_address_methods_and_deeper_levels_are_no_unit() {
        for lun in [
            [1, 0, 0, 0, 0, 0, 0, 0],
            [0x80, 0, 0, 0, 0, 0, 0, 0],
            [0xc1, 1, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 1, 0, 0, 0, 0],
        ] {
            assert_eq!(LunIndex::from_wire(lun), None);
        }
    }
}
