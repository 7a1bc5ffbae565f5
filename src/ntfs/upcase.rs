//! `$UpCase`: which capital each character has, for comparing names without regard to case. Every volume has its own table,
//! written when it was formatted.

use crate::bytes::u16_at;
use std::cmp::Ordering;

/// A capital for every unit of UTF-16.
pub(crate) struct Upcase {
    table: Vec<u16>,
    /// Whether it is the volume's own: if not, its order may be another than that of the volume's directories.
    pub(crate) is_own: bool,
}

/// Characters of UTF-16.
const UNITS: u32 = 0x1_0000;
/// Bytes of the table on the disk.
pub(crate) const BYTES: u64 = 0x2_0000;

impl Upcase {
    /// The table of the volume.
    pub(crate) fn new(table: &[u8]) -> Self {
        Self { table: table.chunks_exact(2).filter_map(|unit| u16_at(unit, 0)).collect(), is_own: true }
    }

    /// A table for volumes whose own cannot be read, by Unicode.
    pub(crate) fn substitute() -> Self {
        let capital = |unit: u32| {
            let mut capitals = char::from_u32(unit).into_iter().flat_map(char::to_uppercase);
            let capital = capitals.next().filter(|_| capitals.next().is_none());
            capital.and_then(|capital| u16::try_from(u32::from(capital)).ok())
        };
        let table = (0..UNITS).filter_map(|unit| capital(unit).or_else(|| u16::try_from(unit).ok())).collect();
        Self { table, is_own: false }
    }

    fn capital(&self, unit: u16) -> u16 {
        self.table.get(usize::from(unit)).copied().unwrap_or(unit)
    }

    /// How names follow each other in a directory, where those that differ in case alone are equal
    /// (`COLLATION_FILE_NAME`).
    pub(crate) fn compare(&self, one: &[u16], other: &[u16]) -> Ordering {
        one.iter().map(|unit| self.capital(*unit)).cmp(other.iter().map(|unit| self.capital(*unit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(table: &Upcase, one: &str, other: &str) -> Ordering {
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        table.compare(&units(one), &units(other))
    }

    #[test]
    fn names_that_differ_in_case_are_equal_and_others_in_order() {
        let table = Upcase::substitute();
        assert_eq!(table.table.len(), 0x10000);
        assert_eq!(compare(&table, "grüße.TXT", "GRÜßE.txt"), Ordering::Equal);
        assert_eq!(compare(&table, "a", "aa"), Ordering::Less);
        assert_eq!(compare(&table, "_", "a"), Ordering::Greater, "capitals come before the underscore");
        assert_eq!(compare(&Upcase::new(&[]), "a", "A"), Ordering::Greater, "without a table nothing is equal");
    }
}
