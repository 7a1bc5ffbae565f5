//! Linux.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Makes a directory, and those that it lies in, that only its owner can look into. One that is there is left as it is.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a file that only its owner can read. There must be none by this name.
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file to be written at its end, and makes one that only its owner and group can read if there is none.
pub(crate) fn append_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// Opens the file that descriptor `number` of this process stands for, for reading or for writing.
pub(crate) fn open_descriptor(number: u32, write: bool) -> io::Result<File> {
    OpenOptions::new().read(!write).write(write).open(format!("/proc/self/fd/{number}"))
}

/// Whether users other than the owner can read the file.
pub(crate) fn others_can_read(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// Keeps secrets in memory from ending up in a core file, and from other processes of the same user.
pub(crate) fn guard_memory() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    // It can only fail where limits are forbidden altogether.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    // Nor does this one: it is about this process alone.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Allows as many open files and connections as this process may have.
pub(crate) fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    // It cannot fail for a limit that is allowed; if it does, the lower limit holds.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

/// How long ago this machine started, by a clock that goes on while it sleeps and that nobody sets.
pub(crate) fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The number of the user whom this process belongs to.
pub(crate) fn user_number() -> u32 {
    rustix::process::getuid().as_raw()
}

/// What an administrator tells a running service.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next: `true` for "open files anew" (SIGHUP), `false` for "end" (SIGTERM, SIGINT).
    pub(crate) async fn is_reload(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.hang_up.recv() => true,
        }
    }
}
