//! Operations on records of the MFT (`struct MFT_REC` and `ATTRIB` of Linux `fs/ntfs3/ntfs.h`; `do_action` of its
//! `fslog.c`).

use super::edit::{put, put_data, put_u32, resize};
use super::node::{Node, Span};
use super::operation::{Data, FileOperation, IndexOperation};
use crate::bytes::{index, length, slice, u16_at, u32_at, u64_at};
use crate::record::{IN_USE, Kind};

/// Offsets in a record.
const SEQUENCE: usize = 0x10;
const LINKS: usize = 0x12;
const FIRST_ATTRIBUTE: usize = 0x14;
const FLAGS: usize = 0x16;
const USED: usize = 0x18;
const TOTAL: usize = 0x1C;
const NEXT_ID: usize = 0x28;
/// Bytes of an attribute before its name or value.
const RESIDENT: usize = 0x18;
const NONRESIDENT: usize = 0x40;

/// What an operation is about.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    /// Offset of the attribute, or of the bytes.
    pub(super) at: usize,
    /// Offset in the attribute.
    pub(super) in_attribute: usize,
    pub(super) data: Data<'a>,
    /// How much the opposite operation holds: a value keeps its length when both hold the same.
    pub(super) other_len: usize,
}

/// Whether this is a record of the MFT that an operation may change: one whose attributes follow each other to their
/// end.
pub(super) fn is_sound(record: &[u8]) -> bool {
    end_of(record).is_some()
}

/// Does an operation on a record; `None` when it does not fit.
pub(super) fn change(record: &mut [u8], operation: FileOperation, change: Change<'_>) -> Option<()> {
    if operation == FileOperation::Initialize {
        put_data(record, change.at, Data::Bytes(change.data.bytes()?))?;
        return is_sound(record).then_some(());
    }
    if !is_sound(record) {
        return None;
    }
    match operation {
        FileOperation::Initialize => {}
        FileOperation::Deallocate => deallocate(record)?,
        FileOperation::WriteEnd => {
            // All attributes from there on, of which there may be none.
            walk_to(record, change.at)?;
            put_data(record, change.at, Data::Bytes(change.data.bytes()?))?;
            put_u32(record, USED, change.at.checked_add(change.data.len())?.next_multiple_of(8))?;
        }
        FileOperation::CreateAttribute => create(record, change)?,
        FileOperation::DeleteAttribute => delete(record, change.at)?,
        FileOperation::UpdateResidentValue => update_value(record, change)?,
        FileOperation::UpdateMappingPairs => update_pairs(record, change)?,
        FileOperation::SetNewAttributeSizes => set_sizes(record, change)?,
        FileOperation::Root(operation) => root(record, operation, change)?,
        // What is zeroed lies behind the end of the attributes; the check below sees to that.
        FileOperation::ZeroEnd => put_data(record, change.at, Data::Zeros(change.data.len()))?,
    }
    is_sound(record).then_some(())
}

/// Where the attributes end: where their end is marked.
fn end_of(record: &[u8]) -> Option<usize> {
    let used = index(u32_at(record, USED)?);
    let is_record =
        record.starts_with(b"FILE") && index(u32_at(record, TOTAL)?) == record.len() && used <= record.len();
    let mut at = usize::from(u16_at(record, FIRST_ATTRIBUTE)?);
    (is_record && at & 7 == 0 && at >= NEXT_ID).then_some(())?;
    loop {
        if u32_at(record, at)? == Kind::END.0 {
            return (at.checked_add(4)? <= used).then_some(at);
        }
        at = at.checked_add(attribute(record, at, used)?)?;
    }
}

/// The size of the attribute at `at`, whose parts have to fit it.
fn attribute(record: &[u8], at: usize, used: usize) -> Option<usize> {
    let raw = slice(record, at, RESIDENT)?;
    let size = index(u32_at(raw, 4)?);
    (size & 7 == 0 && size >= RESIDENT && at.checked_add(size)? <= used).then_some(())?;
    let fits = |at: usize, bytes: usize| at.checked_add(bytes).is_some_and(|end| end <= size);
    let name_bytes = usize::from(*raw.get(9)?).checked_mul(2)?;
    let name = name_bytes == 0 || fits(u16_at(raw, 0xA)?.into(), name_bytes);
    let body = match raw.get(8)? {
        0 => fits(u16_at(raw, 0x14)?.into(), index(u32_at(raw, 0x10)?)),
        1 => size >= NONRESIDENT && fits(u16_at(record, at.checked_add(0x20)?)?.into(), 1),
        _ => false,
    };
    (name && body).then_some(size)
}

