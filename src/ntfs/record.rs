//! Records of the MFT and the attributes in them (`struct MFT_REC` and `struct ATTRIB` of Linux `fs/ntfs3/ntfs.h`).

use crate::bytes::{array, index, slice, u16_at, u32_at, u64_at};
use crate::fixup;
use std::ops::Range;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result};

/// The kind of an attribute: its type code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Kind(pub(crate) u32);

impl Kind {
    pub(crate) const STANDARD_INFORMATION: Self = Self(0x10);
    pub(crate) const ATTRIBUTE_LIST: Self = Self(0x20);
    pub(crate) const FILE_NAME: Self = Self(0x30);
    pub(crate) const OBJECT_ID: Self = Self(0x40);
    pub(crate) const SECURITY_DESCRIPTOR: Self = Self(0x50);
    pub(crate) const VOLUME_NAME: Self = Self(0x60);
    pub(crate) const VOLUME_INFORMATION: Self = Self(0x70);
    pub(crate) const DATA: Self = Self(0x80);
    pub(crate) const INDEX_ROOT: Self = Self(0x90);
    pub(crate) const INDEX_ALLOCATION: Self = Self(0xA0);
    pub(crate) const BITMAP: Self = Self(0xB0);
    pub(crate) const REPARSE_POINT: Self = Self(0xC0);
    pub(crate) const EA: Self = Self(0xE0);
    pub(crate) const LOGGED_UTILITY_STREAM: Self = Self(0x100);
    /// What stands in the place of a type after the last attribute.
    pub(crate) const END: Self = Self(u32::MAX);

    /// The name that books give it, for messages.
    pub(crate) fn name(self) -> String {
        let known = match self.0 {
            0x10 => "$STANDARD_INFORMATION",
            0x20 => "$ATTRIBUTE_LIST",
            0x30 => "$FILE_NAME",
            0x40 => "$OBJECT_ID",
            0x50 => "$SECURITY_DESCRIPTOR",
            0x60 => "$VOLUME_NAME",
            0x70 => "$VOLUME_INFORMATION",
            0x80 => "$DATA",
            0x90 => "$INDEX_ROOT",
            0xA0 => "$INDEX_ALLOCATION",
            0xB0 => "$BITMAP",
            0xC0 => "$REPARSE_POINT",
            0xD0 => "$EA_INFORMATION",
            0xE0 => "$EA",
            0x100 => "$LOGGED_UTILITY_STREAM",
            other => return format!("the attribute of type {other:#x}"),
        };
        known.to_owned()
    }
}

/// A record by number, and the sequence number that it has to have: it is counted up each time the record is used anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    pub(crate) record: u64,
    /// 0 where it does not matter.
    pub(crate) sequence: u16,
}

impl Reference {
    pub(crate) const fn new(raw: u64) -> Self {
        let [.., low, high] = raw.to_le_bytes();
        Self { record: raw & 0xFFFF_FFFF_FFFF, sequence: u16::from_le_bytes([low, high]) }
    }
}

/// Sizes and runs of an attribute whose value is in clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NonResident {
    /// The first cluster of the attribute that these runs are for.
    pub(crate) lowest: u64,
    /// The cluster after the last.
    pub(crate) end: u64,
    /// Where in the record the runs are.
    pub(crate) pairs: Range<usize>,
    /// log2 of the clusters of a compression unit; 0 for none.
    pub(crate) compression_unit: u8,
    /// Bytes up to the end of the last cluster. This and the other sizes count in the part with `lowest` 0 alone.
    pub(crate) allocated: u64,
    /// Bytes of the value.
    pub(crate) size: u64,
    /// Bytes that were ever written: zeros follow up to `size`.
    pub(crate) initialized: u64,
    /// Bytes that are really allocated, where that is counted: compressed and sparse attributes.
    pub(crate) compressed: Option<u64>,
}

/// Where the value of an attribute is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// In the record, here.
    Resident(Range<usize>),
    NonResident(NonResident),
}

/// An attribute, or the part of one that is in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) kind: Kind,
    /// UTF-16; most have none.
    pub(crate) name: Vec<u16>,
    pub(crate) flags: u16,
    /// Tells attributes of a record apart.
    pub(crate) id: u16,
    pub(crate) body: Body,
}

/// `ATTRIB.flags`: the method of compression; 1 is LZNT1.
pub(crate) const COMPRESSION_MASK: u16 = 0xFF;
/// `ATTRIB.flags`: encrypted by EFS.
pub(crate) const ENCRYPTED: u16 = 0x4000;
/// `ATTRIB.flags`: sparse.
pub(crate) const SPARSE: u16 = 0x8000;

impl Attribute {
    /// The first cluster that this part is for; 0 for a resident one.
    pub(crate) const fn lowest(&self) -> u64 {
        match &self.body {
            Body::Resident(_) => 0,
            Body::NonResident(body) => body.lowest,
        }
    }
}

/// `MFT_REC.flags`.
pub(crate) const IN_USE: u16 = 1;
const DIRECTORY: u16 = 2;

/// A record in use, its update sequence undone.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) number: u64,
    pub(crate) sequence: u16,
    pub(crate) links: u16,
    /// Whether it is marked as a directory.
    pub(crate) is_directory: bool,
    /// The file that this is a further record of; `None` for a file's first.
    pub(crate) base: Option<Reference>,
    pub(crate) attributes: Vec<Attribute>,
    bytes: Vec<u8>,
}

