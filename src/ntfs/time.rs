//! Times as NTFS records them: units of 100 ns since 1601-01-01 00:00 UTC ([MS-DTYP] 2.3.3, `FILETIME`).

use vfs::Timestamp;

/// Units in a second.
const UNITS: u64 = 10_000_000;
/// Seconds from 1601 to 1970.
const EPOCH: i64 = 11_644_473_600;

/// The time that a `FILETIME` names, exactly; a number above `i64::MAX` is a time before 1601, as ntfs-3g and Linux
/// take it.
pub(crate) fn of_filetime(units: u64) -> Timestamp {
    let units = units.cast_signed();
    let (second, rest) = (units.div_euclid(UNITS.cast_signed()), units.rem_euclid(UNITS.cast_signed()));
    Timestamp {
        seconds: second.saturating_sub(EPOCH),
        nanoseconds: u32::try_from(rest.saturating_mul(100)).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_100_ns_before_and_after_1970() {
        let time = |units| (of_filetime(units).seconds, of_filetime(units).nanoseconds);
        assert_eq!(time(116_444_736_000_000_000), (0, 0));
        assert_eq!(time(116_444_735_999_999_999), (-1, 999_999_900));
        assert_eq!(time(0), (-11_644_473_600, 0));
        assert_eq!(time(133_000_000_000_000_001), (1_655_526_400, 100));
    }
}