/// The size of the attribute at `at`, which has to be one of the record's; `None` for its end as well.
fn find(record: &[u8], at: usize) -> Option<usize> {
    let size = walk_to(record, at)?;
    (size > 0).then_some(size)
}

/// The size of the attribute at `at`, or 0 when the attributes end there.
fn walk_to(record: &[u8], at: usize) -> Option<usize> {
    let used = index(u32_at(record, USED)?);
    let mut here = usize::from(u16_at(record, FIRST_ATTRIBUTE)?);
    loop {
        let is_end = u32_at(record, here)? == Kind::END.0;
        let size = if is_end { 0 } else { attribute(record, here, used)? };
        if here == at {
            return Some(size);
        }
        (here < at && !is_end).then_some(())?;
        here = here.checked_add(size)?;
    }
}

/// Marks a record as free. Who referred to it must not take the next file in it for the old one.
fn deallocate(record: &mut [u8]) -> Option<()> {
    let (flags, sequence) = (u16_at(record, FLAGS)?, u16_at(record, SEQUENCE)?);
    put(record, FLAGS, &(flags & !IN_USE).to_le_bytes())?;
    put(record, SEQUENCE, &sequence.wrapping_add(1).max(1).to_le_bytes())
}

fn create(record: &mut [u8], change: Change<'_>) -> Option<()> {
    walk_to(record, change.at)?;
    let new = change.data.bytes()?;
    let size = attribute(new, 0, new.len())?;
    let new = new.get(..size)?;
    resize_at(record, change.at, 0, size)?;
    put(record, change.at, new)?;
    let id = u16_at(new, 0xE)?;
    if u16_at(record, NEXT_ID)? <= id {
        put(record, NEXT_ID, &id.checked_add(1)?.to_le_bytes())?;
    }
    count_links(record, new, 1)
}

fn delete(record: &mut [u8], at: usize) -> Option<()> {
    let size = find(record, at)?;
    let old = slice(record, at, size)?.to_vec();
    resize_at(record, at, size, 0)?;
    count_links(record, &old, u16::MAX)
}

/// A name that a directory has is a link; the number of them is not logged by itself.
fn count_links(record: &mut [u8], attribute: &[u8], change: u16) -> Option<()> {
    let is_indexed = *attribute.get(8)? == 0 && *attribute.get(0x16)? & 1 != 0;
    if !is_indexed {
        return Some(());
    }
    let links = u16_at(record, LINKS)?.wrapping_add(change);
    put(record, LINKS, &links.to_le_bytes())
}

/// Makes a piece of the record larger or smaller.
fn resize_at(record: &mut [u8], at: usize, old: usize, new: usize) -> Option<()> {
    let used = index(u32_at(record, USED)?);
    let used = resize(record, at, old, new, used)?;
    put_u32(record, USED, used)
}

/// A value in the record, or a part of it up to its end. Newer versions of `ntfs3` refuse values that grow past their
/// attribute, which Windows does all the time: `$STANDARD_INFORMATION` grows from 48 to 72 bytes when a file gets its
/// security id.
fn update_value(record: &mut [u8], change: Change<'_>) -> Option<()> {
    let size = find(record, change.at)?;
    let end = change.in_attribute.checked_add(change.data.len())?;
    if change.data.len() != change.other_len {
        let value_at = usize::from(u16_at(record, change.at.checked_add(0x14)?)?);
        let is_resident = record.get(change.at.checked_add(8)?) == Some(&0);
        (is_resident && change.in_attribute >= value_at).then_some(())?;
        resize_attribute(record, change.at, size, end)?;
        put_u32(record, change.at.checked_add(0x10)?, end.checked_sub(value_at)?)?;
    } else if end > size {
        return None;
    }
    put_data(record, change.at.checked_add(change.in_attribute)?, change.data)
}

/// Gives an attribute so many bytes that it ends at `end`, as far as that allows.
fn resize_attribute(record: &mut [u8], at: usize, size: usize, end: usize) -> Option<()> {
    let new = end.checked_next_multiple_of(8)?;
    resize_at(record, at.checked_add(size.min(new))?, size.saturating_sub(new), new.saturating_sub(size))?;
    put_u32(record, at.checked_add(4)?, new)
}

