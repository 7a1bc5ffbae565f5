//! Flags, hints and projects, in the words of tests/fixtures/xfs/make.py.

use super::manifest::shown;
use super::tree;
use vfs::{FileSystem, FileType, NodeId, Result};

/// A line for each file and directory, sorted by path.
pub(super) fn of(fs: &dyn FileSystem) -> Result<Vec<String>> {
    let mut found = Vec::new();
    tree::each(fs, &mut |path, node| {
        let path = path.strip_prefix(b"/").unwrap_or(b".");
        if matches!(fs.attr(node)?.file_type, FileType::Regular | FileType::Directory) {
            found.push((path.to_vec(), line(fs, path, node)?));
        }
        Ok(())
    })?;
    found.sort();
    Ok(found.into_iter().map(|(_, line)| line).collect())
}

fn line(fs: &dyn FileSystem, path: &[u8], node: NodeId) -> Result<String> {
    let flags = fs.flags(node)?.expect("XFS has flags");
    let xflags = flags.extended.expect("XFS has flags of its own");
    let hints = [flags.extent_size_hint, flags.project, flags.cow_extent_size_hint].map(|hint| hint.to_string());
    Ok(format!("{}\t{:x}\t{xflags:x}\t{}", shown(path), flags.flags, hints.join("\t")))
}
