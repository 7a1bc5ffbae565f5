//! When a session ends, and in which order it is taken down: a pure step function of (state, event, now), so that
//! hours can be tested in a millisecond.

use crate::{Left, Lifetime, Now};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// The user asked for it: `fr-mount unmount`, SIGTERM, SIGINT.
    Asked,
    /// Every volume was unmounted from outside.
    AllUnmounted,
    /// The grant that the recovery point is read with has ended.
    Expired,
    /// The session's own time is over.
    LifetimeOver,
    /// Whoever serves the recovery point has withdrawn the access to it.
    Revoked,
    /// The recovery point cannot be read any more and never will be: another disk is in its place, or another server.
    SourceLost,
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
    /// Volume number `0` could not be unmounted by force either: something of somebody else's is mounted over it.
    Stuck(usize),
    /// The access to the recovery point was withdrawn.
    Revoked,
    /// The recovery point is gone for good. A target that cannot be reached is not: it may come back.
    SourceLost,
    /// Time went by.
    Tick,
}

/// Something that the caller has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the user that the session ends soon.
    Warn(Left),
    /// Answer nothing any more, on no volume, and take from the kernel what it has cached.
    Cut,
    /// Unmount this volume; say [`Event::Busy`] when it is in use.
    Unmount(usize),
    /// Unmount this volume whoever uses it; say [`Event::Stuck`] when that is not possible.
    ForceUnmount(usize),
    /// Everything is unmounted: log out of the source, remove directories and the record, and end.
    Finish(EndReason),
}

/// How long a stop waits for those who use a volume before it takes the volume from them.
const GRACE: Duration = Duration::from_secs(2);

/// How far the clocks of a service and of this machine may be apart: a service that withdraws a grant so shortly before its end does it
/// because of that.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// A mounted session.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    mounted: Vec<bool>,
    phase: Phase,
    lifetime: Lifetime,
    /// How long before the end the user is still to be warned, longest first.
    warnings: Vec<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Asked to end; those who use volumes have until then.
    Stopping {
        force_at: Duration,
    },
    /// Nothing is answered any more.
    Cut(EndReason),
    Ended,
}

impl Lifecycle {
    /// A session with volumes 0 to `volumes - 1` mounted, that `began` with this lifetime.
    #[must_use]
    pub fn new(volumes: usize, lifetime: Lifetime, began: Now) -> Self {
        let warnings = lifetime.warnings(began);
        Self { mounted: vec![true; volumes], phase: Phase::Serving, lifetime, warnings }
    }

    /// What is left of its lifetime.
    #[must_use]
    pub fn left(&self, now: Now) -> Left {
        self.lifetime.left(now)
    }

    /// Takes in what happened and says what to do. Actions are in the order in which they are to be done: volumes in
    /// reverse order of mounting, [`Action::Finish`] last and once.
    #[must_use]
    pub fn step(mut self, event: Event, now: Now) -> (Self, Vec<Action>) {
        let mut actions = Vec::new();
        if self.phase == Phase::Ended {
            return (self, actions);
        }
        if let Event::Unmounted(volume) | Event::Stuck(volume) = event {
            self.forget(volume);
        }
        match self.phase {
            Phase::Serving => self.serving(event, now, &mut actions),
            Phase::Stopping { force_at } => self.stopping(event, force_at, now, &mut actions),
            Phase::Cut(_) | Phase::Ended => {}
        }
        if self.still_mounted().next().is_none() {
            let reason = match self.phase {
                Phase::Serving | Phase::Ended => EndReason::AllUnmounted,
                Phase::Stopping { .. } => EndReason::Asked,
                Phase::Cut(reason) => reason,
            };
            self.phase = Phase::Ended;
            actions.push(Action::Finish(reason));
        }
        (self, actions)
    }

    fn serving(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) {
        let left = self.left(now);
        match event {
            _ if left.time.is_zero() => self.cut(left.reason, actions),
            Event::Revoked => {
                let expires = self.lifetime.grant_left(now).is_some_and(|left| left <= CLOCKS_APART);
                self.cut(if expires { EndReason::Expired } else { EndReason::Revoked }, actions);
            }
            Event::SourceLost => self.cut(EndReason::SourceLost, actions),
            Event::StopRequested => {
                self.phase = Phase::Stopping { force_at: now.since_boot.saturating_add(GRACE) };
                actions.extend(self.still_mounted().map(Action::Unmount));
            }
            Event::Tick | Event::Unmounted(_) | Event::Busy(_) | Event::Stuck(_) => self.warn(left, actions),
        }
    }

    /// However many warnings are due, because the machine slept or the calendar was set: one is enough.
    fn warn(&mut self, left: Left, actions: &mut Vec<Action>) {
        let before = self.warnings.len();
        self.warnings.retain(|mark| *mark < left.time);
        if self.warnings.len() < before {
            actions.push(Action::Warn(left));
        }
    }

    fn stopping(&mut self, event: Event, force_at: Duration, now: Now, actions: &mut Vec<Action>) {
        let is_over = now.since_boot >= force_at || self.left(now).time.is_zero();
        match event {
            // Asked again: whoever asks twice does not want to wait.
            Event::StopRequested | Event::Revoked | Event::SourceLost => self.cut(EndReason::Asked, actions),
            Event::Tick | Event::Busy(_) if is_over => self.cut(EndReason::Asked, actions),
            Event::Tick => actions.extend(self.still_mounted().map(Action::Unmount)),
            Event::Unmounted(_) | Event::Busy(_) | Event::Stuck(_) => {}
        }
    }

    /// Takes every volume from whoever uses it.
    fn cut(&mut self, reason: EndReason, actions: &mut Vec<Action>) {
        self.phase = Phase::Cut(reason);
        actions.push(Action::Cut);
        actions.extend(self.still_mounted().map(Action::ForceUnmount));
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
mod tests;
