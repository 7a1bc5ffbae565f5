//! A file as its record describes it: times, names, what it is, whose it is.

use crate::data::Value;
use crate::ea::{self, ExtendedAttribute};
use crate::file_name::{FileName, Space};
use crate::index;
use crate::record::{Kind, Reference};
use crate::secure::Descriptors;
use crate::security::{Access, SecurityOptions, WslMetadata, access};
use crate::shape::Shape;
use crate::standard_information::StandardInformation;
use crate::store::{Inode, Store};
use crate::wof;
use vfs::reader::corrupt;
use vfs::{Attr, ErrorKind, FileType, Result};

/// What `$STANDARD_INFORMATION` and `$FILE_NAME` have at most, in bytes.
const BYTES_MAX: u64 = 1024;
/// What extended attributes have at most, in bytes.
const EA_BYTES_MAX: u64 = 64 << 10;
/// Names that a file has at most: Windows makes 1024 links, and each may have a short name.
const NAMES_MAX: usize = 4096;

/// What the names of a file say. A file may have thousands: they are not kept.
#[derive(Default)]
pub(crate) struct Names {
    /// The directory of the first name.
    parent: Option<Reference>,
    /// The short name.
    pub(crate) short: Option<Vec<u16>>,
    /// Short names that stand beside long ones.
    beside: u32,
}

impl Names {
    fn add(&mut self, name: FileName) {
        self.parent = self.parent.or(Some(name.parent));
        if name.space == Space::Dos {
            self.beside = self.beside.saturating_add(1);
        }
        if matches!(name.space, Space::Dos | Space::Win32AndDos) && self.short.is_none() {
            self.short = Some(name.name);
        }
    }
}

/// A file, or a directory. Many are kept: what may be long is not in it.
pub(crate) struct File {
    pub(crate) inode: Inode,
    pub(crate) standard: StandardInformation,
    pub(crate) names: Names,
    /// What WSL recorded among its extended attributes.
    pub(crate) wsl: WslMetadata,
    pub(crate) shape: Shape,
    /// Whether it has a security descriptor that is not damaged.
    pub(crate) has_descriptor: bool,
    pub(crate) access: Access,
}

/// Damage of a part of a file that the rest of it can do without.
pub(crate) fn or_none<T>(found: Result<Option<T>>) -> Result<Option<T>> {
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
        let mut names = Names::default();
        for part in inode.parts(Kind::FILE_NAME, &[]).into_iter().take(NAMES_MAX) {
            let name = Value::at(store, &inode, vec![part])?.map(|name| name.read_all(store, BYTES_MAX)).transpose()?;
            names.add(name.and_then(|name| FileName::parse(&name)).ok_or_else(|| damaged("$FILE_NAME"))?);
        }
        let wsl = WslMetadata::of(&extended_attributes(store, &inode)?);
        let shape = Shape::of(store, &inode, &standard, &wsl)?;
        let descriptor = or_none(descriptors.of(store, &inode, &standard))?;
        let access = access(descriptor.as_deref(), shape.file_type(), options, Some(&wsl));
        Ok(Self { inode, standard, names, wsl, shape, has_descriptor: descriptor.is_some(), access })
    }

    /// The directory that it is in; the root is in itself.
    pub(crate) fn parent(&self) -> Result<Reference> {
        self.names.parent.ok_or_else(|| corrupt(format!("{}: it has no name", self.inode.name())))
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
        u32::from(self.inode.record.links).saturating_sub(self.names.beside).max(1)
    }
}

/// Extended attributes of Windows; none where they are damaged.
pub(crate) fn extended_attributes(store: &Store, inode: &Inode) -> Result<Vec<ExtendedAttribute>> {
    let found = Value::find(store, inode, Kind::EA, &[]);
    let read = |value: Value| ea::parse(&value.read_all(store, EA_BYTES_MAX)?);
    or_none(found.and_then(|value| value.map(read).transpose())).map(Option::unwrap_or_default)
}
