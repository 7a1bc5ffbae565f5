//! Extended attributes: behind the fixed fields of the inode, and in one block of their own (Linux `fs/ext4/xattr.c`).

use crate::bytes::{u32_at, zero};
use crate::checksum::crc32c;
use crate::file;
use crate::filesystem::Ext4;
use crate::inode::{Inode, flag};
use crate::layout::{RawXattrEntry, RawXattrHeader};
use vfs::reader::corrupt;
use vfs::{FileType, NodeId, Result};
use zerocopy::FromBytes;

const MAGIC: u32 = 0xEA02_0000;
const ENTRY_BYTES: usize = 16;
/// The longest value (Linux `XATTR_SIZE_MAX`).
const VALUE_BYTES_MAX: usize = 1 << 16;

/// The number that stands for the beginning of a name (Linux `EXT4_XATTR_INDEX_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    Plain(&'static str),
    /// The whole name of an ACL.
    AccessAcl,
    DefaultAcl,
    /// `system.data`: data of the file.
    InlineData,
    /// A name that the kernel shows to nobody either.
    Hidden,
}

impl Prefix {
    fn new(index: u8, name: &[u8]) -> Self {
        match index {
            1 => Self::Plain("user."),
            2 if name.is_empty() => Self::AccessAcl,
            3 if name.is_empty() => Self::DefaultAcl,
            4 => Self::Plain("trusted."),
            6 => Self::Plain("security."),
            7 if name == b"data" => Self::InlineData,
            10 => Self::Plain("gnu."),
            _ => Self::Hidden,
        }
    }
}

/// An extended attribute.
pub(crate) struct Xattr {
    pub(crate) prefix: Prefix,
    name: Vec<u8>,
    value: Value,
    /// The hash of name and value; 0 for none.
    hash: u32,
}

enum Value {
    Here(Vec<u8>),
    /// The data of another inode (the feature `ea_inode`), of so many bytes.
    In(NodeId, u32),
}

impl Xattr {
    /// The full name; `None` for ACLs and for what is not shown.
    pub(crate) fn full_name(&self) -> Option<Vec<u8>> {
        match self.prefix {
            Prefix::Plain(prefix) => Some([prefix.as_bytes(), &self.name].concat()),
            Prefix::AccessAcl | Prefix::DefaultAcl | Prefix::InlineData | Prefix::Hidden => None,
        }
    }

    /// The value, read from the inode that it is in if it is not beside the name.
    pub(crate) fn into_value(self, fs: &Ext4) -> Result<Vec<u8>> {
        match self.value {
            Value::Here(value) => Ok(value),
            Value::In(node, size) => value_in(fs, node, size, self.hash, &self.name),
        }
    }
}

/// All extended attributes of an inode, those in the inode first.
pub(crate) fn all(fs: &Ext4, inode: &Inode) -> Result<Vec<Xattr>> {
    let mut xattrs = in_inode(fs, inode)?;
    if inode.xattr_block != 0 {
        let block = fs.device.block(inode.xattr_block, &inode.name())?;
        verify(fs, inode, &block)?;
        entries(fs, inode, &block, size_of::<RawXattrHeader>(), &mut xattrs)?;
    }
    Ok(xattrs)
}

/// The part of an inode's data that does not fit into `i_block` (the feature `inline_data`); `None` where there is none.
pub(crate) fn inline_data(fs: &Ext4, inode: &Inode) -> Result<Option<Vec<u8>>> {
    let found = in_inode(fs, inode)?.into_iter().find(|xattr| xattr.prefix == Prefix::InlineData);
    found.map(|xattr| xattr.into_value(fs)).transpose()
}

/// The extended attributes behind the fixed fields of the inode.
fn in_inode(fs: &Ext4, inode: &Inode) -> Result<Vec<Xattr>> {
    let mut xattrs = Vec::new();
    if u32_at(&inode.tail, 0) == Some(MAGIC) {
        let area = inode.tail.get(4..).unwrap_or(&[]);
        entries(fs, inode, area, 0, &mut xattrs)?;
    }
    Ok(xattrs)
}