fn update_pairs(record: &mut [u8], change: Change<'_>) -> Option<()> {
    let size = find(record, change.at)?;
    let pairs_at = usize::from(u16_at(record, change.at.checked_add(0x20)?)?);
    let is_resident = record.get(change.at.checked_add(8)?) == Some(&0);
    (!is_resident && change.in_attribute >= pairs_at && change.in_attribute <= size).then_some(())?;
    let end = change.in_attribute.checked_add(change.data.len())?;
    resize_attribute(record, change.at, size, end)?;
    put_data(record, change.at.checked_add(change.in_attribute)?, change.data)?;
    let attribute = slice(record, change.at, end)?;
    let lowest = u64_at(attribute, 0x10)?;
    let clusters = clusters(attribute.get(pairs_at..)?)?;
    // An attribute without clusters ends at -1.
    let highest = lowest.checked_add(clusters)?.wrapping_sub(1);
    put(record, change.at.checked_add(0x18)?, &highest.to_le_bytes())
}

/// How many clusters mapping pairs are for.
fn clusters(pairs: &[u8]) -> Option<u64> {
    let (mut at, mut clusters) = (0_usize, 0_u64);
    loop {
        let header = *pairs.get(at)?;
        if header == 0 {
            return Some(clusters);
        }
        let (count_bytes, distance_bytes) = (usize::from(header & 15), usize::from(header >> 4));
        let count = slice(pairs, at.checked_add(1)?, count_bytes).filter(|count| matches!(count.len(), 1..=8))?;
        let count = count.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        clusters = clusters.checked_add(count).filter(|_| count > 0)?;
        at = at.checked_add(1)?.checked_add(count_bytes)?.checked_add(distance_bytes)?;
    }
}

/// Sizes of an attribute that is not resident: allocated, initialized, and of its data; and for compressed and sparse
/// ones how much they really take.
fn set_sizes(record: &mut [u8], change: Change<'_>) -> Option<()> {
    find(record, change.at)?;
    let is_resident = record.get(change.at.checked_add(8)?) == Some(&0);
    let sizes = change.data.bytes().filter(|sizes| !is_resident && matches!(length(sizes), 0x18 | 0x20))?;
    let mut put = |from: usize, to: usize| put(record, change.at.checked_add(to)?, slice(sizes, from, 8)?);
    put(0, 0x28)?;
    put(8, 0x38)?;
    put(0x10, 0x30)?;
    if sizes.len() == 0x20 {
        let header = usize::from(u16_at(record, change.at.checked_add(0x20)?)?);
        (header >= 0x48).then_some(())?;
        self::put(record, change.at.checked_add(0x40)?, slice(sizes, 0x18, 8)?)?;
    }
    Some(())
}

/// Operations on the root of an index, whose attribute grows and shrinks with it.
fn root(record: &mut [u8], operation: IndexOperation, change: Change<'_>) -> Option<()> {
    let size = find(record, change.at)?;
    let is_root = u32_at(record, change.at)? == Kind::INDEX_ROOT.0 && record.get(change.at.checked_add(8)?) == Some(&0);
    let value_at = usize::from(u16_at(record, change.at.checked_add(0x14)?)?);
    let node = Node { header: change.at.checked_add(value_at)?.checked_add(0x10)? };
    let end = change.at.checked_add(size)?;
    let at = change.at.checked_add(change.in_attribute)?;
    (is_root && node.is_sound(record, end)).then_some(())?;
    let span = Span { end, used: index(u32_at(record, USED)?), room: record.len() };
    let (old, new) = match operation {
        IndexOperation::AddEntry => (0, node.add(record, span, at, change.data)?),
        IndexOperation::DeleteEntry => (node.delete(record, span, at)?, 0),
        IndexOperation::WriteEnd => return None,
        IndexOperation::SetEntryVcn | IndexOperation::UpdateFileName | IndexOperation::UpdateRecordData => {
            return node.change(record, end, at, (operation, change.data));
        }
    };
    let places = [USED, change.at.checked_add(4)?, change.at.checked_add(0x10)?, node.header.checked_add(8)?];
    for place in places {
        let number = index(u32_at(record, place)?).checked_add(new)?.checked_sub(old)?;
        put_u32(record, place, number)?;
    }
    node.is_sound(record, end.checked_add(new)?.checked_sub(old)?).then_some(())
}
