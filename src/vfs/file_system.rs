//! The seam between the readers of on-disk formats and what shows them.

use crate::{Acl, Attr, Cursor, DirEntry, Error, ErrorKind, FsInfo, NodeFlags, NodeId, Result, Space};
use std::ops::{ControlFlow, Range};

/// Which data of a node: its main data, or a named stream (NTFS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream<'a> {
    /// The data that opening the file gives.
    Main,
    /// An alternate data stream.
    Named(&'a [u8]),
}

/// A named stream of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// The stream's name, without the colon.
    pub name: Vec<u8>,
    /// Size in bytes.
    pub size: u64,
}

/// Whether a part of a file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentKind {
    /// Stored on the disk.
    Data,
    /// Not stored, or allocated and never written: reads as zeros.
    Hole,
}

/// A run of a file's bytes of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Whether these bytes are stored.
    pub kind: SegmentKind,
    /// The byte range in the file. It contains the offset that was asked for and ends at the file's size at the latest.
    pub range: Range<u64>,
}

/// A file system that is read and never written. Nothing in it ever changes, so whatever it answers may be cached
/// for as long as it is open. Calls come from many threads; none holds a lock across I/O.
pub trait FileSystem: Send + Sync {
    /// The file system's own description.
    fn info(&self) -> FsInfo;

    /// How much of it is used. What cannot be counted is 0.
    fn space(&self) -> Space;

    /// The root directory.
    fn root(&self) -> NodeId;

    /// The node that `name` names in directory `dir`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::NotADirectory`], or what kept it from being read.
    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId>;

    /// The attributes of a node.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a node that is not in use, or what kept it from being read.
    fn attr(&self, node: NodeId) -> Result<Attr>;

    /// The attributes of the node that an entry names, which is checked to be that node and no later one of its number.
    ///
    /// # Errors
    /// The same as those of [`FileSystem::attr`], and [`ErrorKind::Corrupt`] for an entry that was left behind.
    fn entry_attr(&self, entry: &DirEntry<'_>) -> Result<Attr> {
        self.attr(entry.node)
    }

    /// The flags of a node; `None` where the format has none.
    ///
    /// # Errors
    /// The same as those of [`FileSystem::attr`].
    fn flags(&self, node: NodeId) -> Result<Option<NodeFlags>> {
        let _ = node;
        Ok(None)
    }

    /// Gives the entries of a directory that come after `from` to `each`, until that breaks or there are no more.
    ///
    /// # Errors
    /// [`ErrorKind::NotADirectory`], or what kept it from being read; entries before the damage have been given.
    fn read_dir(&self, dir: NodeId, from: Cursor, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()>;

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] when the node is no symbolic link, or what kept it from being read.
    fn read_link(&self, node: NodeId) -> Result<Vec<u8>>;

    /// Reads data from `offset` on and says how many bytes it put into `buf`: all of it, or fewer only at the end of
    /// the data.
    ///
    /// # Errors
    /// Nothing is returned unless it is right: what cannot be read is an error, never zeros.
    fn read_at(&self, node: NodeId, stream: Stream<'_>, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// The run of stored bytes, or of zeros, that contains `offset` of the main data.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when `offset` is at or after the end, or what kept it from being read.
    fn segment(&self, node: NodeId, offset: u64) -> Result<Segment>;

    /// Says that this part of the main data will be read soon. A hint: it fetches what it can, does not wait for it
    /// and never fails.
    fn will_read(&self, node: NodeId, range: Range<u64>) {
        let _ = (node, range);
    }

    /// The named streams of a node; most formats have none.
    ///
    /// # Errors
    /// What kept them from being read.
    fn streams(&self, node: NodeId) -> Result<Vec<StreamInfo>> {
        let _ = node;
        Ok(Vec::new())
    }

    /// The full names of the extended attributes (`user.colour`), the ACLs not among them.
    ///
    /// # Errors
    /// What kept them from being read.
    fn xattrs(&self, node: NodeId) -> Result<Vec<Vec<u8>>>;

    /// The value of the extended attribute with this full name.
    ///
    /// # Errors
    /// [`ErrorKind::NoAttribute`], or what kept it from being read.
    fn xattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        let _ = (node, name);
        Err(Error::new(ErrorKind::NoAttribute, "no such extended attribute"))
    }

    /// The access-control lists of a node.
    ///
    /// # Errors
    /// What kept them from being read.
    fn acl(&self, node: NodeId) -> Result<Acl>;
}
