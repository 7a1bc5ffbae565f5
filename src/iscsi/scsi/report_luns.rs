//! REPORT LUNS: which logical units a target shows (SPC-4 section 6.33).

use super::LunNumber;

/// As many logical units of one target as are taken.
pub(crate) const LUNS_MAX: usize = 4096;
/// Length of the header before the list.
const HEADER_BYTES: usize = 8;

/// An answer, possibly cut short by the allocation length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LunList {
    /// The units that were told.
    pub luns: Vec<LunNumber>,
    /// The allocation length in bytes that all of them need.
    pub needed_bytes: u32,
}

impl LunList {
    /// The allocation length in bytes to ask with at first, enough for 512 units.
    pub const FIRST_ALLOCATION_BYTES: u32 = 8 + 512 * 8;
    /// The largest allocation length in bytes to ask with.
    pub const ALLOCATION_BYTES_MAX: u32 = 8 + 4096 * 8;

    /// Takes an answer apart.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (length, _) = data.split_first_chunk()?;
        let length = u32::from_be_bytes(*length);
        let list = data.get(HEADER_BYTES..)?;
        let list = list.get(..usize::try_from(length).ok()?).unwrap_or(list);
        let luns = list.as_chunks::<8>().0.iter().take(LUNS_MAX).map(|lun| LunNumber::from_wire(*lun)).collect();
        Some(Self { luns, needed_bytes: length.saturating_add(8) })
    }

    /// The answer that tells `luns`.
    #[must_use]
    pub fn to_bytes(luns: &[LunNumber]) -> Vec<u8> {
        let length = u32::try_from(luns.len()).unwrap_or(u32::MAX).saturating_mul(8);
        let mut bytes = [length.to_be_bytes(), [0; 4]].concat();
        bytes.extend(luns.iter().flat_map(|lun| lun.to_wire()));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_was_cut_short_says_how_much_it_needs() {
        let luns: Vec<_> = (0..32).filter_map(LunNumber::from_index).collect();
        let bytes = LunList::to_bytes(&luns);
        assert_eq!(LunList::parse(&bytes), Some(LunList { luns: luns.clone(), needed_bytes: 8 + 32 * 8 }));
        // 20 bytes: the header and one unit and a half.
        let cut = LunList::parse(&bytes[..20]).unwrap();
        assert_eq!((cut.luns.as_slice(), cut.needed_bytes), (&luns[..1], 8 + 32 * 8));
    }

    #[test]
    fn the_number_of_units_is_bounded() {
        let luns = vec![LunNumber(1); LUNS_MAX + 5];
        assert_eq!(LunList::parse(&LunList::to_bytes(&luns)).unwrap().luns.len(), LUNS_MAX);
        let mut bytes = LunList::to_bytes(&luns[..2]);
        bytes[..4].fill(0xff);
        assert_eq!(LunList::parse(&bytes).unwrap().luns.len(), 2);
        assert_eq!(LunList::parse(&bytes[..7]), None);
    }
}
