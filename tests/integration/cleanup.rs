//! What sessions leave that are killed, and that it is found and removed.

use crate::support::fr_mount::{Place, can_be_read, mounts_below, program_for_everybody, shell};
use crate::support::process::wait_until;
use crate::support::report::Session;
use crate::support::{Background, Ext4Image, FrMount, Need, exit, fr_mount, skip_unless};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS];
/// "nobody" on Debian: fusermount3 wants a user that has a name.
const NOBODY: u32 = 65_534;

fn image() -> Ext4Image {
    let from = tempfile::tempdir().unwrap();
    shell("echo content > file", from.path());
    let image = Ext4Image::copied_from(from.path(), 16, &["-L", "data"]);
    fs::set_permissions(image.path(), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(image.path().parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    image
}

fn kill(mount: &mut FrMount) {
    mount.signal(Signal::KILL);
    mount.wait();
}

/// Takes a dead mount away behind the back of fr-mount, unless the `cleanup` of another test, which sees all dead mounts, was faster.
fn unmount(path: &Path) {
    shell(&format!("umount -l '{}' || true", path.display()), Path::new("/"));
}

fn sessions(place: &Place) -> Vec<Session> {
    fr_mount(place, ["status", "--json"]).assert_ok().json()
}

#[test]
fn what_killed_sessions_left_is_removed_by_cleanup_and_those_that_live_are_left_alone() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut mount = FrMount::start(Place::new(), [image.path()]);
    let place = mount.place();
    fs::create_dir(place.path().join("other")).unwrap();
    let mut command = place.command();
    command.args(["--read-only"]).arg(image.path()).arg(place.path().join("other"));
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    kill(&mut mount);
    let place = mount.place();
    assert_eq!(sessions(place).iter().filter(|session| session.state == "died").count(), 1);
    let cleaned = fr_mount(place, ["cleanup"]);
    assert!(cleaned.assert_ok().stdout().contains(&format!("process {} died", mount.id())), "{}", cleaned.stdout());
    let [living] = sessions(place).try_into().unwrap();
    assert!(living.alive && can_be_read(&place.path().join("other/data/file")));
    assert_eq!(mounts_below(&place.mount_point()), [""; 0]);
    let again = fr_mount(place, ["cleanup"]);
    assert!(!again.assert_ok().stdout().contains(&mount.id().to_string()), "{}", again.stdout());
    fr_mount(place, ["unmount", "--all"]).assert_ok();
    place.assert_nothing_left();
}

#[test]
fn the_next_start_takes_the_place_of_a_session_that_was_killed() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut mount = FrMount::start(Place::new(), [image.path()]);
    kill(&mut mount);
    let (place, source) = (mount.place(), image.path().display().to_string());
    let mount_point = place.mount_point().display().to_string();
    let next = fr_mount(place, ["--read-only", &source, &mount_point]);
    assert!(next.assert_ok().stderr().contains("died"), "{}", next.stderr());
    assert!(can_be_read(&place.mount_point().join("data/file")));
    assert!(sessions(place).iter().all(|session| session.alive));
    fr_mount(place, ["unmount", "--all"]).assert_ok();
    place.assert_nothing_left();
}

#[test]
fn a_session_that_is_killed_while_it_mounts_leaves_nothing_that_is_not_found() {
    if !skip_unless(NEEDS) {
        return;
    }
    let (image, place) = (image(), Place::new());
    for pause in [0, 1, 2, 4, 8, 12, 16, 24, 40] {
        let mut command = place.command();
        command.args(["--read-only", "--foreground"]).arg(image.path()).arg(place.mount_point());
        let mut mounting = Background::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        let recorded = || fs::read_dir(place.state()).is_ok_and(|mut records| records.next().is_some());
        wait_until("the session has a record", || recorded() || mounting.ended().is_some());
        // Not waited for, but a choice of moments: from before the first directory is made to after the mount.
        std::thread::sleep(Duration::from_millis(pause));
        mounting.signal(Signal::KILL);
        mounting.wait();
        fr_mount(&place, ["cleanup"]).assert_ok();
        place.assert_nothing_left();
    }
}

