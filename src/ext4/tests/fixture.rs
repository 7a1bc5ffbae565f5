//! The images of tests/fixtures/ext4, and that they show what the kernel showed of them.

pub(super) use super::fixtures::assert_same;
use super::{fixtures, manifest};
use crate::Ext4;
use block::{BlockSize, MemoryDisk};
use std::path::PathBuf;
use std::sync::Arc;

/// The directory of the fixtures and of the script that made them.
pub(super) fn directory() -> PathBuf {
    fixtures::directory("ext4")
}

pub(super) fn unpacked(name: &str) -> Vec<u8> {
    fixtures::unpacked(&directory().join(name))
}

/// The bytes of an image.
pub(super) fn image(name: &str) -> Vec<u8> {
    unpacked(&format!("{name}.img.zst"))
}

/// The lines that the kernel showed of it.
pub(super) fn kernel_manifest(name: &str) -> Vec<String> {
    fixtures::unpacked_lines(&directory().join(format!("{name}.manifest.zst")))
}

/// The image, opened.
pub(super) fn open(name: &str) -> Ext4 {
    Ext4::open(Arc::new(MemoryDisk::new(image(name), BlockSize::B512))).unwrap()
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
