//! A damaged superblock, and damaged group descriptors: their copies are used, and it is said.

use super::fixture::{assert_same, image, kernel_manifest};
use super::kernel::{can_mount, check, make};
use super::manifest;
use crate::{Ext4, probe, probe_copies};
use block::{BlockSize, MemoryDisk};
use std::sync::Arc;
use vfs::{ErrorKind, FileSystem};

const SUPERBLOCK: usize = 1024;

/// The image with bytes of one value at `at`.
fn damaged(image: &[u8], at: usize, length: usize, value: u8) -> MemoryDisk {
    let mut image = image.to_vec();
    image[at..at + length].fill(value);
    MemoryDisk::new(image, BlockSize::B512)
}

#[test]
fn without_its_superblock_and_descriptors_a_file_system_shows_the_same_files() {
    for name in ["no-checksums", "ext2"] {
        let bytes = image(name);
        let kernel = kernel_manifest(name);
        // The superblock and the first blocks of descriptors behind it.
        for length in [1024, 4096] {
            for garbage in [0_u8, 0xA5] {
                let disk = damaged(&bytes, SUPERBLOCK, length, garbage);
                assert!(!probe(&disk).unwrap() && probe_copies(&disk).unwrap(), "{name}");
                let fs = Ext4::open(Arc::new(disk)).unwrap();
                assert!(fs.info().notices.iter().any(|notice| notice.contains("block group 1")));
                assert_same(name, &kernel[1..], &manifest::of(&fs).unwrap()[1..]);
            }
        }
    }
}

#[test]
fn without_any_superblock_there_is_no_file_system() {
    let mut bytes = image("ext2");
    for block in [8193, 16_385] {
        bytes[block * 1024..][..1024].fill(0);
    }
    let disk = damaged(&bytes, SUPERBLOCK, 1024, 0);
    assert!(!probe_copies(&disk).unwrap());
    assert_eq!(Ext4::open(Arc::new(disk)).err().map(|error| error.kind), Some(ErrorKind::Corrupt));
}

#[test]
fn a_copy_that_stands_elsewhere_is_not_taken() {
    // An image in an image: its superblocks are not where those of the volume would be.
    let mut bytes = vec![0; 1 << 20];
    bytes.extend(image("ext2"));
    assert!(!probe_copies(&MemoryDisk::new(bytes, BlockSize::B512)).unwrap());
}

#[test]
fn a_group_descriptor_that_fails_its_checksum_is_read_from_a_copy() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_mount(scratch.path()) {
        return;
    }
    let path = scratch.path().join("image");
    let path = path.to_str().unwrap();
    check("image", &make(&["image", path, "96M", "300", "-t", "ext4", "-b", "1024"]));
    let kernel: Vec<_> = check("manifest", &make(&["manifest", path])).lines().map(str::to_owned).collect();
    // With blocks of 1 KiB the descriptors are in block 2.
    let disk = damaged(&std::fs::read(path).unwrap(), 2048, 1024, 0x5A);
    let fs = Ext4::open(Arc::new(disk)).unwrap();
    assert_same("descriptors", &kernel[1..], &manifest::of(&fs).unwrap()[1..]);
}
