//! `$ATTRIBUTE_LIST`: where the attributes of a file are whose attributes do not fit one record (`struct ATTR_LIST_ENTRY` of
//! Linux `fs/ntfs3/ntfs.h`).

use crate::bytes::{slice, u16_at, u32_at, u64_at};
use crate::record::{Kind, Reference};
use vfs::Result;
use vfs::reader::corrupt;

/// What Windows lets a list grow to, in bytes.
pub(crate) const BYTES_MAX: u64 = 256 << 10;
/// Bytes of an entry before its name.
const HEADER: usize = 0x1A;

/// Where an attribute, or a part of one, is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    pub(crate) kind: Kind,
    pub(crate) name: Vec<u16>,
    /// The first cluster of the attribute that this part is for.
    pub(crate) lowest: u64,
    /// The record that it is in.
    pub(crate) record: Reference,
    /// The attribute's id in that record.
    pub(crate) id: u16,
}

/// The entries of the list of the file in record `number`.
pub(crate) fn parse(list: &[u8], number: u64) -> Result<Vec<Location>> {
    let (mut found, mut at) = (Vec::new(), 0);
    // What is left behind the last entry is padding.
    while list.len().saturating_sub(at) >= HEADER {
        let (location, size) = entry(list, at).ok_or_else(|| {
            corrupt(format!("record {number} of the MFT: its list of attributes is damaged at byte {at}"))
        })?;
        found.push(location);
        at = at.saturating_add(size);
    }
    Ok(found)
}

fn entry(list: &[u8], at: usize) -> Option<(Location, usize)> {
    let size = usize::from(u16_at(list, at.checked_add(4)?)?);
    let raw = slice(list, at, size).filter(|raw| raw.len() >= HEADER && size & 7 == 0)?;
    let (name_len, name_at) = (usize::from(*raw.get(6)?), usize::from(*raw.get(7)?));
    let name: &[u8] = if name_len == 0 { &[] } else { slice(raw, name_at, name_len.checked_mul(2)?)? };
    let location = Location {
        kind: Kind(u32_at(raw, 0)?),
        name: name.chunks_exact(2).filter_map(|unit| u16_at(unit, 0)).collect(),
        lowest: u64_at(raw, 8)?,
        record: Reference::new(u64_at(raw, 0x10)?),
        id: u16_at(raw, 0x18)?,
    };
    Some((location, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(size: u16, name_len: u8) -> Vec<u8> {
        let mut entry = vec![0; 32];
        entry[0] = 0x80;
        entry[4..6].copy_from_slice(&size.to_le_bytes());
        entry[6] = name_len;
        entry[7] = 0x1A;
        entry[8] = 9;
        entry[0x10] = 77;
        entry[0x16] = 3;
        entry[0x18] = 5;
        entry[0x1A] = b'a';
        entry
    }

    #[test]
    fn entries_follow_each_other() {
        let found = parse(&[raw(32, 1), raw(32, 0), vec![0; 8]].concat(), 1).unwrap();
        let record = Reference { record: 77, sequence: 3 };
        assert_eq!(found[0], Location { kind: Kind::DATA, name: vec![97], lowest: 9, record, id: 5 });
        assert_eq!((found.len(), &found[1].name), (2, &vec![]));
    }

    #[test]
    fn entries_of_impossible_sizes_are_damage() {
        for (size, name_len) in [(0, 0), (24, 0), (33, 0), (40, 0), (32, 4)] {
            assert!(parse(&raw(size, name_len), 1).is_err(), "{size} {name_len}");
        }
    }
}
