use super::*;
use crate::UnixTime;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const FILE: &str = "web-1_20261128T100000Z.fr-bundle";
const DIRECTORY: &str = "web-1_20261128T100000Z";
const BUNDLE: &str =
    "-----BEGIN SOMETHING-----\n$(touch no) `touch no` \\ \" ' @BUNDLE@\nEOF\n-----END SOMETHING-----\n";

fn grant() -> Grant {
    Grant {
        id: "0".repeat(32).parse().unwrap(),
        vm: "web-1".parse().unwrap(),
        point: "20261128T100000Z".parse().unwrap(),
        user: "ann".into(),
        made_at: UnixTime::from_seconds(1_795_860_000),
        expires_at: UnixTime::from_seconds(1_795_903_200),
        target: String::new(),
    }
}

/// A stand-in for fr-mount that writes down what it was given, and ends with `code`.
fn stand_in(at: &Path, code: u8) {
    let script = format!(
        "#!/bin/sh\nfor word; do printf '%s\\n' \"$word\"; done >'{at}/words'\nshift $(($# - 2))\ncp -- \"$1\" '{at}/seen'\n\
         stat -c '%a %F' \"$1\" \"${{1%/*}}\" >'{at}/modes'\nprintf '%s' \"${{1%/*}}\" >'{at}/private'\nexit {code}\n",
        at = at.display()
    );
    fs::create_dir(at.join("bin")).unwrap();
    let program = at.join("bin/fr-mount");
    fs::write(&program, script).unwrap();
    assert!(Command::new("chmod").arg("755").arg(&program).status().unwrap().success());
}

/// Runs the script for Linux in `at`, where the stand-in is the only fr-mount.
fn run(at: &Path, words: &[&str]) -> Output {
    let script = at.join("script.sh");
    fs::write(&script, Launchers::new(&grant(), FILE, BUNDLE).unwrap().linux.text).unwrap();
    let path = format!("{}:/usr/bin:/bin", at.join("bin").display());
    let mut command = Command::new("sh");
    command.arg(&script).args(words).current_dir(at).env("PATH", path).env("TMPDIR", at).env_remove("XDG_RUNTIME_DIR");
    command.output().unwrap()
}

#[test]
fn the_script_for_linux_hands_fr_mount_the_bundle_byte_for_byte_in_a_private_file_that_goes_again() {
    let at = tempfile::tempdir().unwrap();
    stand_in(at.path(), 0);
    let output = run(at.path(), &["files here", "--password", "fd:3"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(at.path().join("seen")).unwrap(), BUNDLE);
    assert_eq!(fs::read_to_string(at.path().join("modes")).unwrap(), "600 regular file\n700 directory\n");
    let private = fs::read_to_string(at.path().join("private")).unwrap();
    assert!(private.contains("fr-mount-bundle.") && !Path::new(&private).exists(), "{private}");
    let words = fs::read_to_string(at.path().join("words")).unwrap();
    let file = format!("{private}/{FILE}");
    assert_eq!(words, format!("--read-only\n--password\nfd:3\n{file}\nfiles here\n"));
    assert!(at.path().join("files here").is_dir() && !at.path().join("no").exists());
}

#[test]
fn a_mount_that_fails_leaves_neither_the_bundle_nor_the_directory_and_its_exit_code_is_the_script_s() {
    let at = tempfile::tempdir().unwrap();
    stand_in(at.path(), 6);
    assert_eq!(run(at.path(), &[]).status.code(), Some(6));
    let left: Vec<_> = fs::read_dir(at.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let mut left: Vec<_> = left.iter().filter_map(|name| name.to_str()).collect();
    left.sort_unstable();
    assert_eq!(left, ["bin", "modes", "private", "script.sh", "seen", "words"]);
}

#[test]
fn a_directory_of_the_user_s_own_stays_when_the_mount_fails() {
    let at = tempfile::tempdir().unwrap();
    stand_in(at.path(), 6);
    fs::create_dir(at.path().join(DIRECTORY)).unwrap();
    assert_eq!(run(at.path(), &[]).status.code(), Some(6));
    assert!(at.path().join(DIRECTORY).is_dir());
}

#[test]
fn without_fr_mount_the_script_says_so_and_makes_nothing() {
    let at = tempfile::tempdir().unwrap();
    fs::create_dir(at.path().join("bin")).unwrap();
    let output = run(at.path(), &[]);
    assert_eq!(output.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&output.stderr).contains("fr-mount is not installed"), "{output:?}");
    assert!(!at.path().join(DIRECTORY).exists());
}

#[test]
fn a_bundle_that_would_end_early_in_a_script_or_is_no_plain_text_is_refused() {
    for bad in ["a\nEND_OF_BUNDLE\nrm -rf x", "a\n'@\nRemove-Item", "a\0b", "a\u{e9}", "a\r\nb", "\u{1b}[2J"] {
        assert!(Launchers::new(&grant(), FILE, bad).is_err(), "{bad:?}");
    }
}

#[test]
fn no_placeholder_is_left_in_a_script_and_the_bundle_is_in_it_as_it_is() {
    let Launchers { linux, windows } = Launchers::new(&grant(), FILE, BUNDLE).unwrap();
    for launcher in [linux, windows] {
        assert_eq!(launcher.text.matches(BUNDLE).count(), 1, "{}", launcher.text);
        let rest = launcher.text.replace(BUNDLE, "");
        for name in ["@VM@", "@POINT@", "@UNTIL@", "@FILE@", "@BUNDLE_FILE@", "@DIRECTORY@", "@END@", "@BUNDLE@"] {
            assert!(!rest.contains(name), "{name} in {}", launcher.file_name);
        }
        assert!(rest.contains("2026-11-28T22:00:00Z"), "{rest}");
    }
}
