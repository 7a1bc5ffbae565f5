//! Times that metadata texts have, in words.

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const LAST_YEAR: u64 = 9999;

/// Seconds since 1970 in UTC, to the minute; `None` for what is no time that a computer had.
pub(super) fn date(seconds: u64) -> Option<String> {
    let (mut days, mut year) = (seconds / DAY, 1970_u64);
    while days >= days_of(year) {
        days = days.saturating_sub(days_of(year));
        year = year.saturating_add(1);
        if year > LAST_YEAR {
            return None;
        }
    }
    let february = days_of(year).saturating_sub(337);
    let mut month = 1_u64;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days = days.saturating_sub(length);
        month = month.saturating_add(1);
    }
    let (hour, minute) = (seconds % DAY / HOUR, seconds % HOUR / MINUTE);
    Some(format!("{year}-{month:02}-{:02} {hour:02}:{minute:02} UTC", days.saturating_add(1)))
}

const fn days_of(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if is_leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn seconds_become_a_date() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_704_067_199, "2023-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(seconds).as_deref(), Some(expected));
        }
        assert_eq!(date(u64::MAX), None);
    }
}
