//! When a session ends, and in which order it is taken down: a pure step function of (state, event, now), so that
//! hours can be tested in a millisecond.

use std::time::{Duration, Instant};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The user asked for it: `fr-mount unmount`, SIGTERM, SIGINT.
    Asked,
    /// Every volume was unmounted from outside.
    AllUnmounted,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants the session to end.
    StopRequested,
    /// Volume number `0` is no longer mounted, whoever did it.
    Unmounted(usize),
    /// Volume number `0` could not be unmounted because it is in use.
    Busy(usize),
    /// Time went by.
    Tick,
}

/// Something that the caller has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Unmount this volume; say [`Event::Busy`] when it is in use.
    Unmount(usize),
    /// Unmount this volume whoever uses it.
    ForceUnmount(usize),
    /// Everything is unmounted: log out of the source, remove directories and the record, and end.
    Finish(EndReason),
}

/// How long a stop waits for those who use a volume before it takes the volume from them.
const GRACE: Duration = Duration::from_secs(2);

/// A mounted session.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    mounted: Vec<bool>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Stopping { force_at: Instant },
    Ended,
}

impl Lifecycle {
    /// A session with volumes 0 to `volumes - 1` mounted.
    #[must_use]
    pub fn new(volumes: usize) -> Self {
        Self { mounted: vec![true; volumes], phase: Phase::Serving }
    }

    /// Takes in what happened and says what to do. Actions are in the order in which they are to be done: volumes in
    /// reverse order of mounting, [`Action::Finish`] last and once.
    #[must_use]
    pub fn step(mut self, event: Event, now: Instant) -> (Self, Vec<Action>) {
        let mut actions = Vec::new();
        match (event, self.phase) {
            (_, Phase::Ended) => return (self, actions),
            (Event::Unmounted(volume), _) => self.forget(volume),
            (Event::StopRequested, Phase::Serving) => {
                let force_at = now.checked_add(GRACE).unwrap_or(now);
                self.phase = Phase::Stopping { force_at };
                actions.extend(self.still_mounted().map(Action::Unmount));
            }
            // Asked again: whoever asks twice does not want to wait.
            (Event::StopRequested, Phase::Stopping { .. }) => {
                actions.extend(self.still_mounted().map(Action::ForceUnmount));
            }
            (Event::Tick | Event::Busy(_), Phase::Stopping { force_at }) if now >= force_at => {
                actions.extend(self.still_mounted().map(Action::ForceUnmount));
            }
            (Event::Tick, Phase::Stopping { .. }) => actions.extend(self.still_mounted().map(Action::Unmount)),
            (Event::Tick | Event::Busy(_), _) => {}
        }
        if self.still_mounted().next().is_none() {
            let reason = if self.phase == Phase::Serving { EndReason::AllUnmounted } else { EndReason::Asked };
            self.phase = Phase::Ended;
            actions.push(Action::Finish(reason));
        }
        (self, actions)
    }

    fn forget(&mut self, volume: usize) {
        if let Some(mounted) = self.mounted.get_mut(volume) {
            *mounted = false;
        }
    }

    /// Volumes that are mounted, last first.
    fn still_mounted(&self) -> impl Iterator<Item = usize> + '_ {
        self.mounted.iter().enumerate().rev().filter(|(_, mounted)| **mounted).map(|(volume, _)| volume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_unmounts_in_reverse_and_then_finishes_once() {
        let now = Instant::now();
        let (session, actions) = Lifecycle::new(2).step(Event::StopRequested, now);
        assert_eq!(actions, [Action::Unmount(1), Action::Unmount(0)]);
        let (session, actions) = session.step(Event::Unmounted(1), now);
        assert_eq!(actions, []);
        let (session, actions) = session.step(Event::Unmounted(0), now);
        assert_eq!(actions, [Action::Finish(EndReason::Asked)]);
        assert_eq!(session.step(Event::Tick, now).1, []);
    }

    #[test]
    fn a_busy_volume_is_tried_again_and_taken_after_the_grace_time() {
        let now = Instant::now();
        let (session, _) = Lifecycle::new(1).step(Event::StopRequested, now);
        let (session, actions) = session.step(Event::Busy(0), now);
        assert_eq!(actions, []);
        let (session, actions) = session.step(Event::Tick, now + GRACE / 2);
        assert_eq!(actions, [Action::Unmount(0)]);
        let (session, actions) = session.step(Event::Tick, now + GRACE);
        assert_eq!(actions, [Action::ForceUnmount(0)]);
        assert_eq!(session.step(Event::Unmounted(0), now).1, [Action::Finish(EndReason::Asked)]);
    }

    #[test]
    fn asking_twice_does_not_wait() {
        let now = Instant::now();
        let (session, _) = Lifecycle::new(1).step(Event::StopRequested, now);
        assert_eq!(session.step(Event::StopRequested, now).1, [Action::ForceUnmount(0)]);
    }

    #[test]
    fn the_session_ends_when_the_last_volume_is_unmounted_from_outside() {
        let now = Instant::now();
        let (session, actions) = Lifecycle::new(2).step(Event::Unmounted(0), now);
        assert_eq!(actions, []);
        assert_eq!(session.step(Event::Unmounted(1), now).1, [Action::Finish(EndReason::AllUnmounted)]);
    }

    #[test]
    fn time_alone_ends_nothing() {
        let now = Instant::now();
        assert_eq!(Lifecycle::new(1).step(Event::Tick, now + Duration::from_secs(86_400)).1, []);
    }
}
