//! What ntfs-3g shows as extended attributes: the streams of a file as `user.`, and what Windows records of it as
//! `system.ntfs_`, in the same bytes.

use crate::data::Value;
use crate::directory;
use crate::file::{File, extended_attributes};
use crate::index::Index;
use crate::name;
use crate::record::{Kind, Reference};
use crate::secure::Descriptors;
use crate::security::{Descriptor, ntacl};
use crate::shape::Shape;
use crate::store::Store;
use crate::stream;
use crate::upcase::Upcase;
use crate::wof;
use std::sync::Arc;
use vfs::{Error, ErrorKind, Result};

/// What Linux hands over of an attribute at most, in bytes (`XATTR_SIZE_MAX`).
const BYTES_MAX: u64 = 64 << 10;
const USER: &[u8] = b"user.";
/// `FILE_ATTRIBUTE_DIRECTORY`, which is not in the attributes of the disk.
const DIRECTORY: u32 = 0x10;
/// `FILE_ATTRIBUTE_NORMAL`: none of the others.
const NORMAL: u32 = 0x80;
/// `$EFS`.
const EFS: &[u16] = &[0x24, 0x45, 0x46, 0x53];
/// `$O`, the index of object ids.
const BY_OBJECT: &[u16] = &[0x24, 0x4F];
/// `$ObjId`, in `$Extend`.
const OBJECT_IDS: &[u16] = &[0x24, 0x4F, 0x62, 0x6A, 0x49, 0x64];
/// The record of `$Extend`.
const EXTEND: Reference = Reference { record: 11, sequence: 0 };

/// The security descriptor as Samba keeps it.
const NTACL: &[u8] = b"security.NTACL";

/// Whether Linux takes attributes of this name.
fn is_of_linux(name: &[u8]) -> bool {
    [USER, b"trusted.", b"security."].iter().any(|class| name.len() > class.len() && name.starts_with(class))
}

/// What the attributes are taken from.
pub(crate) struct Source<'a> {
    pub(crate) store: &'a Store,
    pub(crate) upcase: &'a Upcase,
    pub(crate) descriptors: &'a Descriptors,
    pub(crate) file: &'a File,
}

fn none() -> Error {
    Error::new(ErrorKind::NoAttribute, "no such extended attribute")
}

