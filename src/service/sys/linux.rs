//! Linux.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
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

/// Allows as many open files and connections as this process may have.
pub(crate) fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    // It cannot fail for a limit that is allowed; if it does, the lower limit holds.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
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
