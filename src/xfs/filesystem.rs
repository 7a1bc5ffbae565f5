//! The file system as a whole: small caches, and the calls that every reader answers.

use crate::da_tree::DaBlock;
use crate::device::Device;
use crate::directory;
use crate::file;
use crate::fork::{Root, Which};
use crate::inode::Inode;
use crate::intents::Finished;
use crate::options::OpenOptions;
use crate::recovery;
use crate::space::Space;
use crate::symlink;
use crate::tree::{self, Node};
use crate::xattr;
use block::ReadAt;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, OnceLock};
use vfs::reader::{corrupt, missing_is_damage};
use vfs::{
    Acl, Attr, Cursor, DirEntry, Error, ErrorKind, FileSystem, FileType, FsInfo, Kept, NodeFlags, NodeId, Result,
    Segment, Stream,
};

/// Inodes that are kept decoded: 2 KiB each at most.
const INODES_MAX: NonZeroUsize = NonZeroUsize::new(8192).unwrap();
/// Bytes of tree blocks that are kept decoded.
const NODE_BYTES_MAX: usize = 16 << 20;
/// Bytes of verified blocks that are kept: of directories' entries, and of the trees that names are found in.
const BLOCK_BYTES_MAX: usize = 8 << 20;
/// Bytes of a decoded extent for each byte on the disk, rounded up.
const DECODED: usize = 3;
/// `di_flags`: files in this directory are made as realtime files.
const RTINHERIT: u16 = 0x100;

/// An open file system. Everything about it is read when it is needed; nothing is written.
pub struct Xfs {
    pub(crate) device: Device,
    inodes: Kept<NodeId, Inode>,
    tree_nodes: Kept<(NodeId, u64, u16), Node>,
    directory_blocks: Kept<(NodeId, u64), Vec<u8>>,
    da_blocks: Kept<(NodeId, Which, u64), DaBlock>,
    /// Trees of version 4 whose extents were counted.
    counted_trees: Kept<(NodeId, Which), ()>,
    space: OnceLock<Space>,
    /// Whether the counters of the superblock are right: it was unmounted as it should be.
    pub(crate) is_clean: bool,
    /// What a kernel would have finished after the replay of the log.
    pub(crate) finished: Finished,
}

impl Xfs {
    /// Opens the file system on `volume`, with what its log still holds for it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] names what this version does not read (a feature, a log elsewhere);
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
        let device = Device::open(Arc::clone(volume), options.realtime.clone())?;
        let mut fs = recovery::recover(Self::over(device), volume, options)?;
        if fs.device.lacks_realtime() {
            fs.notice(
                "its realtime files are on another disk, which is not among those of this recovery point, and cannot be \
                 read; if it is, say which one with --realtime-device",
            );
        }
        let root = fs.inode(NodeId(fs.device.superblock.root)).map_err(missing_is_damage)?;
        if !root.is_directory() {
            return Err(corrupt("the root of the file system is no directory"));
        }
        Ok(fs)
    }

    /// The file system on `device`, of which only the superblock was read.
    pub(crate) fn over(device: Device) -> Self {
        let node_bytes = device.superblock.block_len().saturating_mul(DECODED);
        let directory_bytes = device.superblock.block_len() << device.superblock.dir_block_log;
        let objects = |bytes_max: usize, bytes: usize| {
            bytes_max.checked_div(bytes).and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN)
        };
        Self {
            device,
            inodes: Kept::new(INODES_MAX),
            tree_nodes: Kept::new(objects(NODE_BYTES_MAX, node_bytes)),
            directory_blocks: Kept::new(objects(BLOCK_BYTES_MAX, directory_bytes)),
            da_blocks: Kept::new(objects(BLOCK_BYTES_MAX, directory_bytes)),
            counted_trees: Kept::new(INODES_MAX),
            space: OnceLock::new(),
            is_clean: true,
            finished: Finished::default(),
        }
    }

    /// Whether it was not unmounted as it should be: its log held changes.
    #[must_use]
    pub const fn was_in_use(&self) -> bool {
        !self.is_clean
    }

    /// Adds something that the user should know.
    pub(crate) fn notice(&mut self, text: &str) {
        self.device.superblock.notices.push(text.to_owned());
    }

    pub(crate) fn inode(&self, node: NodeId) -> Result<Arc<Inode>> {
        self.inodes.get_or_read(node, || {
            self.finished.apply(Inode::read(&self.device, node)?, self.device.superblock.block_shift)
        })
    }

    pub(crate) fn tree_node(&self, inode: &Inode, block: u64, level: u16) -> Result<Arc<Node>> {
        let key = (inode.number, block, level);
        self.tree_nodes.get_or_read(key, || tree::read(&self.device, inode, block, level))
    }

    /// Block `number` of the entries of a directory, which `read` reads and verifies.
    pub(crate) fn directory_block(
        &self,
        dir: &Inode,
        number: u64,
        read: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Arc<Vec<u8>>> {
        self.directory_blocks.get_or_read((dir.number, number), read)
    }

    /// The block at `block` of a fork, part of a tree, which `read` reads and verifies.
    pub(crate) fn da_block(
        &self,
        inode: &Inode,
        which: Which,
        block: u64,
        read: impl FnOnce() -> Result<DaBlock>,
    ) -> Result<Arc<DaBlock>> {
        self.da_blocks.get_or_read((inode.number, which, block), read)
    }

    /// Counts the extents of a tree, once: in version 4 nothing but their number tells that some of a leaf are missing.
    pub(crate) fn count_extents(&self, inode: &Inode, which: Which, root: &Root) -> Result<()> {
        self.counted_trees.get_or_read((inode.number, which), || tree::count(self, inode, root)).map(|_| ())
    }

    /// The inode of something that users see.
    fn visible(&self, node: NodeId) -> Result<Arc<Inode>> {
        let inode = self.inode(node)?;
        if inode.is_metadata() || self.device.superblock.internal_inodes.contains(&node.0) {
            return Err(corrupt(format!("{}: it belongs to the file system itself", inode.name())));
        }
        Ok(inode)
    }

    fn directory(&self, node: NodeId) -> Result<Arc<Inode>> {
        let inode = self.visible(node)?;
        if !inode.is_directory() {
            return Err(Error::new(ErrorKind::NotADirectory, "this is not a directory"));
        }
        Ok(inode)
    }

    fn regular(&self, node: NodeId) -> Result<Arc<Inode>> {
        let inode = self.visible(node)?;
        match inode.attr.file_type {
            FileType::Regular => Ok(inode),
            FileType::Directory => Err(Error::new(ErrorKind::IsADirectory, "this is a directory")),
            _ => Err(Error::new(ErrorKind::WrongType, "this is not a file with data")),
        }
    }
}

