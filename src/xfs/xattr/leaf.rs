//! A block of attributes in the order of the hashes of their names (Linux `libxfs/xfs_attr_leaf.c`,
//! `xfs_attr3_leaf_verify`).

use super::VALUE_BYTES_MAX;
use super::attribute::{Attribute, Namespace, Value, flag, is_name};
use super::layout::{RawLeafEntry, RawLeafHeader, RawLocalName, RawRemoteName};
use crate::bytes::u16_at;
use crate::da_tree::hash;
use vfs::Result;
use vfs::reader::corrupt;
use zerocopy::FromBytes;
use zerocopy::big_endian::U16;

const MAGIC_V4: u16 = 0xFBEE;
const MAGIC_V5: u16 = 0x3BEE;
/// Where `struct xfs_da_blkinfo` keeps what kind of block it is.
const MAGIC_OFFSET: usize = 8;
/// Bytes of `struct xfs_da_blkinfo`, and of `struct xfs_attr_leaf_hdr`; the same in version 5.
const INFO_BYTES: usize = 12;
const INFO_BYTES_V5: usize = 56;
const HEADER_BYTES: usize = 32;
const HEADER_BYTES_V5: usize = 80;

/// The attributes of a leaf.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    /// Those that are whole, with the hash that each is found by.
    pub(super) attributes: Vec<(u32, Attribute<'a>)>,
    /// The smallest and the greatest hash; `None` when it is empty, as a leaf is until its first attribute was written.
    pub(super) hashes: Option<(u32, u32)>,
}

impl<'a> Leaf<'a> {
    /// The leaf that is all of `block`.
    pub(super) fn parse(block: &'a [u8], is_v5: bool, what: &dyn Fn() -> String) -> Result<Self> {
        let bad = |why: &str| corrupt(format!("{}: {why}", what()));
        let (magic, info_bytes, header_bytes) =
            if is_v5 { (MAGIC_V5, INFO_BYTES_V5, HEADER_BYTES_V5) } else { (MAGIC_V4, INFO_BYTES, HEADER_BYTES) };
        if u16_at(block, MAGIC_OFFSET) != Some(magic) {
            return Err(bad("it holds no attributes"));
        }
        let header = block.get(info_bytes..).and_then(|rest| RawLeafHeader::ref_from_prefix(rest).ok());
        let (header, _) = header.ok_or_else(|| bad("it is cut short"))?;
        let (count, first_used) = (header.count.get(), usize::from(header.firstused.get()));
        let first_used = if first_used == 0 { block.len() } else { first_used };
        // What is between the header and the first name holds the entries, and then nothing.
        let table = block.get(header_bytes..first_used);
        let table = table.ok_or_else(|| bad(&format!("names from byte {first_used} on")))?;
        let entries = <[RawLeafEntry]>::ref_from_prefix_with_elems(table, count.into());
        let (entries, _) = entries.map_err(|_| bad(&format!("{count} entries are more than fit")))?;
        if !header.freemap.iter().all(|area| is_free_area(area, block.len())) {
            return Err(bad("free space that cannot be"));
        }
        if !entries.is_sorted_by(|a, b| a.hashval.get() <= b.hashval.get()) {
            return Err(bad("hashes out of order"));
        }
        let mut used = Vec::with_capacity(entries.len());
        let mut attributes = Vec::with_capacity(entries.len());
        for raw in entries {
            let start = usize::from(raw.nameidx.get());
            let name = block.get(start..).filter(|_| start >= first_used);
            let name = name.ok_or_else(|| bad(&format!("a name at byte {start}")))?;
            let entry = Entry::parse(raw, name).map_err(|why| bad(&why))?;
            used.push((start, start.saturating_add(entry.bytes)));
            if let Some(attribute) = entry.attribute {
                attributes.push((raw.hashval.get(), attribute));
            }
        }
        used.sort_unstable();
        if !used.is_sorted_by(|(_, end), (start, _)| end <= start) {
            return Err(bad("names and values over each other"));
        }
        let hashes = entries.first().zip(entries.last()).map(|(first, last)| (first.hashval.get(), last.hashval.get()));
        Ok(Self { attributes, hashes })
    }

