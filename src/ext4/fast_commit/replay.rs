//! Carrying out fast commits on what was found on the disk (Linux `fs/ext4/fast_commit.c`, `ext4_fc_replay`).

use super::tags::{Entry, Tag};
use super::{Added, FastCommits, Name};
use crate::bytes::u16_at;
use crate::filesystem::Ext4;
use crate::inode::{self, Inode};
use crate::inode_table;
use crate::mapping::Place;
use crate::{directory, extent};
use vfs::{ErrorKind, FileType, NodeId, Result};

/// Byte of `i_block` in an inode, and of `i_generation` behind it.
const I_BLOCK: usize = 0x28;
const I_GENERATION: usize = 0x64;
const I_LINKS_COUNT: usize = 0x1A;
const I_SIZE_LO: usize = 0x04;
const I_SIZE_HIGH: usize = 0x6C;

/// Carries out `tags` on `fs`, in order.
///
/// # Errors
/// When the disk cannot be read.
pub(crate) fn replay(fs: &Ext4, tags: Vec<Tag>) -> Result<FastCommits> {
    let mut replay = Replay { fs, found: FastCommits::default() };
    for tag in tags {
        match tag {
            Tag::AddRange { node, first, count, place } => replay.range(node, first, count, place)?,
            Tag::DelRange { node, first, count } => replay.range(node, first, count, Place::Hole)?,
            Tag::Create(entry) => replay.create(&entry)?,
            Tag::Link(entry) => replay.link(&entry)?,
            Tag::Unlink(entry) => replay.unlink(&entry)?,
            Tag::Inode { node, record } => replay.inode(node, &record)?,
        }
    }
    for names in replay.found.directories.values_mut() {
        names.settle();
    }
    Ok(replay.found)
}

struct Replay<'a> {
    fs: &'a Ext4,
    found: FastCommits,
}

impl Replay<'_> {
    /// The record of an inode as it is by now; `None` when there is no such inode.
    fn record(&self, node: NodeId) -> Result<Option<Vec<u8>>> {
        if let Some(record) = self.found.record(node) {
            return Ok(Some(record.clone()));
        }
        absent(inode_table::read_record(&self.fs.device, node))
    }

    /// The record of an inode that is in use.
    fn live(&self, node: NodeId) -> Result<Option<Vec<u8>>> {
        Ok(self.record(node)?.filter(|record| u16_at(record, I_LINKS_COUNT).is_some_and(|links| links > 0)))
    }

    fn links(record: &mut [u8], change: impl FnOnce(u16) -> u16) -> u16 {
        let links = change(u16_at(record, I_LINKS_COUNT).unwrap_or(0));
        put(record, I_LINKS_COUNT, &links.to_le_bytes());
        links
    }

    fn range(&mut self, node: NodeId, first: u64, count: u64, place: Place) -> Result<()> {
        if self.live(node)?.is_some() {
            self.found.ranges.entry(node).or_default().set(first, count, place);
        }
        Ok(())
    }

    /// Replaces a record, except for where its blocks are.
    fn inode(&mut self, node: NodeId, new: &[u8]) -> Result<()> {
        let Some(mut record) = self.record(node)? else { return Ok(()) };
        put(&mut record, 0, new.get(..I_BLOCK).unwrap_or_default());
        put(&mut record, I_GENERATION, new.get(I_GENERATION..).unwrap_or_default());
        let flags = inode::flags_of(&record);
        if flags & inode::flag::EXTENTS != 0 {
            if u16_at(&record, I_BLOCK) != Some(extent::MAGIC) {
                put(&mut record, I_BLOCK, &extent::EMPTY_ROOT);
            }
        } else if flags & inode::flag::INLINE_DATA != 0 {
            put(&mut record, I_BLOCK, new.get(I_BLOCK..I_GENERATION).unwrap_or_default());
        }
        self.found.records.insert(node, record);
        Ok(())
    }

    fn create(&mut self, entry: &Entry) -> Result<()> {
        let Some(mut record) = self.live(entry.node)? else { return Ok(()) };
        if inode::file_type_of(&record) == Some(FileType::Directory) {
            let block_bytes = self.fs.device.superblock.block_bytes().to_le_bytes();
            put(&mut record, I_SIZE_LO, block_bytes.get(..4).unwrap_or_default());
            put(&mut record, I_SIZE_HIGH, &[0; 4]);
            self.found.directories.entry(entry.node).or_default().made_in = Some(entry.dir);
            self.found.records.insert(entry.node, record);
        }
        self.link(entry)?;
        if let Some(mut record) = self.live(entry.node)? {
            Self::links(&mut record, |_| 1);
            self.found.records.insert(entry.node, record);
        }
        Ok(())
    }

    fn link(&mut self, entry: &Entry) -> Result<()> {
        let (Some(mut record), Some(_)) = (self.live(entry.node)?, self.live(entry.dir)?) else { return Ok(()) };
        if self.lookup(entry.dir, &entry.name)?.is_some() {
            return Ok(());
        }
        let file_type = self.fs.device.superblock.features.filetype().then(|| inode::file_type_of(&record)).flatten();
        let added = Added { node: entry.node, file_type };
        self.found.directories.entry(entry.dir).or_default().add(&entry.name, added);
        Self::links(&mut record, |links| links.saturating_add(1));
        self.found.records.insert(entry.node, record);
        Ok(())
    }

    fn unlink(&mut self, entry: &Entry) -> Result<()> {
        let (Some(mut record), Some(_)) = (self.live(entry.node)?, self.live(entry.dir)?) else { return Ok(()) };
        let Some(found) = self.lookup(entry.dir, &entry.name)? else { return Ok(()) };
        // A name that was given to another inode since is that one's.
        if found == entry.node {
            self.found.directories.entry(entry.dir).or_default().remove(&entry.name);
        }
        if Self::links(&mut record, |links| links.saturating_sub(1)) == 0 {
            put(&mut record, I_BLOCK, &[0; I_GENERATION - I_BLOCK]);
            self.found.ranges.remove(&entry.node);
            self.found.directories.remove(&entry.node);
        }
        self.found.records.insert(entry.node, record);
        Ok(())
    }

    /// The node that a name names by now.
    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<Option<NodeId>> {
        match self.found.name(dir, name) {
            Name::Added(node) => Ok(Some(node)),
            Name::Removed => Ok(None),
            Name::Unchanged => {
                let Some(inode) = absent(Inode::read(&self.fs.device, dir))?.filter(Inode::is_directory) else {
                    return Ok(None);
                };
                absent(directory::lookup(self.fs, &inode, name))
            }
        }
    }
}

/// `None` for what is not there or not in use.
fn absent<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Writes as much of `value` as there is room for.
fn put(record: &mut [u8], at: usize, value: &[u8]) {
    for (byte, new) in record.iter_mut().skip(at).zip(value) {
        *byte = *new;
    }
}
