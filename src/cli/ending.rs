//! The end of a session in words: warnings before it, the program that is run then, and what is told when it ended by itself.

use crate::exit::{Failure, FailureKind};
use session::{EndReason, Left};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How and why a session ended.
pub(crate) struct End {
    pub(crate) reason: EndReason,
    /// What the source said, if it is what ended the session.
    pub(crate) why: Option<String>,
}

impl End {
    /// The failure that it is for whoever waits for the session; none when it was asked to end.
    pub(crate) fn failure(&self, mount_point: &Path) -> Option<Failure> {
        let (kind, what, next) = match self.reason {
            EndReason::Asked | EndReason::AllUnmounted => return None,
            EndReason::Expired => {
                (FailureKind::Expired, "the grant for this recovery point has expired", "ask for a new one to go on")
            }
            EndReason::LifetimeOver => (
                FailureKind::LifetimeOver,
                "the time of this session is over (--lifetime, 12 hours at most)",
                "mount again to go on",
            ),
            EndReason::Revoked => (
                FailureKind::Revoked,
                "the access to this recovery point was withdrawn",
                "ask whoever gave it to you for a new grant",
            ),
            EndReason::SourceLost => (
                FailureKind::SourceLost,
                "this recovery point cannot be read any more",
                "mount it anew if it is still there",
            ),
        };
        let why = self.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        let message = format!("{what}{why}: '{}' is unmounted; {next}", mount_point.display());
        Some(Failure::new(kind, message))
    }
}

/// What is said to the user some time before the end.
pub(crate) fn warning(left: Left, mount_point: &Path) -> String {
    let why = match left.reason {
        EndReason::Expired => "the grant for it expires",
        _ => "the time of the session is over",
    };
    format!("'{}' is unmounted in {}: {why} then", mount_point.display(), in_words(left.time))
}

/// A time in seconds; what is left of a second is one.
pub(crate) fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

/// A time for people: no more than two units, and no seconds beside hours.
pub(crate) fn in_words(time: Duration) -> String {
    const MINUTE: u64 = 60;
    let seconds = seconds(time);
    let rest = if seconds >= 10 * MINUTE { seconds % MINUTE } else { 0 };
    humantime::format_duration(Duration::from_secs(seconds.saturating_sub(rest))).to_string()
}

/// Where the program to be run before the end is; a name without a directory is looked for when it is run.
pub(crate) fn warn_command(program: PathBuf) -> Result<PathBuf, Failure> {
    if program.components().count() < 2 {
        return Ok(program);
    }
    let unusable = |why: String| Failure::usage(format!("--warn-command '{}': {why}", program.display()));
    let path = std::path::absolute(&program).map_err(|error| unusable(block::io_reason(&error)))?;
    if path.is_file() { Ok(path) } else { Err(unusable("there is no such program".to_owned())) }
}

/// Starts the user's program and does not wait for it. It holds nothing of the session: no file, no mount, no secret.
pub(crate) fn run_warn_command(program: &Path, mount_point: &Path, reason: EndReason, left: Duration) {
    let reason = serde_json::to_value(reason).unwrap_or_default();
    let mut command = Command::new(program);
    command.env("FR_MOUNT_POINT", mount_point);
    command.env("FR_MOUNT_SECONDS_LEFT", seconds(left).to_string());
    command.env("FR_MOUNT_END_REASON", reason.as_str().unwrap_or_default());
    for variable in SUPERVISION {
        command.env_remove(variable);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        // Only somebody who waits takes it off the list of processes when it ends.
        Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
        Err(error) => tracing::warn!("--warn-command '{}': {}", program.display(), block::io_reason(&error)),
    }
}

/// What tells a process how to talk to systemd: meant for the session in the foreground and nobody else.
pub(crate) const SUPERVISION: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_but_one_that_was_asked_for_has_its_own_code_and_says_what_to_do() {
        let failure = |reason| End { reason, why: None }.failure(Path::new("/mnt/x"));
        assert_eq!((failure(EndReason::Asked), failure(EndReason::AllUnmounted)), (None, None));
        let mut codes = Vec::new();
        for reason in [EndReason::Expired, EndReason::LifetimeOver, EndReason::Revoked, EndReason::SourceLost] {
            let failure = failure(reason).unwrap();
            assert!(failure.message.contains("'/mnt/x' is unmounted; "), "{failure}");
            codes.push(failure.kind.exit_code());
        }
        assert_eq!(codes, [21, 22, 23, 24]);
    }

    #[test]
    fn times_are_told_as_exactly_as_matters() {
        for (seconds, words) in [(20, "20s"), (75, "1m 15s"), (1799, "29m"), (41_999, "11h 39m")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        assert_eq!(in_words(Duration::from_millis(750)), "1s");
        let left = Left { time: Duration::from_secs(600), reason: EndReason::Expired };
        assert_eq!(warning(left, Path::new("/m")), "'/m' is unmounted in 10m: the grant for it expires then");
    }

    #[test]
    fn a_program_that_is_not_there_is_refused_before_it_is_needed() {
        assert_eq!(warn_command("notify".into()).unwrap(), Path::new("notify"));
        assert!(warn_command("/no/such/program".into()).is_err());
        assert!(warn_command(std::env::current_exe().unwrap()).is_ok());
    }
}
