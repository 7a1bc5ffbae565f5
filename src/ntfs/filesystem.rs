//! The file system as a whole: small caches, and the calls that every reader answers.

use crate::content::Content;
use crate::data::Value;
use crate::directory;
use crate::file::{self, File};
use crate::name;
use crate::options::OpenOptions;
use crate::record::{Kind, Reference};
use crate::recovery::{self, Recovered};
use crate::reparse::{self, Place};
use crate::secure::Descriptors;
use crate::security::{self, Access};
use crate::shape::Shape;
use crate::space;
use crate::store::Store;
use crate::stream;
use crate::upcase::{self, Upcase};
use crate::volume_information::VolumeInformation;
use crate::xattr;
use block::ReadAt;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, OnceLock};
use vfs::reader::{corrupt, missing_is_damage};
use vfs::{
    Acl, Attr, Cursor, Description, DirEntry, Error, ErrorKind, FileSystem, FileType, FsInfo, Kept, NodeId, Result,
    Segment, Space, State, Stream, StreamInfo,
};

/// Files that are kept decoded: a few hundred bytes each, beside their records.
const FILES_MAX: NonZeroUsize = NonZeroUsize::new(2048).unwrap();
/// Directories below each other at most: a path on Windows has 32,767 characters.
const DEPTH_MAX: usize = 16_384;
/// Three bytes for each of 255 units.
const NAME_BYTES_MAX: u32 = 765;
/// The record of `$UpCase`.
const UPCASE: Reference = Reference { record: 10, sequence: 0 };

/// An open file system. Everything about it is read when it is needed; nothing is written.
pub struct Ntfs {
    store: Store,
    upcase: Upcase,
    volume: VolumeInformation,
    /// In which state it was left, as far as anything speaks against [`State::Clean`].
    state: Vec<State>,
    descriptors: Descriptors,
    files: Kept<u64, File>,
    options: OpenOptions,
    notices: Vec<String>,
    space: OnceLock<Space>,
}

impl Ntfs {
    /// Opens the file system on `volume`, with what its log still holds for it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] names what this version does not read; [`ErrorKind::Corrupt`] says what is damaged.
    #[expect(clippy::needless_pass_by_value, reason = "whoever opens a volume hands it over")]
    pub fn open(volume: Arc<dyn ReadAt>) -> Result<Self> {
        Self::open_with(&volume, &OpenOptions::default())
    }

