//! The file system as a whole: small caches, and the calls that every reader answers.

use crate::acl;
use crate::block_map;
use crate::device::Device;
use crate::directory;
use crate::error::corrupt;
use crate::extent::{self, Node};
use crate::file;
use crate::group;
use crate::inode::{Inode, ROOT, flag};
use crate::xattr::{self, Prefix};
use block::ReadAt;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, PoisonError};
use vfs::{
    Acl, Attr, Cursor, DirEntry, Error, ErrorKind, FileSystem, FileType, FsInfo, NodeId, Result, Segment, Stream,
};

/// Inodes that are kept decoded.
const INODES_MAX: NonZeroUsize = NonZeroUsize::new(8192).expect("8192 is not 0");
/// Bytes of extent nodes and indirect blocks that are kept decoded.
const NODE_BYTES_MAX: usize = 8 << 20;
/// The longest target of a symbolic link (Linux `PATH_MAX`).
const TARGET_BYTES_MAX: u64 = 4096;

/// An open file system. Everything about it is read when it is needed; nothing is written.
pub struct Ext4 {
    pub(crate) device: Device,
    inodes: Kept<NodeId, Inode>,
    extent_nodes: Kept<(NodeId, u64), Node>,
    indirect_blocks: Kept<u64, Vec<u32>>,
}

/// A cache of decoded objects. Its lock is never held while something is read.
struct Kept<K, V>(Mutex<LruCache<K, Arc<V>>>);

impl<K: std::hash::Hash + Eq, V> Kept<K, V> {
    fn new(objects_max: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(objects_max)))
    }

    fn get_or_read(&self, key: K, read: impl FnOnce() -> Result<V>) -> Result<Arc<V>> {
        if let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(kept));
        }
        let object = Arc::new(read()?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, Arc::clone(&object));
        Ok(object)
    }
}

impl Ext4 {
    /// Opens the file system on `volume`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] names what this version does not read (a journal to be replayed, a feature);
    /// [`ErrorKind::Corrupt`] says what is damaged.
    pub fn open(volume: Arc<dyn ReadAt>) -> Result<Self> {
        let device = Device::open(volume)?;
        let nodes_max = NODE_BYTES_MAX.checked_div(device.superblock.block_len()).and_then(NonZeroUsize::new);
        let nodes_max = nodes_max.unwrap_or(NonZeroUsize::MIN);
        let fs = Self {
            device,
            inodes: Kept::new(INODES_MAX),
            extent_nodes: Kept::new(nodes_max),
            indirect_blocks: Kept::new(nodes_max),
        };
        if !fs.inode(ROOT)?.is_directory() {
            return Err(corrupt("the root of the file system is no directory"));
        }
        Ok(fs)
    }

    fn inode(&self, node: NodeId) -> Result<Arc<Inode>> {
        self.inodes.get_or_read(node, || Inode::read(&self.device, node))
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
        readable(&inode)?;
        Ok(inode)
    }

    fn regular(&self, node: NodeId) -> Result<Arc<Inode>> {
        let inode = self.inode(node)?;
        match inode.attr.file_type {
            FileType::Regular => readable(&inode).map(|()| inode),
            FileType::Directory => Err(Error::new(ErrorKind::IsADirectory, "this is a directory")),
            _ => Err(Error::new(ErrorKind::WrongType, "this is not a file with data")),
        }
    }

    /// Blocks that the file system uses for itself, which `statfs` does not count (Linux `ext4_calculate_overhead`).
    fn overhead(&self) -> u64 {
        let superblock = &self.device.superblock;
        let inode_bytes = u64::try_from(superblock.inode_bytes).unwrap_or(u64::MAX);
        let table = superblock.inodes_per_group.saturating_mul(inode_bytes).div_ceil(superblock.block_bytes());
        let own = table.saturating_add(2);
        let groups = superblock.groups();
        let copies = (0..groups).filter(|group| group::has_superblock(superblock, *group));
        let copies = u64::try_from(copies.count()).unwrap_or(u64::MAX);
        let descriptors = self.descriptor_blocks(copies);
        let journal = self.journal_blocks();
        groups
            .saturating_mul(own)
            .saturating_add(copies)
            .saturating_add(descriptors)
            .saturating_add(superblock.first_data_block)
            .saturating_add(journal)
    }

