//! Reading the area of fast commits: tags with a length and a value, little-endian, ended by a tail with a checksum
//! (Linux `fs/ext4/fast_commit.h`; `ext4_fc_replay_scan`).

use crate::bytes::{array, u16_at, u32_at};
use crate::checksum::crc32c;
use crate::journal::Log;
use crate::mapping::Place;
use std::ops::Range;
use vfs::{Error, ErrorKind, NodeId, Result};

/// Bytes of tag and length.
const TAG_BYTES: usize = 4;
/// Bytes of fast commits that are read: a bound on memory. `mke2fs` makes 256 blocks.
const AREA_BYTES_MAX: usize = 16 << 20;
/// The smallest inode record.
const INODE_BYTES_MIN: usize = 128;
const NAME_BYTES_MAX: usize = 255;

/// One change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    AddRange { node: NodeId, first: u64, count: u64, place: Place },
    DelRange { node: NodeId, first: u64, count: u64 },
    Create(Entry),
    Link(Entry),
    Unlink(Entry),
    Inode { node: NodeId, record: Vec<u8> },
}

/// A name in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) dir: NodeId,
    pub(super) node: NodeId,
    pub(super) name: Vec<u8>,
}

/// What the area holds.
#[derive(Default)]
pub(crate) struct Scanned {
    /// The changes of whole fast commits, in order.
    pub(crate) tags: Vec<Tag>,
    /// How many fast commits they are.
    pub(crate) commits: u32,
    /// Whether there was one that is not whole.
    pub(crate) is_torn: bool,
}

/// How it goes on behind a tag.
enum Next {
    Tag(usize),
    /// The area is of another transaction.
    Stop,
    /// This belongs to no whole fast commit.
    Torn,
}

