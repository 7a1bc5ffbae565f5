//! Linux.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Keeps secrets in memory from ending up in a core file, and from other processes of the same user.
pub fn guard_memory() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    // It can only fail where limits are forbidden altogether.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    // Nor does this one: it is about this process alone.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Opens the file that descriptor `number` of this process stands for, for reading or for writing.
///
/// # Errors
/// When there is no such descriptor, or it cannot be used so.
pub fn open_descriptor(number: u32, write: bool) -> io::Result<File> {
    OpenOptions::new().read(!write).write(write).open(format!("/proc/self/fd/{number}"))
}

/// Whether users other than the owner can read the file.
#[must_use]
pub fn others_can_read(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// How long ago this machine started, by a clock that goes on while it sleeps and that nobody sets.
#[must_use]
pub fn since_boot() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::Boottime)).unwrap_or_default()
}
