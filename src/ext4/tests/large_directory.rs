//! A directory of a million names: its index leads to each. And more links than ext4 counts.

use super::file_disk::FileDisk;
use super::fixture::assert_same;
use super::kernel::{can_mount, check, make};
use super::large::{NAMES, assert_found};
use super::manifest;
use crate::Ext4;
use std::sync::Arc;
use vfs::FileSystem;

/// The index has three levels, and a leaf comes behind; names with one hash may go on in the next leaf.
const READS_MAX: usize = 8;

#[test]
fn a_name_among_a_million_is_found_with_a_few_reads() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_mount(scratch.path()) {
        return;
    }
    let image = scratch.path().join("image");
    let names = NAMES.to_string();
    let options = ["-t", "ext4", "-b", "1024", "-O", "large_dir", "-J", "size=64"];
    let arguments = [&["large", image.to_str().unwrap(), &names], &options[..]].concat();
    let kernel = check("large", &make(&arguments));
    let disk = Arc::new(FileDisk::open(&image));
    let fs = Ext4::open(disk.clone()).unwrap();
    assert_found(&fs, &disk, &kernel, READS_MAX);
}

#[test]
fn the_most_names_of_a_file_and_more_directories_than_are_counted_are_as_the_kernel_shows_them() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_mount(scratch.path()) {
        return;
    }
    let image = scratch.path().join("image");
    let path = image.to_str().unwrap();
    check("links", &make(&["links", path, "-t", "ext4", "-b", "1024", "-i", "4096", "-J", "size=64"]));
    let kernel: Vec<_> = check("links", &make(&["manifest", path])).lines().map(str::to_owned).collect();
    let fs = Ext4::open(Arc::new(FileDisk::open(&image))).unwrap();
    assert_same("links", &kernel, &manifest::of(&fs).unwrap());
    let directories = fs.lookup(fs.root(), b"directories").unwrap();
    let file = fs.lookup(fs.lookup(fs.root(), b"links").unwrap(), b"64999").unwrap();
    assert_eq!((fs.attr(file).unwrap().links, fs.attr(directories).unwrap().links), (65_000, 1));
    assert!(kernel.len() > 130_000);
}