    /// Opens the file system on `volume`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(volume: &Arc<dyn ReadAt>, options: &OpenOptions) -> Result<Self> {
        let Recovered { store, state: log_state, notice } = recovery::recover(volume, options.replay)?;
        let mut notices = store.notices.clone();
        notices.extend(notice);
        let information = VolumeInformation::read(&store).unwrap_or_else(|error| {
            notices.push(format!("label and version of the volume cannot be read: {error}"));
            VolumeInformation::default()
        });
        let upcase = read_upcase(&store).unwrap_or_else(|error| {
            notices.push(format!(
                "$UpCase cannot be read ({error}); names in other cases are found by the rules of Unicode"
            ));
            Upcase::substitute()
        });
        let mut fs = Self {
            store,
            upcase,
            volume: information,
            state: Vec::new(),
            descriptors: Descriptors::new(),
            files: Kept::new(FILES_MAX),
            options: options.clone(),
            notices,
            space: OnceLock::new(),
        };
        fs.directory(fs.root()).map_err(missing_is_damage)?;
        fs.state.extend(fs.volume.is_dirty.then_some(State::NotClean));
        if fs.sleeps() {
            fs.state.push(State::Hibernated);
            let text = "Windows was hibernated, or shut down for a fast start: what it had not written when it went to sleep \
                        is missing";
            fs.notices.push(text.to_owned());
        }
        fs.state.extend(log_state);
        Ok(fs)
    }

    /// Whether a system sleeps on this volume: `hiberfil.sys` begins with its mark, which is overwritten when it wakes
    /// (ntfs-3g's `ntfs_volume_check_hiberfile`).
    fn sleeps(&self) -> bool {
        let mut mark = [0; 4];
        let found = self.lookup(self.root(), b"hiberfil.sys");
        let read = found.and_then(|file| self.read_at(file, Stream::Main, 0, &mut mark));
        read.is_ok() && matches!(&mark, b"hibr" | b"HIBR")
    }

    /// What the file system says of itself.
    #[must_use]
    pub fn describe(&self) -> Description {
        let (major, minor) = self.volume.version;
        Description {
            label: self.volume.label.clone(),
            uuid: Some(self.store.device.geometry.serial_text()),
            block_size: 1 << self.store.device.geometry.cluster_shift,
            inode_size: self.store.device.geometry.record_bytes,
            features: vec![format!("ntfs-{major}.{minor}")],
            state: if self.state.is_empty() { vec![State::Clean] } else { self.state.clone() },
            history: None,
        }
    }

    /// The file of a node, or that a node is a stream of.
    fn file(&self, node: NodeId) -> Result<Arc<File>> {
        let record = stream::record(node);
        if !directory::is_visible(record) {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("record {record} of the MFT belongs to the file system itself"),
            ));
        }
        self.files.get_or_read(record, || {
            let reference = Reference { record, sequence: 0 };
            File::read(&self.store, &self.descriptors, &self.options.security, reference)
        })
    }

    fn directory(&self, node: NodeId) -> Result<Arc<File>> {
        let file = self.file(node)?;
        if !matches!(file.shape, Shape::Directory) || stream::ordinal(node).is_some() {
            return Err(Error::new(ErrorKind::NotADirectory, "this is not a directory"));
        }
        Ok(file)
    }

    /// The name of the stream that a node is; `None` for the main data.
    fn stream_name(file: &File, node: NodeId) -> Result<Option<Vec<u16>>> {
        let Some(ordinal) = stream::ordinal(node) else { return Ok(None) };
        let missing = || Error::new(ErrorKind::NotFound, format!("{} has no such stream", file.inode.name()));
        stream::names(&file.inode).into_iter().nth(ordinal).map(Some).ok_or_else(missing)
    }

    /// The data of a node: the file's, or a stream's.
    fn content(&self, node: NodeId, named: Stream<'_>) -> Result<Content> {
        let file = self.file(node)?;
        let none = || Error::new(ErrorKind::NoAttribute, "no such stream");
        let name = match (Self::stream_name(&file, node)?, named) {
            (own, Stream::Main) => own.unwrap_or_default(),
            (None, Stream::Named(name)) => name::decode(name).filter(|name| !name.is_empty()).ok_or_else(none)?,
            (Some(_), Stream::Named(_)) => return Err(none()),
        };
        Content::of(&self.store, &file, &name)
    }

    fn lookup_stream(&self, dir: NodeId, path: &[u8]) -> Result<Option<NodeId>> {
        let Some((file_name, sought)) = stream::split(path).filter(|_| self.options.stream_paths) else {
            return Ok(None);
        };
        let node = if file_name.is_empty() { dir } else { self.lookup(dir, file_name)? };
        let file = self.file(node)?;
        let names = stream::names(&file.inode);
        // Streams are never told apart by case alone.
        let exact = names.iter().position(|name| *name == sought);
        let found = exact.or_else(|| names.iter().position(|name| self.upcase.compare(name, &sought).is_eq()));
        Ok(found.and_then(|ordinal| stream::node(file.inode.number(), ordinal)))
    }

    /// Who may read the streams of a file. A link itself gives everybody all rights, as Linux asks its target for them.
    fn stream_access(&self, file: &File) -> Result<Access> {
        let descriptor = file::or_none(self.descriptors.of(&self.store, &file.inode, &file.standard))?;
        let (descriptor, options) = (descriptor.as_deref(), &self.options.security);
        Ok(security::access(descriptor, FileType::Regular, options, Some(&file.wsl)))
    }

    /// The target of a symbolic link.
    fn target(&self, file: &File) -> Result<Vec<u8>> {
        match &file.shape {
            Shape::UnixLink(target) => Ok(target.clone()),
            Shape::Link(reparse) => {
                reparse::target(reparse, Place { depth: self.depth(file)?, volumes: &self.options.volumes })
            }
            _ => Err(Error::new(ErrorKind::WrongType, "this is not a symbolic link")),
        }
    }

    /// Directories between the root and a file: 0 for one in the root.
    fn depth(&self, file: &File) -> Result<usize> {
        let mut parent = file.parent()?;
        for depth in 0..DEPTH_MAX {
            if parent.record == directory::ROOT {
                return Ok(depth);
            }
            self.store.record(parent).map_err(missing_is_damage)?;
            parent = self.file(NodeId(parent.record))?.parent()?;
        }
        Err(corrupt(format!("{}: its directories lead nowhere", file.inode.name())))
    }

    fn source<'a>(&'a self, file: &'a File) -> xattr::Source<'a> {
        xattr::Source { store: &self.store, upcase: &self.upcase, descriptors: &self.descriptors, file }
    }
}