/// Reads the entries that begin at byte `at` of `area`; values are counted from the start of `area`.
fn entries(fs: &Ext4, inode: &Inode, area: &[u8], mut at: usize, xattrs: &mut Vec<Xattr>) -> Result<()> {
    let is_block = at != 0;
    let bad = |what: &str| corrupt(format!("{}: {what} among its extended attributes", inode.name()));
    // Names and values do not overlap.
    let (mut room, mut values_at) = (area.len(), area.len());
    // Four zero bytes end the list; each entry moves on by 16 bytes at least.
    while u32_at(area, at).ok_or_else(|| bad("a list without an end"))? != 0 {
        let rest = area.get(at..).unwrap_or(&[]);
        let (raw, name) = RawXattrEntry::ref_from_prefix(rest).map_err(|_| bad("an entry is cut short"))?;
        let name_len = usize::from(raw.e_name_len);
        let name = name.get(..name_len).filter(|name| !name.contains(&0)).ok_or_else(|| bad("a damaged name"))?;
        let (node, size) = (raw.e_value_inum.get(), raw.e_value_size.get());
        if node != 0 && !fs.device.superblock.features.ea_inode() {
            return Err(bad("a value in an inode of its own, without the feature ea_inode,"));
        }
        let value = match size {
            _ if node != 0 => &[],
            0 => &[],
            size => {
                values_at = values_at.min(raw.e_value_offs.get().into());
                value(area, raw.e_value_offs.get(), size).ok_or_else(|| bad("a value lies outside"))?
            }
        };
        let bytes = name_len.saturating_add(ENTRY_BYTES).saturating_add(value.len());
        room = room.checked_sub(bytes).ok_or_else(|| bad("values lie over each other"))?;
        // In the inode the kernel does not keep the hash up to date.
        if node == 0 && is_block && !hash_fits(raw.e_hash.get(), name, value) {
            return Err(bad("a value without its hash"));
        }
        let prefix = Prefix::new(raw.e_name_index, name);
        let value = if node == 0 { Value::Here(value.to_vec()) } else { Value::In(NodeId(node.into()), size) };
        xattrs.push(Xattr { prefix, name: name.to_vec(), value, hash: raw.e_hash.get() });
        at = name_len.next_multiple_of(4).saturating_add(ENTRY_BYTES).saturating_add(at);
    }
    if values_at < at.saturating_add(size_of::<u32>()) {
        return Err(bad("a value lies over a name"));
    }
    Ok(())
}

fn value(area: &[u8], offset: u16, size: u32) -> Option<&[u8]> {
    let start = usize::from(offset);
    area.get(start..start.checked_add(usize::try_from(size).ok()?)?)
}

/// The value that is the data of `node`: its access time holds the checksum (Linux `ext4_xattr_inode_get`).
fn value_in(fs: &Ext4, node: NodeId, size: u32, hash: u32, name: &[u8]) -> Result<Vec<u8>> {
    let bad = |what: &str| corrupt(format!("inode {}: {what} as the value of an extended attribute", node.0));
    let inode = Inode::read(&fs.device, node)?;
    let length = usize::try_from(size).ok().filter(|length| *length <= VALUE_BYTES_MAX);
    let length = length.ok_or_else(|| bad("more bytes than there can be"))?;
    if inode.flags & flag::EA_INODE == 0 || inode.attr.file_type != FileType::Regular {
        return Err(bad("no inode that is kept"));
    }
    if inode.attr.size != u64::from(size) {
        return Err(bad(&format!("{} bytes, not {size},", inode.attr.size)));
    }
    let mut value = vec![0; length];
    file::read(fs, &inode, 0, &mut value)?;
    let sum = crc32c(fs.device.superblock.checksum_seed, &value);
    let low = u32::try_from(inode.attr.accessed.seconds & 0xFFFF_FFFF).unwrap_or(0);
    if sum != low || !hash_fits(hash, name, &sum.to_le_bytes()) {
        return Err(bad("data that fails its checksum"));
    }
    Ok(value)
}

/// Whether `expected` is the hash of an attribute (Linux `ext4_xattr_hash_entry`), of which there are two: machines differed
/// in whether the bytes of a name are signed. 0 stands for none.
fn hash_fits(expected: u32, name: &[u8], value: &[u8]) -> bool {
    let hash = |number: fn(u8) -> u32| {
        let of_name = name.iter().fold(0_u32, |hash, byte| hash.rotate_left(5) ^ number(*byte));
        value.chunks(4).fold(of_name, |hash, bytes| {
            let word = bytes.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
            hash.rotate_left(16) ^ word
        })
    };
    expected == 0
        || expected == hash(u32::from)
        || expected == hash(|byte| i32::from(byte.cast_signed()).cast_unsigned())
}

/// Verifies the header and checksum of an attribute block (Linux `ext4_xattr_block_csum`).
fn verify(fs: &Ext4, inode: &Inode, block: &[u8]) -> Result<()> {
    const CHECKSUM_OFFSET: usize = 0x10;
    let bad = || corrupt(format!("{}: block {} holds no extended attributes", inode.name(), inode.xattr_block));
    let (raw, _) = RawXattrHeader::ref_from_prefix(block).map_err(|_| bad())?;
    if raw.h_magic.get() != MAGIC || raw.h_blocks.get() != 1 {
        return Err(bad());
    }
    if !fs.device.superblock.features.metadata_csum() {
        return Ok(());
    }
    let mut blank = block.to_vec();
    zero(&mut blank, CHECKSUM_OFFSET, 4);
    let seed = crc32c(fs.device.superblock.checksum_seed, &inode.xattr_block.to_le_bytes());
    let (expected, found) = (raw.h_checksum.get(), crc32c(seed, &blank));
    if expected != found {
        let message = format!("{}: attribute block: checksum {found:#010x}, not {expected:#010x}", inode.name());
        return Err(corrupt(message));
    }
    Ok(())
}
