//! How long a session may live: never longer than what was asked for, than the grant it reads with, or than twelve
//! hours. Two clocks count: one that goes on while the machine sleeps and that nobody can set, and the calendar.

use crate::EndReason;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// No session lives longer.
pub const LIFETIME_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// A moment, told by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the machine was started, sleep included (`CLOCK_BOOTTIME`).
    pub since_boot: Duration,
    /// The calendar, which users and time servers set.
    pub calendar: SystemTime,
}

/// When a session has to end. Only while the machine runs that it was made on does it mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// When its own time is over, since the start of the machine.
    own_end: Duration,
    grant: Option<GrantEnd>,
}

/// When the grant ends: at a moment of the calendar, and as long from the start of the session as it was until then.
/// So a calendar that is set back gives no more time, and one that goes wrong at the start is made up for when it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct GrantEnd {
    since_boot: Duration,
    calendar: SystemTime,
}

/// What is left of a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How long it still goes.
    pub time: Duration,
    /// Why it ends then: [`EndReason::Expired`] or [`EndReason::LifetimeOver`].
    pub reason: EndReason,
}

impl Lifetime {
    /// The lifetime of a session that begins at `now`, goes on for `own` at most, and reads with a grant that ends at
    /// `grant_ends`, if it needs one.
    #[must_use]
    pub fn new(now: Now, own: Duration, grant_ends: Option<SystemTime>) -> Self {
        let end_in = |time: Duration| now.since_boot.saturating_add(time);
        let grant = grant_ends.map(|calendar| {
            let left = calendar.duration_since(now.calendar).unwrap_or_default();
            GrantEnd { since_boot: end_in(left), calendar }
        });
        Self { own_end: end_in(own.min(LIFETIME_MAX)), grant }
    }

    /// What is left of it; no time when it is over.
    #[must_use]
    pub fn left(&self, now: Now) -> Left {
        let own = Left { time: self.own_end.saturating_sub(now.since_boot), reason: EndReason::LifetimeOver };
        match self.grant_left(now) {
            Some(time) if time <= own.time => Left { time, reason: EndReason::Expired },
            _ => own,
        }
    }

    /// How long the grant still goes, if there is one.
    pub(crate) fn grant_left(&self, now: Now) -> Option<Duration> {
        let grant = self.grant?;
        let by_calendar = grant.calendar.duration_since(now.calendar).unwrap_or_default();
        Some(by_calendar.min(grant.since_boot.saturating_sub(now.since_boot)))
    }

    /// How long before its end the user is warned, longest first: half an hour, ten minutes and one, as far as they are in the
    /// second half of it; when it is shorter than that, in its last quarter.
    pub(crate) fn warnings(&self, now: Now) -> Vec<Duration> {
        const MINUTES: [u64; 3] = [30, 10, 1];
        let all = self.left(now).time;
        let marks = MINUTES.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
        let marks: Vec<_> = marks.into_iter().filter(|mark| mark.saturating_mul(2) <= all).collect();
        if marks.is_empty() { vec![all.checked_div(4).unwrap_or_default()] } else { marks }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A moment so many seconds after the start of the machine; the calendar began with it.
    pub(crate) fn at(seconds: u64) -> Now {
        let since_boot = Duration::from_secs(seconds);
        Now { since_boot, calendar: day() + since_boot }
    }

    pub(crate) fn day() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    const HOUR: u64 = 3600;

    #[test]
    fn the_shortest_of_what_was_asked_for_the_grant_and_twelve_hours_counts() {
        let hours = |hours: u64| Duration::from_secs(hours * HOUR);
        for (own, grant, left, reason) in [
            (hours(100), None, hours(12), EndReason::LifetimeOver),
            (hours(2), None, hours(2), EndReason::LifetimeOver),
            (hours(2), Some(hours(3)), hours(2), EndReason::LifetimeOver),
            (hours(12), Some(hours(3)), hours(3), EndReason::Expired),
            (hours(12), Some(hours(300)), hours(12), EndReason::LifetimeOver),
            (hours(12), Some(hours(12)), hours(12), EndReason::Expired),
        ] {
            let lifetime = Lifetime::new(at(0), own, grant.map(|grant| day() + grant));
            assert_eq!(lifetime.left(at(0)), Left { time: left, reason });
        }
    }

    #[test]
    fn a_grant_that_has_ended_leaves_nothing() {
        let lifetime = Lifetime::new(at(HOUR), LIFETIME_MAX, Some(day()));
        assert_eq!(lifetime.left(at(HOUR)), Left { time: Duration::ZERO, reason: EndReason::Expired });
    }

    #[test]
    fn a_calendar_that_is_set_changes_no_lifetime_and_makes_no_grant_longer() {
        let lifetime = Lifetime::new(at(0), Duration::from_secs(HOUR), Some(day() + Duration::from_secs(10 * HOUR)));
        let set = |calendar: SystemTime| Now { calendar, ..at(600) };
        let back = lifetime.left(set(day() - Duration::from_secs(1000 * HOUR)));
        assert_eq!(back, Left { time: Duration::from_secs(HOUR - 600), reason: EndReason::LifetimeOver });
        let forward = lifetime.left(set(day() + Duration::from_secs(10 * HOUR - 60)));
        assert_eq!(forward, Left { time: Duration::from_secs(60), reason: EndReason::Expired });
        let grant = Lifetime::new(at(0), LIFETIME_MAX, Some(day() + Duration::from_secs(HOUR)));
        assert_eq!(grant.left(set(day())).time, Duration::from_secs(HOUR - 600), "an hour has not become longer");
    }

    #[test]
    fn short_lifetimes_have_fewer_warnings_but_one() {
        let warnings = |seconds| Lifetime::new(at(5), Duration::from_secs(seconds), None).warnings(at(5));
        let seconds = |all: &[u64]| all.iter().map(|seconds| Duration::from_secs(*seconds)).collect::<Vec<_>>();
        assert_eq!(warnings(12 * HOUR), seconds(&[1800, 600, 60]));
        assert_eq!(warnings(HOUR), seconds(&[1800, 600, 60]));
        assert_eq!(warnings(HOUR - 1), seconds(&[600, 60]));
        assert_eq!(warnings(120), seconds(&[60]));
        assert_eq!(warnings(20), seconds(&[5]));
    }

    #[test]
    fn it_comes_back_from_a_record_as_it_was() {
        let lifetime = Lifetime::new(at(7), LIFETIME_MAX, Some(day()));
        let text = serde_json::to_string(&lifetime).unwrap();
        assert_eq!(serde_json::from_str::<Lifetime>(&text).unwrap(), lifetime);
    }
}
