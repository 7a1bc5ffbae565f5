//! The file system as a whole: small caches, and the calls that every reader answers.

use crate::acl;
use crate::block_map;
use crate::device::Device;
use crate::directory;
use crate::encrypted_name;
use crate::extent::{self, Node};
use crate::fast_commit::FastCommits;
use crate::file;
use crate::inode::{Inode, ROOT, flag};
use crate::mapping;
use crate::options::OpenOptions;
use crate::orphans::Orphans;
use crate::recovery;
use crate::space::Space;
use crate::verity::Verity;
use crate::xattr::{self, Prefix};
use block::ReadAt;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, OnceLock};
use vfs::reader::{corrupt, missing_is_damage};
use vfs::{
    Acl, Attr, Cursor, DirEntry, Error, ErrorKind, FileSystem, FileType, FsInfo, Kept, NodeFlags, NodeId, Result,
    Segment, Stream,
};

/// Inodes that are kept decoded, and bytes of them: the format allows inodes as large as a block.
const INODES_MAX: usize = 8192;
const INODE_BYTES_MAX: usize = 8 << 20;
/// Bytes of extent nodes, and as many of indirect blocks, that are kept decoded.
const NODE_BYTES_MAX: usize = 16 << 20;
/// Bytes of a decoded extent for each byte on the disk, rounded up.
const DECODED: usize = 3;
/// The longest target of a symbolic link (Linux `PATH_MAX`).
const TARGET_BYTES_MAX: u64 = 4095;

/// An open file system. Everything about it is read when it is needed; nothing is written.
pub struct Ext4 {
    pub(crate) device: Device,
    inodes: Kept<NodeId, Inode>,
    extent_nodes: Kept<(NodeId, u64), Node>,
    indirect_blocks: Kept<u64, Vec<u32>>,
    space: OnceLock<Space>,
    pub(crate) fast_commits: FastCommits,
    /// Deleted files that count as gone: none in a volume that is shown as it lies.
    pub(crate) orphans: Orphans,
    /// There only if files are to be verified.
    verity: Option<Verity>,
}

impl Ext4 {
    /// Opens the file system on `volume`, with what its journal still holds for it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] names what this version does not read (a feature, a journal elsewhere);
    /// [`ErrorKind::Corrupt`] says what is damaged.
    #[expect(clippy::needless_pass_by_value, reason = "whoever opens a volume hands it over")]
    pub fn open(volume: Arc<dyn ReadAt>) -> Result<Self> {
        Self::open_with(&volume, &OpenOptions::default())
    }

