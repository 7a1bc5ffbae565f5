//! A directory of a million names: its index leads to each. And more links than ext4 counts.

use super::file_disk::FileDisk;
use super::fixture::assert_same;
use super::kernel::{can_mount, check, make};
use super::manifest;
use crate::Ext4;
use std::ops::ControlFlow;
use std::sync::Arc;
use vfs::{Cursor, ErrorKind, FileSystem};

const NAMES: usize = 1_000_000;
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
    let large = fs.lookup(fs.root(), b"large").unwrap();
    fs.attr(large).unwrap();
    let read_in = |look: &mut dyn FnMut()| {
        let before = disk.reads();
        look();
        let reads = disk.reads() - before;
        assert!(reads <= READS_MAX, "{reads} reads for one name");
    };
    // The first lookup reads nodes of the extent tree, which are kept.
    fs.lookup(large, b"entry-0000000").unwrap();
    let mut compared = 0;
    for line in kernel.lines() {
        let (name, inode) = line.split_once('\t').unwrap();
        let mut found = None;
        read_in(&mut || found = Some(fs.lookup(large, name.as_bytes()).unwrap()));
        assert_eq!(found.unwrap().0.to_string(), inode, "{name}");
        read_in(&mut || {
            let missing = fs.lookup(large, format!("{name}x").as_bytes());
            assert_eq!(missing.unwrap_err().kind, ErrorKind::NotFound);
        });
        compared += 1;
    }
    assert_eq!(compared, NAMES / 1000);
    let mut listed = 0;
    fs.read_dir(large, Cursor::START, &mut |_| {
        listed += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(listed, NAMES);
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
