//! `fr-mount status` and `fr-mount unmount`: the sessions of this user.

use crate::args::UnmountArgs;
use crate::cleanup;
use crate::ending::{in_words, seconds};
use crate::exit::{Failure, FailureKind};
use crate::output::{Output, size};
use serde::Serialize;
use session::{EndReason, Now, Record, RecordedVolume, Session, StateDir, printable};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// A session as users see it.
#[derive(Serialize)]
struct Shown<'a> {
    pid: u32,
    alive: bool,
    state: State,
    source: &'a str,
    kind: &'a str,
    described: Option<&'a str>,
    mount_point: &'a Path,
    started_at: u64,
    /// None when it died: then nothing counts any more.
    seconds_left: Option<u64>,
    /// Why it ends then.
    ends_because: Option<EndReason>,
    bytes_read: u64,
    volumes: &'a [RecordedVolume],
    notices: &'a [String],
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// The source is being opened.
    Opening,
    Mounted,
    /// It was killed, and what it left is still there.
    Died,
}

impl<'a> Shown<'a> {
    fn new(session: &'a Session, now: Now) -> Self {
        let record = &session.record;
        let left = session.alive.then(|| record.lifetime.left(now));
        Self {
            pid: record.pid,
            alive: session.alive,
            state: match (session.alive, record.is_ready) {
                (false, _) => State::Died,
                (true, false) => State::Opening,
                (true, true) => State::Mounted,
            },
            source: &record.source,
            kind: &record.kind,
            described: record.described.as_deref(),
            mount_point: &record.mount_point,
            started_at: record.started_at,
            seconds_left: left.map(|left| seconds(left.time)),
            ends_because: left.map(|left| left.reason),
            bytes_read: record.bytes_read,
            volumes: &record.volumes,
            notices: &record.notices,
        }
    }

    fn text(&self) -> String {
        let start = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.started_at));
        let age = start.and_then(|start| SystemTime::now().duration_since(start).ok()).unwrap_or_default();
        let state = match self.state {
            State::Died => "died; 'fr-mount cleanup' removes what it left".to_owned(),
            State::Opening => format!("process {}, opening since {}", self.pid, in_words(age)),
            State::Mounted => format!("process {}, for {}", self.pid, in_words(age)),
        };
        // What the source says already is not said twice.
        let described = self.described.filter(|text| !self.source.contains(text));
        let described = described.map_or_else(String::new, |text| format!("  {}\n", printable(text)));
        let left = self.seconds_left.map_or_else(String::new, |seconds| {
            let why = if self.ends_because == Some(EndReason::Expired) { " (then its grant expires)" } else { "" };
            format!("  {} left{why}, {} read\n", in_words(Duration::from_secs(seconds)), size(self.bytes_read))
        });
        let volume = |volume: &RecordedVolume| format!("  {}  {}\n", printable(&volume.name), volume.path.display());
        let volumes: String = self.volumes.iter().map(volume).collect();
        let notices: String = self.notices.iter().map(|notice| format!("  note: {notice}\n")).collect();
        let (place, kind, source) = (self.mount_point.display(), self.kind, printable(self.source));
        format!("{place}  {kind}: {source} ({state})\n{described}{left}{volumes}{notices}")
    }
}

pub(crate) fn status(output: Output) -> Result<(), Failure> {
    let (sessions, now) = (sessions()?, crate::sys::now());
    let shown: Vec<_> = sessions.iter().map(|session| Shown::new(session, now)).collect();
    output.result(&shown, || match shown.is_empty() {
        true => "no session is mounted".to_owned(),
        false => shown.iter().map(Shown::text).collect::<String>().trim_end().to_owned(),
    });
    Ok(())
}

pub(crate) fn state_dir() -> Result<StateDir, Failure> {
    crate::sys::state_dir().map_err(unreadable)
}

