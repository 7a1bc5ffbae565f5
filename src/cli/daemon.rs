//! A running session: opens the recovery point, mounts its volumes, and carries out what the lifecycle asks for until
//! everything is taken down again.

use crate::cleanup;
use crate::ending::End;
use crate::exit::{Failure, FailureKind};
use crate::job::Job;
use crate::serve::Serving;
use crate::watch::Watch;
use serde::{Deserialize, Serialize};
use session::{Lifetime, Opened, Report};
use std::io::{BufRead, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use zeroize::Zeroizing;

/// How often it is looked what time it is while a recovery point is opened.
const TICK: Duration = Duration::from_secs(1);

/// What a session says of itself until it is ready; one JSON object a line between daemon and starter.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Message {
    /// What it is doing.
    Progress(String),
    /// Every volume that can be mounted is mounted.
    Ready(Report),
    /// Something to know: that the session ends soon.
    Notice(String),
    /// It could not be started, or ended with a failure.
    Failed(Failure),
}

/// `fr-mount daemon`: the job comes on standard input, messages go to standard output.
pub(crate) fn main() -> Result<(), Failure> {
    crate::sys::detach();
    let mut line = Zeroizing::new(String::new());
    let internal = |error: String| Failure::new(FailureKind::Internal, error);
    std::io::stdin().lock().read_line(&mut line).map_err(|_| internal("the daemon got no job".into()))?;
    let job: Job = serde_json::from_str(&line).map_err(|_| internal("the daemon got no usable job".into()))?;
    drop(line);
    crate::log::start(job.log.as_deref())?;
    let mut send = |message: Message| {
        let text = serde_json::to_string(&message).unwrap_or_default();
        // Once it is ready nobody listens any more.
        let _ = writeln!(std::io::stdout(), "{text}");
    };
    let wakes = Wakes::new();
    crate::sys::watch_starter(wakes.sender());
    let outcome = run(&job, &wakes, &mut send);
    if let Err(failure) = &outcome {
        tracing::error!("{failure}");
        send(Message::Failed(failure.clone()));
    }
    outcome
}

/// What a session's thread waits for.
pub(crate) enum Wake {
    /// Somebody wants the session to end: a signal, or the end of what it was started for.
    Stop,
    /// The process that started the daemon is gone; that matters only until the session is ready.
    StarterGone,
    /// Opening goes on.
    Progress(String),
    /// Opening is over.
    Opened(Box<Result<Opened, session::Error>>),
    /// Nothing can be read any more and never will be.
    SourceOver(session::Error),
}

/// Where everything that a session waits for arrives.
pub(crate) struct Wakes {
    sender: Sender<Wake>,
    pub(crate) receiver: Receiver<Wake>,
}

impl Wakes {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver }
    }

    pub(crate) fn sender(&self) -> Sender<Wake> {
        self.sender.clone()
    }
}

/// Runs a session to its end.
pub(crate) fn run(job: &Job, wakes: &Wakes, say: &mut dyn FnMut(Message)) -> Result<(), Failure> {
    crate::sys::watch_signals(wakes.sender()).map_err(|error| Failure::internal("cannot watch for signals", error))?;
    let began = crate::sys::now();
    let lifetime = Lifetime::new(began, job.ending.lifetime, job.source.recovery_point()?.expires_at());
    let record = cleanup::claim(job, lifetime)?;
    let opened = open(job, lifetime, wakes, say)?;
    let sender = wakes.sender();
    // Without a listener the session has ended already.
    opened.when_over(move |error| drop(sender.send(Wake::SourceOver(error))));
    let mut serving = Serving::mount(opened, job, record)?;
    say(Message::Ready(serving.report().clone()));
    let end = Watch::new(job, &mut serving, lifetime, began).until_over(&wakes.receiver, say);
    end.failure(&job.mount_point).map_or(Ok(()), Err)
}

/// Opens the recovery point on a thread of its own, so that a signal can end the wait: nothing is mounted yet.
fn open(job: &Job, lifetime: Lifetime, wakes: &Wakes, say: &mut dyn FnMut(Message)) -> Result<Opened, Failure> {
    let point = job.source.recovery_point()?;
    let mut options = job.source.open_options(&job.secrets)?;
    options.reading.mounted_alone.clone_from(&job.volume);
    let sender = wakes.sender();
    std::thread::spawn(move || {
        let progress = sender.clone();
        let opened = session::open(&point, options, &move |text: &str| {
            // Without a listener the session was stopped; this thread ends with the process.
            let _ = progress.send(Wake::Progress(text.to_owned()));
        });
        let _ = sender.send(Wake::Opened(Box::new(opened)));
    });
    loop {
        let left = lifetime.left(crate::sys::now());
        if left.time.is_zero() {
            let end = End { reason: left.reason, why: None };
            return Err(end.failure(&job.mount_point).unwrap_or_else(|| Failure::internal("no time", "it is over")));
        }
        match wakes.receiver.recv_timeout(left.time.min(TICK)) {
            Ok(Wake::Progress(text)) => say(Message::Progress(text)),
            Ok(Wake::Opened(opened)) => return (*opened).map_err(Failure::from),
            Ok(Wake::SourceOver(_)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Wake::Stop | Wake::StarterGone) | Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new(FailureKind::Stopped, "stopped before the volumes were ready"));
            }
        }
    }
}
