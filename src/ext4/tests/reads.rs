//! How often the disk is read: the cache below makes a second read cheap, not free.

use super::crafted::Image;
use super::disk::Disk;
use crate::Ext4;
use std::collections::HashMap;
use std::sync::Arc;
use vfs::{FileSystem, Stream};

#[test]
fn reading_a_fragmented_file_in_small_pieces_reads_each_extent_node_once() {
    let image = Image::new("default");
    let disk = Arc::new(Disk::new(&image.bytes));
    let (fs, file) = (Ext4::open(disk.clone()).unwrap(), image.node("sparse/fragmented"));
    let size = fs.attr(file).unwrap().size;
    disk.take_seen();
    let mut buf = [0; 1000];
    for offset in (0..size).step_by(buf.len()) {
        fs.read_at(file, Stream::Main, offset, &mut buf).unwrap();
    }
    // What is read in whole blocks is metadata: data is read in pieces of 1000 bytes at most.
    let mut nodes = HashMap::new();
    for range in disk.take_seen().into_iter().filter(|range| range.end - range.start > 1000) {
        *nodes.entry(range.start).or_insert(0) += 1;
    }
    assert!(nodes.len() > 1 && nodes.values().all(|reads| *reads == 1), "{nodes:?}");
}

#[test]
fn looking_a_name_up_in_a_large_directory_reads_its_index_and_one_leaf() {
    let image = Image::new("no-checksums");
    let disk = Arc::new(Disk::new(&image.bytes));
    let fs = Ext4::open(disk.clone()).unwrap();
    let many = image.node("many");
    fs.attr(many).unwrap();
    assert!(fs.attr(many).unwrap().size > 8 << 10);
    disk.take_seen();
    fs.lookup(many, b"file-000101-with-a-name-of-some-length.txt").unwrap();
    let blocks = disk.take_seen().len();
    assert!(blocks <= 3, "{blocks} reads");
}

#[test]
fn the_inodes_of_a_directory_are_read_in_runs() {
    let image = Image::new("no-checksums");
    let disk = Arc::new(Disk::new(&image.bytes));
    let fs = Ext4::open(disk.clone()).unwrap();
    let (mut nodes, many) = (Vec::new(), image.node("many"));
    fs.read_dir(many, vfs::Cursor::START, &mut |entry| {
        nodes.push(entry.node);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    disk.take_seen();
    for node in &nodes {
        fs.attr(*node).unwrap();
    }
    let reads = disk.take_seen().len();
    assert!(nodes.len() > 150 && reads <= nodes.len() / 20, "{reads} reads for {} inodes", nodes.len());
}