fn sessions() -> Result<Vec<Session>, Failure> {
    state_dir()?.sessions().map_err(unreadable)
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::internal("cannot read the records of sessions", error)
}

pub(crate) fn unmount(args: &UnmountArgs, output: Output) -> Result<(), Failure> {
    let chosen = match &args.mountpoint {
        None => sessions()?,
        Some(path) => vec![find(sessions()?, path)?],
    };
    let (mut done, mut failed) = (Vec::new(), Vec::<Failure>::new());
    for session in &chosen {
        let ended = if session.alive { end(session, args.force, output) } else { cleanup::dead_session(session) };
        match ended {
            Ok(()) => done.push(&session.record.mount_point),
            // One that is in use does not keep the others from being unmounted.
            Err(failure) => failed.push(failure),
        }
    }
    if let Some(Failure { kind, .. }) = failed.first() {
        let messages: Vec<_> = failed.iter().map(|failure| failure.message.as_str()).collect();
        return Err(Failure::new(*kind, messages.join("\n")));
    }
    let lines = done.iter().map(|place| format!("{} is unmounted", place.display()));
    let records: Vec<&Record> = chosen.iter().map(|session| &session.record).collect();
    let shown: Vec<_> = records.iter().map(|record| UnmountedSession::new(record)).collect();
    output.result(&shown, || match done.is_empty() {
        true => "no session is mounted".to_owned(),
        false => lines.collect::<Vec<_>>().join("\n"),
    });
    Ok(())
}

/// A session that was ended.
#[derive(Serialize)]
struct UnmountedSession<'a> {
    pid: u32,
    source: &'a str,
    mount_point: &'a Path,
    volumes: &'a [RecordedVolume],
}

impl<'a> UnmountedSession<'a> {
    fn new(record: &'a Record) -> Self {
        let Record { pid, source, mount_point, volumes, .. } = record;
        Self { pid: *pid, source, mount_point, volumes }
    }
}

fn find(sessions: Vec<Session>, path: &Path) -> Result<Session, Failure> {
    // The volume itself may not answer any more, so only the text of the path is looked at, and its parent resolved.
    let named: Vec<PathBuf> = std::path::absolute(path).into_iter().chain(path.canonicalize()).collect();
    let belongs = |session: &Session| {
        let Record { mount_point, volumes, .. } = &session.record;
        named.iter().any(|path| mount_point == path || volumes.iter().any(|volume| volume.path == *path))
    };
    // One that lives before one that died in the same place.
    let (living, dead): (Vec<_>, Vec<_>) = sessions.into_iter().partition(|session| session.alive);
    living.into_iter().chain(dead).find(belongs).ok_or_else(|| {
        let message =
            format!("no session of this user is mounted at '{}'; 'fr-mount status' lists them", path.display());
        Failure::new(FailureKind::NoSession, message)
    })
}

/// Ends a living session: it unmounts, logs out and removes its record.
fn end(session: &Session, force: bool, output: Output) -> Result<(), Failure> {
    /// A target that is gone can hold up the logout for a while.
    const PATIENCE: Duration = Duration::from_secs(30);
    let record = &session.record;
    let holders: Vec<String> = record.volumes.iter().flat_map(|volume| crate::sys::holders(&volume.path)).collect();
    if !holders.is_empty() && !force {
        let message = format!(
            "{} is in use:\n  {}\nEnd these first, or unmount with --force: then they get errors.",
            record.mount_point.display(),
            holders.join("\n  ")
        );
        return Err(Failure::new(FailureKind::Busy, message));
    }
    for holder in holders {
        output.notice(&format!("taken away from {holder}"));
    }
    let asked = crate::sys::ask_to_stop(session, force);
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if !session.still_lives() {
            return Ok(());
        }
        // It may have ended by itself just now.
        if let Err(error) = &asked {
            return Err(Failure::internal("cannot reach the daemon", error));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Failure::new(FailureKind::Busy, format!("the session (process {}) does not end; try --force", record.pid)))
}
