//! Directories: a few names in the inode, or blocks of entries with an index by hash. A listing goes through the
//! entries in order; a name is looked up through the index (Linux `libxfs/xfs_dir2.c`).

mod ahead;
mod blocks;
mod entry;
mod index;
mod layout;
mod short_form;
mod sought;

#[cfg(test)]
mod tests;

use crate::filesystem::Xfs;
use crate::inode::Inode;
use blocks::Blocks;
use entry::Entry;
use short_form::ShortForm;
use sought::Sought;
use std::ops::ControlFlow;
use vfs::reader::corrupt;
use vfs::{Cursor, DirEntry, Error, ErrorKind, NodeId, Result};

/// The node that `name` names in directory `dir`.
pub(crate) fn lookup(fs: &Xfs, dir: &Inode, name: &[u8]) -> Result<NodeId> {
    let not_found = || Error::new(ErrorKind::NotFound, "no such name in the directory");
    if name.len() > entry::NAME_BYTES_MAX {
        return Err(not_found());
    }
    if name == b"." {
        return Ok(dir.number);
    }
    let mut sought = Sought::new(name, fs.device.superblock.features.ascii_ci());
    if let Some(short) = ShortForm::of(fs, dir)? {
        return short.find(&mut sought)?.ok_or_else(not_found);
    }
    let blocks = Blocks::of(fs, dir)?;
    match index::find(&blocks, &mut sought) {
        Ok(Some(found)) => return Ok(found),
        Ok(None) if sought.is_hashed_by_all_alike() => return Err(not_found()),
        Ok(None) => {}
        // The kernel gives up here. Where the index is damaged, the entries may not be.
        Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Io) => {}
        Err(error) => return Err(error),
    }
    search(&blocks, &mut sought)?.ok_or_else(not_found)
}

/// Looks for a name in all entries.
fn search(blocks: &Blocks<'_>, sought: &mut Sought<'_>) -> Result<Option<NodeId>> {
    let mut found = None;
    blocks.each(0, &mut |block| {
        for entry in block.entries() {
            let entry = entry?;
            if sought.is_exactly(entry.name, entry.node) {
                found = Some(entry.node);
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found.or_else(|| sought.alike()))
}

/// Gives the entries that come after `from` to `each`, until that breaks or there are no more.
pub(crate) fn list(
    fs: &Xfs,
    dir: &Inode,
    from: Cursor,
    each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    if let Some(short) = ShortForm::of(fs, dir)? {
        ahead::inodes(&fs.device, short.entries().filter_map(Result::ok));
        return give(dir, 0, short.entries(), from, each).map(|_| ());
    }
    let blocks = Blocks::of(fs, dir)?;
    blocks.each(blocks.number_at(from.0), &mut |block| {
        if block.start() >= from.0 {
            ahead::blocks(&blocks, block.number());
            // Whoever lists a directory mostly asks what its entries are.
            ahead::inodes(&fs.device, block.entries().filter_map(Result::ok));
        }
        give(dir, block.start(), block.entries(), from, each)
    })
}

/// Gives entries that begin at `start` of the directory to `each`, those up to `from` excepted.
fn give<'a>(
    dir: &Inode,
    start: u64,
    entries: impl Iterator<Item = Result<Entry<'a>>>,
    from: Cursor,
    each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    for entry in entries {
        let Entry { name, node, file_type, end } = entry?;
        // Blocks of version 4 do not say whose they are, except for this entry.
        if name == b"." && node != dir.number {
            return Err(corrupt(format!("{}: its entries are those of inode {}", dir.name(), node.0)));
        }
        let next = Cursor(start.saturating_add(u64::try_from(end).unwrap_or(u64::MAX)));
        if next <= from || matches!(name, b"." | b"..") {
            continue;
        }
        if each(DirEntry { name, node, generation: None, file_type, next }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
