//! Directories: blocks of entries. A listing goes through all blocks in order; a name is looked up through the hash
//! index where there is one.

use crate::bytes::{array, u16_at, u32_at};
use crate::casefold;
use crate::checksum::crc32c;
use crate::encrypted_name::{self, NoKeyName};
use crate::fast_commit::Name;
use crate::filesystem::Ext4;
use crate::hash::{DEFAULT_UNSIGNED, HashVersion, NameHash, hash};
use crate::htree;
use crate::inline;
use crate::inode::{Inode, ROOT, flag};
use crate::inode_table;
use crate::layout::RawDirEntry;
use crate::mapping::{self, Place};
use std::ops::ControlFlow;
use vfs::reader::corrupt;
use vfs::{Cursor, DirEntry, Error, ErrorKind, FileType, NodeId, Result};
use zerocopy::FromBytes;

const HEADER_BYTES: usize = 8;
/// The smallest entry: header and a name of up to four bytes.
const ENTRY_BYTES_MIN: usize = 12;
/// Bytes that a listing reads at a time where they lie together.
const READ_BYTES: u64 = 64 << 10;

/// An entry as it stands in its block.
pub(crate) struct Entry<'a> {
    /// 0 when the entry is not in use.
    inode: u32,
    /// In an encrypted directory the ciphertext.
    name: &'a [u8],
    file_type: u8,
    /// The hash beside the name, in a directory whose names only their owner can hash.
    hash: Option<NameHash>,
    /// Where the next entry begins in the block.
    end: usize,
}

/// The entries of a directory block, unused ones included; ends with the first that is damaged.
pub(crate) struct Entries<'a> {
    fs: &'a Ext4,
    dir: &'a Inode,
    block: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    pub(crate) const fn new(fs: &'a Ext4, dir: &'a Inode, block: &'a [u8]) -> Self {
        Self { fs, dir, block, at: 0 }
    }

    fn parse(&self) -> Result<Entry<'a>> {
        let bad = |what: &str| corrupt(format!("directory {}: {what} at byte {} of a block", self.dir.name(), self.at));
        let rest = self.block.get(self.at..).unwrap_or(&[]);
        let (raw, _) = RawDirEntry::ref_from_prefix(rest).map_err(|_| bad("an entry is cut short"))?;
        let record = record_length(raw.rec_len.get(), self.block.len());
        let name_len = usize::from(raw.name_len);
        let name_end = name_len.saturating_add(HEADER_BYTES);
        if record < ENTRY_BYTES_MIN || !record.is_multiple_of(4) || record > rest.len() || name_end > record {
            return Err(bad(&format!("an entry of {record} bytes with a name of {name_len}")));
        }
        let name = rest.get(HEADER_BYTES..name_end).unwrap_or(&[]);
        let inode = raw.inode.get();
        if u64::from(inode) > self.fs.device.superblock.inodes {
            return Err(bad(&format!("an entry for inode {inode}, which does not exist,")));
        }
        let in_use = inode != 0;
        let is_ciphertext = self.dir.is_encrypted();
        let is_impossible = |byte: &u8| matches!(byte, 0 | b'/') && !is_ciphertext;
        if in_use && (name.is_empty() || name.iter().any(is_impossible)) {
            return Err(bad("a name that no file can have"));
        }
        let hash = rest.get(..record).and_then(|entry| stored_hash(entry, name_end));
        Ok(Entry { inode, name, file_type: raw.file_type, hash, end: self.at.saturating_add(record) })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.block.len() {
            return None;
        }
        let entry = self.parse();
        self.at = entry.as_ref().map_or(self.block.len(), |entry| entry.end);
        Some(entry)
    }
}

/// The hash behind a name that ends at byte `name_end` of its entry, if there is room for one (Linux
/// `struct ext4_dir_entry_hash`).
fn stored_hash(entry: &[u8], name_end: usize) -> Option<NameHash> {
    let at = name_end.checked_next_multiple_of(4)?;
    Some(NameHash { major: u32_at(entry, at)?, minor: u32_at(entry, at.checked_add(4)?)? })
}

