//! Moments as the vault and the interface write them: whole seconds since 1970, UTC.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in whole seconds since 1970, UTC; in JSON a number, in words as RFC 3339 writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(u64);

/// The last second that RFC 3339 can write: the end of the year 9999.
const LAST: u64 = 253_402_300_799;

impl UnixTime {
    /// So many seconds after 1970 began; no later than the end of the year 9999.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(if seconds > LAST { LAST } else { seconds })
    }

    /// Now, by the clock of this machine.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// The moment so much later.
    #[must_use]
    pub const fn after(self, time: Duration) -> Self {
        Self::from_seconds(self.0.saturating_add(time.as_secs()))
    }

    /// How long it is until `later`; nothing when that is past.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_secs(later.0.saturating_sub(self.0))
    }

    /// As a name can hold it: `20261128T100000Z`.
    pub(crate) fn compact(self) -> String {
        self.to_string().replace(['-', ':'], "")
    }
}

impl From<SystemTime> for UnixTime {
    fn from(time: SystemTime) -> Self {
        Self::from_seconds(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(self.0.min(LAST))).unwrap_or(UNIX_EPOCH);
        humantime::format_rfc3339_seconds(time).fmt(f)
    }
}

impl FromStr for UnixTime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let time = humantime::parse_rfc3339_weak(text);
        time.map(Self::from).map_err(|_| {
            let text = session::printable(text);
            Error::invalid(format!("'{text}' is not a time: write it in UTC like 2026-11-28T10:00:00Z"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_as_rfc_3339_has_them() {
        let time: UnixTime = "2026-11-28T10:04:05Z".parse().unwrap();
        assert_eq!((time.seconds(), time.to_string().as_str()), (1_795_860_245, "2026-11-28T10:04:05Z"));
        assert_eq!(time.compact(), "20261128T100405Z");
        assert_eq!("2026-11-28 10:04:05".parse::<UnixTime>().unwrap(), time);
        assert!("tomorrow".parse::<UnixTime>().is_err());
    }

    #[test]
    fn no_number_is_too_large_to_be_shown() {
        assert_eq!(UnixTime::from_seconds(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(
            serde_json::from_str::<UnixTime>("18446744073709551615").unwrap().to_string(),
            "9999-12-31T23:59:59Z"
        );
    }
}