    /// Blocks of group descriptors, reserved ones included, where `copies` groups have a superblock.
    fn descriptor_blocks(&self, copies: u64) -> u64 {
        let superblock = &self.device.superblock;
        let descriptor = u64::try_from(superblock.descriptor_bytes).unwrap_or(u64::MAX);
        let per_block = superblock.block_bytes().checked_div(descriptor).unwrap_or(1).max(1);
        let table = superblock.groups().div_ceil(per_block);
        if !superblock.features.meta_bg() {
            return table.saturating_add(superblock.reserved_gdt_blocks).saturating_mul(copies);
        }
        // Below first_meta_bg as without the feature; from there on, three copies in each meta group.
        let first = superblock.first_meta_bg;
        let groups = superblock.groups();
        (0..groups)
            .map(|group| match group.checked_div(per_block).unwrap_or(0) {
                meta if meta < first => {
                    let has_copy = u64::from(group::has_superblock(superblock, group));
                    has_copy.saturating_mul(first.min(table).saturating_add(superblock.reserved_gdt_blocks))
                }
                _ => match group.checked_rem(per_block).unwrap_or(0) {
                    in_meta if in_meta == 0 || in_meta == 1 || in_meta == per_block.saturating_sub(1) => 1,
                    _ => 0,
                },
            })
            .fold(0, u64::saturating_add)
    }

    /// Blocks of the journal, if it is on this volume.
    fn journal_blocks(&self) -> u64 {
        let superblock = &self.device.superblock;
        if !superblock.features.has_journal() || superblock.journal_inode == 0 {
            return 0;
        }
        let journal = self.inode(NodeId(superblock.journal_inode));
        journal.map_or(0, |journal| journal.attr.size >> superblock.block_shift)
    }

    /// Blocks that the kernel keeps back for itself when it mounts (Linux `ext4_calculate_resv_clusters`).
    fn kept_back(&self) -> u64 {
        let superblock = &self.device.superblock;
        if superblock.features.extents() { superblock.blocks.div_euclid(50).min(4096) } else { 0 }
    }
}

/// Refuses data in a form that is not understood.
fn readable(inode: &Inode) -> Result<()> {
    let found = flag::UNREADABLE.iter().find(|(flag, _)| inode.flags & flag != 0);
    match found {
        Some((_, what)) => {
            let message = format!("{} is {what}, which this version does not read", inode.name());
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        None => Ok(()),
    }
}

impl FileSystem for Ext4 {
    fn info(&self) -> FsInfo {
        let superblock = &self.device.superblock;
        let held = superblock.reserved_blocks.saturating_add(self.kept_back());
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
            blocks: superblock.blocks.saturating_sub(self.overhead()),
            blocks_free: superblock.free_blocks,
            blocks_available: superblock.free_blocks.saturating_sub(held),
            inodes: superblock.inodes,
            inodes_free: superblock.free_inodes,
            name_bytes_max: 255,
            notices: superblock.notices.clone(),
        }
    }

    fn root(&self) -> NodeId {
        ROOT
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId> {
        directory::lookup(self, self.directory(dir)?.as_ref(), name)
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        Ok(self.inode(node)?.attr.clone())
    }

    fn read_dir(&self, dir: NodeId, from: Cursor, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        directory::list(self, self.directory(dir)?.as_ref(), from, each)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        let inode = self.inode(node)?;
        if inode.attr.file_type != FileType::Symlink {
            return Err(Error::new(ErrorKind::WrongType, "this is not a symbolic link"));
        }
        readable(&inode)?;
        let bad = || corrupt(format!("{}: a link target of {} bytes", inode.name(), inode.attr.size));
        let length = usize::try_from(inode.attr.size.min(TARGET_BYTES_MAX)).map_err(|_| bad())?;
        if inode.is_fast_symlink(&self.device.superblock) {
            return inode.i_block.get(..length).map(<[u8]>::to_vec).ok_or_else(bad);
        }
        if inode.attr.size > TARGET_BYTES_MAX {
            return Err(bad());
        }
        let mut target = vec![0; length];
        file::read(self, &inode, 0, &mut target)?;
        Ok(target)
    }

    fn read_at(&self, node: NodeId, stream: Stream<'_>, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if stream != Stream::Main {
            return Err(Error::new(ErrorKind::NoAttribute, "ext4 files have no named streams"));
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
        Ok(xattr::all(self, self.inode(node)?.as_ref())?.iter().filter_map(xattr::Xattr::full_name).collect())
    }

    fn xattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        let xattrs = xattr::all(self, self.inode(node)?.as_ref())?;
        let found = xattrs.into_iter().find(|xattr| xattr.full_name().as_deref() == Some(name));
        found.map(|xattr| xattr.value).ok_or_else(|| Error::new(ErrorKind::NoAttribute, "no such extended attribute"))
    }

    fn acl(&self, node: NodeId) -> Result<Acl> {
        let xattrs = xattr::all(self, self.inode(node)?.as_ref())?;
        let find = |prefix| {
            let found = xattrs.iter().find(|xattr| xattr.prefix == prefix);
            found.map(|xattr| acl::parse(&xattr.value)).transpose()
        };
        Ok(Acl { access: find(Prefix::AccessAcl)?, default: find(Prefix::DefaultAcl)? })
    }
}
