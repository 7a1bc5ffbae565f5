//! Records of the log, which may go on over several pages, and the end of the log (`struct LFS_RECORD_HDR` of Linux
//! `fs/ntfs3/fslog.c`).

use super::lsn::{LogLayout, Lsn, RECORD_HEADER};
use super::pages::{Page, Pages};
use crate::bytes::{array, index, u16_at, u32_at, u64_at};
use vfs::Result;
use vfs::reader::corrupt;

/// Bytes of the largest record that is taken: what a table of 65,535 dirty pages needs.
const BODY_MAX: usize = 16 << 20;
/// Pages behind the end of the log that are looked at for records that should not be there.
const PAGES_BEHIND_END: u64 = 64;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A change of the volume, or of the state of a transaction.
    Change,
    /// A checkpoint.
    Restart,
}

/// A record, all of it.
pub(super) struct Record {
    pub(super) lsn: Lsn,
    /// The record of its transaction that is undone after this one.
    pub(super) undo_next: Lsn,
    pub(super) kind: Kind,
    /// Which transaction it belongs to: an offset in the transaction table.
    pub(super) transaction: u32,
    /// [`NO_REDO_DATA`], [`NO_UNDO_DATA`] and whether it goes on in another page.
    pub(super) flags: u16,
    /// Index and sequence number of the client.
    pub(super) client: (u16, u16),
    pub(super) body: Vec<u8>,
    /// Where the next record begins, if there is one.
    pub(super) next: Lsn,
}

/// Flag of a record: its redo data are zeros and were left out. Offset and length are there all the same.
pub(super) const NO_REDO_DATA: u16 = 2;
/// Flag of a record: its undo data are zeros and were left out.
pub(super) const NO_UNDO_DATA: u16 = 4;

/// What was found where a record may begin.
pub(super) enum Found {
    Record(Record),
    /// Nothing of this round; or a record whose last pages were not written. Page and place in a transfer that should
    /// have been next.
    End(u64, u16),
    /// Something that contradicts itself.
    Damaged,
}

