//! Mounts: made, watched, taken down.

use crate::adapter::Adapter;
use crate::error::reason;
use crate::kernel::{self, MountEntry};
use crate::open_files::OpenFiles;
use crate::{Error, ErrorKind, holders};
use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};
use rustix::fs::{Mode, OFlags};
use rustix::mount::UnmountFlags;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vfs::FileSystem;

/// What /proc/mounts shows as the type, after `fuse.`.
const SUBTYPE: &str = "fr-mount";
/// How sources begin that we mounted.
const SOURCE_PREFIX: &str = "fr-mount:";
const FUSERMOUNT_MISSING: &str =
    "the program fusermount3, which ordinary users need for it, is missing: install the package fuse3";

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
    /// How the kernel lists it. Not its device number alone: the kernel gives that to the next mount at once.
    entry: MountEntry,
    session: Option<BackgroundSession>,
    open_files: Arc<OpenFiles>,
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
    let unusable =
        |error| Error::new(ErrorKind::Setup, format!("cannot mount at '{}': {}", at.display(), reason(&error)));
    let path = at.canonicalize().map_err(unusable)?;
    let is_root = rustix::process::geteuid().is_root();
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(source(&options.source_name)),
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
    let open_files = Arc::new(OpenFiles::default());
    let adapter = Adapter::new(fs, Arc::clone(&open_files));
    let session = Session::new(adapter, &path, &config).and_then(Session::spawn).map_err(failed)?;
    let entry = kernel::mounted_at(&path).map_err(failed)?;
    let entry = entry.ok_or_else(|| failed(io::Error::other("it is not mounted after all")))?;
    if is_root && let Err(error) = kernel::set_read_ahead(entry.minor, options.read_ahead_kib) {
        tracing::debug!("the kernel's read-ahead stays as it is: {error}");
    }
    Ok(Mount { entry, session: Some(session), open_files })
}

/// A source name as one mount option: a comma would begin another, and names come from labels on disks.
fn source(name: &str) -> String {
    name.chars().map(|c| if matches!(c, ',' | '\\') || c.is_control() { '_' } else { c }).collect()
}

fn mount_error(at: &Path, error: &io::Error) -> Error {
    let is_root = rustix::process::geteuid().is_root();
    let advice = match error.kind() {
        _ if !Path::new("/dev/fuse").exists() => {
            "there is no /dev/fuse: load the kernel module (modprobe fuse); in a container: --device /dev/fuse"
                .to_owned()
        }
        // The helper is only looked for when we are not let do it ourselves.
        io::ErrorKind::NotFound if is_root => {
            "not permitted; in a container: --cap-add SYS_ADMIN --device /dev/fuse".to_owned()
        }
        io::ErrorKind::NotFound => FUSERMOUNT_MISSING.to_owned(),
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
        &self.entry.mount_point
    }

    /// Whether it is still there; somebody else may have unmounted it.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        let served = self.session.as_ref().is_some_and(|session| !session.guard.is_finished());
        // When the kernel cannot be asked, nothing says that it is gone.
        served && self.is_listed().unwrap_or(true)
    }

    pub(crate) fn is_listed(&self) -> io::Result<bool> {
        Ok(kernel::mounts()?.contains(&self.entry))
    }

    /// Unmounts; does nothing if it is not mounted any more.
    ///
    /// Afterwards nothing can be read, not even through copies of the mount elsewhere (bind mounts, other mount
    /// namespaces) or what the kernel has cached of files that are still open.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] with the names of those who use it, only if `how` is polite, or with that of what was mounted
    /// over it. [`ErrorKind::System`] when the operating system fails.
    pub fn unmount(&mut self, how: How) -> Result<(), Error> {
        if self.is_listed().map_err(|error| unmount_error(self.path(), &error))? {
            self.check_on_top()?;
            if how == How::Force {
                self.abort();
            }
            unmount(self.path(), how)?;
        }
        if let Some(session) = self.session.take() {
            self.end(session);
        }
        Ok(())
    }

    /// Answers nothing from now on and takes from the kernel what it has cached of open files: reads through them and what is mapped
    /// of them give errors. The mount itself stays where it is until it is unmounted.
    pub fn cut(&self) {
        self.open_files.close();
        // When the kernel cannot be asked, it is not told to end what may be another mount by now.
        if self.is_listed().unwrap_or(false) {
            self.abort();
        }
        if let Some(session) = &self.session {
            self.forget_cached(session);
        }
    }

    /// Ends the connection with the kernel. Only while the mount is there: the kernel gives its number to the next one.
    fn abort(&self) {
        self.open_files.close();
        // Where the kernel does not let us, calls still end by themselves, with errors.
        if let Err(error) = kernel::abort(self.entry.minor) {
            tracing::debug!("cannot abort the connection of '{}': {error}", self.path().display());
        }
    }

    /// Ends a session whose mount is gone. That is soon over, unless a copy of the mount is left somewhere.
    fn end(&self, session: BackgroundSession) {
        if !self.open_files.is_closed() && !finishes(&session.guard) {
            self.abort();
        }
        self.forget_cached(&session);
        // fuser would unmount by path, which can be that of a stranger's mount by now. What is left of the session is a
        // descriptor, as long as this process lives.
        std::mem::forget(session);
    }

    /// Takes from the kernel what it has cached of open files.
    fn forget_cached(&self, session: &BackgroundSession) {
        let (notifier, numbers) = (session.notifier(), self.open_files.numbers());
        if numbers.is_empty() {
            return;
        }
        let forget_all = move || {
            for number in numbers {
                if let Err(error) = notifier.inval_inode(number, 0, 0) {
                    tracing::debug!("what is cached of inode {number} stays: {error}");
                }
            }
        };
        // The kernel gives up a page when the call that fills it is over, which may be waiting for the disk.
        match std::thread::Builder::new().name("fuse-forget".to_owned()).spawn(forget_all) {
            Ok(forgetting) => drop(finishes(&forgetting)),
            Err(error) => tracing::debug!("what is cached stays: {error}"),
        }
    }

    fn check_on_top(&self) -> Result<(), Error> {
        match kernel::mounted_at(self.path()) {
            Ok(Some(top)) if top != self.entry => {
                let place = self.path().display();
                let message = format!("'{place}' was mounted over with '{}': unmount that first", top.source);
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
        // It stays when something was mounted over it; but it is not served any more.
        if let Some(session) = self.session.take() {
            self.abort();
            self.end(session);
        }
    }
}

/// Waits for a thread that should end soon, and says whether it did.
fn finishes<T>(thread: &JoinHandle<T>) -> bool {
    const PATIENCE: Duration = Duration::from_secs(2);
    let start = Instant::now();
    while !thread.is_finished() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    thread.is_finished()
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
    let output =
        Command::new("fusermount3").arg(option).arg("--").arg(path).output().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other(FUSERMOUNT_MISSING),
            _ => error,
        })?;
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