/// `rec_len` in bytes: in blocks of 64 KiB the two lowest bits stand for higher ones (Linux `ext4_rec_len_from_disk`).
fn record_length(rec_len: u16, block_len: usize) -> usize {
    let length = usize::from(rec_len);
    match (block_len, rec_len) {
        (0x1_0000.., 0 | 0xFFFF) => block_len,
        (0x1_0000.., _) => (length & 0xFFFC) | (length & 3) << 16,
        _ => length,
    }
}

/// A name that is looked for, and what was found of it so far.
pub(crate) struct Sought<'a> {
    name: &'a [u8],
    /// What it is folded to, in a directory that ignores case.
    folded: Option<Vec<u8>>,
    /// The first node whose name is folded to the same.
    alike: Option<NodeId>,
    /// What it says of the ciphertext, in an encrypted directory.
    no_key: Option<NoKeyName>,
}

impl<'a> Sought<'a> {
    /// `None` for a name that no file in the directory can have.
    pub(crate) fn new(dir: &Inode, name: &'a [u8]) -> Option<Self> {
        if dir.is_encrypted() && !is_dots(name) {
            return Some(Self { name, folded: None, alike: None, no_key: Some(NoKeyName::parse(name)?) });
        }
        let ignores_case = dir.flags & flag::CASEFOLD != 0;
        let folded = ignores_case.then(|| casefold::fold(name)).flatten();
        Some(Self { name, folded, alike: None, no_key: None })
    }

    /// The bytes that the index of the directory hashes; `None` where only a part of them is known.
    fn hashed(&self) -> Option<&[u8]> {
        match &self.no_key {
            Some(no_key) => no_key.ciphertext(),
            None => Some(self.folded.as_deref().unwrap_or(self.name)),
        }
    }

    /// The hash that the index is searched for.
    pub(crate) fn hash(&self, version: HashVersion, seed: [u32; 4]) -> u32 {
        let given = self.no_key.as_ref().map_or(0, |no_key| no_key.hash);
        self.hashed().map_or(given, |bytes| hash(version, seed, bytes).major)
    }

    /// Whether the hash is certainly the same for signed and unsigned bytes.
    pub(crate) fn is_ascii(&self) -> bool {
        self.hashed().is_some_and(<[u8]>::is_ascii)
    }

    /// Whether it is `.` or `..`.
    pub(crate) fn is_dots(&self) -> bool {
        is_dots(self.name)
    }

    /// Whether an entry has this very name.
    fn names(&self, entry: &Entry<'_>) -> bool {
        match &self.no_key {
            Some(no_key) => no_key.stands_for(entry.name),
            None => entry.name == self.name,
        }
    }

    /// The node that has this very name in the block.
    pub(crate) fn find(&mut self, fs: &Ext4, dir: &Inode, block: &[u8]) -> Result<Option<NodeId>> {
        for entry in Entries::new(fs, dir, block) {
            let entry = entry?;
            if entry.inode == 0 || fs.fast_commits.hides(dir.number, entry.name) {
                continue;
            }
            if self.names(&entry) {
                return node(fs, dir, entry.inode).map(Some);
            }
            if self.alike.is_none() && self.is_alike(entry.name) {
                self.alike = Some(node(fs, dir, entry.inode)?);
            }
        }
        Ok(None)
    }

    /// Looks among the names that fast commits added.
    fn find_added(&mut self, fs: &Ext4, dir: &Inode) {
        if self.folded.is_some() {
            let mut added = fs.fast_commits.added(dir.number, Cursor::START);
            self.alike = added.find(|(name, ..)| self.is_alike(name)).map(|(_, node, ..)| node);
        }
    }

