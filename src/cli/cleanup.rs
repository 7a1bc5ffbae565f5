//! Nothing stays behind: what a session that died could not remove is removed by `fr-mount cleanup`, and by every start
//! of another session, before it takes its place.

use crate::exit::{Failure, FailureKind};
use crate::job::Job;
use crate::output::Output;
use bundle::RecoveryPoint;
use serde::Serialize;
use session::{Held, Kept, Lifetime, Record, Session, StateDir};
use std::path::PathBuf;

/// What was removed.
#[derive(Serialize)]
struct Removed {
    mount_point: PathBuf,
    /// The process that died; none for a mount that no record names.
    pid: Option<u32>,
}

impl Removed {
    fn text(&self) -> String {
        let who = self.pid.map_or_else(|| "a session".to_owned(), |pid| format!("the session of process {pid}"));
        format!("{who} died: what it had left at '{}' is removed", self.mount_point.display())
    }
}

/// `fr-mount cleanup`.
pub(crate) fn run(output: Output) -> Result<(), Failure> {
    let held = hold(&crate::status::state_dir()?)?;
    let (mut removed, mut left) = dead_sessions(&held)?;
    for mount_point in crate::sys::mount_points() {
        match crate::sys::remove_dead_mount(&mount_point) {
            Ok(true) => removed.push(Removed { mount_point, pid: None }),
            Ok(false) => {}
            Err(failure) => left.push(failure.message),
        }
    }
    drop(held);
    output.result(&removed, || match removed.is_empty() {
        true => "nothing was left behind".to_owned(),
        false => removed.iter().map(Removed::text).collect::<Vec<_>>().join("\n"),
    });
    left.dedup();
    if left.is_empty() { Ok(()) } else { Err(Failure::new(FailureKind::Busy, left.join("\n"))) }
}

/// What every start of a session does first. What cannot be removed does not keep others from being mounted elsewhere.
pub(crate) fn at_start(output: Output) {
    let cleaned = crate::status::state_dir().and_then(|dir| {
        let nobody_died = dir.sessions().is_ok_and(|sessions| sessions.iter().all(|session| session.alive));
        if nobody_died { Ok((Vec::new(), Vec::new())) } else { dead_sessions(&hold(&dir)?) }
    });
    let (removed, left) = cleaned.unwrap_or_else(|failure| (Vec::new(), vec![failure.message]));
    for text in removed.iter().map(Removed::text).chain(left) {
        output.notice(&text);
    }
}

/// Removes what one session left that died.
pub(crate) fn dead_session(died: &Session) -> Result<(), Failure> {
    let held = hold(&crate::status::state_dir()?)?;
    // Somebody else may have done it meanwhile.
    let still_there = sessions(&held)?.into_iter().find(|session| !session.alive && session.record == died.record);
    still_there.map_or(Ok(()), |session| clean(&held, &session))
}

/// Takes a place for the session of this job: no other session has this mount point, and from now on its record says what it would
/// leave behind if it were killed.
pub(crate) fn claim(job: &Job, lifetime: Lifetime) -> Result<Kept, Failure> {
    let held = hold(&crate::status::state_dir()?)?;
    let taken =
        sessions(&held)?.into_iter().find(|session| session.alive && session.record.mount_point == job.mount_point);
    if let Some(other) = taken {
        let (place, pid) = (job.mount_point.display(), other.record.pid);
        let message =
            format!("the mount point '{place}' is taken by the session of process {pid}: choose another directory");
        return Err(Failure::new(FailureKind::MountPoint, message));
    }
    crate::sys::check_mount_point(&job.mount_point)?;
    let point = job.source.recovery_point()?;
    let mut record = Record::new(point.to_string(), kind(&point).to_owned(), job.mount_point.clone(), lifetime);
    record.described = point.described();
    record.made.clone_from(&job.made);
    held.keep(record).map_err(|error| unusable(&error))
}

/// What kind of source it is, in words.
const fn kind(point: &RecoveryPoint) -> &'static str {
    match point {
        RecoveryPoint::Iscsi(_) => "iSCSI",
        RecoveryPoint::Images(_) => "disk images",
        RecoveryPoint::Sealed { .. } => "sealed bundle",
        RecoveryPoint::Azure { .. } => "Azure Backup",
    }
}

fn hold(dir: &StateDir) -> Result<Held, Failure> {
    dir.hold().map_err(|error| unusable(&error))
}

fn sessions(held: &Held) -> Result<Vec<Session>, Failure> {
    held.sessions().map_err(|error| unusable(&error))
}

/// Without a record, a session that is killed would leave what nobody finds.
fn unusable(error: &std::io::Error) -> Failure {
    let message = format!(
        "the directory for records of sessions cannot be used: {}; FR_MOUNT_STATE_DIR names another",
        block::io_reason(error)
    );
    Failure::new(FailureKind::Internal, message)
}

/// Removes what sessions left that died; gives what was removed, and what could not be.
fn dead_sessions(held: &Held) -> Result<(Vec<Removed>, Vec<String>), Failure> {
    let (mut removed, mut left) = (Vec::new(), Vec::new());
    for session in sessions(held)?.iter().filter(|session| !session.alive) {
        match clean(held, session) {
            Ok(()) => {
                let (mount_point, pid) = (session.record.mount_point.clone(), Some(session.record.pid));
                removed.push(Removed { mount_point, pid });
            }
            Err(failure) => left.push(failure.message),
        }
    }
    held.sweep();
    Ok((removed, left))
}

/// Mounts that nobody serves, directories made for them, the record. What others use by now is left alone.
fn clean(held: &Held, died: &Session) -> Result<(), Failure> {
    for volume in died.record.volumes.iter().rev() {
        crate::sys::remove_dead_mount(&volume.path)?;
    }
    for directory in died.record.made.iter().rev() {
        // It is only removed when it is empty; a directory that the user filled stays.
        let _ = std::fs::remove_dir(directory);
    }
    held.forget(died).map_err(|error| Failure::internal("cannot remove the record of a session", error))
}
