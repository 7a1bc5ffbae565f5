//! `fr-mount --read-only SOURCE MOUNTPOINT`: checks what can be checked before anything is dialled, then runs the
//! session in this process (`--foreground`) or starts a daemon for it and waits until every volume is ready.

use crate::args::MountArgs;
use crate::daemon::{self, Message, Wakes};
use crate::ending;
use crate::exit::{Failure, FailureKind};
use crate::job::{Job, JobSource};
use crate::output::{Output, ProgressLine, report_text};
use bundle::RecoveryPoint;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use zeroize::Zeroizing;

pub(crate) fn run(args: MountArgs, log: Option<PathBuf>, output: Output) -> Result<(), Failure> {
    let foreground = args.foreground;
    crate::cleanup::at_start(output);
    let job = job(args, log)?;
    if foreground { in_foreground(&job, output) } else { in_background(&job, output) }
}

/// The job, with everything about it checked that does not need the network.
fn job(mut args: MountArgs, log: Option<PathBuf>) -> Result<Job, Failure> {
    if args.read_write {
        return Err(Failure::usage("fr-mount never writes to a recovery point: there is only --read-only"));
    }
    if let Some(command) = args.operands.first().filter(|first| crate::args::is_command(first)) {
        let message = format!("options come after the command: fr-mount {command} [OPTIONS]");
        return Err(Failure::usage(message));
    }
    let mount_point = args.operands.pop().filter(|_| !args.operands.is_empty());
    let mount_point =
        mount_point.ok_or_else(|| Failure::usage("name a SOURCE and a MOUNTPOINT; see fr-mount --help"))?;
    let source = JobSource::new(args.operands, args.options).showing(args.shown).described()?.absolute()?;
    let mount_point = crate::sys::check_mount_point(Path::new(&mount_point))?;
    refuse_second(&source.recovery_point()?)?;
    let log = log
        .map(std::path::absolute)
        .transpose()
        .map_err(|error| Failure::usage(format!("--log: {}", block::io_reason(&error))))?;
    args.ending.warn_command = args.ending.warn_command.map(ending::warn_command).transpose()?;
    let secrets = source.secrets()?;
    source.open_options(&secrets)?;
    Ok(Job { source, secrets, mount_point, volume: args.volume, log, ending: args.ending, made: Vec::new() })
}

/// Azure attaches a recovery point once. Whoever has it mounted already is told where, before a password is asked for.
fn refuse_second(point: &RecoveryPoint) -> Result<(), Failure> {
    if !matches!(point, RecoveryPoint::Azure { .. }) {
        return Ok(());
    }
    // Records that cannot be read are told by 'status'; here Azure has the last word.
    let sessions = crate::sys::state_dir().and_then(|dir| dir.sessions()).unwrap_or_default();
    match sessions.iter().find(|session| session.alive && session.record.source == point.to_string()) {
        Some(session) => {
            let at = session.record.mount_point.display();
            let message = format!(
                "this recovery point is attached already, at '{at}': use it there, or end that session: fr-mount unmount '{at}'"
            );
            Err(Failure::new(FailureKind::Busy, message))
        }
        None => Ok(()),
    }
}

fn in_foreground(job: &Job, output: Output) -> Result<(), Failure> {
    let progress = ProgressLine::new();
    daemon::run(job, &Wakes::new(), &mut |message| show(&message, &progress, output))
}

/// Shows what the session says of itself.
fn show(message: &Message, progress: &ProgressLine, output: Output) {
    match message {
        Message::Progress(text) => progress.show(text),
        Message::Ready(report) => {
            progress.show("");
            output.result(report, || report_text(report));
        }
        Message::Notice(text) => output.notice(text),
        Message::Failed(_) => {}
    }
}

fn in_background(job: &Job, output: Output) -> Result<(), Failure> {
    let mut daemon = start_daemon().map_err(|error| Failure::internal("cannot start the daemon", error))?;
    let died = |what: &str| Failure::new(FailureKind::Internal, format!("the daemon ended unexpectedly ({what})"));
    let text = serde_json::to_string(job).map(Zeroizing::new);
    let mut text = text.map_err(|error| Failure::internal("cannot describe the job", error))?;
    text.push('\n');
    // The pipe stays open until the daemon is ready: when this process is killed before, the daemon sees it and ends.
    let mut input = daemon.stdin.take().ok_or_else(|| died("no input"))?;
    input.write_all(text.as_bytes()).map_err(|_| died("it takes no job"))?;
    let messages = BufReader::new(daemon.stdout.take().ok_or_else(|| died("no output"))?);
    let progress = ProgressLine::new();
    for line in messages.lines() {
        let line = line.map_err(|_| died("its messages stopped"))?;
        let message: Message = serde_json::from_str(&line).map_err(|_| died("it sent no message"))?;
        show(&message, &progress, output);
        match message {
            Message::Progress(_) | Message::Notice(_) => {}
            Message::Ready(_) => return Ok(()),
            Message::Failed(failure) => {
                let _ = daemon.wait();
                return Err(failure);
            }
        }
    }
    let _ = daemon.wait();
    Err(died("it said nothing; --log FILE tells more"))
}

fn start_daemon() -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    for variable in ending::SUPERVISION {
        command.env_remove(variable);
    }
    command.arg("daemon").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/").spawn()
}