/// Reads records.
pub(super) struct Reader<'a> {
    pages: Pages<'a>,
    layout: LogLayout,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(pages: Pages<'a>, layout: LogLayout) -> Self {
        Self { pages, layout }
    }

    /// The record with this number, which has to be there.
    pub(super) fn read(&self, lsn: Lsn) -> Result<Record> {
        match self.find(lsn)? {
            Found::Record(record) => Ok(record),
            _ => Err(corrupt(format!("the log has no record {:#x}, which it refers to", lsn.0))),
        }
    }

    /// Gives each record from `first` on to `each`, up to the last one of the log, whose number is returned.
    pub(super) fn walk(&self, first: Lsn, each: &mut dyn FnMut(&Record) -> Result<()>) -> Result<Lsn> {
        let (mut lsn, mut last) = (first, Lsn::NONE);
        loop {
            match self.find(lsn)? {
                Found::Record(record) => {
                    each(&record)?;
                    last = record.lsn;
                    // The numbers grow, so that this comes to an end after one round.
                    if record.next <= lsn || self.is_lapped(first, record.next) {
                        return Err(corrupt("the log is damaged: its records make a circle"));
                    }
                    lsn = record.next;
                }
                Found::End(page, position) if last != Lsn::NONE => {
                    self.check_end(lsn, page, position)?;
                    return Ok(last);
                }
                _ => return Err(corrupt(format!("the log is damaged: there is no record {:#x}", lsn.0))),
            }
        }
    }

    /// Whether a record lies where an older one began that is still needed.
    fn is_lapped(&self, first: Lsn, lsn: Lsn) -> bool {
        let rounds = self.layout.round(lsn).saturating_sub(self.layout.round(first));
        let (from, to) = (self.layout.place(first), self.layout.place(lsn));
        rounds > 1 || (rounds == 1 && to >= from)
    }

    /// Refuses a log that goes on behind its end: a page in between was lost. What belongs to the same transfer as the
    /// page that ended it may be there, because those pages reach the disk in any order (`last_log_lsn`, which looks at
    /// fewer).
    fn check_end(&self, end: Lsn, mut page: u64, mut position: u16) -> Result<()> {
        // Where the record begins that is not there, or not to its end.
        let start = self.layout.place(end).map(|(start, _)| start);
        for _ in 0..PAGES_BEHIND_END {
            (page, _) = self.layout.next_page(page, 0);
            if Some(page) == start {
                break;
            }
            position = position.saturating_add(1);
            let Some(found) = &*self.pages.page(page)? else { continue };
            let (count, place) = found.transfer;
            if found.last >= end && (place != position || place > count) {
                return Err(corrupt(format!(
                    "the log is damaged: a page is missing at {:#x}, where it goes on",
                    end.0
                )));
            }
        }
        Ok(())
    }

    fn find(&self, lsn: Lsn) -> Result<Found> {
        let Some((number, at)) = self.layout.place(lsn) else { return Ok(Found::Damaged) };
        let Some(page) = &*self.pages.page(number)? else {
            return Ok(Found::End(number, self.position_after(number)?));
        };
        if page.last < lsn {
            return Ok(Found::End(number, self.position_after(number)?));
        }
        let header = page.bytes.get(at..).unwrap_or_default();
        match Header::parse(header).filter(|header| header.lsn == lsn) {
            Some(header) => self.body(number, at, page, &header),
            None => Ok(Found::Damaged),
        }
    }

    /// The place in its transfer that the page with this number has if it was not written: it goes on with the one
    /// before.
    fn position_after(&self, number: u64) -> Result<u16> {
        let before = if number <= self.layout.first_page { self.layout.pages } else { number }.saturating_sub(1);
        Ok(match &*self.pages.page(before)? {
            Some(Page { transfer: (count, position), .. }) if position < count => position.saturating_add(1),
            _ => 1,
        })
    }

    fn body(&self, mut number: u64, at: usize, first: &Page, header: &Header) -> Result<Found> {
        let damaged = Ok(Found::Damaged);
        if header.length > BODY_MAX || u64::try_from(header.length).is_ok_and(|bytes| bytes >= self.layout.ring_bytes())
        {
            return damaged;
        }
        let Some(kind) = header.kind() else { return damaged };
        let mut round = self.layout.round(header.lsn);
        let (mut page, mut from) = (first.clone(), at.saturating_add(RECORD_HEADER));
        let mut body = Vec::new();
        loop {
            let wanted = header.length.saturating_sub(body.len());
            let here = page.bytes.get(from..).unwrap_or_default();
            let here = here.get(..wanted).unwrap_or(here);
            body.extend_from_slice(here);
            from = from.saturating_add(here.len());
            if body.len() >= header.length {
                break;
            }
            (number, round) = self.layout.next_page(number, round);
            match &*self.pages.page(number)? {
                Some(next) if next.last >= header.lsn => page = next.clone(),
                // The transfer was not written to its end, and neither was the record.
                _ => return Ok(Found::End(number, self.position_after(number)?)),
            }
            from = self.layout.data_offset;
        }
        if page.last_end.is_none_or(|end| end < header.lsn) {
            return Ok(Found::End(number, self.position_after(number)?));
        }
        let end = from.next_multiple_of(8);
        let is_last = page.last == header.lsn || end.saturating_add(RECORD_HEADER) > self.layout.page_bytes;
        let next = if is_last {
            let (number, round) = self.layout.next_page(number, round);
            self.layout.lsn(number, self.layout.data_offset, round)
        } else {
            self.layout.lsn(number, end, round)
        };
        Ok(Found::Record(Record {
            lsn: header.lsn,
            undo_next: header.undo_next,
            kind,
            transaction: header.transaction,
            flags: header.flags,
            client: header.client,
            body,
            next,
        }))
    }
}

/// The header of a record.
struct Header {
    lsn: Lsn,
    undo_next: Lsn,
    length: usize,
    client: (u16, u16),
    kind: u32,
    transaction: u32,
    flags: u16,
}

impl Header {
    fn parse(raw: &[u8]) -> Option<Self> {
        let raw: [u8; RECORD_HEADER] = array(raw, 0)?;
        Some(Self {
            lsn: Lsn(u64_at(&raw, 0)?),
            undo_next: Lsn(u64_at(&raw, 0x10)?),
            length: index(u32_at(&raw, 0x18)?),
            client: (u16_at(&raw, 0x1E)?, u16_at(&raw, 0x1C)?),
            kind: u32_at(&raw, 0x20)?,
            transaction: u32_at(&raw, 0x24)?,
            flags: u16_at(&raw, 0x28)?,
        })
    }

    fn kind(&self) -> Option<Kind> {
        match self.kind {
            1 => Some(Kind::Change),
            2 => Some(Kind::Restart),
            _ => None,
        }
    }
}
