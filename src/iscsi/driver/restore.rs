//! From a lost connection to the next.

use super::{Driver, answer_logout};
use crate::connect::Connected;
use crate::full_feature::Answer;
use crate::handle::Request;
use crate::{Error, ErrorKind};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// The pause before a second attempt; it doubles with every further one.
const PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl Driver {
    /// Makes the next connection; `None` when the session ended meanwhile.
    ///
    /// What is asked is kept until the reconnect time-out; after it, everything is answered with what is wrong, at
    /// once, while further attempts are made: whoever comes back later finds the disks again.
    pub(super) async fn restore(&mut self, error: Error, wait: Duration, cmd_sn: u32) -> Option<Connected> {
        let mut why = self.connector.located_here(error);
        tracing::warn!("{why}; reconnecting");
        if !why.is_transient() && why.kind != ErrorKind::Scsi {
            return self.dead(why).await;
        }
        let patience = self.connector.config.reconnect_timeout;
        let now = Instant::now();
        if self.held.is_empty() {
            // Nobody waits: whoever does from now on may wait as long as after a first loss.
            self.give_up_at = None;
        }
        let give_up_at = *self.give_up_at.get_or_insert(now.checked_add(patience).unwrap_or(now));
        let mut gave_up = false;
        let mut wait = wait.max(pause(self.fruitless));
        loop {
            self.fruitless = self.fruitless.saturating_add(1);
            let connector = &mut self.connector;
            let mut attempt = Box::pin(async move {
                sleep(wait).await;
                connector.connect(cmd_sn).await
            });
            let failed = loop {
                tokio::select! {
                    result = &mut attempt => match result {
                        Ok(connected) => {
                            tracing::info!("reconnected");
                            return Some(connected);
                        }
                        Err(error) => break error,
                    },
                    request = self.requests.recv() => match request? {
                        Request::Run(task) if gave_up => task.answer.give(Err(given_up(&why, patience))),
                        Request::Run(task) => self.held.push_back(task),
                        // Nothing can be looked at now, so nobody opened it just now.
                        Request::Watch(_) => {}
                        Request::LogOut(reply) => {
                            answer_logout(Some(reply), Ok(()));
                            return None;
                        }
                    },
                    () = sleep_until(give_up_at), if !gave_up => {
                        gave_up = true;
                        let error = given_up(&why, patience);
                        tracing::warn!("{error}");
                        self.held.drain(..).for_each(|task| task.answer.give(Err(error.clone())));
                    }
                }
            };
            drop(attempt);
            tracing::info!("reconnect: {failed}");
            let may_pass = !self.connector.config.revocable && !gave_up && failed.is_refusal();
            if !failed.is_transient() && !may_pass {
                return self.dead(withdrawn(failed)).await;
            }
            why = failed;
            wait = pause(self.fruitless);
        }
    }

    /// Answers everything with what ended the session, until nobody asks any more.
    async fn dead(&mut self, why: Error) -> Option<Connected> {
        tracing::error!("{why}; the session is over");
        self.over.send_replace(Some(why.clone()));
        let fail = |answer: Answer| answer.give(Err(why.clone()));
        self.held.drain(..).for_each(|task| fail(task.answer));
        loop {
            match self.requests.recv().await? {
                Request::Run(task) => fail(task.answer),
                Request::Watch(_) => {}
                Request::LogOut(reply) => {
                    answer_logout(Some(reply), Ok(()));
                    return None;
                }
            }
        }
    }
}

/// The error to be told when the target refuses a login that it accepted before.
fn withdrawn(refused: Error) -> Error {
    if !refused.is_refusal() {
        return refused;
    }
    let message = format!("the target let us in before and does not any more, so the access was withdrawn: {refused}");
    Error::new(ErrorKind::Revoked, message)
}

fn given_up(why: &Error, patience: Duration) -> Error {
    let message = format!("no connection for {} s: {}", patience.as_secs_f32(), why.message);
    Error::new(ErrorKind::Disconnected, message)
}

/// No pause before the first attempt: most often it succeeds.
fn pause(fruitless: u32) -> Duration {
    match fruitless.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => PAUSE.saturating_mul(1 << doublings.min(16)).min(PAUSE_MAX),
    }
}
