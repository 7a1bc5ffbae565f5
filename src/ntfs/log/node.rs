//! Operations on the entries of a node of an index, in its root or in a block (`struct INDEX_HDR` and `NTFS_DE` of
//! Linux `fs/ntfs3/ntfs.h`).

use super::edit::{put, put_data, put_u32, resize};
use super::operation::{Data, IndexOperation};
use crate::bytes::{index, slice, u16_at, u32_at};
use crate::index::{ENTRY_HEADER, HAS_SUBNODE, LAST};

/// Offset in a `$FILE_NAME` of what it repeats from the file: times, sizes, attributes.
const DUPLICATED: usize = 8;
const DUPLICATED_BYTES: usize = 0x38;

/// A node: where its header is, in the record or block that holds it.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) header: usize,
}

impl Node {
    /// Where the entries end; `None` when the header cannot be right. `end` is where the node has to end.
    fn entries(self, bytes: &[u8], end: usize) -> Option<(usize, usize)> {
        let (first, used) = (index(u32_at(bytes, self.header)?), index(u32_at(bytes, self.header.checked_add(4)?)?));
        let total = index(u32_at(bytes, self.header.checked_add(8)?)?);
        let is_sound =
            first >= ENTRY_HEADER && first & 7 == 0 && used <= total && self.header.checked_add(total)? <= end;
        let range = (self.header.checked_add(first)?, self.header.checked_add(used)?);
        (is_sound && range.0 <= range.1).then_some(range)
    }

    /// Whether all entries fit their node, and the last is the last.
    pub(super) fn is_sound(self, bytes: &[u8], end: usize) -> bool {
        self.walk(bytes, end).is_some()
    }

    fn walk(self, bytes: &[u8], end: usize) -> Option<()> {
        let (mut at, entries_end) = self.entries(bytes, end)?;
        loop {
            let (size, flags) = entry(bytes, at, entries_end)?;
            let key_end = usize::from(u16_at(bytes, at.checked_add(0xA)?)?).checked_add(ENTRY_HEADER)?;
            at = at.checked_add(size)?;
            if flags & LAST != 0 {
                return (at <= entries_end).then_some(());
            }
            (key_end <= size).then_some(())?;
        }
    }

    /// The size of the entry at `at`, which has to be one of the node's.
    fn find(self, bytes: &[u8], end: usize, at: usize) -> Option<usize> {
        let (mut here, entries_end) = self.entries(bytes, end)?;
        loop {
            let (size, flags) = entry(bytes, here, entries_end)?;
            if here == at {
                return Some(size);
            }
            (here < at && flags & LAST == 0).then_some(())?;
            here = here.checked_add(size)?;
        }
    }

    /// Does one of the operations that leave the size of the entry at `at` as it is.
    pub(super) fn change(
        self,
        bytes: &mut [u8],
        end: usize,
        at: usize,
        change: (IndexOperation, Data<'_>),
    ) -> Option<()> {
        let size = self.find(bytes, end, at)?;
        let (operation, data) = change;
        let (place, room) = match operation {
            IndexOperation::SetEntryVcn => {
                let flags = u16_at(bytes, at.checked_add(0xC)?)?;
                (flags & HAS_SUBNODE != 0 && data.len() == 8).then_some(())?;
                (size.checked_sub(8)?, size)
            }
            IndexOperation::UpdateFileName => {
                (data.len() == DUPLICATED_BYTES).then_some(())?;
                (ENTRY_HEADER.checked_add(DUPLICATED)?, size)
            }
            IndexOperation::UpdateRecordData => {
                let place = usize::from(u16_at(bytes, at)?);
                let room = place.checked_add(usize::from(u16_at(bytes, at.checked_add(2)?)?))?;
                (place >= ENTRY_HEADER && room <= size).then_some(())?;
                (place, room)
            }
            IndexOperation::AddEntry | IndexOperation::DeleteEntry | IndexOperation::WriteEnd => return None,
        };
        (place.checked_add(data.len())? <= room).then_some(())?;
        put_data(bytes, at.checked_add(place)?, data)
    }

    /// Puts a new entry before the one at `at`; `used` is where what moves with it ends. Returns the size of the entry.
    pub(super) fn add(self, bytes: &mut [u8], span: Span, at: usize, data: Data<'_>) -> Option<usize> {
        self.find(bytes, span.end, at)?;
        let new = data.bytes()?;
        let (size, _) = entry(new, 0, new.len())?;
        let new = new.get(..size)?;
        self.resize(bytes, span, at, (0, size))?;
        put(bytes, at, new)?;
        Some(size)
    }

    /// Takes the entry at `at` away, and returns its size.
    pub(super) fn delete(self, bytes: &mut [u8], span: Span, at: usize) -> Option<usize> {
        let size = self.find(bytes, span.end, at)?;
        let flags = u16_at(bytes, at.checked_add(0xC)?)?;
        (flags & LAST == 0).then_some(())?;
        self.resize(bytes, span, at, (size, 0))?;
        Some(size)
    }

    /// Replaces everything from the entry at `at` on.
    pub(super) fn write_end(self, bytes: &mut [u8], end: usize, at: usize, data: Data<'_>) -> Option<()> {
        self.find(bytes, end, at)?;
        let used = at.checked_add(data.bytes()?.len())?.checked_sub(self.header)?;
        (used <= index(u32_at(bytes, self.header.checked_add(8)?)?)).then_some(())?;
        put_data(bytes, at, data)?;
        put_u32(bytes, self.header.checked_add(4)?, used)
    }

    fn resize(self, bytes: &mut [u8], span: Span, at: usize, (old, new): (usize, usize)) -> Option<()> {
        let used_at = self.header.checked_add(4)?;
        let used = index(u32_at(bytes, used_at)?).checked_add(new)?.checked_sub(old)?;
        resize(bytes.get_mut(..span.room)?, at, old, new, span.used)?;
        put_u32(bytes, used_at, used)
    }
}

/// Limits of an operation that moves bytes.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// Where the node ends at most.
    pub(super) end: usize,
    /// Where what moves ends: the entries in a block, all attributes in a record of the MFT.
    pub(super) used: usize,
    /// Where it may end afterwards.
    pub(super) room: usize,
}

/// Size and flags of the entry at `at`, which ends at `end` at most.
fn entry(bytes: &[u8], at: usize, end: usize) -> Option<(usize, u16)> {
    let raw = slice(bytes, at, ENTRY_HEADER)?;
    let (size, flags) = (usize::from(u16_at(raw, 8)?), u16_at(raw, 0xC)?);
    let least = if flags & HAS_SUBNODE != 0 { ENTRY_HEADER.checked_add(8)? } else { ENTRY_HEADER };
    (size >= least && size & 7 == 0 && at.checked_add(size)? <= end).then_some((size, flags))
}
