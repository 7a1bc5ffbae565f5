//! A file as its record describes it: times, names, what it is, whose it is.

use crate::data::Value;
use crate::ea::{self, ExtendedAttribute};
use crate::file_name::{FileName, Space};
use crate::index;
use crate::record::{Kind, Reference};
use crate::secure::Descriptors;
use crate::security::{Access, Descriptor, SecurityOptions, WslMetadata, access};
use crate::shape::Shape;
use crate::standard_information::StandardInformation;
use crate::store::{Inode, Store};
use crate::wof;
use std::sync::Arc;
use vfs::reader::corrupt;
use vfs::{Attr, ErrorKind, FileType, Result};

/// What `$STANDARD_INFORMATION` and `$FILE_NAME` have at most, in bytes.
const BYTES_MAX: u64 = 1024;
/// What extended attributes have at most, in bytes.
const EA_BYTES_MAX: u64 = 64 << 10;
/// Names that a file has at most: Windows makes 1024 links, and each may have a short name.
const NAMES_MAX: usize = 4096;

/// A file, or a directory.
pub(crate) struct File {
    pub(crate) inode: Inode,
    pub(crate) standard: StandardInformation,
    pub(crate) names: Vec<FileName>,
    /// Extended attributes of Windows; none where they are damaged.
    pub(crate) attributes: Vec<ExtendedAttribute>,
    pub(crate) shape: Shape,
    /// The security descriptor; `None` when it has none, or a damaged one.
    pub(crate) descriptor: Option<Arc<Descriptor>>,
    pub(crate) access: Access,
}

/// Damage of a part of a file that the rest of it can do without.
fn or_none<T>(found: Result<Option<T>>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind == ErrorKind::Corrupt => Ok(None),
        found => found,
    }
}

impl File {
    /// The file of this record.
    pub(crate) fn read(
        store: &Store,
        descriptors: &Descriptors,
        options: &SecurityOptions,
        reference: Reference,
    ) -> Result<Self> {
        let inode = store.inode(reference)?;
        let damaged = |what: &str| corrupt(format!("{}: its {what} is missing or damaged", inode.name()));
        let standard = Value::find(store, &inode, Kind::STANDARD_INFORMATION, &[])?;
        let standard = standard.map(|standard| standard.read_all(store, BYTES_MAX)).transpose()?;
        let standard = standard.and_then(|standard| StandardInformation::parse(&standard));
        let standard = standard.ok_or_else(|| damaged("$STANDARD_INFORMATION"))?;
        let mut names = Vec::new();
        for part in inode.parts(Kind::FILE_NAME, &[]).into_iter().take(NAMES_MAX) {
            let name = Value::at(store, &inode, vec![part])?.map(|name| name.read_all(store, BYTES_MAX)).transpose()?;
            names.push(name.and_then(|name| FileName::parse(&name)).ok_or_else(|| damaged("$FILE_NAME"))?);
        }
        let attributes = or_none(extended_attributes(store, &inode))?.unwrap_or_default();
        let wsl = WslMetadata::of(&attributes);
        let shape = Shape::of(store, &inode, &standard, &wsl)?;
        let descriptor = or_none(descriptors.of(store, &inode, &standard))?;
        let access = access(descriptor.as_deref(), shape.file_type(), options, Some(&wsl));
        Ok(Self { inode, standard, names, attributes, shape, descriptor, access })
    }

    /// The directory that it is in; the root is in itself.
    pub(crate) fn parent(&self) -> Result<Reference> {
        let name = self.names.first();
        name.map(|name| name.parent).ok_or_else(|| corrupt(format!("{}: it has no name", self.inode.name())))
    }

    /// Its attributes; `target_bytes` is the length of the target of a symbolic link.
    pub(crate) fn attr(&self, store: &Store, target_bytes: u64) -> Result<Attr> {
        let file_type = self.shape.file_type();
        let value = match file_type {
            FileType::Directory => Value::find(store, &self.inode, Kind::INDEX_ALLOCATION, index::DIRECTORY)?,
            FileType::Regular => Value::find(store, &self.inode, Kind::DATA, &[])?,
            _ => None,
        };
        // Programs take a file without blocks for a hole: what WOF packs is in its stream.
        let stored = match &self.shape {
            Shape::Wof(_) => Value::find(store, &self.inode, Kind::DATA, &wof::stream_name())?,
            _ => None,
        };
        let device = match &self.shape {
            Shape::Special(_, device) => *device,
            _ => None,
        };
        let size = if file_type == FileType::Symlink { target_bytes } else { value.as_ref().map_or(0, Value::size) };
        Ok(Attr {
            file_type,
            permissions: self.access.permissions,
            links: if self.inode.record.is_directory { 1 } else { self.links() },
            uid: self.access.uid,
            gid: self.access.gid,
            size,
            allocated: stored.or(value).as_ref().map_or(0, Value::allocated),
            accessed: self.standard.accessed,
            modified: self.standard.modified,
            changed: self.standard.changed,
            created: Some(self.standard.created),
            device,
        })
    }

    /// Names of the file, short ones that stand beside long ones left out.
    fn links(&self) -> u32 {
        let short = self.names.iter().filter(|name| name.space == Space::Dos).count();
        let links = usize::from(self.inode.record.links).saturating_sub(short).max(1);
        u32::try_from(links).unwrap_or(u32::MAX)
    }
}

fn extended_attributes(store: &Store, inode: &Inode) -> Result<Option<Vec<ExtendedAttribute>>> {
    let Some(value) = Value::find(store, inode, Kind::EA, &[])? else { return Ok(None) };
    ea::parse(&value.read_all(store, EA_BYTES_MAX)?).map(Some)
}