impl Source<'_> {
    /// The names that are listed: those of streams, Samba's form of the descriptor, attributes of Linux. What begins with
    /// `system.ntfs_` is only given when it is asked for, as with ntfs-3g: programs that copy attributes would fail with
    /// them elsewhere. Nor are streams listed that no attribute can hold: rsync leaves out a whole file when it cannot
    /// read one of its attributes.
    pub(crate) fn names(&self) -> Result<Vec<Vec<u8>>> {
        let named = |stream: Vec<u16>| [USER, &name::encode(&stream)].concat();
        let streams = stream::names(&self.file.inode).into_iter().filter(|stream| self.is_listed(stream));
        let mut names: Vec<_> = streams.map(named).collect();
        names.extend(self.file.has_descriptor.then(|| NTACL.to_vec()));
        for own in extended_attributes(self.store, &self.file.inode)? {
            if is_of_linux(&own.name) && !names.contains(&own.name) {
                names.push(own.name);
            }
        }
        Ok(names)
    }

    /// Whether a stream is listed. Windows itself does not show the one that a packed file is unpacked from.
    fn is_listed(&self, stream: &[u16]) -> bool {
        if matches!(self.file.shape, Shape::Wof(_)) && *stream == wof::stream_name() {
            return false;
        }
        // Whoever reads a damaged one is told of it.
        let found = Value::find(self.store, &self.file.inode, Kind::DATA, stream);
        !matches!(found, Ok(Some(value)) if value.size() > BYTES_MAX)
    }

    /// The value of an attribute.
    pub(crate) fn value(&self, asked: &[u8]) -> Result<Vec<u8>> {
        if let Some(stream) = asked.strip_prefix(USER) {
            let stream = name::decode(stream).ok_or_else(none)?;
            return match self.attribute(Kind::DATA, &stream) {
                Err(error) if error.kind == ErrorKind::NoAttribute => self.of_windows(asked)?.ok_or(error),
                found => found,
            };
        }
        let standard = &self.file.standard;
        let times = |big: bool| {
            let bytes = |time: u64| if big { time.to_be_bytes() } else { time.to_le_bytes() };
            standard.raw_times.map(bytes).concat()
        };
        match asked {
            b"system.ntfs_acl" => self.descriptor().map(|own| own.bytes().to_vec()),
            NTACL => self.descriptor().map(|own| ntacl::value(&own)),
            b"system.ntfs_attrib" => Ok(self.attributes().to_le_bytes().to_vec()),
            b"system.ntfs_attrib_be" => Ok(self.attributes().to_be_bytes().to_vec()),
            b"system.ntfs_times" => Ok(times(false)),
            b"system.ntfs_times_be" => Ok(times(true)),
            b"system.ntfs_crtime" => Ok(times(false).get(..8).unwrap_or(&[]).to_vec()),
            b"system.ntfs_crtime_be" => Ok(times(true).get(..8).unwrap_or(&[]).to_vec()),
            b"system.ntfs_dos_name" => self.dos_name(),
            b"system.ntfs_reparse_data" => self.attribute(Kind::REPARSE_POINT, &[]),
            b"system.ntfs_ea" => self.attribute(Kind::EA, &[]),
            b"system.ntfs_efsinfo" => self.attribute(Kind::LOGGED_UTILITY_STREAM, EFS),
            b"system.ntfs_object_id" => self.object_id(),
            _ => self.of_windows(asked)?.ok_or_else(none),
        }
    }

    fn descriptor(&self) -> Result<Arc<Descriptor>> {
        // A damaged one is none for permissions, but whoever asks for it is told.
        self.descriptors.of(self.store, &self.file.inode, &self.file.standard)?.ok_or_else(none)
    }

    /// An extended attribute of Windows whose name is one of Linux: ntfs3 and WSL keep those of Linux so.
    fn of_windows(&self, asked: &[u8]) -> Result<Option<Vec<u8>>> {
        if !is_of_linux(asked) {
            return Ok(None);
        }
        let own = extended_attributes(self.store, &self.file.inode)?.into_iter().find(|own| own.name == asked);
        Ok(own.map(|own| own.value))
    }

    fn attribute(&self, kind: Kind, name: &[u16]) -> Result<Vec<u8>> {
        if kind == Kind::DATA && name.is_empty() {
            return Err(none());
        }
        let value = Value::find(self.store, &self.file.inode, kind, name)?.ok_or_else(none)?;
        if value.size() > BYTES_MAX {
            let message = format!(
                "a stream of {} bytes is too long for an extended attribute; open it as a file with --streams",
                value.size()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        value.read_all(self.store, BYTES_MAX)
    }

    /// `FILE_ATTRIBUTE_*` as Windows tells them.
    fn attributes(&self) -> u32 {
        let stored = self.file.standard.attributes;
        let all = if self.file.inode.record.is_directory { stored | DIRECTORY } else { stored & !DIRECTORY };
        if all == 0 { NORMAL } else { all }
    }

    fn dos_name(&self) -> Result<Vec<u8>> {
        // The root is called `.`, which is no name.
        let short = self.file.names.short.as_ref().filter(|_| self.file.inode.number() != directory::ROOT);
        short.map(|short| name::encode(short)).ok_or_else(none)
    }

    /// The object id, and the ids of its birth, which only the index of the volume has.
    fn object_id(&self) -> Result<Vec<u8>> {
        /// Bytes of an id.
        const ID: usize = 16;
        /// Where in the index's data the other ids begin.
        const BIRTH_AT: usize = 8;
        let mut id = self.attribute(Kind::OBJECT_ID, &[])?;
        let extend = self.store.inode(EXTEND)?;
        let objects = directory::lookup(self.store, self.upcase, &extend, OBJECT_IDS, false)?;
        let Some(objects) = objects.filter(|_| id.len() == ID) else { return Ok(id) };
        let objects = self.store.inode(objects)?;
        let Some(index) = Index::open(self.store, &objects, BY_OBJECT)? else { return Ok(id) };
        let data = index.data(&|key| Some(object_order(key, &id)))?;
        if let Some(birth) = data.as_deref().and_then(|data| data.get(BIRTH_AT..)) {
            id.extend_from_slice(birth.get(..3 * ID).unwrap_or(&[]));
        }
        Ok(id)
    }
}

/// How object ids follow each other: as four numbers of 32 bits (`COLLATION_NTOFS_ULONGS`).
fn object_order(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
    let numbers =
        |id: &[u8]| id.chunks_exact(4).filter_map(|number| crate::bytes::u32_at(number, 0)).collect::<Vec<_>>();
    numbers(one).cmp(&numbers(other))
}
