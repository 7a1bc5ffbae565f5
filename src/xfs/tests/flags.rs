//! Flags, hints and projects, in the words of tests/fixtures/xfs/make.py.

use super::manifest::shown;
use std::ops::ControlFlow;
use vfs::{Cursor, FileSystem, FileType, NodeId, Result};

/// A line for each file and directory, sorted by path.
pub(super) fn of(fs: &dyn FileSystem) -> Result<Vec<String>> {
    let (mut found, mut todo) = (Vec::new(), vec![(b".".to_vec(), fs.root())]);
    while let Some((path, node)) = todo.pop() {
        let file_type = fs.attr(node)?.file_type;
        if matches!(file_type, FileType::Regular | FileType::Directory) {
            found.push((path.clone(), line(fs, &path, node)?));
        }
        if file_type == FileType::Directory {
            fs.read_dir(node, Cursor::START, &mut |entry| {
                let path = if path == b"." { entry.name.to_vec() } else { [&path[..], b"/", entry.name].concat() };
                todo.push((path, entry.node));
                ControlFlow::Continue(())
            })?;
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, line)| line).collect())
}

fn line(fs: &dyn FileSystem, path: &[u8], node: NodeId) -> Result<String> {
    let flags = fs.flags(node)?.expect("XFS has flags");
    let xflags = flags.extended.expect("XFS has flags of its own");
    let hints = [flags.extent_size_hint, flags.project, flags.cow_extent_size_hint].map(|hint| hint.to_string());
    Ok(format!("{}\t{:x}\t{xflags:x}\t{}", shown(path), flags.flags, hints.join("\t")))
}
