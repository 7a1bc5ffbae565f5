//! Extended attributes: behind the fixed fields of the inode, and in one block of their own (Linux `fs/ext4/xattr.c`).

use crate::bytes::{u32_at, zero};
use crate::checksum::crc32c;
use crate::error::corrupt;
use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::layout::{RawXattrEntry, RawXattrHeader};
use vfs::{Error, ErrorKind, Result};
use zerocopy::FromBytes;

const MAGIC: u32 = 0xEA02_0000;
const ENTRY_BYTES: usize = 16;

/// The number that stands for the beginning of a name (Linux `EXT4_XATTR_INDEX_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    Plain(&'static str),
    /// The whole name of an ACL.
    AccessAcl,
    DefaultAcl,
    /// A name that the kernel shows to nobody either.
    Hidden,
}

impl Prefix {
    const fn new(index: u8) -> Self {
        match index {
            1 => Self::Plain("user."),
            2 => Self::AccessAcl,
            3 => Self::DefaultAcl,
            4 => Self::Plain("trusted."),
            6 => Self::Plain("security."),
            7 => Self::Plain("system."),
            10 => Self::Plain("gnu."),
            _ => Self::Hidden,
        }
    }
}

/// An extended attribute.
pub(crate) struct Xattr {
    pub(crate) prefix: Prefix,
    name: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Xattr {
    /// The full name; `None` for ACLs and for what is not shown.
    pub(crate) fn full_name(&self) -> Option<Vec<u8>> {
        match self.prefix {
            Prefix::Plain(prefix) => Some([prefix.as_bytes(), &self.name].concat()),
            Prefix::AccessAcl | Prefix::DefaultAcl | Prefix::Hidden => None,
        }
    }
}

/// All extended attributes of an inode, those in the inode first.
pub(crate) fn all(fs: &Ext4, inode: &Inode) -> Result<Vec<Xattr>> {
    let mut xattrs = Vec::new();
    if u32_at(&inode.tail, 0) == Some(MAGIC) {
        let area = inode.tail.get(4..).unwrap_or(&[]);
        entries(inode, area, 0, &mut xattrs)?;
    }
    if inode.xattr_block != 0 {
        let block = fs.device.block(inode.xattr_block, &inode.name())?;
        verify(fs, inode, &block)?;
        entries(inode, &block, size_of::<RawXattrHeader>(), &mut xattrs)?;
    }
    Ok(xattrs)
}

/// Reads the entries that begin at byte `at` of `area`; values are counted from the start of `area`.
fn entries(inode: &Inode, area: &[u8], mut at: usize, xattrs: &mut Vec<Xattr>) -> Result<()> {
    let bad = |what: &str| corrupt(format!("{}: {what} among its extended attributes", inode.name()));
    // Four zero bytes end the list; each entry moves on by 16 bytes at least.
    while u32_at(area, at).is_some_and(|word| word != 0) {
        let rest = area.get(at..).unwrap_or(&[]);
        let (raw, name) = RawXattrEntry::ref_from_prefix(rest).map_err(|_| bad("an entry is cut short"))?;
        let name_len = usize::from(raw.e_name_len);
        let name = name.get(..name_len).ok_or_else(|| bad("a name is cut short"))?;
        if raw.e_value_inum.get() != 0 {
            let message = format!("{}: an attribute value in an inode of its own (ea_inode)", inode.name());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let value = match raw.e_value_size.get() {
            0 => &[],
            size => value(area, raw.e_value_offs.get(), size).ok_or_else(|| bad("a value lies outside"))?,
        };
        let prefix = Prefix::new(raw.e_name_index);
        xattrs.push(Xattr { prefix, name: name.to_vec(), value: value.to_vec() });
        at = name_len.next_multiple_of(4).saturating_add(ENTRY_BYTES).saturating_add(at);
    }
    Ok(())
}

fn value(area: &[u8], offset: u16, size: u32) -> Option<&[u8]> {
    let start = usize::from(offset);
    area.get(start..start.checked_add(usize::try_from(size).ok()?)?)
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