#[cfg(test)]
impl Ntfs {
    /// Bytes of the MFT.
    pub(crate) fn records_bytes(&self) -> u64 {
        self.store.records().saturating_mul(self.store.device.geometry.record_bytes.into())
    }
}

fn read_upcase(store: &Store) -> Result<Upcase> {
    let inode = store.inode(UPCASE).map_err(missing_is_damage)?;
    let table = Value::find(store, &inode, Kind::DATA, &[])?;
    let missing = || vfs::reader::corrupt("it has no data");
    Ok(Upcase::new(&table.ok_or_else(missing)?.read_all(store, upcase::BYTES)?))
}

impl FileSystem for Ntfs {
    fn info(&self) -> FsInfo {
        let geometry = &self.store.device.geometry;
        FsInfo {
            format: "ntfs",
            label: self.volume.label.clone(),
            uuid: Some(geometry.serial_text()),
            block_size: 1 << geometry.cluster_shift,
            name_bytes_max: NAME_BYTES_MAX,
            notices: self.notices.clone(),
        }
    }

    fn space(&self) -> Space {
        *self.space.get_or_init(|| space::count(&self.store))
    }

    fn root(&self) -> NodeId {
        NodeId(directory::ROOT)
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId> {
        let file = self.directory(dir)?;
        let found = match name {
            b"." => return Ok(dir),
            b".." => Some(file.parent()?),
            _ => match name::decode(name) {
                Some(sought) => {
                    let tells_case = file.standard.is_case_sensitive;
                    directory::lookup(&self.store, &self.upcase, &file.inode, &sought, tells_case)?
                }
                None => None,
            },
        };
        if let Some(reference) = found {
            self.store.record(reference).map_err(missing_is_damage)?;
            return Ok(NodeId(reference.record));
        }
        self.lookup_stream(dir, name)?
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such name in this directory"))
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        let file = self.file(node)?;
        let target = if file.shape.file_type() == FileType::Symlink { self.target(&file)? } else { Vec::new() };
        let attr = file.attr(&self.store, crate::bytes::length(&target))?;
        let Some(name) = Self::stream_name(&file, node)? else { return Ok(attr) };
        let value = Value::find(&self.store, &file.inode, Kind::DATA, &name)?;
        Ok(Attr {
            file_type: FileType::Regular,
            permissions: self.stream_access(&file)?.permissions & !0o111,
            size: value.as_ref().map_or(0, Value::size),
            allocated: value.as_ref().map_or(0, Value::allocated),
            device: None,
            ..attr
        })
    }

    fn entry_attr(&self, entry: &DirEntry<'_>) -> Result<Attr> {
        let sequence = entry.generation.and_then(|generation| u16::try_from(generation).ok()).unwrap_or(0);
        self.store.record(Reference { record: entry.node.0, sequence })?;
        self.attr(entry.node)
    }

    fn read_dir(&self, dir: NodeId, from: Cursor, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let file = self.directory(dir)?;
        directory::list(&self.store, &file.inode, from, self.options.short_names, each)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        self.target(self.file(node)?.as_ref())
    }

    fn read_at(&self, node: NodeId, stream: Stream<'_>, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.content(node, stream)?.read(&self.store, offset, buf)
    }

    fn segment(&self, node: NodeId, offset: u64) -> Result<Segment> {
        self.content(node, Stream::Main)?.segment(&self.store, offset)
    }

    fn will_read(&self, node: NodeId, range: Range<u64>) {
        // A hint never fails: the read that follows tells what is wrong.
        if let Ok(value) = self.content(node, Stream::Main) {
            value.will_read(&self.store, &range);
        }
    }

    fn streams(&self, node: NodeId) -> Result<Vec<StreamInfo>> {
        let file = self.file(node)?;
        let info = |name: Vec<u16>| {
            let value = Value::find(&self.store, &file.inode, Kind::DATA, &name)?;
            Ok(StreamInfo { name: name::encode(&name), size: value.as_ref().map_or(0, Value::size) })
        };
        stream::names(&file.inode).into_iter().map(info).collect()
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Vec<u8>>> {
        let file = self.file(node)?;
        if stream::ordinal(node).is_some() { Ok(Vec::new()) } else { self.source(&file).names() }
    }

    fn xattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        self.source(self.file(node)?.as_ref()).value(name)
    }

    fn acl(&self, node: NodeId) -> Result<Acl> {
        let file = self.file(node)?;
        Ok(if stream::ordinal(node).is_some() { self.stream_access(&file)?.acl } else { file.access.acl.clone() })
    }
}
