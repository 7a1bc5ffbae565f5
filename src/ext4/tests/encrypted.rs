//! Encrypted directories without the key, against this kernel's loop mount of the same image.

use super::fixture::{self, assert_same, directory};
use super::kernel::{can_mount, check, make, open};
use super::manifest;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Output};
use vfs::{Cursor, ErrorKind, FileSystem, NodeId, Stream};

fn encrypted(arguments: &[&str]) -> Output {
    Command::new("python3").arg(directory().join("encrypted.py")).args(arguments).output().unwrap()
}

/// Whether such images can be made here: tried, not guessed.
fn can_encrypt(scratch: &Path) -> bool {
    if !can_mount(scratch) {
        return false;
    }
    let trial = scratch.join("trial-encrypted");
    let made = encrypted(&["image", "blocks-of-4k", trial.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    // ENOTTY, EOPNOTSUPP: the kernel has no FS_ENCRYPTION. All else is a failure of the test.
    let is_unsupported = said.contains("[Errno 25]") || said.contains("[Errno 95]");
    if !made.status.success() && is_unsupported {
        eprintln!("SKIPPED: this kernel has no FS_ENCRYPTION; nothing was compared with what it shows without a key.");
        return false;
    }
    check("blocks-of-4k", &made);
    true
}

fn names(fs: &dyn FileSystem, directory: NodeId) -> Vec<(Vec<u8>, NodeId)> {
    let mut found = Vec::new();
    fs.read_dir(directory, Cursor::START, &mut |entry| {
        found.push((entry.name.to_vec(), entry.node));
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

fn find(fs: &dyn FileSystem, path: &str) -> NodeId {
    path.split('/').fold(fs.root(), |directory, name| fs.lookup(directory, name.as_bytes()).unwrap())
}

#[test]
fn encrypted_directories_show_what_the_kernel_shows_without_the_key() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_encrypt(scratch.path()) {
        return;
    }
    let image = scratch.path().join("image");
    let image = image.to_str().unwrap();
    for kind in check("list", &encrypted(&["list"])).lines() {
        check(kind, &encrypted(&["image", kind, image]));
        let kernel: Vec<_> = check(kind, &make(&["manifest", image])).lines().map(str::to_owned).collect();
        let files = kernel.iter().filter(|line| line.contains("ENOKEY")).count();
        assert!(files > 700, "{kind}: only {files} encrypted files");
        let fs = open(image);
        let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_same(kind, &kernel, &ours);
        contents_are_refused_and_nothing_else(&fs);
        names_are_found_as_by_the_kernel(&fs, &check(kind, &encrypted(&["lookups", image])));
        eprintln!("compared: {kind}");
    }
}

/// Each line is a directory, a name and what the kernel finds by it.
fn names_are_found_as_by_the_kernel(fs: &dyn FileSystem, lookups: &str) {
    let (mut asked, mut found) = (0, 0);
    for line in lookups.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let directory = NodeId(fields[0].parse().unwrap());
        let ours = match fs.lookup(directory, fields[1].as_bytes()) {
            Ok(node) => node.0.to_string(),
            Err(error) if error.kind == ErrorKind::NotFound => "-".to_owned(),
            Err(error) => panic!("{line}: {error}"),
        };
        assert_eq!(ours, fields[2], "{line}");
        asked += 1;
        found += u32::from(ours != "-");
    }
    assert!(found > 100 && asked > 2 * found, "{found} of {asked} were found");
}

/// Contents are refused for want of the key, names that are never shown are not found, and the policy is not shown.
fn contents_are_refused_and_nothing_else(fs: &dyn FileSystem) {
    let directory = find(fs, "plain-directory/encrypted-0");
    for name in [&b"file"[..], b"small", b"AQIDBAUGBwgABw4VHCMqMTg_Rk1UW2Jp", &[b'A'; 252], &[b'A'; 255], &[0xFF; 20]] {
        assert_eq!(fs.lookup(directory, name).unwrap_err().kind, ErrorKind::NotFound);
    }
    let mut refused = 0;
    for (_, node) in names(fs, directory) {
        assert!(fs.xattrs(node).unwrap().iter().all(|name| !name.ends_with(b"c") || name == b"user.comment"));
        if fs.attr(node).unwrap().file_type != vfs::FileType::Regular {
            continue;
        }
        let error = fs.read_at(node, Stream::Main, 0, &mut [0; 16]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::KeyMissing);
        assert!(error.message.contains("the key is not in the recovery point"), "{error}");
        refused += 1;
    }
    assert_eq!(refused, 2);
}

#[test]
fn an_encrypted_directory_that_ignores_case_shows_what_the_kernel_shows_without_the_key() {
    let ours = manifest::of(&fixture::open("encrypted-casefold")).unwrap();
    assert_same("encrypted-casefold", &fixture::kernel_manifest("encrypted-casefold"), &ours);
}
