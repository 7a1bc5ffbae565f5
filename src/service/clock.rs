//! When something is over, whatever is done to the clock of this machine meanwhile.

use crate::UnixTime;
use std::time::Duration;

/// The end of a grant. It has come when the wall clock says so, or when as much time has passed as was left when this was made:
/// setting the clock back does not stretch it, and neither does sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: UnixTime,
    since_boot: Duration,
}

impl Deadline {
    pub(crate) fn at(at: UnixTime) -> Self {
        Self { at, since_boot: program::since_boot().saturating_add(UnixTime::now().until(at)) }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// How long it is until then.
    pub(crate) fn left(&self) -> Duration {
        let passed = self.since_boot.saturating_sub(program::since_boot());
        UnixTime::now().until(self.at).min(Duration::from_secs(passed.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_does_not_stretch_a_grant() {
        let far = UnixTime::now().after(Duration::from_secs(1000));
        let as_if_the_clock_had_been_set_back = Deadline { at: far, since_boot: program::since_boot() };
        assert!(as_if_the_clock_had_been_set_back.is_over());
        assert!(!Deadline::at(far).is_over());
        assert!(Deadline::at(UnixTime::now()).is_over());
        assert!(Deadline { at: UnixTime::from_seconds(0), since_boot: Duration::MAX }.is_over());
    }
}
