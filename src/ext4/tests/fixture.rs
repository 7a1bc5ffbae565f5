//! The images of tests/fixtures/ext4, and that they show what the kernel showed of them.

use super::manifest;
use crate::Ext4;
use block::{BlockSize, MemoryDisk};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// The directory of the fixtures and of the script that made them.
pub(super) fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/ext4"))
}

pub(super) fn unpacked(name: &str) -> Vec<u8> {
    let packed = fs::read(directory().join(name)).unwrap();
    let mut reader = zstd::Decoder::new(&packed[..]).unwrap();
    reader.window_log_max(27).unwrap();
    let mut data = Vec::new();
    std::io::copy(&mut reader, &mut data).unwrap();
    data
}

/// The bytes of an image.
pub(super) fn image(name: &str) -> Vec<u8> {
    unpacked(&format!("{name}.img.zst"))
}

/// The lines that the kernel showed of it.
pub(super) fn kernel_manifest(name: &str) -> Vec<String> {
    let text = String::from_utf8(unpacked(&format!("{name}.manifest.zst"))).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The image, opened.
pub(super) fn open(name: &str) -> Ext4 {
    Ext4::open(Arc::new(MemoryDisk::new(image(name), BlockSize::B512))).unwrap()
}

/// Fails with the first few lines that differ.
pub(super) fn assert_same(what: &str, kernel: &[String], ours: &[String]) {
    let differing: Vec<_> = kernel.iter().zip(ours).filter(|(kernel, ours)| kernel != ours).take(5).collect();
    assert!(differing.is_empty(), "{what}: kernel and ours differ:\n{differing:#?}");
    assert_eq!(kernel.len(), ours.len(), "{what}: number of lines");
}

#[test]
fn a_default_image_shows_what_the_kernel_shows() {
    assert_same("default", &kernel_manifest("default"), &manifest::of(&open("default")).unwrap());
}

#[test]
fn an_image_without_checksums_shows_what_the_kernel_shows() {
    assert_same("no-checksums", &kernel_manifest("no-checksums"), &manifest::of(&open("no-checksums")).unwrap());
}

#[test]
fn an_ext2_image_shows_what_the_kernel_shows() {
    assert_same("ext2", &kernel_manifest("ext2"), &manifest::of(&open("ext2")).unwrap());
}

#[test]
fn verity_files_end_where_their_data_ends() {
    for name in ["verity", "verity-4k"] {
        assert_same(name, &kernel_manifest(name), &manifest::of(&open(name)).unwrap());
    }
}