    /// The attribute of that name, if it is here.
    pub(super) fn find(&self, hash: u32, namespace: Namespace, name: &[u8]) -> Option<Attribute<'a>> {
        let first = self.attributes.partition_point(|(found, _)| *found < hash);
        let same = self.attributes.iter().skip(first).take_while(|(found, _)| *found == hash);
        same.map(|(_, attribute)| *attribute).find(|attribute| attribute.is(namespace, name))
    }
}

/// Whether base and size of a free area are what they can be in a block of `length` bytes. Reading does not need them, but
/// where they are wrong the kernel does not believe the rest either, which in version 4 has no checksum.
fn is_free_area([base, size]: &[U16; 2], length: usize) -> bool {
    let (base, size) = (usize::from(base.get()), usize::from(size.get()));
    base.is_multiple_of(4) && size.is_multiple_of(4) && base.saturating_add(size) <= length
}

/// An entry and what it points to.
struct Entry<'a> {
    /// `None` where it is not whole.
    attribute: Option<Attribute<'a>>,
    /// Length of its name with what is around it.
    bytes: usize,
}

impl<'a> Entry<'a> {
    /// The entry whose name is at the start of `bytes`; what is wrong with it otherwise.
    fn parse(raw: &RawLeafEntry, bytes: &'a [u8]) -> std::result::Result<Self, String> {
        let is_local = raw.flags & flag::LOCAL != 0;
        let (name, value, behind) = if is_local { local(bytes) } else { remote(bytes) }.ok_or("a name is cut off")?;
        let bytes = bytes.len().saturating_sub(behind.len());
        if raw.flags & flag::INCOMPLETE != 0 && !name.is_empty() {
            // As it was left when the system stopped in the middle: nothing in it counts.
            return Ok(Self { attribute: None, bytes });
        }
        let namespace = Namespace::of_flags(raw.flags).ok_or_else(|| format!("flags {:#x}", raw.flags))?;
        if !is_name(name) {
            return Err("a damaged name".to_owned());
        }
        // A parent pointer's hash has the number of the directory in it.
        let expected = raw.hashval.get();
        if namespace != Namespace::Parent && hash(name) != expected {
            return Err(format!("a name whose hash is not {expected:#010x}"));
        }
        let value = match value {
            Found::Here(value) => Value::Here(value),
            Found::Remote { block: 0, .. } => return Err("a value at block 0, where the tree is".to_owned()),
            Found::Remote { block, length } => {
                let length = usize::try_from(length).ok().filter(|length| *length <= VALUE_BYTES_MAX);
                Value::Remote { block, length: length.ok_or("a value that is longer than one can be")? }
            }
        };
        Ok(Self { attribute: Some(Attribute { namespace, name, value }), bytes })
    }
}

/// Where the value of an entry is said to be.
enum Found<'a> {
    Here(&'a [u8]),
    Remote { block: u32, length: u32 },
}

/// Name, value, and what is behind them.
type Parts<'a> = (&'a [u8], Found<'a>, &'a [u8]);

fn local(bytes: &[u8]) -> Option<Parts<'_>> {
    let (raw, rest) = RawLocalName::ref_from_prefix(bytes).ok()?;
    let (name, rest) = rest.split_at_checked(raw.namelen.into())?;
    let (value, rest) = rest.split_at_checked(raw.valuelen.get().into())?;
    Some((name, Found::Here(value), rest))
}

fn remote(bytes: &[u8]) -> Option<Parts<'_>> {
    let (raw, rest) = RawRemoteName::ref_from_prefix(bytes).ok()?;
    let (name, rest) = rest.split_at_checked(raw.namelen.into())?;
    Some((name, Found::Remote { block: raw.valueblk.get(), length: raw.valuelen.get() }, rest))
}
