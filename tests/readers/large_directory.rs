//! A directory of a million names: its index leads to each with a few reads.

use super::file_disk::FileDisk;
use std::ops::ControlFlow;
use vfs::{Cursor, ErrorKind, FileSystem};

pub(crate) const NAMES: usize = 1_000_000;

/// Looks up every thousandth name of the directory `large`, of which the kernel told the inodes, and as many that are not
/// there; no look-up may take more than `reads_max` reads.
pub(crate) fn assert_found(fs: &dyn FileSystem, disk: &FileDisk, kernel: &str, reads_max: usize) {
    let large = fs.lookup(fs.root(), b"large").unwrap();
    fs.attr(large).unwrap();
    let read_in = |look: &mut dyn FnMut()| {
        let before = disk.reads();
        look();
        let reads = disk.reads() - before;
        assert!(reads <= reads_max, "{reads} reads for one name");
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
