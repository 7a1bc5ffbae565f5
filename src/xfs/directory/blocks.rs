//! Blocks of entries (Linux `libxfs/xfs_dir2_data.c`, `xfs_dir2_block.c`): several blocks of the file system together,
//! in the first 32 GiB of the directory.

use super::entry::{self, ALIGN, Entry};
use super::layout::{RawBlockTail, RawDataEntry, RawDataUnused, RawLeafEntry};
use crate::bytes::{array, u16_at};
use crate::da_tree::DaTree;
use crate::filesystem::Xfs;
use crate::fork::Which;
use crate::inode::Inode;
use crate::mapping::{self, BLOCKS_END, Place};
use crate::verify;
use std::ops::ControlFlow;
use std::sync::Arc;
use vfs::reader::corrupt;
use vfs::{Error, FileType, NodeId, Result};
use zerocopy::FromBytes;

/// Bytes of a directory for each of: entries, their index, and what is known of free space (Linux
/// `XFS_DIR2_SPACE_SIZE`).
const SPACE_BYTES: u64 = 1 << 35;
/// A block of entries, and one that holds its index too.
const DATA_MAGICS: Magics = Magics { v4: *b"XD2D", v5: *b"XDD3" };
const SINGLE_MAGICS: Magics = Magics { v4: *b"XD2B", v5: *b"XDB3" };
/// What unused bytes begin with.
const FREE_TAG: u16 = 0xFFFF;

struct Magics {
    v4: [u8; 4],
    v5: [u8; 4],
}

/// Bytes before the first entry of a block: `struct xfs_dir2_data_hdr` and `struct xfs_dir3_data_hdr`.
pub(super) const fn header_bytes(is_v5: bool) -> usize {
    if is_v5 { 64 } else { 16 }
}

/// A directory whose entries are in blocks.
pub(super) struct Blocks<'a> {
    pub(super) fs: &'a Xfs,
    pub(super) dir: &'a Inode,
    /// log2 of the size of a block in bytes.
    shift: u32,
    /// One more than the number of the last block.
    count: u64,
    /// There is one block, which holds its index too.
    is_single: bool,
}

impl<'a> Blocks<'a> {
    pub(super) fn of(fs: &'a Xfs, dir: &'a Inode) -> Result<Self> {
        let superblock = &fs.device.superblock;
        let shift = superblock.block_shift.saturating_add(superblock.dir_block_log);
        let size = dir.attr.size;
        let count = size >> shift;
        if count == 0 || count << shift != size || size > SPACE_BYTES {
            return Err(corrupt(format!("{}: a directory of {size} bytes in blocks of 2^{shift}", dir.name())));
        }
        let mut blocks = Self { fs, dir, shift, count, is_single: false };
        blocks.is_single = count == 1 && blocks.is_hole(blocks.fs_block(1), BLOCKS_END)?;
        Ok(blocks)
    }

    /// Whether there is one block, which holds its index too.
    pub(super) const fn is_single(&self) -> bool {
        self.is_single
    }

    /// The block that has byte `at` of the directory.
    pub(super) const fn number_at(&self, at: u64) -> u64 {
        at >> self.shift
    }

    /// Where in its block byte `at` of the directory is.
    pub(super) fn offset_at(&self, at: u64) -> usize {
        usize::try_from(at & (1_u64 << self.shift).wrapping_sub(1)).unwrap_or(usize::MAX)
    }

    /// The block of the file system, in the directory's fork, with which block `number` begins.
    pub(super) const fn fs_block(&self, number: u64) -> u64 {
        number << self.fs.device.superblock.dir_block_log
    }

    /// One more than the number of the last block.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// log2 of the size of a block in bytes.
    pub(super) const fn shift(&self) -> u32 {
        self.shift
    }