/// More mounts on top of each other than dead sessions leave.
const STACKED_MAX: usize = 16;

/// Where mounts are that were made by this program, of whichever session.
#[must_use]
pub fn mount_points() -> Vec<PathBuf> {
    let mounts = kernel::mounts().unwrap_or_default().into_iter();
    mounts.filter(is_ours).map(|mount| mount.mount_point).collect()
}

fn is_ours(mount: &MountEntry) -> bool {
    mount.source.starts_with(SOURCE_PREFIX) && mount.file_system.starts_with("fuse")
}

/// The mount at `path` if nobody serves it any more. Only the question for its free space is never answered from what the
/// kernel has cached; one that is not answered at all, or that this user may not ask, has somebody who serves it.
fn dead_mount(path: &Path) -> Option<OwnedFd> {
    /// A daemon that was killed a moment ago has its descriptors closed by the kernel sooner than that.
    const PATIENCE: Duration = Duration::from_secs(2);
    let (sender, answer) = std::sync::mpsc::channel();
    let path = path.to_owned();
    std::thread::spawn(move || {
        let root = rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok();
        let dead = root.filter(|root| {
            matches!(rustix::fs::fstatfs(root), Err(rustix::io::Errno::NOTCONN | rustix::io::Errno::CONNABORTED))
        });
        // Nobody waits for an answer that comes late.
        let _ = sender.send(dead);
    });
    answer.recv_timeout(PATIENCE).ok().flatten()
}

/// Takes down this dead mount. Not what is at its path: that may be the mount of the next session by now.
fn unmount_dead(root: &OwnedFd, path: &Path) -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        return unmount(path, How::Force);
    }
    let itself = format!("/proc/self/fd/{}", root.as_raw_fd());
    rustix::mount::unmount(itself, UnmountFlags::DETACH).map_err(|error| unmount_error(path, &error.into()))
}

/// Removes the mount of a daemon that is gone, if that is what is at `path`, and says whether it was. One that is served is left
/// alone.
///
/// # Errors
/// When it cannot be unmounted, or something of somebody else's is mounted over it.
pub fn remove_dead_mount(path: &Path) -> Result<bool, Error> {
    let failed = |error: io::Error| unmount_error(path, &error);
    let path = std::path::absolute(path).map_err(failed)?;
    let is_ours_there = |mount: &MountEntry| mount.mount_point == path && is_ours(mount);
    // A path with links in it is recorded without them, and a dead mount cannot be looked at.
    for removed in 0..STACKED_MAX {
        match kernel::mounted_at(&path).map_err(failed)? {
            Some(mount) if is_ours(&mount) => {
                let Some(root) = dead_mount(&path) else { return Ok(removed > 0) };
                let outcome = unmount_dead(&root, &path);
                // Somebody else may have been faster.
                if outcome.is_err() && kernel::mounts().map_err(failed)?.contains(&mount) {
                    return outcome.map(|()| false);
                }
            }
            Some(mount) if kernel::mounts().map_err(failed)?.iter().any(is_ours_there) => {
                let message =
                    format!("'{}' was mounted over with '{}': unmount that first", path.display(), mount.source);
                return Err(Error::new(ErrorKind::Busy, message));
            }
            _ => return Ok(removed > 0),
        }
    }
    Err(Error::new(ErrorKind::System, format!("cannot unmount '{}': there is always another mount", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_smuggle_in_mount_options() {
        assert_eq!(source("fr-mount:data,rw\\,allow_other\n"), "fr-mount:data_rw__allow_other_");
        assert_eq!(source("fr-mount:Größe 1"), "fr-mount:Größe 1");
    }
}
