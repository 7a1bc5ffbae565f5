//! The audit log: who made, used and ended what, from where. A line of JSON for each event, on the disk before the event goes on.
//! It holds no secret.

use crate::config::AuditLog;
use crate::{Error, Grant, GrantId, PointId, UnixTime, VmName, sys};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::oneshot;

/// Lines that may wait to be written. More come only from somebody who floods the service.
const WAITING_MAX: usize = 4096;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    ServiceStarted,
    ServiceEnded,
    SignedIn,
    SignInRefused,
    GrantMade,
    GrantRefused,
    GrantRevoked,
    RevocationRefused,
    /// A grant's time was over while it was in use.
    GrantExpired,
    SessionBegan,
    SessionEnded,
    LoginRefused,
    LinesLost,
}

/// A line of the log.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    time: String,
    event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<GrantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vm: Option<VmName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    point: Option<PointId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Line {
    pub(crate) fn new(event: Event) -> Self {
        let time = UnixTime::now().to_string();
        let (user, from, initiator, grant, vm) = Default::default();
        let (point, expires_at, bytes_read, reason) = Default::default();
        Self { time, event, user, from, initiator, grant, vm, point, expires_at, bytes_read, reason }
    }

    pub(crate) fn user(mut self, user: &str) -> Self {
        self.user = Some(plain(user));
        self
    }

    pub(crate) fn from(mut self, from: &str) -> Self {
        self.from = Some(plain(from));
        self
    }

    pub(crate) fn initiator(mut self, initiator: &str) -> Self {
        self.initiator = Some(plain(initiator));
        self
    }

    pub(crate) fn point(mut self, vm: &VmName, point: &PointId) -> Self {
        (self.vm, self.point) = (Some(vm.clone()), Some(point.clone()));
        self
    }

    /// The grant, with the point that it is for.
    pub(crate) fn grant(mut self, grant: &Grant) -> Self {
        self.grant = Some(grant.id.clone());
        self.expires_at = Some(grant.expires_at.to_string());
        self.point(&grant.vm, &grant.point)
    }

    pub(crate) fn grant_id(mut self, grant: &GrantId) -> Self {
        self.grant = Some(grant.clone());
        self
    }

    pub(crate) const fn bytes_read(mut self, bytes: u64) -> Self {
        self.bytes_read = Some(bytes);
        self
    }

    pub(crate) fn reason(mut self, reason: &str) -> Self {
        self.reason = Some(plain(reason));
        self
    }
}

/// What others wrote, short and without what steers a terminal.
fn plain(text: &str) -> String {
    const LONGEST: usize = 300;
    session::printable(text).chars().take(LONGEST).collect()
}

enum Order {
    Write(Box<Line>, Option<oneshot::Sender<std::io::Result<()>>>),
    Reopen,
}

/// The log of this process.
#[derive(Clone)]
pub(crate) struct Audit {
    orders: SyncSender<Order>,
    lost: Arc<AtomicU64>,
}

impl Audit {
    /// Opens the log, and begins to write what comes.
    pub(crate) fn open(log: &AuditLog) -> Result<Self, Error> {
        let place = match log {
            AuditLog::Stdout => Place::Stdout,
            AuditLog::Stderr => Place::Stderr,
            AuditLog::File(path) => Place::file(path.clone()).map_err(|error| {
                let reason = block::io_reason(&error);
                Error::invalid(format!("the audit log '{}' cannot be written: {reason}", path.display()))
            })?,
        };
        let (orders, received) = sync_channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let writer = std::thread::Builder::new().name("audit".to_owned());
        let started = writer.spawn(move || write_all(&received, place, &counted));
        started.map_err(|error| Error::internal(format!("cannot start a thread: {}", block::io_reason(&error))))?;
        Ok(Self { orders, lost })
    }

    /// Writes a line, and returns when it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written; then what it is about must not happen.
    pub(crate) async fn record(&self, line: Line) -> Result<(), Error> {
        let failed =
            |why: &str| Error::unavailable(format!("the audit log cannot be written, so nothing is done: {why}"));
        let (written, done) = oneshot::channel();
        match self.orders.try_send(Order::Write(Box::new(line), Some(written))) {
            Ok(()) => match done.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(failed(&block::io_reason(&error))),
                Err(_) => Err(failed("its writer has ended")),
            },
            Err(_) => Err(failed("too many lines wait for it")),
        }
    }

    /// Writes a line soon. What happened cannot be kept from happening any more.
    pub(crate) fn note(&self, line: Line) {
        match self.orders.try_send(Order::Write(Box::new(line), None)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Opens the file anew: the old one was moved away.
    pub(crate) fn reopen(&self) {
        if self.orders.send(Order::Reopen).is_err() {
            tracing::error!("the writer of the audit log has ended");
        }
    }
}

fn write_all(orders: &Receiver<Order>, mut place: Place, lost: &AtomicU64) {
    while let Ok(order) = orders.recv() {
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let line =
                Line::new(Event::LinesLost).reason(&format!("{missing} lines came faster than they were written"));
            report(place.write(&line));
        }
        match order {
            Order::Write(line, Some(done)) => {
                // Nobody who waits any more is no reason not to have written.
                let _ = done.send(place.write(&line));
            }
            Order::Write(line, None) => report(place.write(&line)),
            Order::Reopen => report(place.reopen()),
        }
    }
}

fn report(written: std::io::Result<()>) {
    if let Err(error) = written {
        tracing::error!("the audit log cannot be written: {}", block::io_reason(&error));
    }
}

enum Place {
    Stdout,
    Stderr,
    File { path: PathBuf, file: File },
}

impl Place {
    fn file(path: PathBuf) -> std::io::Result<Self> {
        let file = sys::append_private(&path)?;
        Ok(Self::File { path, file })
    }

    fn write(&mut self, line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        match self {
            Self::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(&text)?;
                out.flush()
            }
            Self::Stderr => std::io::stderr().lock().write_all(&text),
            // One write for a line: several processes may share a file that is only ever appended to.
            Self::File { file, .. } => {
                file.write_all(&text)?;
                file.sync_data()
            }
        }
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        if let Self::File { path, file } = self {
            *file = sys::append_private(path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &std::path::Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_recorded_line_is_in_the_file_and_rotation_begins_a_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let audit = Audit::open(&AuditLog::File(path.clone())).unwrap();
        audit.record(Line::new(Event::SignedIn).user("ann").from("192.0.2.1")).await.unwrap();
        let first = lines(&path);
        assert_eq!((&first[0]["event"], &first[0]["user"]), (&"signed-in".into(), &"ann".into()));
        assert!(first[0].get("grant").is_none());
        std::fs::rename(&path, directory.path().join("old")).unwrap();
        audit.reopen();
        audit.record(Line::new(Event::ServiceEnded)).await.unwrap();
        assert_eq!(lines(&path).len(), 1);
        assert_eq!(lines(&directory.path().join("old")).len(), 1);
    }

    #[tokio::test]
    async fn one_event_stays_one_line_whatever_others_call_themselves() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let audit = Audit::open(&AuditLog::File(path.clone())).unwrap();
        audit.record(Line::new(Event::LoginRefused).initiator("iqn.x\n{\"event\":\"grant-made\"}")).await.unwrap();
        assert_eq!(lines(&path).len(), 1);
    }

    #[test]
    fn a_log_that_cannot_be_written_is_an_error_at_once() {
        assert!(Audit::open(&AuditLog::File("/no/such/directory/audit".into())).is_err());
    }
}
