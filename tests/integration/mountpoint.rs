//! A mount point that cannot be used is refused before anybody is dialled.

use crate::support::fr_mount::{Ended, Place, failure};
use crate::support::process::{program, run};
use crate::support::{Need, exit, fr_mount, skip_unless};
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

/// Tries to mount from a server that only listens, and checks that nobody has called it.
fn refused(mount_point: &Path) -> Ended {
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("iscsi://{}/iqn.2024-01.test.invalid:disk", server.local_addr().unwrap());
    let mount_point = mount_point.to_str().unwrap();
    let args = ["--json", "--read-only", "--connect-timeout", "2s", &url, mount_point];
    let ended = fr_mount(&Place::new(), args);
    let nobody = server.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    assert!(nobody, "the target was dialled");
    ended
}

#[track_caller]
fn assert_refused_with(mount_point: &Path, word: &str) {
    let (kind, message) = failure(&refused(mount_point), exit::MOUNT_POINT);
    assert_eq!(kind, "mount-point");
    assert!(message.contains(mount_point.to_str().unwrap()), "the message does not name the directory: {message}");
    assert!(message.contains(word), "the message does not say '{word}': {message}");
}

#[test]
fn a_mount_point_that_does_not_exist_is_refused() {
    let place = Place::new();
    assert_refused_with(&place.path().join("gone"), "exist");
}

#[test]
fn a_mount_point_that_is_a_file_is_refused() {
    let place = Place::new();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    assert_refused_with(&file, "director");
}

#[test]
fn a_mount_point_with_something_in_it_is_refused() {
    let place = Place::new();
    fs::write(place.mount_point().join("mine"), "").unwrap();
    assert_refused_with(&place.mount_point(), "empty");
    assert!(place.mount_point().join("mine").exists());
}

#[test]
fn a_mount_point_where_something_is_mounted_is_refused() {
    if !skip_unless(&[Need::Root]) {
        return;
    }
    let place = Place::new();
    run(program("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(place.mount_point()));
    assert_refused_with(&place.mount_point(), "mount");
    run(program("umount").arg(place.mount_point()));
}

#[test]
fn asking_to_write_is_a_mistake_and_not_a_mode() {
    let place = Place::new();
    let mount_point = place.mount_point().display().to_string();
    for option in ["--read-write", "--rw"] {
        let ended = fr_mount(&place, [option, "disk.img", &mount_point]);
        ended.assert_failed(2);
        assert!(ended.stderr().contains("--read-only"), "{}", ended.stderr());
    }
}
