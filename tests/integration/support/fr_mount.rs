//! `fr-mount` itself, as a child of the test.

use super::process::{Background, PATIENCE, run, wait_until};
use super::report::{Failed, Report};
use rustix::process::Signal;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;

/// The documented exit codes that tests expect.
pub(crate) mod exit {
    pub(crate) const USAGE: i32 = 2;
    pub(crate) const MOUNT_POINT: i32 = 3;
    pub(crate) const CONNECT: i32 = 4;
    pub(crate) const IDENTITY: i32 = 5;
    pub(crate) const LOGIN_REFUSED: i32 = 6;
    pub(crate) const TARGET_NOT_PROVEN: i32 = 7;
    pub(crate) const NO_VOLUME: i32 = 11;
    pub(crate) const BUSY: i32 = 12;
    pub(crate) const NO_SESSION: i32 = 13;
    pub(crate) const CHECK_FAILED: i32 = 14;
    pub(crate) const STOPPED: i32 = 15;
    pub(crate) const SECRET_REFUSED: i32 = 16;
    pub(crate) const NOT_MUTUAL: i32 = 17;
    pub(crate) const NOT_GENUINE: i32 = 18;
    pub(crate) const WRONG_PASSWORD: i32 = 19;
    pub(crate) const NOT_VALID: i32 = 20;
    pub(crate) const EXPIRED: i32 = 21;
    pub(crate) const LIFETIME_OVER: i32 = 22;
    pub(crate) const REVOKED: i32 = 23;
}

/// A place of its own for a session: mount point, records, secrets. Checks at its end that nothing was left.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("fr-mount-test-").tempdir().unwrap();
        // Other users have to get to the mount point.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(directory.path().join("mnt")).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn mount_point(&self) -> PathBuf {
        self.path().join("mnt")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// A file with a secret in it, as `--chap-secret` takes it.
    pub(crate) fn secret(&self, name: &str, secret: &str) -> String {
        let file = self.path().join(name);
        fs::write(&file, format!("{secret}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        format!("file:{}", file.display())
    }

    /// `fr-mount` with its records in this place.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fr-mount"));
        command.env("FR_MOUNT_STATE_DIR", self.state()).stdin(Stdio::null());
        for proxy in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(proxy);
        }
        command
    }

    /// `fr-mount` with a sealed bundle, its password on standard input.
    pub(crate) fn bundle_command(&self, bundle: &Path, password: &str) -> Command {
        let mut command = self.command();
        command.args(["--read-only", "--password", "fd:0"]).arg(bundle).arg(self.mount_point()).stdin(pipe(password));
        command
    }

    /// Mounts a sealed bundle in the foreground.
    #[track_caller]
    pub(crate) fn mount_bundle(self, bundle: &Path, password: &str) -> FrMount {
        let mut command = self.bundle_command(bundle, password);
        command.args(["--json", "--foreground"]);
        FrMount::spawn(self, command)
    }

    /// Panics when a mount, a directory or a record of a session is still there.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(mounts_below(self.path()), [""; 0], "mounts are left");
        let left: Vec<_> = fs::read_dir(self.mount_point()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "directories are left in the mount point: {left:?}");
        let records = fs::read_dir(self.state()).map_or(0, Iterator::count);
        assert_eq!(records, 0, "records of sessions are left");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whatever a failing test left mounted would keep the directory from being removed.
        for mount in mounts_below(self.path()) {
            let _ = super::process::program("umount").args(["-l", &mount]).status();
        }
    }
}

/// Everything mounted at or below `path`.
pub(crate) fn mounts_below(path: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    points.filter(|point| Path::new(point).starts_with(path)).map(str::to_owned).collect()
}

/// Standard input with one line in it.
pub(crate) fn pipe(line: &str) -> Stdio {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // It is short: the kernel keeps it until somebody reads.
    writeln!(writer, "{line}").unwrap();
    reader.into()
}

/// Runs `fr-mount` to its end, with records of sessions in `place`.
pub(crate) fn fr_mount<S: AsRef<OsStr>>(place: &Place, args: impl IntoIterator<Item = S>) -> Ended {
    Ended::run(place.command().args(args))
}

