//! One connection, from the login to its end.

use super::{Driver, LogOutReply, SENDS_MAX, check};
use crate::connect::Connected;
use crate::full_feature::{Event, FullFeature, Task, Verdict};
use crate::handle::{Handle, Request};
use crate::wire::Wire;
use crate::{Error, ErrorKind};
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

/// How the end of a connection came about.
pub(super) enum Ending {
    /// We logged out.
    LoggedOut(Option<LogOutReply>),
    /// Nobody holds the session any more.
    Abandoned,
    /// It was lost; `reply` waits if it was while logging out. A new one may be made after `wait`.
    Lost { error: Error, reply: Option<LogOutReply>, wait: Duration, cmd_sn: u32 },
}

/// Why serving stops.
enum Stop {
    LoggedOut,
    Abandoned,
    Lost(Error, Duration),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Lost(error, Duration::ZERO)
    }
}

/// The disks are being looked at; nothing else is read until it is known that they are the same.
struct Check {
    commands: UnboundedReceiver<Request>,
    result: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
}

/// A unit that is busy is asked again after so long at first.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// A unit that was busy for so long stays so.
const BUSY_MAX: Duration = Duration::from_secs(60);
/// A target that asked us to leave has this long to confirm it, and one that we leave too.
const LOGOUT_MAX: Duration = Duration::from_secs(5);

/// After so many connections without an answer, the next begins with one command at a time.
const FRUITLESS_MAX: u32 = 3;
/// A connection that lasted so long was a good one, whether or not something was read.
const LASTING: Duration = Duration::from_secs(10);

/// The driver while it has a connection.
pub(super) struct Serving<'a> {
    driver: &'a mut Driver,
    wire: Wire,
    state: FullFeature,
    check: Option<Check>,
    /// Commands that a busy unit has to be asked again.
    later: Vec<(Instant, Task)>,
    /// The target is left: because it wants so, or (with a reply) because we want so.
    leaving: Option<Instant>,
    reply: Option<LogOutReply>,
    since: Instant,
}

impl<'a> Serving<'a> {
    pub(super) fn new(driver: &'a mut Driver, connected: Connected) -> Self {
        let Connected { wire, logged_in } = connected;
        let check = (!driver.watched.is_empty()).then(|| {
            let (handle, commands) = Handle::new();
            Check { commands, result: Box::pin(check(handle, driver.watched.clone())) }
        });
        let state = FullFeature::new(&logged_in);
        let mut serving =
            Self { driver, wire, state, check, later: Vec::new(), leaving: None, reply: None, since: Instant::now() };
        if serving.check.is_none() {
            serving.release();
        }
        serving
    }

    pub(super) async fn run(mut self) -> Ending {
        let stop = loop {
            if let Err(stop) = self.turn().await {
                break stop;
            }
        };
        if self.since.elapsed() > LASTING {
            self.driver.fruitless = 0;
        }
        let (reply, cmd_sn) = (self.reply.take(), self.state.next_cmd_sn());
        let waiting = self.later.into_iter().map(|(_, task)| task);
        self.driver.held.extend(self.state.into_unanswered().into_iter().chain(waiting));
        match stop {
            Stop::LoggedOut => {
                self.wire.close().await;
                Ending::LoggedOut(reply)
            }
            Stop::Abandoned => Ending::Abandoned,
            Stop::Lost(error, wait) => Ending::Lost { error, reply, wait, cmd_sn },
        }
    }

