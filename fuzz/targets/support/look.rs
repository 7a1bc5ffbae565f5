//! Everything that a file system says, asked within bounds.

use std::collections::HashSet;
use std::ops::ControlFlow;
use vfs::{Cursor, FileSystem, FileType, NodeId, Stream};

/// Nodes that one input looks at.
const NODES_MAX: usize = 300;
/// Names of a directory that are looked up.
const LOOKUPS: usize = 20;

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
    let _ = (fs.flags(node), fs.acl(node), fs.read_link(node));
    for name in fs.xattrs(node).iter().flatten().take(50) {
        let _ = fs.xattr(node, name);
    }
    let Ok(attr) = fs.attr(node) else { return };
    if attr.file_type == FileType::Directory {
        let mut names = Vec::new();
        let _ = fs.read_dir(node, Cursor::START, &mut |entry| {
            todo.push(entry.node);
            names.push(entry.name.to_vec());
            if names.len() < 200 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        for name in names.iter().step_by(names.len() / LOOKUPS + 1) {
            let _ = fs.lookup(node, name);
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
