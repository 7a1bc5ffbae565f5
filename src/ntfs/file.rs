//! A file as its record describes it: times, names, type.

use crate::data::Value;
use crate::file_name::FileName;
use crate::record::{Kind, Reference};
use crate::standard_information::StandardInformation;
use crate::store::{Inode, Store};
use vfs::reader::corrupt;
use vfs::{Attr, FileType, Result};

/// What `$STANDARD_INFORMATION` and `$FILE_NAME` have at most, in bytes.
const BYTES_MAX: u64 = 1024;
/// Names that a file has at most: Windows makes 1024 links, and each may have a short name.
const NAMES_MAX: usize = 4096;

/// A file, or a directory.
pub(crate) struct File {
    pub(crate) inode: Inode,
    pub(crate) standard: StandardInformation,
    pub(crate) names: Vec<FileName>,
}

impl File {
    /// The file of this record.
    pub(crate) fn read(store: &Store, reference: Reference) -> Result<Self> {
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
        Ok(Self { inode, standard, names })
    }

    /// The directory that it is in; the root is in itself.
    pub(crate) fn parent(&self) -> Result<Reference> {
        let name = self.names.first();
        name.map(|name| name.parent).ok_or_else(|| corrupt(format!("{}: it has no name", self.inode.name())))
    }

    /// Its attributes.
    pub(crate) fn attr(&self, store: &Store) -> Result<Attr> {
        let (file_type, value) = if self.inode.record.is_directory {
            let blocks = Value::find(store, &self.inode, Kind::INDEX_ALLOCATION, crate::index::DIRECTORY)?;
            (FileType::Directory, blocks)
        } else {
            (FileType::Regular, Value::find(store, &self.inode, Kind::DATA, &[])?)
        };
        Ok(Attr {
            file_type,
            permissions: 0o777,
            links: if file_type == FileType::Directory { 1 } else { self.links() },
            uid: 0,
            gid: 0,
            size: value.as_ref().map_or(0, Value::size),
            allocated: value.as_ref().map_or(0, Value::allocated),
            accessed: self.standard.accessed,
            modified: self.standard.modified,
            changed: self.standard.changed,
            created: Some(self.standard.created),
            device: None,
        })
    }

    /// Names of the file, short ones that stand beside long ones left out.
    fn links(&self) -> u32 {
        let short = self.names.iter().filter(|name| name.space == crate::file_name::Space::Dos).count();
        let links = usize::from(self.inode.record.links).saturating_sub(short).max(1);
        u32::try_from(links).unwrap_or(u32::MAX)
    }
}