impl FileSystem for Xfs {
    fn info(&self) -> FsInfo {
        let superblock = &self.device.superblock;
        FsInfo {
            format: "xfs",
            label: superblock.label.clone(),
            uuid: Some(uuid::Uuid::from_bytes(superblock.uuid).to_string()),
            block_size: 1 << superblock.block_shift,
            name_bytes_max: 255,
            notices: superblock.notices.clone(),
        }
    }

    fn space(&self) -> vfs::Space {
        let passes_on = self.inode(self.root()).is_ok_and(|root| root.flags & RTINHERIT != 0);
        let space = self.space.get_or_init(|| Space::of(self, passes_on));
        vfs::Space {
            blocks: space.blocks,
            blocks_free: space.blocks_free,
            blocks_available: space.blocks_free,
            inodes: space.inodes,
            inodes_free: space.inodes_free,
        }
    }

    fn root(&self) -> NodeId {
        NodeId(self.device.superblock.root)
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId> {
        directory::lookup(self, self.directory(dir)?.as_ref(), name)
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        Ok(self.visible(node)?.attr.clone())
    }

    fn flags(&self, node: NodeId) -> Result<Option<NodeFlags>> {
        Ok(Some(self.visible(node)?.visible_flags(&self.device.superblock)))
    }

    fn read_dir(&self, dir: NodeId, from: Cursor, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        directory::list(self, self.directory(dir)?.as_ref(), from, each)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        let inode = self.visible(node)?;
        if inode.attr.file_type != FileType::Symlink {
            return Err(Error::new(ErrorKind::WrongType, "this is not a symbolic link"));
        }
        symlink::target(self, &inode)
    }

    fn read_at(&self, node: NodeId, stream: Stream<'_>, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if stream != Stream::Main {
            return Err(Error::new(ErrorKind::NoAttribute, "XFS files have no named streams"));
        }
        file::read(self, self.regular(node)?.as_ref(), offset, buf)
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
        xattr::names(self, self.visible(node)?.as_ref())
    }

    fn xattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        xattr::value(self, self.visible(node)?.as_ref(), name)
    }

    fn acl(&self, node: NodeId) -> Result<Acl> {
        xattr::acl(self, self.visible(node)?.as_ref())
    }
}
