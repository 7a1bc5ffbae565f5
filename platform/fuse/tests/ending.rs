//! How mounts end, with others around: copies of the mount, strangers' mounts, readers that stay.

use super::Mounted;
use super::memory::{MANY_COUNT, content};
use crate::{ErrorKind, How};
use rustix::mount::{MountFlags, UnmountFlags};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Mounting anything but FUSE takes root.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("SKIPPED: only root can make other mounts");
    }
    is_root
}

/// Something of somebody else's, mounted at `path` until this is dropped.
struct Stranger<'a>(&'a Path);

impl<'a> Stranger<'a> {
    fn mount(path: &'a Path) -> Self {
        rustix::mount::mount("stranger", path, "tmpfs", MountFlags::empty(), None).unwrap();
        fs::write(path.join("mine"), "").unwrap();
        Self(path)
    }
}

impl Drop for Stranger<'_> {
    fn drop(&mut self) {
        // Gone already is what the tests themselves complain about.
        let _ = rustix::mount::unmount(self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn what_was_read_before_cannot_be_read_after_a_forced_end() {
    let Some(mut mounted) = Mounted::new() else { return };
    let file = File::open(mounted.path("file")).unwrap();
    let mut buffer = vec![0; content().len()];
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(buffer, content());
    mounted.mount.unmount(How::Force).unwrap();
    assert!(file.read_at(&mut buffer, 0).is_err(), "the kernel still gives what it has cached");
}

#[test]
fn after_a_cut_nothing_is_read_of_what_the_kernel_has_cached_of_files_and_directories() {
    let Some(mut mounted) = Mounted::new() else { return };
    let file = File::open(mounted.path("file")).unwrap();
    let directory = File::open(mounted.path("many")).unwrap();
    let list = || {
        let mut names = rustix::fs::Dir::read_from(&directory)?;
        names.rewind();
        { names }.try_fold(0, |count, entry| entry.map(|_| count + 1))
    };
    let mut buffer = vec![0; content().len()];
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!((list(), list()), (Ok(MANY_COUNT + 2), Ok(MANY_COUNT + 2)));
    mounted.mount.cut();
    assert!(file.read_at(&mut buffer, 0).is_err(), "the kernel still gives what it has cached of the file");
    assert!(list().is_err(), "the kernel still gives what it has cached of the directory");
    assert!(mounted.mount.is_listed().unwrap());
    mounted.mount.unmount(How::Force).unwrap();
    assert!(!mounted.mount.is_listed().unwrap());
}

#[test]
fn a_reader_that_waits_for_the_disk_does_not_hold_up_a_forced_end() {
    let Some(mut mounted) = Mounted::new() else { return };
    let (fs, path) = (Arc::clone(&mounted.fs), mounted.path("waits"));
    let reader = std::thread::spawn(move || fs::read(path));
    fs.until_somebody_waits();
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let outcome = mounted.mount.unmount(How::Force);
        sender.send((outcome, mounted)).unwrap();
    });
    let ended = ended.recv_timeout(Duration::from_secs(60));
    fs.let_through();
    let (outcome, _mounted) = ended.expect("unmounting waits for the reader");
    outcome.unwrap();
    assert!(reader.join().unwrap().is_err(), "it was answered after the end");
}

#[test]
fn what_is_mounted_within_is_told() {
    let Some(mut mounted) = Mounted::new() else { return };
    if !is_root() {
        return;
    }
    let within = mounted.path("many");
    let stranger = Stranger::mount(&within);
    let error = mounted.mount.unmount(How::Polite).unwrap_err();
    let expected = format!("'stranger' is mounted at '{}'", within.display());
    assert!(error.kind == ErrorKind::Busy && error.message.contains(&expected), "{error}");
    drop(stranger);
    mounted.mount.unmount(How::Polite).unwrap();
}

#[test]
fn a_copy_of_the_mount_elsewhere_does_not_hold_up_the_end() {
    let Some(mut mounted) = Mounted::new() else { return };
    if !is_root() {
        return;
    }
    let elsewhere = tempfile::tempdir().unwrap();
    rustix::mount::mount_bind(mounted.directory.path(), elsewhere.path()).unwrap();
    let copy = Stranger(elsewhere.path());
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let outcome = mounted.mount.unmount(How::Polite);
        sender.send((outcome, mounted)).unwrap();
    });
    let ended = ended.recv_timeout(Duration::from_secs(60));
    let read = fs::read(elsewhere.path().join("file"));
    drop(copy);
    let (outcome, mounted) = ended.expect("unmounting waits for the copy");
    outcome.unwrap();
    assert!(!mounted.mount.is_mounted());
    assert!(read.is_err(), "the copy is still served");
}

#[test]
fn what_a_stranger_mounted_after_us_is_left_alone() {
    let Some(mut mounted) = Mounted::new() else { return };
    if !is_root() {
        return;
    }
    let path = mounted.directory.path().to_owned();
    rustix::mount::unmount(&path, UnmountFlags::empty()).unwrap();
    let stranger = Stranger::mount(&path);
    assert!(!mounted.mount.is_mounted());
    mounted.mount.unmount(How::Polite).unwrap();
    assert!(path.join("mine").exists(), "a polite end took away the mount of somebody else");
    drop(mounted.mount);
    assert!(path.join("mine").exists(), "dropping took away the mount of somebody else");
    drop(stranger);
}

#[test]
fn what_a_stranger_mounted_over_us_is_left_alone() {
    let Some(mut mounted) = Mounted::new() else { return };
    if !is_root() {
        return;
    }
    let path = mounted.directory.path().to_owned();
    let stranger = Stranger::mount(&path);
    for how in [How::Polite, How::Force] {
        let error = mounted.mount.unmount(how).unwrap_err();
        assert!(error.kind == ErrorKind::Busy && error.message.contains("stranger"), "{error}");
    }
    drop(mounted.mount);
    assert!(path.join("mine").exists(), "dropping took away the mount of somebody else");
    drop(stranger);
    rustix::mount::unmount(&path, UnmountFlags::DETACH).unwrap();
}

#[test]
fn the_next_mount_which_gets_the_same_number_is_left_alone() {
    let Some(first) = Mounted::new() else { return };
    if !is_root() {
        return;
    }
    rustix::mount::unmount(first.directory.path(), UnmountFlags::empty()).unwrap();
    let second = Mounted::new().unwrap();
    drop(first.mount);
    assert_eq!(fs::read(second.path("file")).unwrap(), content());
}
