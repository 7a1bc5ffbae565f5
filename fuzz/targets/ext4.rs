//! A small file system with bytes changed: everything in it is listed and read, bounded, without a panic. The input is
//! a list of changes (place, value) to the seed image; the feature `metadata_csum` is off in it, or nothing behind a
//! checksum would ever be reached.
#![no_main]

use block::{BlockSize, MemoryDisk};
use ext4::Ext4;
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use vfs::{Cursor, FileSystem, FileType, NodeId, Stream};

/// Nodes that one input looks at.
const NODES_MAX: usize = 300;

fn seed() -> &'static [u8] {
    static SEED: OnceLock<Vec<u8>> = OnceLock::new();
    SEED.get_or_init(|| {
        std::fs::read(std::env::var_os("FR_FUZZ_EXT4_IMAGE").expect("run it with fuzz/run-short")).unwrap()
    })
}

fuzz_target!(|data: &[u8]| {
    let mut image = seed().to_vec();
    for change in data.chunks_exact(5) {
        let place = u32::from_le_bytes(change[..4].try_into().unwrap()) as usize % image.len();
        image[place] = change[4];
    }
    let volume = Arc::new(MemoryDisk::new(image, BlockSize::B512));
    let _ = ext4::describe(volume.as_ref());
    let Ok(fs) = Ext4::open(volume) else { return };
    let _ = fs.info();
    let (mut seen, mut todo) = (HashSet::new(), vec![fs.root()]);
    while let Some(node) = todo.pop() {
        if seen.len() < NODES_MAX && seen.insert(node) {
            look(&fs, node, &mut todo);
        }
    }
});

fn look(fs: &Ext4, node: NodeId, todo: &mut Vec<NodeId>) {
    let _ = (fs.flags(node), fs.xattrs(node), fs.acl(node), fs.read_link(node));
    let Ok(attr) = fs.attr(node) else { return };
    if attr.file_type == FileType::Directory {
        let mut names = Vec::new();
        let _ = fs.read_dir(node, Cursor::START, &mut |entry| {
            todo.push(entry.node);
            names.push(entry.name.to_vec());
            if names.len() < 200 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        for name in names {
            let _ = fs.lookup(node, &name);
        }
        return;
    }
    let mut buf = vec![0; 16 << 10];
    for offset in [0, 60 << 10, attr.size / 2, attr.size.saturating_sub(100)] {
        if let Ok(read) = fs.read_at(node, Stream::Main, offset, &mut buf) {
            assert!(read as u64 <= attr.size.saturating_sub(offset));
        }
        if let Ok(segment) = fs.segment(node, offset) {
            assert!(segment.range.contains(&offset) && segment.range.end <= attr.size);
        }
    }
    fs.will_read(node, 0..attr.size);
}