    /// Opens the file system on `volume`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(volume: &Arc<dyn ReadAt>, options: &OpenOptions) -> Result<Self> {
        let as_it_lies = Self::over(Device::open(Arc::clone(volume))?);
        let mut fs = recovery::recover(as_it_lies, volume, options).map_err(missing_is_damage)?;
        fs.verity = options.verify.then(|| Verity::new(fs.device.superblock.block_len()));
        if !fs.inode(ROOT).map_err(missing_is_damage)?.is_directory() {
            return Err(corrupt("the root of the file system is no directory"));
        }
        Ok(fs)
    }

    /// The file system on `device`, of which only the superblock was read.
    pub(crate) fn over(device: Device) -> Self {
        let fitting = |all: usize, each: usize| all.checked_div(each).and_then(NonZeroUsize::new);
        let nodes_max = fitting(NODE_BYTES_MAX, device.superblock.block_len().saturating_mul(DECODED));
        let nodes_max = nodes_max.unwrap_or(NonZeroUsize::MIN);
        let inode_bytes = device.superblock.inode_bytes.saturating_add(size_of::<Inode>());
        let inodes_max = fitting(INODE_BYTES_MAX, inode_bytes.max(INODE_BYTES_MAX.div_euclid(INODES_MAX)));
        Self {
            device,
            inodes: Kept::new(inodes_max.unwrap_or(NonZeroUsize::MIN)),
            extent_nodes: Kept::new(nodes_max),
            indirect_blocks: Kept::new(nodes_max),
            space: OnceLock::new(),
            fast_commits: FastCommits::default(),
            orphans: Orphans::default(),
            verity: None,
        }
    }

    /// Adds something that the user should know.
    pub(crate) fn notice(&mut self, text: &str) {
        self.device.superblock.notices.push(text.to_owned());
    }

    fn inode(&self, node: NodeId) -> Result<Arc<Inode>> {
        self.inodes.get_or_read(node, || match self.fast_commits.record(node) {
            Some(record) => self.replayed_inode(node, record),
            None => Inode::read(&self.device, node),
        })
    }

    /// An inode that a fast commit replaced: how much it takes is counted anew, as the kernel does.
    fn replayed_inode(&self, node: NodeId, record: &[u8]) -> Result<Inode> {
        let mut inode = Inode::of_record(&self.device, node, record.to_vec())?;
        if inode.has_extents() {
            let blocks = mapping::allocated_blocks(self, &inode)?;
            inode.attr.allocated = blocks << self.device.superblock.block_shift;
        }
        Ok(inode)
    }

    pub(crate) fn extent_node(&self, inode: &Inode, block: u64) -> Result<Arc<Node>> {
        self.extent_nodes.get_or_read((inode.number, block), || extent::read_node(&self.device, inode, block))
    }

    pub(crate) fn indirect_block(&self, inode: &Inode, block: u64) -> Result<Arc<Vec<u32>>> {
        self.indirect_blocks.get_or_read(block, || block_map::read_table(self, inode, block))
    }

    fn directory(&self, node: NodeId) -> Result<Arc<Inode>> {
        let inode = self.inode(node)?;
        if !inode.is_directory() {
            return Err(Error::new(ErrorKind::NotADirectory, "this is not a directory"));
        }
        self.readable(&inode)?;
        Ok(inode)
    }

    fn regular(&self, node: NodeId) -> Result<Arc<Inode>> {
        let inode = self.inode(node)?;
        match inode.attr.file_type {
            FileType::Regular if inode.is_encrypted() => {
                let message =
                    format!("{}: the contents are encrypted, and the key is not in the recovery point", inode.name());
                Err(Error::new(ErrorKind::KeyMissing, message))
            }
            FileType::Regular => self.readable(&inode).map(|()| inode),
            FileType::Directory => Err(Error::new(ErrorKind::IsADirectory, "this is a directory")),
            _ => Err(Error::new(ErrorKind::WrongType, "this is not a file with data")),
        }
    }

    /// Refuses data in a form that is not understood.
    fn readable(&self, inode: &Inode) -> Result<()> {
        if inode.has_inline_data() && !self.device.superblock.features.inline_data() {
            return Err(corrupt(format!("{}: inline data, which this file system does not have", inode.name())));
        }
        if inode.has_inline_data() && inode.has_extents() {
            return Err(corrupt(format!("{}: inline data and extents at once", inode.name())));
        }
        if inode.flags & flag::CASEFOLD != 0 && !self.device.superblock.features.casefold() {
            return Err(corrupt(format!("{}: casefold, which this file system does not have", inode.name())));
        }
        let unsupported = |what: &str| Err(Error::new(ErrorKind::Unsupported, format!("{} {what}", inode.name())));
        if inode.flags & flag::EA_INODE != 0 {
            return unsupported("is the value of an extended attribute, which this version does not show as a file");
        }
        if inode.is_encrypted() && self.fast_commits.changes_names(inode.number) {
            // Before Linux 6.2 they were written as they were before they were encrypted.
            return unsupported("is encrypted, and the names in its fast commits are not");
        }
        Ok(())
    }
}

impl FileSystem for Ext4 {
    fn info(&self) -> FsInfo {
        let superblock = &self.device.superblock;
        FsInfo {
            format: if superblock.features.extents() {
                "ext4"
            } else if superblock.features.has_journal() {
                "ext3"
            } else {
                "ext2"
            },
            label: superblock.label.clone(),
            uuid: Some(uuid::Uuid::from_bytes(superblock.uuid).to_string()),
            block_size: u32::try_from(superblock.block_bytes()).unwrap_or(u32::MAX),
            name_bytes_max: 255,
            notices: superblock.notices.clone(),
        }
    }