    /// The index of a directory with more than one block, or with a block for it.
    pub(super) const fn tree(&self) -> DaTree<'a> {
        DaTree {
            fs: self.fs,
            inode: self.dir,
            which: Which::Data,
            root: SPACE_BYTES >> self.fs.device.superblock.block_shift,
            block_count: self.fs_block(1),
        }
    }

    /// Gives the blocks from number `first` on to `visit`, until that breaks. Between them there may be holes.
    pub(super) fn each(
        &self,
        first: u64,
        visit: &mut dyn FnMut(&DataBlock<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut number = first;
        // Ends: there are 2^26 blocks at most, and each of those that are stored is on the volume.
        while number < self.count {
            let run = mapping::run(self.fs, self.dir, Which::Data, self.fs_block(number))?;
            let holes = run.count >> self.fs.device.superblock.dir_block_log;
            // The first has `.` and `..`, and the size is that up to the last (Linux `xfs_dir2_shrink_inode`).
            let behind = number.saturating_add(holes);
            if run.place == Place::Hole && number > 0 && holes > 0 && behind < self.count {
                number = behind;
                continue;
            }
            if visit(&self.read(number)?)?.is_break() {
                return Ok(());
            }
            number = number.saturating_add(1);
        }
        if !self.is_single && !self.is_hole(self.fs_block(self.count), self.tree().root)? {
            return Err(corrupt(format!("{}: blocks of entries behind its size", self.dir.name())));
        }
        Ok(())
    }

    /// Block `number`.
    pub(super) fn read(&self, number: u64) -> Result<DataBlock<'_>> {
        let bytes = self.fs.directory_block(self.dir, number, || self.verified(number))?;
        let tail = if self.is_single { Some(Tail::parse(&bytes).map_err(|why| self.bad(number, &why))?) } else { None };
        let end = tail.as_ref().map_or(bytes.len(), |tail| tail.index_at);
        Ok(DataBlock { blocks: self, number, bytes, end, tail })
    }

    /// Reads block `number` and verifies what it says of itself.
    fn verified(&self, number: u64) -> Result<Vec<u8>> {
        let superblock = &self.fs.device.superblock;
        if number >= self.count {
            return Err(self.bad(number, &format!("there are only {}", self.count)));
        }
        let what = || self.name(number);
        let first = self.fs_block(number);
        let blocks = mapping::blocks(self.fs, self.dir, Which::Data, first, self.fs_block(1), &what)?;
        let blocks = blocks.ok_or_else(|| self.bad(number, "it is missing"))?;
        let (bytes, owner) = (blocks.bytes, self.dir.number.0);
        verify::check_block(superblock, verify::DIR_BLOCK, &bytes, blocks.address, owner, &what)?;
        let magics = if self.is_single { SINGLE_MAGICS } else { DATA_MAGICS };
        let magic = if superblock.features.is_v5() { magics.v5 } else { magics.v4 };
        if array(&bytes, 0) != Some(magic) {
            return Err(self.bad(number, "it holds something else"));
        }
        Ok(bytes)
    }

    fn name(&self, number: u64) -> String {
        format!("{}: block {number} of the directory", self.dir.name())
    }

    fn bad(&self, number: u64, why: &str) -> Error {
        corrupt(format!("{}: {why}", self.name(number)))
    }

    /// Whether there is nothing in the blocks of the file system from `first` up to `end`.
    fn is_hole(&self, first: u64, end: u64) -> Result<bool> {
        if first >= end {
            return Ok(true);
        }
        let run = mapping::run(self.fs, self.dir, Which::Data, first)?;
        Ok(run.place == Place::Hole && run.count >= end.saturating_sub(first))
    }
}

/// What a block that holds its index ends with.
struct Tail {
    /// Where the index begins.
    index_at: usize,
    /// Entries of the index.
    count: usize,
    /// How many of those were removed.
    stale: usize,
}

impl Tail {
    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let (before, raw) = RawBlockTail::ref_from_suffix(bytes).map_err(|_| "it is cut short".to_owned())?;
        let (count, stale) = (raw.count.get(), raw.stale.get());
        let index_bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(size_of::<RawLeafEntry>()));
        let index_at = index_bytes.and_then(|bytes| before.len().checked_sub(bytes)).filter(|_| stale <= count);
        let index_at = index_at.ok_or_else(|| format!("an index of {count} entries, {stale} of them removed"))?;
        let length = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self { index_at, count: length(count), stale: length(stale) })
    }
}

/// A block of entries.
pub(super) struct DataBlock<'a> {
    blocks: &'a Blocks<'a>,
    number: u64,
    bytes: Arc<Vec<u8>>,
    /// Where the entries end.
    end: usize,
    tail: Option<Tail>,
}

