//! Mounts: made, watched, taken down.

use crate::adapter::Adapter;
use crate::error::reason;
use crate::kernel::{self, MountEntry};
use crate::{Error, ErrorKind, holders};
use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};
use rustix::mount::UnmountFlags;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vfs::FileSystem;

/// What /proc/mounts shows as the type, after `fuse.`.
const SUBTYPE: &str = "fr-mount";
/// How sources begin that we mounted.
const SOURCE_PREFIX: &str = "fr-mount:";

/// How to mount.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// What /proc/mounts shows as the source.
    pub source_name: String,
    /// How many calls are answered side by side.
    pub threads: usize,
    /// How far the kernel reads ahead in KiB, where it lets us say so (as root).
    pub read_ahead_kib: u32,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self { source_name: SOURCE_PREFIX.to_owned(), threads: 8, read_ahead_kib: 4096 }
    }
}

/// How to unmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Only if nobody uses it.
    Polite,
    /// At once: whoever uses it gets errors.
    Force,
}

/// A mounted file system. Dropping it unmounts it by force.
#[derive(Debug)]
pub struct Mount {
    path: PathBuf,
    minor: u32,
    session: Option<BackgroundSession>,
    /// Set when nothing may be answered any more.
    closed: Arc<AtomicBool>,
}

/// Mounts a file system at `at`.
///
/// Root makes it visible to all users; permissions and ACLs are enforced by the kernel. Nobody but the user sees what
/// an ordinary user mounts, which needs the program `fusermount3`.
///
/// # Errors
/// When FUSE is not there, or the operating system does not let us mount.
pub fn mount(fs: Arc<dyn FileSystem>, at: &Path, options: &MountOptions) -> Result<Mount, Error> {
    let failed = |error: io::Error| mount_error(at, &error);
    let path = at.canonicalize().map_err(failed)?;
    let is_root = rustix::process::geteuid().is_root();
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(options.source_name.clone()),
        MountOption::Subtype(SUBTYPE.to_owned()),
        MountOption::RO,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
        MountOption::DefaultPermissions,
    ];
    config.acl = if is_root { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(options.threads.max(1));
    config.clone_fd = true;
    let closed = Arc::new(AtomicBool::new(false));
    let adapter = Adapter::new(fs, Arc::clone(&closed));
    let session = Session::new(adapter, &path, &config).and_then(Session::spawn).map_err(failed)?;
    let entry = kernel::mounted_at(&path).map_err(failed)?;
    let minor =
        entry.map(|entry| entry.minor).ok_or_else(|| failed(io::Error::other("it is not mounted after all")))?;
    if is_root && let Err(error) = kernel::set_read_ahead(minor, options.read_ahead_kib) {
        tracing::debug!("the kernel's read-ahead stays as it is: {error}");
    }
    Ok(Mount { path, minor, session: Some(session), closed })
}

fn mount_error(at: &Path, error: &io::Error) -> Error {
    let is_root = rustix::process::geteuid().is_root();
    let advice = match error.kind() {
        _ if !Path::new("/dev/fuse").exists() => {
            "there is no /dev/fuse: load the kernel module (modprobe fuse)".to_owned()
        }
        io::ErrorKind::NotFound if !is_root => {
            "the program fusermount3 is missing: install the package fuse3, or mount as root".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "not permitted: the directory has to be yours, and FUSE allowed here (in a container: --device /dev/fuse)"
                .to_owned()
        }
        _ => reason(error),
    };
    Error::new(ErrorKind::Setup, format!("cannot mount at '{}': {advice}", at.display()))
}

impl Mount {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is still there; somebody else may have unmounted it.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        let served = self.session.as_ref().is_some_and(|session| !session.guard.is_finished());
        served && self.entry().is_some()
    }

    fn entry(&self) -> Option<MountEntry> {
        let mounts = kernel::mounts().ok()?;
        mounts.into_iter().find(|entry| entry.mount_point == self.path && entry.minor == self.minor)
    }

    /// Unmounts; does nothing if it is not mounted any more.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] with the names of those who use it, only if `how` is polite.
    pub fn unmount(&mut self, how: How) -> Result<(), Error> {
        if self.entry().is_some() {
            self.check_on_top()?;
            unmount(&self.path, how)?;
        }
        let Some(session) = self.session.take() else { return Ok(()) };
        if how == How::Force {
            self.closed.store(true, Ordering::Relaxed);
            // Where the kernel does not let us, whoever has a file open keeps the connection until this process ends.
            if let Err(error) = kernel::abort(self.minor) {
                tracing::debug!("cannot abort the connection of '{}': {error}", self.path.display());
            }
            // A call may be waiting for the disk: nobody waits for it.
            return Ok(());
        }
        if let Err(error) = session.join() {
            tracing::debug!("end of the mount '{}': {error}", self.path.display());
        }
        Ok(())
    }

    fn check_on_top(&self) -> Result<(), Error> {
        match kernel::mounted_at(&self.path) {
            Ok(Some(top)) if top.minor != self.minor => {
                let message =
                    format!("'{}' was mounted over with '{}': unmount that first", self.path.display(), top.source);
                Err(Error::new(ErrorKind::Busy, message))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = self.unmount(How::Force) {
            tracing::warn!("{error}");
        }
    }
}

/// Takes down what is mounted on top at `path`.
fn unmount(path: &Path, how: How) -> Result<(), Error> {
    let result = if rustix::process::geteuid().is_root() { by_system_call(path, how) } else { by_helper(path, how) };
    result.map_err(|error| unmount_error(path, &error))
}

fn by_system_call(path: &Path, how: How) -> io::Result<()> {
    let lazily = if how == How::Force { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    Ok(rustix::mount::unmount(path, lazily | UnmountFlags::NOFOLLOW)?)
}

/// An ordinary user's mounts are taken down by the program that made them.
fn by_helper(path: &Path, how: How) -> io::Result<()> {
    let option = if how == How::Force { "-uz" } else { "-u" };
    let output = Command::new("fusermount3").arg(option).arg("--").arg(path).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    if text.to_lowercase().contains("busy") {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    Err(io::Error::other(text.trim().to_owned()))
}

fn unmount_error(path: &Path, error: &io::Error) -> Error {
    let place = path.display();
    if error.kind() != io::ErrorKind::ResourceBusy {
        return Error::new(ErrorKind::System, format!("cannot unmount '{place}': {}", reason(error)));
    }
    let who: Vec<String> = holders(path).iter().map(ToString::to_string).collect();
    let who = if who.is_empty() { "a process that this user may not see".to_owned() } else { who.join("; ") };
    Error::new(ErrorKind::Busy, format!("'{place}' is in use: {who}"))
}

/// Removes the mount of a daemon that is gone, if that is what is at `path`.
///
/// # Errors
/// When it cannot be unmounted.
pub fn remove_dead_mount(path: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| unmount_error(path, &error);
    let path = std::path::absolute(path).map_err(failed)?;
    // A path with links in it is recorded without them, and a dead mount cannot be looked at.
    while let Some(mount) = kernel::mounted_at(&path).map_err(failed)? {
        let ours = mount.source.starts_with(SOURCE_PREFIX) && mount.file_system.starts_with("fuse");
        if !ours {
            return Ok(());
        }
        unmount(&path, How::Force)?;
    }
    Ok(())
}
