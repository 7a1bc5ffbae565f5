//! Security descriptors in their self-relative form ([MS-DTYP] 2.4.6), with access-control lists (2.4.5) and their
//! entries (2.4.4).

use super::sid::Sid;
use crate::bytes::{index, slice, u16_at, u32_at};
use vfs::Result;
use vfs::reader::corrupt;

/// Bytes before the parts: revision, Sbz1, control, and the four offsets.
const HEADER_BYTES: usize = 20;
const REVISION: u8 = 1;
/// `SE_DACL_PRESENT`.
const DACL_PRESENT: u16 = 0x0004;
/// `SE_SACL_PRESENT`.
const SACL_PRESENT: u16 = 0x0010;
/// `SE_SELF_RELATIVE`: offsets instead of pointers.
const SELF_RELATIVE: u16 = 0x8000;
/// Bytes of an ACL before its entries: revision, Sbz1, size, number of entries, Sbz2.
const ACL_HEADER_BYTES: usize = 8;
/// Bytes of an entry before its mask: type, flags, size.
const ACE_HEADER_BYTES: usize = 4;
/// Bytes of an entry before the SID: the header and the mask.
const ACE_SID_AT: usize = 8;
/// `INHERIT_ONLY_ACE`: the entry is for what is made in the directory, not for the directory.
const INHERIT_ONLY: u8 = 0x08;
/// `ACE_OBJECT_TYPE_PRESENT` and `ACE_INHERITED_OBJECT_TYPE_PRESENT`: which GUIDs stand before the SID.
const OBJECT_TYPES: [u32; 2] = [1, 2];
const GUID_BYTES: usize = 16;

/// A descriptor whose parts were checked to lie inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    bytes: Vec<u8>,
    /// Who owns the object; absent in a few descriptors that were never complete.
    pub(crate) owner: Option<Sid>,
    /// The primary group.
    pub(crate) group: Option<Sid>,
    pub(crate) access: Discretionary,
}

/// The discretionary access-control list (DACL).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Discretionary {
    /// There is none: everybody may do everything ([MS-DTYP] 2.5.3.2, "null DACL").
    Everything,
    /// What the entries that say something about access say, in their order; none of them lets anybody do anything.
    Entries(Vec<Entry>),
}

/// An entry that allows or denies access to the object itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) effect: Effect,
    /// `ACCESS_MASK` ([MS-DTYP] 2.4.3).
    pub(crate) mask: u32,
    pub(crate) sid: Sid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// Where the SID of an entry stands.
enum Shape {
    /// After the mask.
    Plain,
    /// After the mask, flags and up to two GUIDs.
    Object,
}

impl Descriptor {
    /// Checks the bytes of a descriptor.
    ///
    /// # Errors
    /// [`vfs::ErrorKind::Corrupt`] when a part of it is not whole, or is not inside it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let header = || corrupt(format!("a security descriptor of {} bytes has no header", bytes.len()));
        let revision = bytes.first().copied().ok_or_else(header)?;
        let control = u16_at(bytes, 2).ok_or_else(header)?;
        if bytes.len() < HEADER_BYTES || revision != REVISION || control & SELF_RELATIVE == 0 {
            return Err(corrupt(format!(
                "a security descriptor of revision {revision} with control bits {control:#x}"
            )));
        }
        let part = |name: &str, at: usize| {
            let offset = index(u32_at(bytes, at).ok_or_else(header)?);
            let inside = offset == 0 || (HEADER_BYTES..bytes.len()).contains(&offset);
            let outside = || corrupt(format!("the {name} of a security descriptor is at {offset} of {}", bytes.len()));
            inside.then_some((offset != 0).then(|| bytes.get(offset..)).flatten()).ok_or_else(outside)
        };
        let sid = |name: &str, at: usize| -> Result<Option<Sid>> {
            let damaged = || corrupt(format!("the {name} of a security descriptor is no security identifier"));
            part(name, at)?.map(|bytes| Sid::parse(bytes).map(|(sid, _)| sid).ok_or_else(damaged)).transpose()
        };
        let (owner, group) = (sid("owner", 4)?, sid("group", 8)?);
        if control & SACL_PRESENT != 0 {
            part("list of audits", 12)?.map(entries).transpose()?;
        }
        let dacl = part("access-control list", 16)?.filter(|_| control & DACL_PRESENT != 0);
        let access = match dacl {
            None => Discretionary::Everything,
            Some(list) => Discretionary::Entries(effective(list)?),
        };
        Ok(Self { bytes: bytes.to_vec(), owner, group, access })
    }

    /// The descriptor, byte for byte as it is on the disk.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The entries of an ACL, each with its header. An ACL has 64 KiB and 65,535 entries at most.
