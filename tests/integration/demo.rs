//! `fr-mount demo`: the whole flow in one process, checked by itself.

use crate::support::fr_mount::{Ended, Place, mounts_below, program_for_everybody};
use crate::support::process::{Background, wait_until};
use crate::support::requirements::is_root;
use crate::support::{Need, exit, fr_mount, skip_unless};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Who may use FUSE: root, or everybody where fusermount3 is installed.
fn needs() -> Vec<Need> {
    if is_root() { vec![Need::Fuse] } else { vec![Need::Fuse, Need::FUSERMOUNT] }
}

/// A place whose temporary files are its own, so that leftovers can be seen.
fn command(place: &Place, program: &Path) -> Command {
    let temporary = place.path().join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)).unwrap();
    let mut command = Command::new(program);
    command.env("FR_MOUNT_STATE_DIR", place.state()).env("TMPDIR", temporary).stdin(Stdio::null());
    command
}

#[track_caller]
fn assert_no_temporary_files(place: &Place) {
    let left: Vec<_> = fs::read_dir(place.path().join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "temporary files are left: {left:?}");
    place.assert_nothing_left();
}

#[test]
fn the_demonstration_checks_every_file_and_leaves_nothing() {
    if !skip_unless(&needs()) {
        return;
    }
    let place = Place::new();
    let ended = Ended::run(command(&place, Path::new(env!("CARGO_BIN_EXE_fr-mount"))).args(["demo", "--check"]));
    let said = ended.assert_ok().stdout();
    let files = include_str!("../../packaging/sample/SHA256SUMS").lines().count();
    assert!(said.contains(&files.to_string()), "it does not say that it checked {files} files: {said}");
    assert_no_temporary_files(&place);
}

#[test]
fn an_ordinary_user_can_run_the_demonstration() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::FUSERMOUNT]) {
        return;
    }
    let place = Place::new();
    let program = program_for_everybody(&place);
    let mut command = command(&place, &program);
    // Where this user may write its record.
    command.env("FR_MOUNT_STATE_DIR", place.path().join("tmp/state"));
    Ended::run(command.args(["demo", "--check"]).uid(65_534).gid(65_534)).assert_ok();
    assert_no_temporary_files(&place);
}

#[test]
fn a_file_that_is_not_as_it_should_be_fails_the_check() {
    if !skip_unless(&needs()) {
        return;
    }
    let place = Place::new();
    let tampered = place.path().join("fr-mount");
    let mut program = fs::read(env!("CARGO_BIN_EXE_fr-mount")).unwrap();
    // The list of hashes lies in the program as text: one other digit stands for one other byte of the file.
    let name = b"  system/etc/hostname\n";
    let at =
        program.windows(name.len()).position(|window| window == name).expect("the list of hashes is in the program");
    program[at - 1] = if program[at - 1] == b'0' { b'1' } else { b'0' };
    fs::write(&tampered, program).unwrap();
    fs::set_permissions(&tampered, fs::Permissions::from_mode(0o755)).unwrap();
    let said = Ended::run(command(&place, &tampered).args(["demo", "--check"])).assert_failed(exit::CHECK_FAILED);
    assert!(said.contains("system/etc/hostname"), "{said}");
    assert_no_temporary_files(&place);
}

#[test]
fn ctrl_c_ends_the_demonstration_and_leaves_nothing() {
    if !skip_unless(&needs()) {
        return;
    }
    let place = Place::new();
    let program = Path::new(env!("CARGO_BIN_EXE_fr-mount"));
    let mut command = command(&place, program);
    let mut demo = Background::start(command.arg("demo").arg(place.mount_point()).stdout(Stdio::null()));
    wait_until("the three volumes are mounted", || {
        assert!(demo.ended().is_none(), "the demonstration ended");
        mounts_below(&place.mount_point()).len() == 3 && fr_mount(&place, ["status"]).stdout().contains("archive")
    });
    assert!(place.mount_point().join("data/machines/milling-machine.img").is_file());
    demo.signal(Signal::INT);
    assert!(demo.wait().success());
    assert_no_temporary_files(&place);
}
