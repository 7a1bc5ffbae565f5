//! Directories whose entries are in the inode (Linux `libxfs/xfs_dir2_sf.c`).

use super::entry::{self, Entry};
use super::layout::{RawBlockTail, RawLeafEntry, RawShortEntry, RawShortHeader};
use super::sought::Sought;
use crate::bytes::{u32_at, u64_at};
use crate::filesystem::Xfs;
use crate::fork::Fork;
use crate::inode::Inode;
use crate::superblock::Superblock;
use vfs::reader::corrupt;
use vfs::{Error, FileType, NodeId, Result};
use zerocopy::FromBytes;

/// Bits of an inode number (Linux `XFS_MAXINUMBER`); the rest of 8 bytes does not count here.
const INODE_BITS: u64 = (1 << 56) - 1;

/// A directory in its inode.
pub(super) struct ShortForm<'a> {
    superblock: &'a Superblock,
    dir: &'a Inode,
    /// The header and the entries.
    bytes: &'a [u8],
    count: u8,
    /// How many inode numbers need 8 bytes; where there is one, all have 8, and else 4.
    large_count: u8,
}

impl<'a> ShortForm<'a> {
    /// `None` where the entries are in blocks.
    pub(super) fn of(fs: &'a Xfs, dir: &'a Inode) -> Result<Option<Self>> {
        let Fork::Local(data) = &dir.data else { return Ok(None) };
        let size = dir.attr.size;
        let bytes = usize::try_from(size).ok().and_then(|size| data.get(..size));
        let bytes = bytes
            .ok_or_else(|| corrupt(format!("{}: {size} bytes of entries in room for {}", dir.name(), data.len())))?;
        let (raw, _) = RawShortHeader::ref_from_prefix(bytes)
            .map_err(|_| corrupt(format!("{}: {size} bytes of entries", dir.name())))?;
        let (count, large_count) = (raw.count, raw.i8count);
        Ok(Some(Self { superblock: &fs.device.superblock, dir, bytes, count, large_count }))
    }

    /// All entries, up to the first that is damaged.
    pub(super) fn entries(&self) -> Entries<'a, '_> {
        let parent_is_large = self.number(self.parent_at()).is_some_and(is_large);
        Entries {
            short: self,
            at: self.parent_at().saturating_add(self.number_bytes()),
            left: self.count,
            offset_min: self.first_offset(),
            large_count: u8::from(parent_is_large),
            is_over: false,
        }
    }

    /// The node that a name names.
    pub(super) fn find(&self, sought: &mut Sought<'_>) -> Result<Option<NodeId>> {
        let parent = self.parent()?;
        if sought.is_exactly(b"..", parent) {
            return Ok(Some(parent));
        }
        for entry in self.entries() {
            let entry = entry?;
            if sought.is_exactly(entry.name, entry.node) {
                return Ok(Some(entry.node));
            }
        }
        Ok(sought.alike())
    }

    fn parent(&self) -> Result<NodeId> {
        let parent =
            self.number(self.parent_at()).ok_or_else(|| self.bad(self.parent_at(), "no room for its parent"))?;
        match entry::inode_fault(self.superblock, parent) {
            None => Ok(NodeId(parent)),
            Some(_) => Err(self.bad(self.parent_at(), &format!("inode {parent} as its parent"))),
        }
    }

    const fn parent_at(&self) -> usize {
        size_of::<RawShortHeader>()
    }

    const fn number_bytes(&self) -> usize {
        if self.large_count == 0 { 4 } else { 8 }
    }

    /// The inode number at byte `at`.
    fn number(&self, at: usize) -> Option<u64> {
        if self.large_count == 0 {
            return u32_at(self.bytes, at).map(u64::from);
        }
        u64_at(self.bytes, at).map(|number| number & INODE_BITS)
    }

    /// Where the first entry would be in a block: behind the header, `.` and `..`.
    fn first_offset(&self) -> usize {
        let features = self.superblock.features;
        let header = super::blocks::header_bytes(features.is_v5());
        let dots = entry::data_bytes(1, features.ftype()).saturating_add(entry::data_bytes(2, features.ftype()));
        header.saturating_add(dots)
    }

    fn bad(&self, at: usize, why: &str) -> Error {
        corrupt(format!("{}: {why} at byte {at} of its entries", self.dir.name()))
    }
}

const fn is_large(inode: u64) -> bool {
    inode > 0xFFFF_FFFF
}

/// The entries in order; ends with the first that is damaged.
pub(super) struct Entries<'a, 's> {
    short: &'s ShortForm<'a>,
    at: usize,
    left: u8,
    /// Where the next entry would be in a block, at least.
    offset_min: usize,
    /// How many inode numbers so far need 8 bytes.
    large_count: u8,
    is_over: bool,
}

impl<'a> Entries<'a, '_> {
    fn parse(&mut self) -> Result<Entry<'a>> {
        let short = self.short;
        let has_type = short.superblock.features.ftype();
        let bad = |why: &str| short.bad(self.at, why);
        let cut = || bad("an entry is cut short");
        let (raw, rest) =
            RawShortEntry::ref_from_prefix(short.bytes.get(self.at..).unwrap_or(&[])).map_err(|_| cut())?;
        let name = rest.get(..raw.namelen.into()).ok_or_else(cut)?;
        let name_end = self.at.saturating_add(size_of::<RawShortEntry>()).saturating_add(name.len());
        let number_at = name_end.saturating_add(usize::from(has_type));
        let number = short.number(number_at).ok_or_else(cut)?;
        if let Some(fault) = entry::fault(short.superblock, name, number) {
            return Err(bad(&fault));
        }
        let offset = usize::from(raw.offset.get());
        if offset < self.offset_min {
            return Err(bad(&format!("an entry with offset {offset} where {} is the least", self.offset_min)));
        }
        let type_number = if has_type { short.bytes.get(name_end).copied().unwrap_or(0) } else { 0 };
        self.offset_min = offset.saturating_add(entry::data_bytes(name.len(), has_type));
        self.large_count = self.large_count.saturating_add(u8::from(is_large(number)));
        self.at = number_at.saturating_add(short.number_bytes());
        Ok(Entry { name, node: NodeId(number), file_type: FileType::of_entry(type_number), end: self.at })
    }

    /// What has to be right behind the last entry (Linux `xfs_dir2_sf_verify`).
    fn check_end(&self) -> Result<()> {
        let short = self.short;
        if self.at != short.bytes.len() {
            let (count, size) = (short.count, short.bytes.len());
            return Err(short.bad(self.at, &format!("{count} entries that do not end where its size says, {size},")));
        }
        if self.large_count != short.large_count {
            let (found, expected) = (self.large_count, short.large_count);
            return Err(short.bad(self.at, &format!("{found} large inode numbers, not {expected},")));
        }
        // In a block it would have an index of all entries, `.` and `..`.
        let indexed = usize::from(short.count).saturating_add(2).saturating_mul(size_of::<RawLeafEntry>());
        let needed = self.offset_min.saturating_add(indexed).saturating_add(size_of::<RawBlockTail>());
        if needed > 1 << short.superblock.block_shift.saturating_add(short.superblock.dir_block_log) {
            return Err(short.bad(self.at, "an entry that would lie outside of a block"));
        }
        short.parent().map(|_| ())
    }
}

impl<'a> Iterator for Entries<'a, '_> {
    type Item = Result<Entry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.is_over = true;
            return self.check_end().err().map(Err);
        };
        self.left = left;
        let entry = self.parse();
        self.is_over = entry.is_err();
        Some(entry)
    }
}
