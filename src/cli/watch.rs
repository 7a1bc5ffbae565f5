//! A mounted session until its end: what happens goes to the lifecycle, what the lifecycle asks for is carried out, and whoever looks
//! from outside is kept informed.

use crate::daemon::{Message, Wake};
use crate::ending::{self, End};
use crate::job::Job;
use crate::serve::Serving;
use crate::sys::Supervisor;
use session::{Action, EndReason, Event, Left, Lifecycle, Lifetime, Now};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often it is looked whether a volume was unmounted from outside, and what time it is.
const TICK: Duration = Duration::from_millis(250);
/// How often the record is brought up to date.
const UPKEEP: Duration = Duration::from_secs(2);

/// A session, and everybody who is told of it.
pub(crate) struct Watch<'a> {
    job: &'a Job,
    serving: &'a mut Serving,
    lifecycle: Lifecycle,
    supervisor: Supervisor,
    /// What the source said when it ended.
    why: Option<String>,
    upkeep_at: Duration,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(job: &'a Job, serving: &'a mut Serving, lifetime: Lifetime, began: Now) -> Self {
        let lifecycle = Lifecycle::new(serving.volumes(), lifetime, began);
        Self { job, serving, lifecycle, supervisor: Supervisor::new(), why: None, upkeep_at: Duration::ZERO }
    }

    /// Serves until the lifecycle says that all is over; then everything is taken down.
    pub(crate) fn until_over(mut self, wakes: &Receiver<Wake>, say: &mut dyn FnMut(Message)) -> End {
        self.supervisor.ready();
        loop {
            let now = crate::sys::now();
            self.inform(now);
            let mut events = self.serving.unmounted_from_outside();
            // The end itself does not wait for the next tick.
            let wait = TICK.min(self.lifecycle.left(now).time);
            events.push(match wakes.recv_timeout(wait) {
                Ok(wake) => self.event(wake),
                Err(RecvTimeoutError::Timeout) => Event::Tick,
                Err(RecvTimeoutError::Disconnected) => Event::StopRequested,
            });
            while let Some(event) = events.pop() {
                let (next, actions) = self.lifecycle.clone().step(event, crate::sys::now());
                self.lifecycle = next;
                for action in actions {
                    if let Action::Finish(reason) = action {
                        return self.finish(reason);
                    }
                    events.extend(self.carry_out(action, say));
                }
            }
        }
    }

    fn event(&mut self, wake: Wake) -> Event {
        match wake {
            Wake::Stop => Event::StopRequested,
            Wake::SourceOver(error) => {
                let is_revoked = error.kind == session::ErrorKind::Revoked;
                self.why = Some(error.message);
                if is_revoked { Event::Revoked } else { Event::SourceLost }
            }
            Wake::StarterGone | Wake::Progress(_) | Wake::Opened(_) => Event::Tick,
        }
    }

    /// Does what the lifecycle asks for and says what came of it.
    fn carry_out(&mut self, action: Action, say: &mut dyn FnMut(Message)) -> Option<Event> {
        match action {
            Action::Warn(left) => self.warn(left, say),
            Action::Cut => {
                self.supervisor.stopping();
                self.serving.cut();
            }
            Action::Unmount(index) => {
                self.supervisor.stopping();
                return Some(if self.serving.unmount(index, false) {
                    Event::Unmounted(index)
                } else {
                    Event::Busy(index)
                });
            }
            Action::ForceUnmount(index) => {
                return Some(if self.serving.unmount(index, true) {
                    Event::Unmounted(index)
                } else {
                    Event::Stuck(index)
                });
            }
            Action::Finish(_) => {}
        }
        None
    }

    fn warn(&self, left: Left, say: &mut dyn FnMut(Message)) {
        let text = ending::warning(left, &self.job.mount_point);
        tracing::warn!("{text}");
        self.run_command(left.reason, left.time);
        say(Message::Notice(text));
    }

    fn run_command(&self, reason: EndReason, left: Duration) {
        if let Some(program) = &self.job.ending.warn_command {
            ending::run_warn_command(program, &self.job.mount_point, reason, left);
        }
    }

    fn finish(mut self, reason: EndReason) -> End {
        self.supervisor.stopping();
        self.serving.finish();
        let end = End {
            reason,
            why: self.why.take().filter(|_| matches!(reason, EndReason::Revoked | EndReason::SourceLost)),
        };
        match end.failure(&self.job.mount_point) {
            Some(failure) => {
                tracing::warn!("{failure}");
                self.run_command(reason, Duration::ZERO);
            }
            None => tracing::info!("'{}' is unmounted", self.job.mount_point.display()),
        }
        end
    }

    fn inform(&mut self, now: Now) {
        self.supervisor.alive(now);
        if now.since_boot < self.upkeep_at {
            return;
        }
        self.upkeep_at = now.since_boot.saturating_add(UPKEEP);
        self.serving.keep_record();
        let left = ending::in_words(self.lifecycle.left(now).time);
        self.supervisor.status(&format!("'{}' is mounted; {left} left", self.job.mount_point.display()));
    }
}
