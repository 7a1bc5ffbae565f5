//! All names of a file system.

use std::ops::ControlFlow;
use vfs::{Cursor, FileSystem, FileType, NodeId, Result};

/// Gives each path to `visit`, with a slash before each of its names, and what it leads to; the root has none.
pub(crate) fn each(fs: &dyn FileSystem, visit: &mut dyn FnMut(&[u8], NodeId) -> Result<()>) -> Result<()> {
    let mut todo = vec![(Vec::new(), fs.root())];
    while let Some((path, node)) = todo.pop() {
        visit(&path, node)?;
        if fs.attr(node)?.file_type == FileType::Directory {
            fs.read_dir(node, Cursor::START, &mut |entry| {
                todo.push(([&path[..], b"/", entry.name].concat(), entry.node));
                ControlFlow::Continue(())
            })?;
        }
    }
    Ok(())
}