impl Record {
    /// The record in `bytes`, as they were read.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for one that is not in use; [`ErrorKind::Corrupt`].
    pub(crate) fn parse(number: u64, mut bytes: Vec<u8>) -> Result<Self> {
        let damaged = |why: &str| corrupt(format!("record {number} of the MFT is damaged: {why}"));
        if bytes.get(..4) != Some(b"FILE") {
            let unused = bytes.get(..4) == Some(&[0; 4]);
            return Err(if unused { not_in_use(number) } else { damaged("it does not begin with FILE") });
        }
        fixup::undo(&mut bytes).map_err(|_| damaged("it was written in part (its update sequence is wrong)"))?;
        let half = |at| u16_at(&bytes, at).unwrap_or(0);
        if half(0x16) & IN_USE == 0 {
            return Err(not_in_use(number));
        }
        // Since NTFS 3.1 the number stands before the update sequence.
        let own_number = u32_at(&bytes, 0x2C).filter(|_| half(4) >= 0x30);
        if own_number.is_some_and(|own| u64::from(own) != number & 0xFFFF_FFFF) {
            return Err(damaged("it is that of another place"));
        }
        let used = u32_at(&bytes, 0x18).map_or(0, index);
        let content = bytes.get(..used).ok_or_else(|| damaged("it is longer than a record"))?;
        let attributes = attributes(content, half(0x14).into())
            .map_err(|at| damaged(&format!("there is no valid attribute at byte {at} of it")))?;
        let base = u64_at(&bytes, 0x20).filter(|raw| *raw != 0).map(Reference::new);
        Ok(Self {
            number,
            sequence: half(0x10),
            links: half(0x12),
            is_directory: half(0x16) & DIRECTORY != 0,
            base,
            attributes,
            bytes,
        })
    }

    /// These bytes of the record, which one of its attributes names.
    pub(crate) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        // They were looked at when the attribute was parsed.
        self.bytes.get(range.clone()).unwrap_or(&[])
    }

    /// The attribute of this kind and name, from this cluster on. Where several fit (as names of a file do), the one with
    /// this id.
    pub(crate) fn find(&self, kind: Kind, name: &[u16], lowest: u64, id: Option<u16>) -> Option<&Attribute> {
        let fitting =
            |attribute: &&Attribute| attribute.kind == kind && attribute.name == name && attribute.lowest() == lowest;
        let mut all = self.attributes.iter().filter(fitting);
        let exact = id.and_then(|id| all.clone().find(|attribute| attribute.id == id));
        exact.or_else(|| all.next())
    }

    /// Checks that it is the record that was meant.
    pub(crate) fn check(&self, reference: Reference) -> Result<()> {
        if reference.sequence == 0 || reference.sequence == self.sequence {
            return Ok(());
        }
        Err(corrupt(format!(
            "record {} of the MFT has been used anew: its sequence number is {}, and {} is meant",
            self.number, self.sequence, reference.sequence
        )))
    }
}

fn not_in_use(number: u64) -> Error {
    Error::new(ErrorKind::NotFound, format!("record {number} of the MFT is not in use"))
}

/// The attributes from `at` on up to the end mark, or where there is none.
fn attributes(content: &[u8], mut at: usize) -> std::result::Result<Vec<Attribute>, usize> {
    let mut found = Vec::new();
    loop {
        if at & 7 != 0 || at < 0x28 {
            return Err(at);
        }
        let kind = u32_at(content, at).ok_or(at)?;
        if Kind(kind) == Kind::END {
            return Ok(found);
        }
        let size = u32_at(content, at.saturating_add(4)).map_or(0, index);
        let raw = slice(content, at, size).filter(|raw| raw.len() >= 0x18 && size & 7 == 0).ok_or(at)?;
        found.push(attribute(Kind(kind), raw, at).ok_or(at)?);
        at = at.saturating_add(size);
    }
}

/// The attribute in `raw`, which is at byte `at` of its record.
fn attribute(kind: Kind, raw: &[u8], at: usize) -> Option<Attribute> {
    let name_len = usize::from(*raw.get(9)?);
    let name = slice(raw, u16_at(raw, 10)?.into(), name_len.checked_mul(2)?)?;
    let name = name.chunks_exact(2).filter_map(|unit| u16_at(unit, 0)).collect();
    let body = match raw.get(8)? {
        0 => {
            let (start, length) = (usize::from(u16_at(raw, 0x14)?), index(u32_at(raw, 0x10)?));
            slice(raw, start, length)?;
            let start = at.checked_add(start)?;
            Body::Resident(start..start.checked_add(length)?)
        }
        1 => Body::NonResident(non_resident(raw, at)?),
        _ => return None,
    };
    Some(Attribute { kind, name, flags: u16_at(raw, 12)?, id: u16_at(raw, 14)?, body })
}

fn non_resident(raw: &[u8], at: usize) -> Option<NonResident> {
    let flags = u16_at(raw, 12)?;
    let (lowest, highest) = (u64_at(raw, 0x10)?, u64_at(raw, 0x18)?);
    // Without clusters the last one is -1.
    let end = highest.wrapping_add(1);
    let pairs_at = usize::from(u16_at(raw, 0x20)?);
    let is_counted = flags & (SPARSE | COMPRESSION_MASK) != 0;
    let header = if is_counted && lowest == 0 { 0x48 } else { 0x40 };
    let is_possible = lowest <= end && pairs_at >= 0x40 && pairs_at <= raw.len() && raw.len() >= 0x40;
    if !is_possible {
        return None;
    }
    Some(NonResident {
        lowest,
        end,
        pairs: at.checked_add(pairs_at)?..at.checked_add(raw.len())?,
        compression_unit: *raw.get(0x22)?,
        allocated: u64_at(raw, 0x28)?,
        size: u64_at(raw, 0x30)?,
        initialized: u64_at(raw, 0x38)?,
        compressed: if header == 0x48 && pairs_at >= header { array(raw, 0x40).map(u64::from_le_bytes) } else { None },
    })
}

#[cfg(test)]
mod tests;