#[test]
fn what_a_session_left_before_the_machine_was_started_anew_is_removed_and_what_took_its_place_is_not() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut first = FrMount::start(Place::new(), [image.path()]);
    kill(&mut first);
    // As after a start of the machine: the record and the directory are there, the mount is not.
    unmount(&first.volume("data"));
    fr_mount(first.place(), ["cleanup"]).assert_ok();
    first.place().assert_nothing_left();

    let source = image.path().display().to_string();
    let mut killed = FrMount::start(Place::new(), ["--volume", "data", &source]);
    kill(&mut killed);
    unmount(&killed.place().mount_point());
    let elsewhere = tempfile::tempdir().unwrap();
    let with_other_records = |command: &str| {
        let mut fr_mount = killed.place().command();
        fr_mount.env("FR_MOUNT_STATE_DIR", elsewhere.path().join("state")).stdout(Stdio::null());
        let mount_point = killed.place().mount_point();
        match command {
            "mount" => fr_mount.args(["--read-only", "--volume", "data", &source]).arg(mount_point),
            command => fr_mount.arg(command).arg(mount_point),
        };
        assert!(fr_mount.status().unwrap().success(), "{command}");
    };
    with_other_records("mount");
    fr_mount(killed.place(), ["cleanup"]).assert_ok();
    assert!(can_be_read(&killed.place().mount_point().join("file")), "a mount that is served was removed");
    assert_eq!(sessions(killed.place()).len(), 0);
    with_other_records("unmount");
    killed.place().assert_nothing_left();
}

#[test]
fn of_two_sessions_that_start_in_the_same_place_at_the_same_time_one_gets_it() {
    if !skip_unless(NEEDS) {
        return;
    }
    let (image, place) = (image(), Place::new());
    let source = image.path().display().to_string();
    let mount_point = place.mount_point().display().to_string();
    let start = || fr_mount(&place, ["--read-only", "--volume", "data", &source, &mount_point]).code();
    let codes = std::thread::scope(|scope| {
        let both = [scope.spawn(start), scope.spawn(start)];
        both.map(|one| one.join().unwrap())
    });
    assert!(codes.contains(&Some(0)) && codes.contains(&Some(exit::MOUNT_POINT)), "{codes:?}");
    assert!(can_be_read(&place.mount_point().join("file")));
    assert_eq!(mounts_below(place.path()).len(), 1);
    fr_mount(&place, ["unmount", "--all"]).assert_ok();
    place.assert_nothing_left();
}

#[test]
fn an_ordinary_user_cleans_up_as_well_and_cannot_look_into_a_session() {
    if !skip_unless(&[NEEDS, &[Need::FUSERMOUNT]].concat()) {
        return;
    }
    let (image, place, state) = (image(), Place::new(), tempfile::tempdir().unwrap());
    let program = program_for_everybody(&place);
    for directory in [&place.mount_point(), state.path()] {
        chown(directory, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let records = state.path().join("state");
    let as_nobody = || {
        let mut command = Command::new(&program);
        command.env("FR_MOUNT_STATE_DIR", &records).stdin(Stdio::null()).uid(NOBODY).gid(NOBODY);
        command
    };
    let mut command = as_nobody();
    command.args(["--json", "--read-only", "--foreground"]).arg(image.path()).arg(place.mount_point());
    let mut mount = FrMount::spawn(place, command);
    // The kernel gives the secrets of a process that may not be looked into to root.
    assert_eq!(fs::metadata(format!("/proc/{}/environ", mount.id())).unwrap().uid(), 0);
    kill(&mut mount);
    let cleaned = as_nobody().arg("cleanup").output().unwrap();
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    mount.place().assert_nothing_left();
    assert!(!records.exists());
}