    /// Waits for something to happen, and does what it asks for.
    async fn turn(&mut self) -> Result<(), Stop> {
        let wake = self.timers(Instant::now())?;
        while !self.wire.is_full() {
            let Some(pdu) = self.state.next_pdu(Instant::now()) else { break };
            self.wire.queue(&pdu);
        }
        let check = async {
            match &mut self.check {
                Some(Check { commands, result }) => tokio::select! {
                    biased;
                    Some(request) = commands.recv() => Checked::Asks(request),
                    result = result => Checked::Done(result),
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            stepped = self.wire.step() => {
                stepped?;
                self.received()
            }
            request = self.driver.requests.recv() => self.asked(request.ok_or(Stop::Abandoned)?),
            checked = check => self.checked(checked),
            () = sleep_until(wake) => Ok(()),
        }
    }

    /// Does what time asks for; gives when to look again.
    fn timers(&mut self, now: Instant) -> Result<Instant, Stop> {
        let config = &self.driver.connector.config;
        let (keepalive, patience) = (config.keepalive, config.command_timeout);
        if self.leaving.is_some_and(|until| now >= until) {
            return Err(silent("the target does not answer the logout"));
        }
        let (due, later) = self.later.drain(..).partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Instant, Task)> = due;
        due.into_iter().for_each(|(_, task)| self.state.submit(task));
        let ask_at = after(self.wire.heard, keepalive);
        let lost_at = after(ask_at, keepalive);
        if now >= lost_at {
            return Err(silent("the target is silent, and does not answer whether it is still there"));
        }
        if now >= ask_at {
            self.state.ping();
        }
        let overdue = self.state.oldest().map(|at| after(at, patience));
        if overdue.is_some_and(|at| now >= at) {
            return Err(silent("the target does not answer a command"));
        }
        let next = if now >= ask_at { lost_at } else { ask_at };
        let others = self.later.iter().map(|(at, _)| *at).chain(overdue).chain(self.leaving);
        Ok(others.fold(next, Instant::min))
    }

    /// Takes what came in.
    fn received(&mut self) -> Result<(), Stop> {
        while let Some(pdu) = self.wire.next_pdu()? {
            match self.state.receive(pdu)? {
                None => {}
                Some(Event::Answered(task, verdict)) => self.judge(task, verdict)?,
                Some(Event::LeaveAsked) => self.leave(),
                Some(Event::Dropped(wait)) => {
                    return Err(Stop::Lost(Error::new(ErrorKind::Disconnected, "the target ends the session"), wait));
                }
                Some(Event::LoggedOut) if self.reply.is_some() => return Err(Stop::LoggedOut),
                Some(Event::LoggedOut) => {
                    return Err(Error::new(ErrorKind::Disconnected, "the target asked us to leave").into());
                }
            }
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.state.log_out();
        self.leaving.get_or_insert(after(Instant::now(), LOGOUT_MAX));
    }

    fn judge(&mut self, mut task: Task, verdict: Verdict) -> Result<(), Stop> {
        match verdict {
            Verdict::Good(bytes) => {
                if self.check.is_none() {
                    self.driver.give_up_at = None;
                    self.driver.fruitless = 0;
                }
                task.answer.give(Ok(bytes));
            }
            Verdict::Failed(error) => task.answer.give(Err(error)),
            Verdict::Broken(error) => {
                self.state.submit(task);
                return Err(error.into());
            }
            // While it is looked at what the disks are, and before one was opened, any disk will do.
            Verdict::Suspicious(error) if self.check.is_none() && self.is_watched(&task) => {
                tracing::warn!("LUN {}: {error}; looking whether it is the same disk", task.lun);
                self.state.submit(task);
                return Err(error.into());
            }
            Verdict::Suspicious(error) | Verdict::Again(error) => self.again(task, error),
            Verdict::Later(error) => {
                let now = Instant::now();
                let since = *task.busy_since.get_or_insert(now);
                if now.duration_since(since) > BUSY_MAX {
                    task.answer.give(Err(error));
                } else {
                    let pause = BUSY_PAUSE.saturating_mul(task.sent.min(20));
                    self.later.push((after(now, pause), task));
                }
            }
        }
        Ok(())
    }

    fn is_watched(&self, task: &Task) -> bool {
        self.driver.watched.iter().any(|info| info.lun == task.lun)
    }

    fn again(&mut self, task: Task, why: Error) {
        if task.sent >= SENDS_MAX {
            task.answer.give(Err(why));
        } else {
            self.state.submit(task);
        }
    }

    fn asked(&mut self, request: Request) -> Result<(), Stop> {
        match request {
            Request::Run(task) if self.check.is_some() => self.driver.held.push_back(task),
            Request::Run(task) => self.state.submit(task),
            Request::Watch(info) => self.driver.watch(info),
            Request::LogOut(reply) => {
                self.reply = Some(reply);
                self.leave();
            }
        }
        Ok(())
    }

    fn checked(&mut self, checked: Checked) -> Result<(), Stop> {
        match checked {
            Checked::Asks(Request::Run(task)) => self.state.submit(task),
            Checked::Asks(_) => {}
            Checked::Done(result) => {
                self.check = None;
                result?;
                self.release();
            }
        }
        Ok(())
    }

    /// Sends what was held.
    fn release(&mut self) {
        if self.driver.fruitless >= FRUITLESS_MAX {
            self.state.start_slowly();
        }
        for task in std::mem::take(&mut self.driver.held) {
            if task.sent >= SENDS_MAX {
                let message = format!("{} was sent {SENDS_MAX} times without an answer", task.command.name());
                task.answer.give(Err(Error::new(ErrorKind::Disconnected, message)));
            } else {
                self.state.submit(task);
            }
        }
    }
}

/// What a check of the disks came to.
enum Checked {
    Asks(Request),
    Done(Result<(), Error>),
}

fn silent(what: &str) -> Stop {
    Error::new(ErrorKind::TimedOut, what).into()
}

fn after(at: Instant, pause: Duration) -> Instant {
    at.checked_add(pause).unwrap_or(at)
}
