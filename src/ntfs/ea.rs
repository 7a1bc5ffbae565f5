//! Extended attributes of OS/2, which WSL uses: `$EA` ([MS-FSCC] 2.4.16, `FILE_FULL_EA_INFORMATION`) and
//! `$EA_INFORMATION` (ntfs-3g `layout.h`, `EA_ATTR`, `EA_INFORMATION`).

use crate::bytes::{index, slice, u16_at, u32_at};
use vfs::Result;
use vfs::reader::corrupt;

/// Bytes of one before its name: the distance to the next one, flags, length of the name, length of the value.
const HEADER_BYTES: usize = 8;
/// Bytes of all attributes of a file at most ([MS-FSCC] 2.4.16: lengths are of 16 bits).
const BYTES_MAX: usize = 64 << 10;

/// One extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtendedAttribute {
    /// In the character set of who wrote it; Windows writes capitals.
    pub(crate) name: Vec<u8>,
    pub(crate) flags: u8,
    pub(crate) value: Vec<u8>,
}

/// The attributes in the value of `$EA`, in their order. Each begins where the one before says; the last ends the value, or
/// says that none follows.
///
/// # Errors
/// [`vfs::ErrorKind::Corrupt`] when one is not whole, or overlaps the next.
pub(crate) fn parse(list: &[u8]) -> Result<Vec<ExtendedAttribute>> {
    if list.len() > BYTES_MAX {
        return Err(corrupt(format!("extended attributes of {} bytes; {BYTES_MAX} are possible", list.len())));
    }
    let (mut attributes, mut rest) = (Vec::new(), list);
    // Each turn takes at least a header off the list.
    while !rest.is_empty() {
        let at = list.len().saturating_sub(rest.len());
        let damaged = || corrupt(format!("the extended attribute at byte {at} of {} is damaged", list.len()));
        let next = index(u32_at(rest, 0).ok_or_else(damaged)?);
        let (attribute, end) = one(rest).ok_or_else(damaged)?;
        attributes.push(attribute);
        rest = match next {
            0 => &[],
            next if next >= end => rest.get(next..).ok_or_else(damaged)?,
            _ => return Err(damaged()),
        };
    }
    Ok(attributes)
}

/// The attribute at the beginning of `bytes`, and where it ends.
fn one(bytes: &[u8]) -> Option<(ExtendedAttribute, usize)> {
    let (flags, name_bytes) = (*bytes.get(4)?, usize::from(*bytes.get(5)?));
    let value_bytes = usize::from(u16_at(bytes, 6)?);
    let name = slice(bytes, HEADER_BYTES, name_bytes).filter(|name| !name.is_empty() && !name.contains(&0))?;
    let zero_at = HEADER_BYTES.checked_add(name_bytes)?;
    let value_at = zero_at.checked_add(1)?;
    let is_terminated = bytes.get(zero_at) == Some(&0);
    let value = slice(bytes, value_at, value_bytes).filter(|_| is_terminated)?;
    let attribute = ExtendedAttribute { name: name.to_vec(), flags, value: value.to_vec() };
    Some((attribute, value_at.checked_add(value_bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn packed(attributes: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let mut list = Vec::new();
        for (name, flags, value) in attributes {
            let length = (9 + name.len() + value.len()).next_multiple_of(4);
            let head =
                [&u32::try_from(length).unwrap().to_le_bytes()[..], &[*flags, u8::try_from(name.len()).unwrap()]];
            let mut one =
                [&head.concat()[..], &u16::try_from(value.len()).unwrap().to_le_bytes(), name, &[0], value].concat();
            one.resize(length, 0);
            list.extend(one);
        }
        list
    }

    #[test]
    fn attributes_are_read_in_their_order() {
        let list = packed(&[(b"$LXUID", 0, &[0xE8, 3, 0, 0]), (b"A", 0x80, b""), (b"LONGER.NAME", 0, &[7; 300])]);
        let found = parse(&list).unwrap();
        let short: Vec<_> = found.iter().map(|one| (one.name.as_slice(), one.flags, one.value.len())).collect();
        assert_eq!(short, [(&b"$LXUID"[..], 0, 4), (b"A", 0x80, 0), (b"LONGER.NAME", 0, 300)]);
        assert_eq!(found[0].value, [0xE8, 3, 0, 0]);
        assert_eq!(parse(&[]).unwrap(), []);
    }

    #[test]
    fn the_last_one_may_say_that_none_follows() {
        let mut list = packed(&[(b"$LXMOD", 0, &[1, 2, 3, 4])]);
        list[..4].fill(0);
        list.truncate(8 + 6 + 1 + 4);
        assert_eq!(parse(&list).unwrap().len(), 1);
    }

    #[test]
    fn damage_is_an_error() {
        let list = packed(&[(b"NAME", 0, b"value"), (b"OTHER", 0, b"more")]);
        // Next before the end, next outside, a name that ends elsewhere, a name with a zero, a value that is too long.
        for (at, byte) in [(0, 4), (0, 200), (5, 3), (5, 0), (9, 0), (6, 250), (7, 1)] {
            let mut damaged = list.clone();
            damaged[at] = byte;
            assert!(parse(&damaged).is_err(), "byte {at} is {byte}");
        }
        assert!(parse(&list[..list.len() - 8]).is_err());
        assert!(parse(&vec![0; BYTES_MAX + 1]).is_err());
    }
}