/// How a run of `fr-mount` ended.
pub(crate) struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// Runs the command to its end; one that does not end is killed, and the test fails. What it prints goes into files,
    /// so that a daemon that keeps a pipe open cannot hold up the test.
    pub(crate) fn run(command: &mut Command) -> Self {
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let copy = |file: &fs::File| file.try_clone().unwrap();
        let status = Background::start(command.stdout(copy(&stdout)).stderr(copy(&stderr))).wait();
        let text = |mut file: fs::File| {
            let mut text = Vec::new();
            file.rewind().and_then(|()| file.read_to_end(&mut text)).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        };
        Self { status, stdout: text(stdout), stderr: text(stderr) }
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(crate) fn stdout(&self) -> &str {
        &self.stdout
    }

    pub(crate) fn stderr(&self) -> &str {
        &self.stderr
    }

    #[track_caller]
    pub(crate) fn assert_ok(&self) -> &Self {
        assert_eq!(self.code(), Some(0), "{}{}", self.stdout(), self.stderr());
        self
    }

    /// Panics unless it failed with this exit code; gives the message for people.
    #[track_caller]
    pub(crate) fn assert_failed(&self, code: i32) -> String {
        assert_eq!(self.code(), Some(code), "{}{}", self.stdout(), self.stderr());
        self.stderr.clone()
    }

    /// What it printed with `--json`.
    #[track_caller]
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        let text = self.stdout();
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in:\n{text}\n{}", self.stderr()))
    }
}

/// A mounted session with `fr-mount` in the foreground; ended when dropped.
pub(crate) struct FrMount {
    place: Place,
    process: Background,
    report: Report,
}

impl FrMount {
    /// Mounts and waits until every volume is there.
    #[track_caller]
    pub(crate) fn start<S: AsRef<OsStr>>(place: Place, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = place.command();
        command.args(["--json", "--read-only", "--foreground"]).args(args).arg(place.mount_point());
        Self::spawn(place, command)
    }

    /// The same with a command that was put together elsewhere; it has to mount at the place's mount point.
    #[track_caller]
    pub(crate) fn spawn(place: Place, mut command: Command) -> Self {
        let errors = fs::File::create(place.path().join("stderr")).unwrap();
        let mut process = Background::start(command.stdout(Stdio::piped()).stderr(errors));
        let mut output = process.child().stdout.take().unwrap();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            // The report is the first JSON value; what follows, if anything, is drained so that nothing blocks.
            let first = serde_json::Deserializer::from_reader(&mut output).into_iter::<serde_json::Value>().next();
            let _ = sender.send(first.and_then(Result::ok));
            let _ = output.read_to_end(&mut Vec::new());
        });
        let first = receiver.recv_timeout(PATIENCE).ok().flatten();
        let said = || fs::read_to_string(place.path().join("stderr")).unwrap_or_default();
        let first = first.unwrap_or_else(|| panic!("fr-mount did not get ready:\n{}", said()));
        let report = serde_json::from_value(first.clone());
        let report = report.unwrap_or_else(|error| panic!("{error} in {first:#}\n{}", said()));
        Self { place, process, report }
    }

    pub(crate) const fn report(&self) -> &Report {
        &self.report
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where this volume is mounted.
    #[track_caller]
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        let volume = self.report.volume(name);
        volume.mount_path.clone().unwrap_or_else(|| panic!("{name} is not mounted: {volume:#?}"))
    }

    /// Where the only volume is mounted.
    #[track_caller]
    pub(crate) fn only_volume(&self) -> PathBuf {
        let [volume] = self.report.volumes.as_slice() else { panic!("not one volume: {:#?}", self.report) };
        self.volume(&volume.name)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Ends it by SIGTERM and panics when anything is left.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.stderr());
        self.place.assert_nothing_left();
    }

    /// What it said to people.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.place.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for FrMount {
    fn drop(&mut self) {
        if self.process.ended().is_none() {
            self.process.signal(Signal::TERM);
            let start = std::time::Instant::now();
            while self.process.ended().is_none() && start.elapsed() < std::time::Duration::from_secs(10) {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

/// Panics unless a failure printed as JSON says this code; gives its message.
#[track_caller]
pub(crate) fn failure(ended: &Ended, code: i32) -> (String, String) {
    let failed: Failed = ended.json();
    assert_eq!((ended.code(), failed.error.exit_code), (Some(code), code), "{}", failed.error.message);
    (failed.error.kind, failed.error.message)
}

/// Runs a program as another user; whether it succeeded.
pub(crate) fn succeeds_as(user: u32, program: &str, args: &[&OsStr]) -> bool {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.uid(user).gid(user).status().unwrap().success()
}

/// A copy of the program that every user can run, wherever it was built.
pub(crate) fn program_for_everybody(place: &Place) -> PathBuf {
    let copy = place.path().join("fr-mount");
    fs::copy(env!("CARGO_BIN_EXE_fr-mount"), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

/// Waits until a session ended from outside has taken its mounts away.
pub(crate) fn wait_until_unmounted(place: &Place) {
    wait_until("the volumes are unmounted", || mounts_below(place.path()).is_empty());
}

/// The kernel's opinion of a file's first bytes; used where only reading at all matters.
pub(crate) fn can_be_read(path: &Path) -> bool {
    let mut byte = [0];
    fs::File::open(path).and_then(|mut file| file.read(&mut byte)).is_ok()
}

/// Runs `sh -c`; for set-up that is a shell one-liner anyway.
pub(crate) fn shell(script: &str, directory: &Path) {
    run(Command::new("sh").args(["-euc", script]).current_dir(directory));
}