    fn space(&self) -> vfs::Space {
        let space = self.space.get_or_init(|| Space::of(&self.device, self.orphans));
        vfs::Space {
            blocks: space.blocks,
            blocks_free: space.blocks_free,
            blocks_available: space.blocks_available,
            inodes: self.device.superblock.inodes,
            inodes_free: space.inodes_free,
        }
    }

    fn root(&self) -> NodeId {
        ROOT
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId> {
        directory::lookup(self, self.directory(dir)?.as_ref(), name)
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        let inode = self.inode(node)?;
        let mut attr = inode.attr.clone();
        if inode.is_encrypted() && attr.file_type == FileType::Symlink {
            // The size is that of the target as it is shown (Linux `fscrypt_symlink_getattr`).
            let target = encrypted_name::target(self, &inode)?;
            attr.size = u64::try_from(target.len()).unwrap_or(u64::MAX);
        }
        Ok(attr)
    }

    fn flags(&self, node: NodeId) -> Result<Option<NodeFlags>> {
        Ok(Some(self.inode(node)?.visible_flags()))
    }

    fn read_dir(&self, dir: NodeId, from: Cursor, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        directory::list(self, self.directory(dir)?.as_ref(), from, each)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        let inode = self.inode(node)?;
        if inode.attr.file_type != FileType::Symlink {
            return Err(Error::new(ErrorKind::WrongType, "this is not a symbolic link"));
        }
        self.readable(&inode)?;
        if inode.is_encrypted() {
            return encrypted_name::target(self, &inode);
        }
        let bad = || corrupt(format!("{}: a link target of {} bytes", inode.name(), inode.attr.size));
        // The kernel keeps the target in one block, with a zero byte behind it.
        let length_max = self.device.superblock.block_bytes().saturating_sub(1).min(TARGET_BYTES_MAX);
        let length = usize::try_from(inode.attr.size.min(length_max)).map_err(|_| bad())?;
        if length == 0 || inode.attr.size > length_max {
            return Err(bad());
        }
        let mut target = vec![0; length];
        if inode.is_fast_symlink(&self.device.superblock) {
            target.copy_from_slice(inode.i_block.get(..length).ok_or_else(bad)?);
        } else {
            file::read(self, &inode, 0, &mut target)?;
        }
        if target.contains(&0) {
            return Err(corrupt(format!("{}: a link target with a zero byte", inode.name())));
        }
        Ok(target)
    }

    fn read_at(&self, node: NodeId, stream: Stream<'_>, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if stream != Stream::Main {
            return Err(Error::new(ErrorKind::NoAttribute, "ext4 files have no named streams"));
        }
        let inode = self.regular(node)?;
        match &self.verity {
            Some(verity) if inode.is_verity() => verity.read(self, &inode, offset, buf),
            _ => file::read(self, &inode, offset, buf),
        }
    }

    fn segment(&self, node: NodeId, offset: u64) -> Result<Segment> {
        file::segment(self, self.regular(node)?.as_ref(), offset)
    }

    fn will_read(&self, node: NodeId, range: Range<u64>) {
        // A hint never fails: the read that follows tells what is wrong.
        if let Ok(inode) = self.regular(node) {
            file::will_read(self, &inode, range);
        }
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Vec<u8>>> {
        Ok(xattr::all(self, self.inode(node)?.as_ref())?.iter().filter_map(xattr::Xattr::full_name).collect())
    }

    fn xattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        let xattrs = xattr::all(self, self.inode(node)?.as_ref())?;
        let found = xattrs.into_iter().find(|xattr| xattr.full_name().as_deref() == Some(name));
        let none = || Error::new(ErrorKind::NoAttribute, "no such extended attribute");
        found.ok_or_else(none)?.into_value(self)
    }

    fn acl(&self, node: NodeId) -> Result<Acl> {
        let mut acls = Acl::default();
        for xattr in xattr::all(self, self.inode(node)?.as_ref())? {
            let acl = match xattr.prefix {
                Prefix::AccessAcl => &mut acls.access,
                Prefix::DefaultAcl => &mut acls.default,
                Prefix::Plain(_) | Prefix::InlineData | Prefix::Hidden => continue,
            };
            // The one in the inode comes before the one in the block, if there are two.
            if acl.is_none() {
                *acl = Some(acl::parse(&xattr.into_value(self)?)?);
            }
        }
        Ok(acls)
    }
}