impl DataBlock<'_> {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The byte of the directory at which it begins.
    pub(super) const fn start(&self) -> u64 {
        self.number << self.blocks.shift
    }

    /// The entries in order, up to the first that is damaged.
    pub(super) const fn entries(&self) -> Entries<'_> {
        let at = header_bytes(self.blocks.fs.device.superblock.features.is_v5());
        Entries { block: self, at, count: 0, is_behind_unused: false, is_over: false }
    }

    /// The index of a directory with a single block, and how many entries of it were removed; nothing in others.
    pub(super) fn index(&self) -> (&[RawLeafEntry], usize) {
        let Some(tail) = &self.tail else { return (&[], 0) };
        let rest = self.bytes.get(tail.index_at..).unwrap_or(&[]);
        let entries = <[RawLeafEntry]>::ref_from_prefix_with_elems(rest, tail.count);
        (entries.map_or(&[], |(entries, _)| entries), tail.stale)
    }

    /// The entry at byte `at` (Linux `struct xfs_dir2_data_entry`).
    pub(super) fn entry(&self, at: usize) -> Result<Entry<'_>> {
        let superblock = &self.blocks.fs.device.superblock;
        let has_type = superblock.features.ftype();
        let rest = self.bytes.get(at..self.end).unwrap_or(&[]);
        let cut = || self.bad(at, "an entry is cut short");
        if at < header_bytes(superblock.features.is_v5()) || !at.is_multiple_of(ALIGN) {
            return Err(self.bad(at, "an entry that cannot be"));
        }
        let (raw, behind) = RawDataEntry::ref_from_prefix(rest).map_err(|_| cut())?;
        let name_bytes = usize::from(raw.namelen);
        let length = entry::data_bytes(name_bytes, has_type);
        let name = behind.get(..name_bytes).filter(|_| length <= rest.len()).ok_or_else(cut)?;
        self.check_tag(at, length)?;
        if let Some(fault) = entry::fault(superblock, name, raw.inumber.get()) {
            return Err(self.bad(at, &fault));
        }
        let type_number = if has_type { behind.get(name_bytes).copied().unwrap_or(0) } else { 0 };
        let (node, file_type) = (NodeId(raw.inumber.get()), FileType::of_entry(type_number));
        Ok(Entry { name, node, file_type, end: at.saturating_add(length) })
    }

    /// Where unused bytes at byte `at` end; `None` where there is an entry.
    fn unused(&self, at: usize) -> Result<Option<usize>> {
        let rest = self.bytes.get(at..self.end).unwrap_or(&[]);
        let (raw, _) = RawDataUnused::ref_from_prefix(rest).map_err(|_| self.bad(at, "it is cut short"))?;
        if raw.freetag.get() != FREE_TAG {
            return Ok(None);
        }
        let length = usize::from(raw.length.get());
        if length < ALIGN || !length.is_multiple_of(ALIGN) || length > rest.len() {
            return Err(self.bad(at, &format!("{length} unused bytes")));
        }
        self.check_tag(at, length)?;
        Ok(Some(at.saturating_add(length)))
    }

    /// The last two of `length` bytes from `at` on say where they begin.
    fn check_tag(&self, at: usize, length: usize) -> Result<()> {
        let tag = u16_at(&self.bytes, at.saturating_add(length).saturating_sub(2)).unwrap_or(0);
        if usize::from(tag) == at {
            return Ok(());
        }
        Err(self.bad(at, &format!("{length} bytes that say that they begin at byte {tag}")))
    }

    /// An error at byte `at` of the block.
    pub(super) fn bad(&self, at: usize, why: &str) -> Error {
        self.blocks.bad(self.number, &format!("{why} at byte {at}"))
    }
}

/// The entries of a block; ends with the first that is damaged.
pub(super) struct Entries<'a> {
    block: &'a DataBlock<'a>,
    at: usize,
    /// Entries so far.
    count: usize,
    is_behind_unused: bool,
    is_over: bool,
}

impl<'a> Entries<'a> {
    /// The next entry; `None` at the end (Linux `__xfs_dir3_data_check`).
    fn parse(&mut self) -> Result<Option<Entry<'a>>> {
        let block = self.block;
        while self.at < block.end {
            let Some(end) = block.unused(self.at)? else {
                let entry = block.entry(self.at)?;
                self.is_behind_unused = false;
                self.at = entry.end;
                self.count = self.count.saturating_add(1);
                return Ok(Some(entry));
            };
            if self.is_behind_unused {
                return Err(block.bad(self.at, "unused bytes in two pieces"));
            }
            self.is_behind_unused = true;
            self.at = end;
        }
        match &block.tail {
            Some(tail) if tail.count.saturating_sub(tail.stale) != self.count => {
                let indexed = tail.count.saturating_sub(tail.stale);
                Err(block.bad(self.at, &format!("an index of {indexed} entries for {}", self.count)))
            }
            _ => Ok(None),
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let entry = self.parse().transpose();
        self.is_over = !matches!(entry, Some(Ok(_)));
        entry
    }
}
