//! Linux: FUSE, POSIX signals, `/proc`.

use crate::daemon::Wake;
use crate::exit::{Failure, FailureKind};
use fuse::{How, Mount, MountOptions};
use rustix::process::{Pid, PidfdFlags, Signal};
use session::{Now, Session, StateDir};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::SystemTime;
use tokio::signal::unix::{SignalKind, signal};
use vfs::FileSystem;

/// A volume that the kernel shows.
pub(crate) struct MountedVolume(Mount);

impl MountedVolume {
    pub(crate) fn mount(file_system: Arc<dyn FileSystem>, path: &Path, name: &str) -> Result<Self, Failure> {
        let options = MountOptions { source_name: format!("fr-mount:{name}"), ..MountOptions::default() };
        let mounted = fuse::mount(file_system, path, &options);
        mounted.map(Self).map_err(|error| Failure::new(FailureKind::MountPoint, error.to_string()))
    }

    /// Answers nothing any more and takes from the kernel what it has cached.
    pub(crate) fn cut(&self) {
        self.0.cut();
    }

    pub(crate) fn is_mounted(&self) -> bool {
        self.0.is_mounted()
    }

    /// Unmounts; with `force` also while it is in use.
    pub(crate) fn unmount(&mut self, force: bool) -> Result<(), Failure> {
        let how = if force { How::Force } else { How::Polite };
        self.0.unmount(how).map_err(|error| Failure::new(FailureKind::Busy, error.to_string()))
    }
}

/// The mount point as an absolute path without links, if it can be used.
pub(crate) fn check_mount_point(path: &Path) -> Result<PathBuf, Failure> {
    let unusable = |problem: &dyn std::fmt::Display| Failure::new(FailureKind::MountPoint, problem.to_string());
    fuse::check_mount_point(path).map_err(|problem| unusable(&problem))?;
    path.canonicalize().map_err(|error| unusable(&format!("'{}': {}", path.display(), block::io_reason(&error))))
}

/// Who uses the volume, in words.
pub(crate) fn holders(path: &Path) -> Vec<String> {
    fuse::holders(path).iter().map(ToString::to_string).collect()
}

/// Removes a mount whose daemon is gone; says whether there was one.
pub(crate) fn remove_dead_mount(path: &Path) -> Result<bool, Failure> {
    fuse::remove_dead_mount(path).map_err(|error| Failure::new(FailureKind::Busy, error.to_string()))
}

/// Where this program has mounted something, in whichever session.
pub(crate) fn mount_points() -> Vec<PathBuf> {
    fuse::mount_points()
}

/// What time it is.
pub(crate) fn now() -> Now {
    Now { since_boot: program::since_boot(), calendar: SystemTime::now() }
}

/// Where this user's sessions are recorded.
pub(crate) fn state_dir() -> io::Result<StateDir> {
    if let Some(path) = std::env::var_os("FR_MOUNT_STATE_DIR") {
        return Ok(StateDir::new(path.into()));
    }
    let uid = rustix::process::geteuid();
    let run = match std::env::var_os("XDG_RUNTIME_DIR") {
        _ if uid.is_root() => PathBuf::from("/run"),
        Some(path) => path.into(),
        None => PathBuf::from(format!("/run/user/{}", uid.as_raw())),
    };
    if run.is_dir() {
        return Ok(StateDir::new(run.join("fr-mount")));
    }
    // A directory that others can write to: what is there already has to be our own.
    let path = std::env::temp_dir().join(format!("fr-mount-{}", uid.as_raw()));
    match std::fs::symlink_metadata(&path) {
        Ok(found) if !found.is_dir() || found.uid() != uid.as_raw() => {
            Err(io::Error::other(format!("'{}' belongs to somebody else", path.display())))
        }
        _ => Ok(StateDir::new(path)),
    }
}

/// What the system says it is (os-release(5)); empty when it says nothing.
pub(crate) fn os_release() -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    read("/etc/os-release").or_else(|| read("/usr/lib/os-release")).unwrap_or_default()
}

/// Leaves the terminal and the session of whoever started the daemon.
pub(crate) fn detach() {
    // It fails when this process leads a group already, which is as good.
    let _ = rustix::process::setsid();
}

/// Sends [`Wake::Stop`] for SIGTERM, SIGINT and SIGHUP.
pub(crate) fn watch_signals(wake: Sender<Wake>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let (mut terminate, mut interrupt, mut hangup) = signals;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = hangup.recv() => {}
                }
                if wake.send(Wake::Stop).is_err() {
                    return;
                }
            }
        });
    })?;
    Ok(())
}

/// Sends [`Wake::StarterGone`] when the other end of standard input is closed.
pub(crate) fn watch_starter(wake: Sender<Wake>) {
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        // Nobody listens any more when the session is over.
        let _ = wake.send(Wake::StarterGone);
    });
}

/// Asks the daemon of this session to end.
pub(crate) fn ask_to_stop(session: &Session, force: bool) -> io::Result<()> {
    let gone = || io::Error::other("it is gone");
    let pid = i32::try_from(session.record.pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    // A descriptor of the process: its number cannot pass to another process meanwhile. Nor did it before, if the session lives.
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    if !session.still_lives() {
        return Err(gone());
    }
    rustix::process::pidfd_send_signal(&process, Signal::TERM)?;
    if force {
        // Asked twice, it does not wait for those who use the files.
        rustix::process::pidfd_send_signal(&process, Signal::INT)?;
    }
    Ok(())
}
