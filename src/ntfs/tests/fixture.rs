//! The images of tests/fixtures/ntfs, and that they show what ntfs-3g and the kernel's ntfs3 showed of them.

use super::fixtures::{directory, unpacked, unpacked_lines};
use super::manifest::{self, assert_same};
use crate::{Ntfs, OpenOptions};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// What each volume of mkntfs has, with which images are packed.
pub(crate) static UPCASE: LazyLock<Vec<u8>> = LazyLock::new(|| unpacked(&directory("ntfs").join("upcase.zst")));

fn path(name: &str, ending: &str) -> PathBuf {
    directory("ntfs").join(format!("{name}.{ending}.zst"))
}

/// The bytes of an image.
pub(crate) fn image(name: &str) -> Vec<u8> {
    let packed = Cursor::new(fs::read(path(name, "img")).unwrap());
    let mut reader = zstd::Decoder::with_dictionary(packed, &UPCASE).unwrap();
    reader.window_log_max(27).unwrap();
    let mut data = Vec::new();
    std::io::copy(&mut reader, &mut data).unwrap();
    data
}

pub(super) fn open(name: &str) -> vfs::Result<Ntfs> {
    let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(image(name), BlockSize::B512));
    Ntfs::open_with(&disk, &OpenOptions::default())
}

/// Names of the fixtures in a directory that an oracle was asked about.
pub(super) fn names(below: &str, oracle: &str) -> Vec<String> {
    let entries = fs::read_dir(directory("ntfs").join(below)).unwrap();
    let ending = format!(".{oracle}.zst");
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter_map(|name| name.strip_suffix(&ending).map(str::to_owned)).collect();
    names.sort();
    names
}

/// What an oracle showed of an image.
pub(crate) fn oracle(name: &str, oracle: &str) -> Vec<String> {
    unpacked_lines(&path(name, oracle))
}

/// Compares all fixtures that the oracle was asked about, and fails after the last one.
fn compare(driver: &str, at_least: usize) {
    let names = names("", driver);
    assert!(names.len() >= at_least, "{names:?}");
    let differing = names.into_iter().filter(|name| {
        let compared = std::panic::catch_unwind(|| {
            let fs = open(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_same(&format!("{name} by {driver}"), &oracle(name, driver), &ours);
        });
        compared.is_err()
    });
    let differing: Vec<_> = differing.collect();
    assert!(differing.is_empty(), "{driver}: {differing:?}");
}

#[test]
fn committed_images_show_what_ntfs_3g_showed_of_them() {
    compare("ntfs-3g", 5);
}

#[test]
fn committed_images_show_what_ntfs3_showed_of_them() {
    compare("ntfs3", 5);
}
