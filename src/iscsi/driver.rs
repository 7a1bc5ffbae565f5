//! The task that drives a session: it serves one connection after the other until the session is logged out, and
//! answers every command exactly once.

mod restore;
mod serve;

use crate::connect::{Connected, Connector};
use crate::full_feature::Task;
use crate::handle::{Handle, Request};
use crate::lun::{self, LunInfo};
use crate::{Error, ErrorKind};
use serve::{Ending, Serving};
use std::collections::VecDeque;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Who waits for the logout.
type LogOutReply = oneshot::Sender<Result<(), Error>>;

/// A command that was sent so often without an answer will not be answered: it is what breaks the connection.
const SENDS_MAX: u32 = 64;

/// Drives one session.
pub(crate) struct Driver {
    connector: Connector,
    requests: UnboundedReceiver<Request>,
    /// The disks that were opened: what they were then, they must be after every reconnect.
    watched: Vec<LunInfo>,
    /// Commands without an answer, while there is no connection, and while the disks are being checked.
    held: VecDeque<Task>,
    /// When to give up what was asked; set when a connection is lost, until something is answered again.
    give_up_at: Option<Instant>,
    /// Connections in a row on which nothing was answered.
    fruitless: u32,
    /// Where it is told why the session is over, if it ends without being logged out.
    over: watch::Sender<Option<Error>>,
}

impl Driver {
    pub(crate) fn new(
        connector: Connector,
        requests: UnboundedReceiver<Request>,
        over: watch::Sender<Option<Error>>,
    ) -> Self {
        let (watched, held) = (Vec::new(), VecDeque::new());
        Self { connector, requests, watched, held, give_up_at: None, fruitless: 0, over }
    }

    /// Serves the session, from its first connection on to its end.
    pub(crate) async fn run(mut self, first: Connected) {
        let mut next = Some(first);
        while let Some(connected) = next {
            next = match Serving::new(&mut self, connected).run().await {
                Ending::LoggedOut(reply) => {
                    answer_logout(reply, Ok(()));
                    None
                }
                Ending::Abandoned => None,
                Ending::Lost { error, reply: Some(reply), .. } => {
                    answer_logout(Some(reply), Err(error));
                    None
                }
                Ending::Lost { error, reply: None, wait, cmd_sn } => self.restore(error, wait, cmd_sn).await,
            };
        }
    }

    /// Takes a disk into the list of those that are checked.
    fn watch(&mut self, info: LunInfo) {
        self.watched.retain(|known| known.lun != info.lun);
        self.watched.push(info);
    }
}

fn answer_logout(reply: Option<LogOutReply>, result: Result<(), Error>) {
    if let Some(reply) = reply {
        // Who asked may not wait any more.
        let _ = reply.send(result);
    }
}

/// Looks whether the disks are still what they were.
async fn check(handle: Handle, watched: Vec<LunInfo>) -> Result<(), Error> {
    let mut checks = JoinSet::new();
    for known in watched {
        let handle = handle.clone();
        checks.spawn(async move {
            match lun::inspect(&handle, known.lun).await {
                Ok(Some(now)) => known.check_same(&now),
                // A unit that is not there answers INQUIRY all the same, or says that it is not there.
                Ok(None) => Err(lun::changed(known.lun)),
                Err(error) if error.kind == ErrorKind::Scsi => {
                    Err(Error::new(ErrorKind::Changed, format!("LUN {} is gone: {error}", known.lun)))
                }
                Err(error) => Err(error),
            }
        });
    }
    while let Some(result) = checks.join_next().await {
        result.unwrap_or_else(|_| Err(Error::closed()))?;
    }
    Ok(())
}
