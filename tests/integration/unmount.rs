//! How sessions end: asked to, told to by a signal, while somebody is inside, or killed.

use crate::support::fr_mount::{Place, can_be_read, failure, mounts_below, shell, wait_until_unmounted};
use crate::support::process::wait_until;
use crate::support::report::Session;
use crate::support::{Background, Ext4Image, FrMount, Need, exit, fr_mount, skip_unless};
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use std::process::Command;

const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS];

fn image() -> Ext4Image {
    let from = tempfile::tempdir().unwrap();
    shell("echo content > file; mkdir directory", from.path());
    Ext4Image::copied_from(from.path(), 16, &["-L", "data"])
}

fn sessions(place: &Place) -> Vec<Session> {
    fr_mount(place, ["status", "--json"]).assert_ok().json()
}

/// A process that sits in `directory`.
fn sitter(directory: &Path) -> Background {
    Background::start(Command::new("sleep").arg("1000").current_dir(directory))
}

#[test]
fn a_session_in_the_background_is_listed_and_unmounted() {
    if !skip_unless(NEEDS) {
        return;
    }
    let (image, place) = (image(), Place::new());
    let mount_point = place.mount_point();
    let source = image.path().display().to_string();
    fr_mount(&place, ["--read-only", &source, mount_point.to_str().unwrap()]).assert_ok();
    assert!(can_be_read(&mount_point.join("data/file")));
    let [session] = sessions(&place).try_into().unwrap();
    assert!(session.alive && session.mount_point == mount_point && session.source.contains(&source), "{session:?}");
    fr_mount(&place, ["unmount", mount_point.to_str().unwrap()]).assert_ok();
    place.assert_nothing_left();
    wait_until("the daemon ends", || !Path::new(&format!("/proc/{}", session.pid)).exists());
    let again = fr_mount(&place, ["unmount", "--json", mount_point.to_str().unwrap()]);
    assert_eq!(failure(&again, exit::NO_SESSION).0, "no-session");
}

#[test]
fn a_signal_unmounts_and_leaves_nothing() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    for signal in [Signal::TERM, Signal::INT] {
        let mut mount = FrMount::start(Place::new(), [image.path()]);
        assert!(can_be_read(&mount.volume("data").join("file")));
        mount.signal(signal);
        assert!(mount.wait().success(), "{signal:?}: {}", mount.stderr());
        mount.place().assert_nothing_left();
    }
}

#[test]
fn a_busy_volume_stays_and_the_message_says_who_holds_it() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut mount = FrMount::start(Place::new(), [image.path()]);
    let mount_point = mount.place().mount_point();
    let holders = [
        sitter(&mount.volume("data").join("directory")),
        Background::start(
            Command::new("tail").arg("-f").arg(mount.volume("data").join("file")).stdout(std::process::Stdio::null()),
        ),
    ];
    let opened = || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", holders[1].id())).unwrap();
        { descriptors }.any(|fd| fs::read_link(fd.unwrap().path()).is_ok_and(|file| file.ends_with("data/file")))
    };
    wait_until("tail has opened the file", opened);
    let ended = fr_mount(mount.place(), ["unmount", "--json", mount_point.to_str().unwrap()]);
    let (kind, message) = failure(&ended, exit::BUSY);
    assert_eq!(kind, "busy");
    for (holder, command) in holders.iter().zip(["sleep", "tail"]) {
        assert!(message.contains(&holder.id().to_string()) && message.contains(command), "{command}: {message}");
    }
    assert!(can_be_read(&mount.volume("data").join("file")), "it was unmounted all the same");
    assert!(mount.ended().is_none());
    drop(holders);
    fr_mount(mount.place(), ["unmount", mount_point.to_str().unwrap()]).assert_ok();
    assert!(mount.wait().success());
    mount.place().assert_nothing_left();
}

#[test]
fn force_unmounts_a_busy_volume() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut mount = FrMount::start(Place::new(), [image.path()]);
    let sitter = sitter(&mount.volume("data").join("directory"));
    let mount_point = mount.place().mount_point();
    fr_mount(mount.place(), ["unmount", "--force", mount_point.to_str().unwrap()]).assert_ok();
    assert!(mount.wait().success());
    mount.place().assert_nothing_left();
    drop(sitter);
}

#[test]
fn a_signal_ends_a_session_even_while_it_is_busy() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut mount = FrMount::start(Place::new(), [image.path()]);
    let sitter = sitter(&mount.volume("data"));
    mount.signal(Signal::TERM);
    mount.wait();
    mount.place().assert_nothing_left();
    drop(sitter);
}

#[test]
fn a_volume_unmounted_by_somebody_else_ends_the_session() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut mount = FrMount::start(Place::new(), [image.path()]);
    shell(&format!("umount '{}'", mount.volume("data").display()), Path::new("/"));
    assert!(mount.wait().success(), "{}", mount.stderr());
    mount.place().assert_nothing_left();
}

#[test]
fn what_a_killed_session_left_is_removed_by_unmount() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut mount = FrMount::start(Place::new(), [image.path()]);
    mount.signal(Signal::KILL);
    mount.wait();
    let [session] = sessions(mount.place()).try_into().unwrap();
    assert!(!session.alive && session.pid == mount.id());
    let mount_point = mount.place().mount_point();
    fr_mount(mount.place(), ["unmount", mount_point.to_str().unwrap()]).assert_ok();
    wait_until_unmounted(mount.place());
    mount.place().assert_nothing_left();
}

#[test]
fn a_volume_that_was_asked_for_is_mounted_at_the_mount_point_itself() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let source = image.path().display().to_string();
    let mount = FrMount::start(Place::new(), ["--volume", "data", &source]);
    assert_eq!(mount.volume("data"), mount.place().mount_point());
    assert!(can_be_read(&mount.place().mount_point().join("file")));
    assert_eq!(mounts_below(mount.place().path()).len(), 1);
    mount.stop();
}
