//! The hash index of a directory (Linux `fs/ext4/namei.c`, `dx_probe` and `ext4_htree_next_block`).

use crate::bytes::{u16_at, u32_at};
use crate::checksum::crc32c;
use crate::directory::{Sought, read_block};
use crate::filesystem::Ext4;
use crate::hash::{DEFAULT_UNSIGNED, HashVersion};
use crate::inode::Inode;
use crate::layout::RawDxRootInfo;
use vfs::{NodeId, Result};
use zerocopy::FromBytes;

/// Byte of `struct dx_root_info` in the root block: behind the entries for `.` and `..`.
const ROOT_INFO_OFFSET: usize = 24;
/// Byte of the entries in a block that is not the root: behind one unused directory entry.
const NODE_ENTRIES_OFFSET: usize = 8;
const ENTRY_BYTES: usize = 8;
/// Levels below the root that the kernel accepts, with and without the feature `large_dir`.
const LEVELS_MAX: u8 = 1;
const LEVELS_MAX_LARGE: u8 = 2;

/// An index block: hash and block of each entry, in ascending order; the hash of the first stands for 0.
struct IndexBlock(Vec<(u32, u64)>);

impl IndexBlock {
    /// The entries that begin at byte `offset` of an index block; `None` when it is not one. The kernel then searches
    /// the whole directory, as it does not need the index to find a name.
    fn parse(fs: &Ext4, block: &[u8], offset: usize) -> Option<Self> {
        let limit = usize::from(u16_at(block, offset)?);
        let count = usize::from(u16_at(block, offset.checked_add(2)?)?);
        let tail = if fs.device.superblock.features.metadata_csum() { ENTRY_BYTES } else { 0 };
        let room = block.len().checked_sub(offset)?.checked_sub(tail)?.checked_div(ENTRY_BYTES)?;
        // It is one less where entries of the directory hold their hashes.
        let is_sized = limit == room || limit.checked_add(1) == Some(room);
        if count == 0 || count > limit || !is_sized {
            return None;
        }
        let entries = block.get(offset..)?.chunks_exact(ENTRY_BYTES).take(count).enumerate();
        let entries = entries.map(|(index, entry)| {
            // In the first entry the place of the hash holds limit and count.
            let hash = if index == 0 { 0 } else { u32_at(entry, 0).unwrap_or(0) };
            // The upper bits are reserved.
            (hash, u64::from(u32_at(entry, 4).unwrap_or(0) & 0x0FFF_FFFF))
        });
        let entries: Vec<_> = entries.collect();
        entries.is_sorted_by(|(a, _), (b, _)| a <= b).then_some(Self(entries))
    }

    /// The last entry whose hash is not greater.
    fn search(&self, hash: u32) -> usize {
        self.0.partition_point(|(first, _)| *first <= hash).saturating_sub(1)
    }

    fn entry(&self, at: usize) -> Option<(u32, u64)> {
        self.0.get(at).copied()
    }
}

/// The way from the root to a leaf: an index block of each level, and the entry that was taken.
struct Path(Vec<(IndexBlock, usize)>);

impl Path {
    /// The leaf that the way ends at.
    fn leaf(&self) -> Option<u64> {
        let (block, at) = self.0.last()?;
        Some(block.entry(*at)?.1)
    }

    /// Goes on to the next leaf if names of this hash can be in it: its own hash then has the lowest bit set. `None` when
    /// the index is damaged.
    fn advance(&mut self, fs: &Ext4, dir: &Inode, hash: u32) -> Result<Option<bool>> {
        let levels = self.0.len();
        while let Some((block, at)) = self.0.last_mut() {
            *at = at.saturating_add(1);
            match block.entry(*at) {
                Some((first, _)) if first & !1 == hash => break,
                Some(_) => return Ok(Some(false)),
                None => self.0.truncate(self.0.len().saturating_sub(1)),
            }
        }
        while !self.0.is_empty() && self.0.len() < levels {
            let Some(next) = self.leaf() else { return Ok(None) };
            let Some(block) = IndexBlock::parse(fs, &read_block(fs, dir, next)?, NODE_ENTRIES_OFFSET) else {
                return Ok(None);
            };
            self.0.push((block, 0));
        }
        Ok(Some(!self.0.is_empty()))
    }
}