/// Reads the fast commits of transaction `sequence` in these blocks of the log.
///
/// # Errors
/// When the log cannot be read, or uses a form that is not known.
pub(crate) fn scan(log: &Log, blocks: Range<u32>, sequence: u32, inode_bytes: usize) -> Result<Scanned> {
    let mut scanner = Scanner { sequence, inode_bytes, sum: 0, pending: Vec::new(), found: Scanned::default() };
    for (number, at) in blocks.enumerate() {
        let block = log.read(at)?;
        if number.saturating_mul(block.len()) > AREA_BYTES_MAX {
            let message = format!("its fast commits take more than {AREA_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if number == 0 && u16_at(&block, 0) != Some(tag::HEAD) {
            break;
        }
        if !scanner.block(&block)? {
            break;
        }
    }
    Ok(scanner.found)
}

mod tag {
    pub(super) const ADD_RANGE: u16 = 1;
    pub(super) const DEL_RANGE: u16 = 2;
    pub(super) const CREAT: u16 = 3;
    pub(super) const LINK: u16 = 4;
    pub(super) const UNLINK: u16 = 5;
    pub(super) const INODE: u16 = 6;
    pub(super) const PAD: u16 = 7;
    pub(super) const TAIL: u16 = 8;
    pub(super) const HEAD: u16 = 9;
}

struct Scanner {
    sequence: u32,
    inode_bytes: usize,
    /// The checksum since the last tail.
    sum: u32,
    pending: Vec<Tag>,
    found: Scanned,
}

impl Scanner {
    /// Reads the tags of a block; false when the fast commits end in it.
    fn block(&mut self, block: &[u8]) -> Result<bool> {
        let mut at = 0_usize;
        loop {
            let Some(head) = at.checked_add(TAG_BYTES).filter(|end| *end <= block.len()) else { return Ok(true) };
            let (kind, length) =
                (u16_at(block, at).unwrap_or(0), usize::from(u16_at(block, at.saturating_add(2)).unwrap_or(0)));
            let end = head.saturating_add(length);
            let next = match block.get(head..end) {
                Some(value) => self.tag(kind, block.get(at..end).unwrap_or_default(), value, end)?,
                None => Next::Torn,
            };
            match next {
                Next::Tag(next) => at = next,
                Next::Stop => return Ok(false),
                Next::Torn => {
                    // The area is used again and again: what comes after the last tail may be left from before.
                    self.found.is_torn = self.found.commits == 0;
                    return Ok(false);
                }
            }
        }
    }

    /// Takes one tag, whose bytes are `whole` and value is `value`.
    fn tag(&mut self, kind: u16, whole: &[u8], value: &[u8], end: usize) -> Result<Next> {
        const TAIL_SUMMED: usize = TAG_BYTES + 4;
        let (first, second) = (u32_at(value, 0), u32_at(value, 4));
        match kind {
            tag::HEAD => {
                if first != Some(0) {
                    let message =
                        format!("its fast commits use features that are not known: {:#x}", first.unwrap_or(0));
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
                if second != Some(self.sequence) {
                    return Ok(Next::Stop);
                }
            }
            tag::TAIL => {
                let sum = crc32c(self.sum, whole.get(..TAIL_SUMMED).unwrap_or_default());
                if first != Some(self.sequence) || second != Some(sum) {
                    return Ok(Next::Torn);
                }
                self.sum = 0;
                self.found.tags.append(&mut self.pending);
                self.found.commits = self.found.commits.saturating_add(1);
                return Ok(Next::Tag(end));
            }
            tag::PAD => {}
            _ => match parse(kind, value, self.inode_bytes) {
                Some(tag) => self.pending.push(tag),
                None => return Ok(Next::Torn),
            },
        }
        self.sum = crc32c(self.sum, whole);
        Ok(Next::Tag(end))
    }
}

/// A change; `None` when it is none (Linux `ext4_fc_value_len_isvalid`).
fn parse(kind: u16, value: &[u8], inode_bytes: usize) -> Option<Tag> {
    let node = NodeId(u32_at(value, 0)?.into());
    match (kind, value.len()) {
        (tag::ADD_RANGE, 16) => add_range(node, value),
        (tag::DEL_RANGE, 12) => {
            Some(Tag::DelRange { node, first: u32_at(value, 4)?.into(), count: u32_at(value, 8)?.into() })
        }
        (tag::CREAT, _) => entry(value).map(Tag::Create),
        (tag::LINK, _) => entry(value).map(Tag::Link),
        (tag::UNLINK, _) => entry(value).map(Tag::Unlink),
        (tag::INODE, _) => {
            let record = value.get(4..)?.to_vec();
            (INODE_BYTES_MIN..=inode_bytes).contains(&record.len()).then_some(Tag::Inode { node, record })
        }
        _ => None,
    }
}

/// An extent as in a tree (`struct ext4_extent`).
fn add_range(node: NodeId, value: &[u8]) -> Option<Tag> {
    const LENGTH_MAX: u16 = 32_768;
    let (first, length) = (u64::from(u32_at(value, 4)?), u16_at(value, 8)?);
    let start = u64::from(u16_at(value, 10)?) << 32 | u64::from(u32_at(value, 12)?);
    let (count, place) = match length.checked_sub(LENGTH_MAX) {
        None | Some(0) => (length, Place::Stored(start)),
        Some(count) => (count, Place::Unwritten),
    };
    Some(Tag::AddRange { node, first, count: count.into(), place })
}

/// Directory, inode and name (`struct ext4_fc_dentry_info`).
fn entry(value: &[u8]) -> Option<Entry> {
    let name = value.get(8..).filter(|name| (1..=NAME_BYTES_MAX).contains(&name.len()))?;
    if name.iter().any(|byte| matches!(byte, 0 | b'/')) {
        return None;
    }
    let (dir, node) = (u32::from_le_bytes(array(value, 0)?), u32::from_le_bytes(array(value, 4)?));
    Some(Entry { dir: NodeId(dir.into()), node: NodeId(node.into()), name: name.to_vec() })
}
