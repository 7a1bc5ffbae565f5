//! A `vfs::FileSystem` as the kernel sees it: node numbers, listings with dots, open files, errors and panics.

use crate::attr::{file_attr, file_type, no_attr};
use crate::errno::errno;
use crate::node_map::NodeMap;
use crate::open_files::OpenFiles;
use fuser::{Errno, FileAttr, FileHandle, INodeNo, ReplyXattr};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use vfs::{Cursor, DirEntry, ErrorKind, FileSystem, FsInfo, NodeId};

/// Offsets of a listing: `.` and `..` come first, and the file system's cursors after them.
const AFTER_DOT: u64 = 1;
const AFTER_DOT_DOT: u64 = 2;

pub(crate) struct Adapter {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) info: FsInfo,
    pub(crate) map: NodeMap,
    pub(crate) root: NodeId,
    pub(crate) open_files: Arc<OpenFiles>,
}

impl Adapter {
    pub(crate) fn new(fs: Arc<dyn FileSystem>, open_files: Arc<OpenFiles>) -> Self {
        let (info, root) = (fs.info(), fs.root());
        Self { fs, info, map: NodeMap::new(root), root, open_files }
    }

    /// Runs one call: an error becomes its number, a panic an input/output error of this call alone.
    pub(crate) fn call<T>(&self, what: &str, node: NodeId, call: impl FnOnce() -> vfs::Result<T>) -> Result<T, Errno> {
        if self.open_files.is_closed() {
            return Err(errno(ErrorKind::Closed));
        }
        match catch_unwind(AssertUnwindSafe(call)) {
            // What was asked before the end is not answered after it.
            Ok(Ok(_)) if self.open_files.is_closed() => Err(errno(ErrorKind::Closed)),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                match error.kind {
                    ErrorKind::NotFound | ErrorKind::NoAttribute | ErrorKind::WrongType => {
                        tracing::debug!("{what}, inode {}: {error}", node.0);
                    }
                    _ => tracing::warn!("{what}, inode {}: {error}", node.0),
                }
                Err(errno(error.kind))
            }
            Err(_) => {
                tracing::error!("{what}, inode {}: a mistake in fr-mount; please report it", node.0);
                Err(Errno::EIO)
            }
        }
    }

    pub(crate) fn attr(&self, node: NodeId, ino: INodeNo) -> Result<FileAttr, Errno> {
        let attr = self.call("attributes", node, || self.fs.attr(node))?;
        Ok(file_attr(ino, &attr, self.info.block_size))
    }

    pub(crate) fn entry_attr(&self, entry: &DirEntry<'_>, ino: INodeNo) -> Result<FileAttr, Errno> {
        let attr = self.call("attributes", entry.node, || self.fs.entry_attr(entry))?;
        Ok(file_attr(ino, &attr, self.info.block_size))
    }

    /// Lists a directory from an offset on, until `add` says that there is no more room.
    pub(crate) fn list(
        &self,
        ino: INodeNo,
        offset: u64,
        mut add: impl FnMut(&DirEntry<'_>, u64) -> ControlFlow<()>,
    ) -> Result<(), Errno> {
        let dir = self.map.node(ino);
        let mut added = 0_u64;
        for (name, before, after) in [(&b"."[..], 0, AFTER_DOT), (b"..", AFTER_DOT, AFTER_DOT_DOT)] {
            let file_type = Some(vfs::FileType::Directory);
            let entry = DirEntry { name, node: dir, generation: None, file_type, next: Cursor::START };
            if offset <= before && add(&entry, after).is_break() {
                return Ok(());
            }
        }
        let from = Cursor(offset.saturating_sub(AFTER_DOT_DOT));
        let listed = self.call("listing", dir, || {
            self.fs.read_dir(dir, from, &mut |entry| {
                let flow = add(&entry, entry.next.0.saturating_add(AFTER_DOT_DOT));
                added = added.saturating_add(u64::from(flow.is_continue()));
                flow
            })
        });
        match listed {
            // What was read before the damage is shown; the next call begins at the damage and fails.
            Err(_) if added > 0 => Ok(()),
            other => other,
        }
    }

    pub(crate) fn reply_xattr(value: Result<Vec<u8>, Errno>, size: u32, reply: ReplyXattr) {
        match value.map(|value| (u32::try_from(value.len()), value)) {
            Ok((Ok(length), _)) if size == 0 => reply.size(length),
            Ok((Ok(length), value)) if length <= size => reply.data(&value),
            Ok(_) => reply.error(Errno::ERANGE),
            Err(error) => reply.error(error),
        }
    }

    /// Tells the file system what will be read next.
    pub(crate) fn hint(&self, handle: FileHandle, node: NodeId, offset: u64, size: u32) {
        let range = self.open_files.read(handle, offset, size);
        if let Some(range) = range {
            // A hint that fails costs time and nothing else.
            let _ = self.call("read-ahead", node, || {
                self.fs.will_read(node, range);
                Ok(())
            });
        }
    }
}

/// Attributes for a listing and nothing else.
pub(crate) fn listed_only(ino: INodeNo, entry: &DirEntry<'_>) -> FileAttr {
    let kind = entry.file_type.map_or(fuser::FileType::RegularFile, file_type);
    FileAttr { ino, kind, nlink: 1, ..no_attr() }
}

/// Whether a listing goes on.
pub(crate) const fn flow(full: bool) -> ControlFlow<()> {
    if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
