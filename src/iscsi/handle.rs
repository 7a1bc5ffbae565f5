//! What others hold of a session: a way to send commands to its driver.

use crate::full_feature::{Answer, Completion, Task};
use crate::lun::LunInfo;
use crate::scsi::Command;
use crate::{Error, LunNumber};
use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// What the driver of a session is asked for.
pub(crate) enum Request {
    /// To have a command answered.
    Run(Task),
    /// To look after every reconnect that this logical unit is still the same.
    Watch(LunInfo),
    /// To log out; the answer comes when it is done.
    LogOut(oneshot::Sender<Result<(), Error>>),
}

/// Sends requests to the driver of a session. All handles gone mean that the session is not needed any more.
#[derive(Clone)]
pub(crate) struct Handle {
    requests: UnboundedSender<Request>,
}

impl Handle {
    pub(crate) fn new() -> (Self, UnboundedReceiver<Request>) {
        let (requests, receiver) = unbounded_channel();
        (Self { requests }, receiver)
    }

    /// Has a command answered; `done` is called exactly once.
    pub(crate) fn submit(&self, lun: LunNumber, command: Command, done: Completion) {
        // Without a driver the task is dropped, which answers it.
        let _ = self.requests.send(Request::Run(Task::new(lun, command, Answer::new(done))));
    }

    /// Has a command answered.
    pub(crate) async fn run(&self, lun: LunNumber, command: Command) -> Result<Bytes, Error> {
        let (sender, receiver) = oneshot::channel();
        let done = Box::new(move |answer| {
            // Who asked may not wait any more.
            let _ = sender.send(answer);
        });
        self.submit(lun, command, done);
        receiver.await.unwrap_or_else(|_| Err(Error::closed()))
    }

    pub(crate) fn watch(&self, info: LunInfo) {
        // Without a driver there is nothing to watch.
        let _ = self.requests.send(Request::Watch(info));
    }

    pub(crate) async fn log_out(&self) -> Result<(), Error> {
        let (sender, receiver) = oneshot::channel();
        if self.requests.send(Request::LogOut(sender)).is_err() {
            return Ok(());
        }
        // A driver that ended meanwhile has logged out.
        receiver.await.unwrap_or(Ok(()))
    }
}
