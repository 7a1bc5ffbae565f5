//! Everything that a file system says, asked within bounds.

use std::collections::HashSet;
use std::ops::ControlFlow;
use vfs::{Cursor, FileSystem, FileType, NodeId, SegmentKind, Stream};

/// Nodes that one input looks at.
const NODES_MAX: usize = 300;
/// Names of a directory that are looked up.
const LOOKUPS: usize = 20;

/// Attributes of NTFS that are given but not listed.
const UNLISTED: [&[u8]; 9] = [
    b"system.ntfs_acl",
    b"system.ntfs_attrib",
    b"system.ntfs_dos_name",
    b"system.ntfs_object_id",
    b"system.ntfs_reparse_data",
    b"system.ntfs_ea",
    b"system.ntfs_times",
    b"system.ntfs_efsinfo",
    b"security.NTACL",
];

/// Looks at every node that names lead to; how many could be looked at.
pub fn look_at_all(fs: &dyn FileSystem) -> usize {
    look_from(fs, &[], NODES_MAX)
}

/// Looks at `first`, whether names lead there or not, and at what names lead to, `max` nodes in all; how many could be
/// looked at.
pub fn look_from(fs: &dyn FileSystem, first: &[NodeId], max: usize) -> usize {
    let _ = fs.info();
    let (mut seen, mut todo) = (HashSet::new(), vec![fs.root()]);
    todo.extend(first);
    while let Some(node) = todo.pop() {
        if seen.len() < max && seen.insert(node) {
            look(fs, node, &mut todo);
        }
    }
    seen.len()
}

fn look(fs: &dyn FileSystem, node: NodeId, todo: &mut Vec<NodeId>) {
    let _ = (fs.flags(node), fs.acl(node));
    if let Ok(target) = fs.read_link(node) {
        assert!(!target.is_empty() && !target.contains(&0));
    }
    for name in fs.xattrs(node).iter().flatten().take(50) {
        assert!(!name.is_empty() && !name.contains(&0));
        let _ = fs.xattr(node, name);
    }
    UNLISTED.iter().for_each(|name| drop(fs.xattr(node, name)));
    let mut buf = vec![0; 16 << 10];
    for stream in fs.streams(node).iter().flatten().take(50) {
        if let Ok(read) = fs.read_at(node, Stream::Named(&stream.name), stream.size / 3, &mut buf) {
            assert!(read as u64 <= stream.size - stream.size / 3);
        }
    }
    let Ok(attr) = fs.attr(node) else { return };
    if attr.file_type == FileType::Directory {
        let mut names = Vec::new();
        let _ = fs.read_dir(node, Cursor::START, &mut |entry| {
            assert!(!entry.name.is_empty() && !entry.name.iter().any(|byte| matches!(byte, 0 | b'/')));
            todo.push(entry.node);
            names.push(entry.name.to_vec());
            if names.len() < 200 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        for name in names.iter().step_by(names.len() / LOOKUPS + 1) {
            let _ = fs.lookup(node, name);
        }
        return;
    }
    for offset in [0, 60 << 10, attr.size / 2, attr.size.saturating_sub(100)] {
        let read = fs.read_at(node, Stream::Main, offset, &mut buf);
        if let Ok(read) = read {
            assert!(read as u64 <= attr.size.saturating_sub(offset));
        }
        if let Ok(segment) = fs.segment(node, offset) {
            assert!(segment.range.contains(&offset) && segment.range.end <= attr.size);
            let bytes = (segment.range.end - offset).min(read.unwrap_or(0) as u64) as usize;
            assert!(segment.kind != SegmentKind::Hole || buf[..bytes].iter().all(|byte| *byte == 0));
        }
    }
    fs.will_read(node, 0..attr.size);
}
