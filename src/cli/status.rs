//! `fr-mount status` and `fr-mount unmount`: the sessions of this user.

use crate::args::UnmountArgs;
use crate::exit::{Failure, FailureKind};
use crate::output::Output;
use session::{Record, StateDir};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

pub(crate) fn status(output: Output) -> Result<(), Failure> {
    let sessions = sessions()?.1;
    output.result(&sessions, || {
        if sessions.is_empty() { "no session is mounted".to_owned() } else { sessions.iter().map(describe).collect() }
    });
    Ok(())
}

fn sessions() -> Result<(StateDir, Vec<Record>), Failure> {
    let unreadable = |error| Failure::internal("cannot read the records of sessions", error);
    let dir = crate::sys::state_dir().map_err(unreadable)?;
    let sessions = dir.sessions().map_err(unreadable)?;
    Ok((dir, sessions))
}

fn describe(record: &Record) -> String {
    let age = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(record.started_at))
        .and_then(|start| SystemTime::now().duration_since(start).ok())
        .unwrap_or_default();
    let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
    let state = if record.alive {
        format!("process {}, for {age}", record.pid)
    } else {
        format!("died; 'fr-mount unmount {}' removes what it left", record.mount_point.display())
    };
    let volumes: String =
        record.volumes.iter().map(|volume| format!("  {}  {}\n", volume.name, volume.path.display())).collect();
    let notices: String = record.notices.iter().map(|notice| format!("  note: {notice}\n")).collect();
    format!("{}  {} ({state})\n{volumes}{notices}", record.mount_point.display(), record.source)
}

pub(crate) fn unmount(args: &UnmountArgs, output: Output) -> Result<(), Failure> {
    let (dir, sessions) = sessions()?;
    let chosen: Vec<_> = match &args.mountpoint {
        None => sessions,
        Some(path) => vec![find(sessions, path)?],
    };
    for record in &chosen {
        if record.alive {
            end(record, args.force, output)?;
        } else {
            clean_up(&dir, record)?;
        }
    }
    output.result(&chosen, || match chosen.len() {
        0 => "no session is mounted".to_owned(),
        _ => chosen
            .iter()
            .map(|record| format!("{} is unmounted", record.mount_point.display()))
            .collect::<Vec<_>>()
            .join("\n"),
    });
    Ok(())
}

fn find(sessions: Vec<Record>, path: &Path) -> Result<Record, Failure> {
    // The volume itself may not answer any more, so only the text of the path is looked at, and its parent resolved.
    let named: Vec<PathBuf> = std::path::absolute(path).into_iter().chain(path.canonicalize()).collect();
    let belongs = |record: &Record| {
        named.iter().any(|path| record.mount_point == *path || record.volumes.iter().any(|volume| volume.path == *path))
    };
    sessions.into_iter().find(belongs).ok_or_else(|| {
        let message =
            format!("no session of this user is mounted at '{}'; 'fr-mount status' lists them", path.display());
        Failure::new(FailureKind::NoSession, message)
    })
}

/// Ends a living session: it unmounts, logs out and removes its record.
fn end(record: &Record, force: bool, output: Output) -> Result<(), Failure> {
    /// A target that is gone can hold up the logout for a while.
    const PATIENCE: Duration = Duration::from_secs(30);
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
    crate::sys::ask_to_stop(record.pid, force).map_err(|error| Failure::internal("cannot reach the daemon", error))?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let still_there = |other: &Record| other.alive && other.pid == record.pid;
        if !sessions()?.1.iter().any(still_there) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Failure::new(FailureKind::Busy, format!("the session (process {}) does not end; try --force", record.pid)))
}

/// Removes what a session that died has left: mounts that nobody serves, directories made for them, its record.
fn clean_up(dir: &StateDir, record: &Record) -> Result<(), Failure> {
    for volume in &record.volumes {
        crate::sys::remove_dead_mount(&volume.path);
        if volume.path != record.mount_point {
            // It is only removed when it is empty; a directory that the user filled stays.
            let _ = std::fs::remove_dir(&volume.path);
        }
    }
    dir.forget(record).map_err(|error| Failure::internal("cannot remove the record of a session", error))
}
