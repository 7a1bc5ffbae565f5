//! Directory entries, and how a listing is resumed.

use crate::{FileType, NodeId};

/// A place in a directory's listing. It stays valid as long as the file system is open, for any reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Cursor(pub u64);

impl Cursor {
    /// Before the first entry.
    pub const START: Self = Self(0);
    /// Every cursor that a reader gives is smaller than this, so that a presenter has room for its own.
    pub const END: Self = Self(1 << 62);
}

/// One entry of a directory; `.` and `..` are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// The name: bytes without `/` and NUL, not always UTF-8.
    pub name: &'a [u8],
    /// The node it names.
    pub node: NodeId,
    /// What tells the node from others that had its number before, where the directory itself says so
    /// ([`crate::FileSystem::entry_attr`]).
    pub generation: Option<u32>,
    /// Its type, where the directory itself says so.
    pub file_type: Option<FileType>,
    /// Where a listing goes on *after* this entry; greater than that of the entry before, never [`Cursor::START`].
    pub next: Cursor,
}
