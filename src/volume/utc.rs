//! Times that metadata have, in words.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// Seconds since 1970 as date and time in UTC; `None` for what is no time that a computer had.
pub(crate) fn to_the_second(seconds: u64) -> Option<String> {
    Some(format!("{} UTC", rfc3339(seconds)?.trim_end_matches('Z')))
}

/// The same to the minute.
pub(crate) fn to_the_minute(seconds: u64) -> Option<String> {
    let time = rfc3339(seconds)?;
    Some(format!("{} UTC", time.rsplit_once(':')?.0))
}

fn rfc3339(seconds: u64) -> Option<String> {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    let mut text = String::new();
    // Years of five digits have no such form.
    write!(text, "{}", humantime::format_rfc3339_seconds(time)).ok()?;
    Some(text.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_leap_years_are_told_as_calendars_tell_them() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_704_067_199, "2023-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(to_the_minute(seconds).as_deref(), Some(expected));
        }
        assert_eq!(to_the_minute(u64::MAX), None);
    }
}
