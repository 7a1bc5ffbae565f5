//! What systemd is told of a session in the foreground (sd_notify(3)): that it is ready, how it is, that it ends, and, while its
//! thread goes round, that it lives. Without systemd nobody is told.

use sd_notify::NotifyState;
use session::Now;
use std::time::Duration;

/// Whoever supervises this process.
pub(crate) struct Supervisor {
    /// How often it wants to hear that we live.
    every: Option<Duration>,
    due: Duration,
    told: String,
    is_stopping: bool,
}

impl Supervisor {
    pub(crate) fn new() -> Self {
        // Twice as often as it has to be: one that comes late does no harm.
        let every = sd_notify::watchdog_enabled().and_then(|within| within.checked_div(2));
        Self { every, due: Duration::ZERO, told: String::new(), is_stopping: false }
    }

    /// Every volume is mounted.
    pub(crate) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// The session goes on as it should.
    pub(crate) fn alive(&mut self, now: Now) {
        if let Some(every) = self.every.filter(|_| now.since_boot >= self.due) {
            self.due = now.since_boot.saturating_add(every);
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// How it is, in a line for people.
    pub(crate) fn status(&mut self, text: &str) {
        if self.told != text {
            text.clone_into(&mut self.told);
            tell(&[NotifyState::Status(text)]);
        }
    }

    /// The session ends.
    pub(crate) fn stopping(&mut self) {
        if !std::mem::replace(&mut self.is_stopping, true) {
            tell(&[NotifyState::Stopping]);
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd is not told: {}", block::io_reason(&error));
    }
}