    /// Whether both names are folded to the same; one that is not UTF-8 counts as folded (Linux `ext4_ci_compare`). `.` and
    /// `..` are the names of no other file.
    fn is_alike(&self, name: &[u8]) -> bool {
        let Some(folded) = self.folded.as_deref() else { return false };
        !is_dots(name) && casefold::fold(name).as_deref().unwrap_or(name) == folded
    }
}

fn is_dots(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
}

/// The node that `name` names. In a directory that ignores case it is the file of that very name, or else one whose name is
/// folded to the same. All of it is searched unless the index leads to that very name: for a time kernels did not ignore
/// what others do (Linux 6.12 and its like), so that there can be both, and the index may lead to neither.
pub(crate) fn lookup(fs: &Ext4, dir: &Inode, name: &[u8]) -> Result<NodeId> {
    let not_found = || Error::new(ErrorKind::NotFound, "no such name in the directory");
    if name.len() > 255 {
        return Err(not_found());
    }
    let Some(mut sought) = Sought::new(dir, name) else { return Err(not_found()) };
    match fs.fast_commits.name(dir.number, name) {
        Name::Added(found) => return Ok(found),
        Name::Removed if sought.folded.is_none() => return Err(not_found()),
        Name::Removed | Name::Unchanged => sought.find_added(fs, dir),
    }
    if dir.has_inline_data() && sought.is_dots() {
        let found = if name == b"." { dir.number } else { inline::parent(dir)? };
        let number = u32::try_from(found.0).map_err(|_| not_found())?;
        return node(fs, dir, number);
    }
    if is_indexed(fs, dir)
        && let Some(found) = htree::lookup(fs, dir, &mut sought)?
        && (found.is_some() || sought.folded.is_none())
    {
        return found.ok_or_else(not_found);
    }
    let mut found = None;
    each_block(fs, dir, 0, &mut |_, block| {
        found = sought.find(fs, dir, block)?;
        Ok(if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    found.or(sought.alike).ok_or_else(not_found)
}

/// An inode that a directory may point to: not one of the reserved ones.
fn node(fs: &Ext4, dir: &Inode, inode: u32) -> Result<NodeId> {
    let node = NodeId(inode.into());
    if node != ROOT && node.0 < fs.device.superblock.first_inode {
        return Err(corrupt(format!("directory {}: an entry for the reserved inode {inode}", dir.name())));
    }
    Ok(node)
}

/// Gives the entries after `from` to `each`.
pub(crate) fn list(
    fs: &Ext4,
    dir: &Inode,
    from: Cursor,
    each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    if !fs.fast_commits.is_made(dir.number) && list_stored(fs, dir, from, each)?.is_break() {
        return Ok(());
    }
    for (name, node, file_type, next) in fs.fast_commits.added(dir.number, from) {
        if each(DirEntry { name, node, generation: None, file_type, next }).is_break() {
            break;
        }
    }
    Ok(())
}

/// Gives the entries that are stored in the directory.
fn list_stored(
    fs: &Ext4,
    dir: &Inode,
    from: Cursor,
    each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let block_bytes = fs.device.superblock.block_bytes();
    let shown_hash = if dir.is_encrypted() { ShownHash::of(fs, dir)? } else { ShownHash::None };
    let mut flow = ControlFlow::Continue(());
    each_block(fs, dir, from.0 >> fs.device.superblock.block_shift, &mut |number, block| {
        let start = number.saturating_mul(block_bytes);
        let mut at = start;
        // Whoever lists a directory mostly asks what its entries are.
        let named = Entries::new(fs, dir, block).filter_map(Result::ok).filter(|entry| entry.inode != 0);
        inode_table::will_need(&fs.device, named.map(|entry| NodeId(entry.inode.into())));
        for entry in Entries::new(fs, dir, block) {
            let entry = entry?;
            let next = start.saturating_add(u64::try_from(entry.end).unwrap_or(u64::MAX));
            let seen = at < from.0;
            at = next;
            if seen || entry.inode == 0 || is_dots(entry.name) || fs.fast_commits.hides(dir.number, entry.name) {
                continue;
            }
            let node = node(fs, dir, entry.inode)?;
            let file_type = FileType::of_entry(entry.file_type).filter(|_| fs.device.superblock.features.filetype());
            let shown = if dir.is_encrypted() { Some(shown_name(fs, dir, &entry, shown_hash)?) } else { None };
            let name = shown.as_deref().unwrap_or(entry.name);
            flow = each(DirEntry { name, node, generation: None, file_type, next: Cursor(next) });
            if flow.is_break() {
                break;
            }
        }
        Ok(flow)
    })?;
    Ok(flow)
}

/// The hash that is shown in the names of an encrypted directory.
#[derive(Clone, Copy)]
enum ShownHash {
    /// The one beside each name.
    Stored,
    /// The one of the ciphertext.
    Computed(HashVersion),
    /// Zeros.
    None,
}

impl ShownHash {
    /// What the kernel shows for want of a key depends on whether it lists the directory by hash (Linux `is_dx_dir`,
    /// `ext4_htree_fill_tree`): it does so if there is an index, or could be one but for the size.
    fn of(fs: &Ext4, dir: &Inode) -> Result<Self> {
        let superblock = &fs.device.superblock;
        if dir.flags & flag::CASEFOLD != 0 {
            return Ok(Self::Stored);
        }
        let version = if is_indexed(fs, dir) {
            htree::version(fs, dir)?
        } else if superblock.features.dir_index() && (dir.has_inline_data() || blocks(fs, dir) == 1) {
            HashVersion::new(superblock.hash_version, superblock.hash_unsigned.unwrap_or(DEFAULT_UNSIGNED))
        } else {
            None
        };
        Ok(version.map_or(Self::None, Self::Computed))
    }
}

/// The name of an entry of an encrypted directory, as it is shown.
fn shown_name(fs: &Ext4, dir: &Inode, entry: &Entry<'_>, hash_shown: ShownHash) -> Result<Vec<u8>> {
    let bad = |what: &str| corrupt(format!("directory {}: an encrypted name {what}", dir.name()));
    let hash = match hash_shown {
        ShownHash::Stored => entry.hash.ok_or_else(|| bad("without its hash"))?,
        ShownHash::Computed(version) => hash(version, fs.device.superblock.hash_seed, entry.name),
        ShownHash::None => NameHash::default(),
    };
    encrypted_name::shown(entry.name, hash).ok_or_else(|| bad("that is too short"))
}

/// What is done with a block of a directory: its number and its bytes.
type Visit<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<ControlFlow<()>>;

/// Verifies the blocks of a directory from number `first` on and gives them to `visit`. Holes are passed over, as the
/// kernel does.
fn each_block(fs: &Ext4, dir: &Inode, first: u64, visit: Visit<'_>) -> Result<()> {
    let superblock = &fs.device.superblock;
    if dir.has_inline_data() {
        return each_inline_area(fs, dir, first, visit);
    }
    let blocks = dir.attr.size.div_ceil(superblock.block_bytes());
    if blocks > superblock.blocks {
        return Err(corrupt(format!("directory {}: it is larger than the file system", dir.name())));
    }
    let at_a_time = (READ_BYTES >> superblock.block_shift).max(1);
    let mut number = first;
    while number < blocks {
        let run = mapping::run(fs, dir, number)?;
        let left = blocks.saturating_sub(number);
        let Place::Stored(start) = run.place else {
            if number == 0 {
                // It would have the entries `.` and `..`: what is missing is not a directory's empty part.
                return Err(corrupt(format!("directory {}: its first block is missing", dir.name())));
            }
            number = number.saturating_add(run.count.min(left));
            continue;
        };
        let count = run.count.min(left).min(at_a_time);
        let length = usize::try_from(count << superblock.block_shift).unwrap_or(0);
        let mut bytes = vec![0; length];
        fs.device.read(fs.device.offset(start, count, &dir.name())?, &mut bytes)?;
        for block in bytes.chunks_exact(superblock.block_len()) {
            verify(fs, dir, number, block)?;
            if visit(number, block)?.is_break() {
                return Ok(());
            }
            number = number.saturating_add(1);
        }
    }
    Ok(())
}

/// Gives the areas of a directory in its inode to `visit` as if they were blocks.
fn each_inline_area(fs: &Ext4, dir: &Inode, first: u64, visit: Visit<'_>) -> Result<()> {
    for (number, area) in (0..).zip(inline::entries(fs, dir)?) {
        if number >= first && visit(number, &area)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Reads and verifies block `number` of a directory.
pub(crate) fn read_block(fs: &Ext4, dir: &Inode, number: u64) -> Result<Vec<u8>> {
    let blocks = blocks(fs, dir);
    if number >= blocks {
        let message = format!("directory {}: its index leads to block {number} of {blocks}", dir.name());
        return Err(corrupt(message));
    }
    let Place::Stored(block) = mapping::run(fs, dir, number)?.place else {
        return Err(corrupt(format!("directory {}: block {number} of its index is missing", dir.name())));
    };
    let block = fs.device.block(block, &dir.name())?;
    verify(fs, dir, number, &block)?;
    Ok(block)
}

/// How many whole blocks the directory has.
const fn blocks(fs: &Ext4, dir: &Inode) -> u64 {
    dir.attr.size >> fs.device.superblock.block_shift
}

/// Whether the directory has a hash index.
fn is_indexed(fs: &Ext4, dir: &Inode) -> bool {
    fs.device.superblock.features.dir_index() && dir.flags & flag::INDEX != 0 && !dir.has_inline_data()
}

/// Verifies the checksum of block `number`: of a leaf in its last entry, of an index block behind its entries (Linux
/// `ext4_dirblock_csum_verify`, `ext4_dx_csum_verify`).
fn verify(fs: &Ext4, dir: &Inode, number: u64, block: &[u8]) -> Result<()> {
    if !fs.device.superblock.features.metadata_csum() {
        return Ok(());
    }
    let first_record = record_length(u16_at(block, 4).unwrap_or(0), block.len());
    let is_index = is_indexed(fs, dir) && (number == 0 || first_record == block.len());
    let sums = if is_index { htree::check_sums(dir, block) } else { leaf_check_sums(dir, block) };
    let none = || corrupt(format!("directory {}: block {number} has no checksum", dir.name()));
    let (expected, found) = sums.ok_or_else(none)?;
    if expected != found {
        let message = format!("directory {}: block {number}: checksum {found:#010x}, not {expected:#010x}", dir.name());
        return Err(corrupt(message));
    }
    Ok(())
}

/// The checksum that a leaf should have, and the one that it has.
fn leaf_check_sums(dir: &Inode, block: &[u8]) -> Option<(u32, u32)> {
    /// `struct ext4_dir_entry_tail`: an entry of 12 bytes for inode 0 without a name, of type 0xDE.
    const TAIL: [u8; 8] = [0, 0, 0, 0, 12, 0, 0, 0xDE];
    let at = block.len().checked_sub(12)?;
    if array::<8>(block, at)? != TAIL {
        return None;
    }
    Some((u32_at(block, at.checked_add(8)?)?, crc32c(dir.checksum_seed, block.get(..at)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_lengths_of_large_blocks_have_a_form_of_their_own() {
        assert_eq!(record_length(4096, 4096), 4096);
        assert_eq!(record_length(0, 4096), 0);
        assert_eq!(record_length(0, 65_536), 65_536);
        assert_eq!(record_length(0xFFFF, 65_536), 65_536);
        assert_eq!(record_length(12, 65_536), 12);
    }
}