fn entries(list: &[u8]) -> Result<Vec<&[u8]>> {
    let damaged = |what: &str| corrupt(format!("an access-control list of a security descriptor is damaged: {what}"));
    let size = u16_at(list, 2).ok_or_else(|| damaged("it has no header"))?;
    let count = u16_at(list, 4).ok_or_else(|| damaged("it has no header"))?;
    let list = slice(list, 0, usize::from(size)).ok_or_else(|| damaged("it is longer than the descriptor"))?;
    let mut rest = list.get(ACL_HEADER_BYTES..).ok_or_else(|| damaged("it is shorter than its header"))?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let size = u16_at(rest, 2).map(usize::from).filter(|size| *size >= ACE_HEADER_BYTES);
        let size = size.ok_or_else(|| damaged("an entry has no header"))?;
        let (entry, after) = rest.split_at_checked(size).ok_or_else(|| damaged("an entry is longer than the list"))?;
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

/// The entries of a DACL that allow or deny access to the object itself.
fn effective(list: &[u8]) -> Result<Vec<Entry>> {
    entries(list)?.into_iter().filter_map(|entry| effect(entry).transpose()).collect()
}

/// What an entry does. Those for heirs only do nothing here; neither do conditional ones that would allow something
/// (`ACCESS_ALLOWED_CALLBACK_ACE_TYPE`: whether it does depends on claims that only a domain knows), nor those that allow
/// something for a type of object, which files have not. Those that deny are taken to deny.
fn effect(entry: &[u8]) -> Result<Option<Entry>> {
    let [kind, flags, ..] = entry else { return Ok(None) };
    let (effect, shape) = match kind {
        0x00 => (Effect::Allow, Shape::Plain),
        // ACCESS_DENIED_ACE_TYPE, ACCESS_DENIED_CALLBACK_ACE_TYPE
        0x01 | 0x0A => (Effect::Deny, Shape::Plain),
        // ACCESS_DENIED_OBJECT_ACE_TYPE, ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE
        0x06 | 0x0C => (Effect::Deny, Shape::Object),
        _ => return Ok(None),
    };
    if flags & INHERIT_ONLY != 0 {
        return Ok(None);
    }
    let damaged = || corrupt("an entry of an access-control list names nobody");
    let mask = u32_at(entry, ACE_HEADER_BYTES).ok_or_else(damaged)?;
    let at = match shape {
        Shape::Plain => ACE_SID_AT,
        Shape::Object => {
            let present = u32_at(entry, ACE_SID_AT).ok_or_else(damaged)?;
            let types = OBJECT_TYPES.iter().filter(|flag| present & **flag != 0).count();
            types.saturating_mul(GUID_BYTES).saturating_add(ACE_SID_AT).saturating_add(4)
        }
    };
    let (sid, _) = entry.get(at..).and_then(Sid::parse).ok_or_else(damaged)?;
    Ok(Some(Entry { effect, mask, sid }))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, ace, acl, descriptor, sid};
    use super::*;

    fn entries_of(kind: &str) -> Vec<(Effect, u32, String)> {
        let descriptor = Descriptor::parse(&samples::of(kind)).unwrap();
        let Discretionary::Entries(entries) = descriptor.access else { panic!("{kind} has no list") };
        entries.into_iter().map(|entry| (entry.effect, entry.mask, entry.sid.to_string())).collect()
    }

    #[test]
    fn owner_group_and_entries_are_those_that_were_written() {
        let simple = Descriptor::parse(&samples::of("simple")).unwrap();
        assert_eq!(simple.owner.unwrap().to_string(), "S-1-5-21-1111-2222-3333-1001");
        assert_eq!(simple.group.unwrap().to_string(), "S-1-5-32-545");
        assert_eq!(
            entries_of("deny"),
            [
                (Effect::Deny, 0x116, "S-1-5-21-1111-2222-3333-1002".to_owned()),
                (Effect::Allow, 0x1F_01FF, "S-1-5-32-544".to_owned()),
                (Effect::Allow, 0x12_0089, "S-1-1-0".to_owned()),
            ]
        );
        assert_eq!(entries_of("audit").len(), 1, "audits allow nobody anything");
        assert_eq!(entries_of("dir").len(), 2, "what is for heirs only is no entry of the directory");
        assert_eq!(Descriptor::parse(&samples::of("null")).unwrap().access, Discretionary::Everything);
        assert_eq!(entries_of("empty"), []);
    }

    #[test]
    fn the_bytes_are_kept_as_they_were() {
        for kind in samples::KINDS {
            let bytes = [samples::of(kind), vec![0; 4]].concat();
            assert_eq!(Descriptor::parse(&bytes).unwrap().bytes(), bytes, "{kind}");
        }
    }

    #[test]
    fn entries_whose_meaning_is_unclear_deny_but_do_not_allow() {
        let everyone = sid("S-1-1-0");
        let object =
            |types: u32, guids: usize| [types.to_le_bytes().to_vec(), vec![7; guids], everyone.clone()].concat();
        let entries = [
            (0x05, object(1, 16), None),
            (0x09, everyone.clone(), None),
            (0x0B, object(3, 32), None),
            (0x04, everyone.clone(), None),
            (0x80, everyone.clone(), None),
            (0x06, object(2, 16), Some(Effect::Deny)),
            (0x06, object(0, 0), Some(Effect::Deny)),
            (0x0A, [everyone.clone(), b"artx".to_vec()].concat(), Some(Effect::Deny)),
            (0x0C, object(3, 32), Some(Effect::Deny)),
        ];
        for (kind, rest, effect) in entries {
            let bytes = descriptor(Some("S-1-5-18"), Some("S-1-5-18"), Some(&acl(&[ace(kind, 0, 0x1F_01FF, &rest)])));
            let Discretionary::Entries(found) = Descriptor::parse(&bytes).unwrap().access else { panic!() };
            let found: Vec<_> = found.iter().map(|entry| (entry.effect, entry.sid.to_string())).collect();
            assert_eq!(found, Vec::from_iter(effect.map(|effect| (effect, "S-1-1-0".to_owned()))), "kind {kind}");
        }
    }

    #[test]
    fn a_descriptor_that_is_cut_anywhere_is_refused() {
        for kind in samples::KINDS {
            let bytes = samples::of(kind);
            for end in 0..bytes.len() {
                assert!(Descriptor::parse(&bytes[..end]).is_err(), "{kind} cut to {end}");
            }
        }
    }

    #[test]
    fn damage_is_refused() {
        let with = |at: usize, value: u8| {
            let mut bytes = samples::of("simple");
            bytes[at] = value;
            Descriptor::parse(&bytes)
        };
        // Revision, not self-relative, parts in the header or outside, the size of the list, the number of its entries.
        let damages = [(0, 2), (3, 0), (4, 4), (5, 9), (9, 9), (17, 9), (22, 7), (24, 3), (22, 200), (30, 3)];
        for (at, value) in damages {
            assert!(with(at, value).is_err(), "byte {at} is {value}");
        }
        assert!(with(20, 4).is_ok());
    }
}