/// Looks up the node of this very name; `None` when this index cannot be used, so that the directory has to be searched.
pub(crate) fn lookup(fs: &Ext4, dir: &Inode, sought: &mut Sought<'_>) -> Result<Option<Option<NodeId>>> {
    // `.` and `..` are in the root block, which the index does not lead to.
    if sought.is_dots() {
        return Ok(None);
    }
    let superblock = &fs.device.superblock;
    let root = read_block(fs, dir, 0)?;
    let Some(info) = root_info(&root) else { return Ok(None) };
    // Signed and unsigned bytes only differ where names are not ASCII.
    let unsigned = match superblock.hash_unsigned {
        Some(unsigned) => unsigned,
        None if sought.is_ascii() => false,
        None => return Ok(None),
    };
    let Some(version) = usable_version(fs, info, unsigned) else { return Ok(None) };
    let hash = sought.hash(version, superblock.hash_seed);
    let Some(mut path) = probe(fs, dir, &root, info, hash)? else { return Ok(None) };
    // More leaves than the directory has blocks are a loop: all of it is searched then.
    for _ in 0..dir.attr.size >> superblock.block_shift {
        let Some(leaf) = path.leaf() else { return Ok(None) };
        if let Some(node) = sought.find(fs, dir, &read_block(fs, dir, leaf)?)? {
            return Ok(Some(Some(node)));
        }
        match path.advance(fs, dir, hash)? {
            Some(true) => {}
            Some(false) => return Ok(Some(None)),
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// How the names of the directory are hashed; `None` when its index cannot be used.
pub(crate) fn version(fs: &Ext4, dir: &Inode) -> Result<Option<HashVersion>> {
    let root = read_block(fs, dir, 0)?;
    let unsigned = fs.device.superblock.hash_unsigned.unwrap_or(DEFAULT_UNSIGNED);
    Ok(root_info(&root).and_then(|info| usable_version(fs, info, unsigned)))
}

/// What the root says of how names are hashed, if the index is one that the kernel uses.
fn usable_version(fs: &Ext4, info: &RawDxRootInfo, unsigned: bool) -> Option<HashVersion> {
    let levels_max = if fs.device.superblock.features.large_dir() { LEVELS_MAX_LARGE } else { LEVELS_MAX };
    let is_usable = info.unused_flags & 1 == 0 && info.indirect_levels <= levels_max;
    HashVersion::new(info.hash_version, unsigned).filter(|_| is_usable)
}

/// Goes from the root to the leaf in which names of this hash begin; `None` when the index is damaged.
fn probe(fs: &Ext4, dir: &Inode, root: &[u8], info: &RawDxRootInfo, hash: u32) -> Result<Option<Path>> {
    let entries = ROOT_INFO_OFFSET.saturating_add(info.info_length.into());
    let Some(block) = IndexBlock::parse(fs, root, entries) else { return Ok(None) };
    let at = block.search(hash);
    let (mut path, mut seen) = (Path(vec![(block, at)]), vec![0]);
    for _ in 0..info.indirect_levels {
        let Some(next) = path.leaf().filter(|next| !seen.contains(next)) else { return Ok(None) };
        let Some(block) = IndexBlock::parse(fs, &read_block(fs, dir, next)?, NODE_ENTRIES_OFFSET) else {
            return Ok(None);
        };
        seen.push(next);
        let at = block.search(hash);
        path.0.push((block, at));
    }
    // An index block is no leaf.
    Ok(path.leaf().filter(|leaf| !seen.contains(leaf)).map(|_| path))
}

fn root_info(root: &[u8]) -> Option<&RawDxRootInfo> {
    Some(RawDxRootInfo::ref_from_prefix(root.get(ROOT_INFO_OFFSET..)?).ok()?.0)
}

/// The checksum that an index block should have, and the one that it has (Linux `ext4_dx_csum`).
pub(crate) fn check_sums(dir: &Inode, block: &[u8]) -> Option<(u32, u32)> {
    let entries = match u16_at(block, 4)? {
        // The root begins with the entry for `.`, of 12 bytes.
        12 => ROOT_INFO_OFFSET.checked_add(root_info(block)?.info_length.into())?,
        _ => NODE_ENTRIES_OFFSET,
    };
    let limit = usize::from(u16_at(block, entries)?);
    let count = usize::from(u16_at(block, entries.checked_add(2)?)?);
    let tail = limit.checked_mul(ENTRY_BYTES)?.checked_add(entries)?;
    let used = count.checked_mul(ENTRY_BYTES)?.checked_add(entries)?;
    // `struct dx_tail`: four reserved bytes, then the checksum, which counts as zero.
    let reserved = block.get(tail..tail.checked_add(4)?)?;
    let expected = u32_at(block, tail.checked_add(4)?)?;
    let sum = crc32c(dir.checksum_seed, block.get(..used)?);
    Some((expected, crc32c(crc32c(sum, reserved), &[0; 4])))
}
