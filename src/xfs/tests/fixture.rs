//! The images of tests/fixtures/xfs, and that they show what the kernel showed of them.

use super::fixtures::{assert_same, directory, unpacked, unpacked_lines};
use super::{flags, manifest};
use crate::{OpenOptions, Xfs};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vfs::{ErrorKind, FileSystem, Result};

/// A fixture: the path without its endings.
fn path(name: &str) -> PathBuf {
    directory("xfs").join(name)
}

/// The bytes of an image.
pub(super) fn image(name: &str) -> Vec<u8> {
    unpacked(&with(&path(name), "img.zst"))
}

fn with(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}.{ending}", path.display()))
}

fn disk(packed: &Path) -> Arc<dyn ReadAt> {
    Arc::new(MemoryDisk::new(unpacked(packed), BlockSize::B512))
}

/// The image, opened with the other volumes that belong to it.
pub(super) fn open(name: &str, replay: bool) -> Result<Xfs> {
    let path = path(name);
    let other = |ending| Some(with(&path, ending)).filter(|path| path.exists()).map(|path| disk(&path));
    let options = OpenOptions { replay, log: other("log.img.zst"), realtime: other("rt.img.zst") };
    Xfs::open_with(&disk(&with(&path, "img.zst")), &options)
}

/// The lines that the kernel showed of it.
pub(super) fn kernel_manifest(name: &str, ending: &str) -> Vec<String> {
    unpacked_lines(&with(&path(name), ending))
}

/// Names of the fixtures in a directory.
pub(super) fn names(below: &str) -> Vec<String> {
    let entries = fs::read_dir(path(below)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter_map(|name| name.strip_suffix(".manifest.zst").map(str::to_owned)).collect();
    names.sort();
    names
}

#[test]
fn committed_images_show_what_the_kernel_showed_of_them() {
    let names = names("");
    assert!(names.len() >= 2, "{names:?}");
    for name in names {
        let fs = open(&name, true).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_same(&name, &kernel_manifest(&name, "manifest.zst"), &ours);
        let expected = with(&path(&name), "flags.zst");
        if expected.exists() {
            assert_same(&format!("flags of {name}"), &unpacked_lines(&expected), &flags::of(&fs).unwrap());
        }
    }
}

/// A name or path as it is written in manifests, in bytes.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut found) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next().unwrap()).to_digit(16).unwrap() as u8;
        found.push(if byte == b'%' { digit() << 4 | digit() } else { byte });
    }
    found
}

#[test]
fn names_are_found_without_regard_to_case_where_the_kernel_found_them() {
    let mut found = 0;
    for name in ["ci", "v4-ci"] {
        let fs = open(name, true).unwrap();
        for line in unpacked_lines(&with(&path(name), "lookups.zst")) {
            let [directory, asked, expected] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let parts = unescaped(directory);
            let parts = parts.split(|byte| *byte == b'/').filter(|part| *part != b".");
            let directory = parts.fold(fs.root(), |dir, name| fs.lookup(dir, name).unwrap());
            let ours = fs.lookup(directory, &unescaped(asked));
            match expected.parse() {
                Ok(inode) => assert_eq!(ours.unwrap().0, inode, "{name}: {line}"),
                Err(_) => assert_eq!(ours.unwrap_err().kind, ErrorKind::NotFound, "{name}: {line}"),
            }
            found += usize::from(expected.parse::<u64>().is_ok());
        }
    }
    assert!(found > 300, "only {found} names are there");
}
