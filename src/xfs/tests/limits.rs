//! What a format has many of: names in a directory, extents of a file, chunks of inodes with holes.

use super::file_disk::FileDisk;
use super::fixtures::{assert_same, check, lines, script};
use super::kernel::{can_make, open};
use super::large::{NAMES, assert_found};
use super::manifest;
use crate::Xfs;
use std::sync::Arc;

/// The tree has three levels; a leaf comes behind, and then the data that it leads to. Names with one hash may go on.
const READS_MAX: usize = 7;

#[test]
fn a_name_among_a_million_is_found_with_a_few_reads() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_make(scratch.path()) {
        return;
    }
    let image = scratch.path().join("image");
    let names = NAMES.to_string();
    let arguments = ["large", image.to_str().unwrap(), &names, "-b", "size=1024", "-l", "size=200m"];
    let kernel = check("large", &script("xfs", "make.py", &arguments));
    let disk = Arc::new(FileDisk::open(&image));
    assert_found(&Xfs::open(disk.clone()).unwrap(), &disk, &kernel, READS_MAX);
}

/// Makes an image and compares all of it with what the kernel shows.
fn compare(arguments: &[&str]) {
    let scratch = tempfile::tempdir().unwrap();
    if !can_make(scratch.path()) {
        return;
    }
    let image = scratch.path().join("image");
    let image = image.to_str().unwrap();
    let what = arguments.join(" ");
    let arguments: Vec<_> = [arguments[0], image].into_iter().chain(arguments[1..].iter().copied()).collect();
    check(&what, &script("xfs", "make.py", &arguments));
    let kernel = lines(&check(&what, &script("xfs", "make.py", &["manifest", image])));
    assert_same(&what, &kernel, &manifest::of(&open(image, true).unwrap()).unwrap());
}

#[test]
fn a_file_of_a_hundred_thousand_extents_is_read_as_the_kernel_reads_it() {
    compare(&["extents", "100000", "-b", "size=1024"]);
}

#[test]
fn inodes_in_chunks_with_holes_are_as_the_kernel_shows_them() {
    compare(&["chunks"]);
}
