//! The read-only file-system model that every reader (ext4, XFS, NTFS) implements and every presenter (FUSE, WinFsp)
//! shows: nodes, attributes, names, extended attributes, ACLs, streams. No on-disk format is known here.

mod acl;
mod attr;
pub mod bytes;
mod description;
mod directory;
mod error;
mod file_system;
mod info;
mod kept;
pub mod reader;
pub mod replay;

pub use acl::{Acl, AclEntry, AclPermissions, AclQualifier, PosixAcl};
pub use attr::{Attr, Device, FileType, NodeFlags, NodeId, Timestamp};
pub use description::{Description, History, State};
pub use directory::{Cursor, DirEntry};
pub use error::{Error, ErrorKind, Result};
pub use file_system::{FileSystem, Segment, SegmentKind, Stream, StreamInfo};
pub use info::{FsInfo, Space};
pub use kept::Kept;
