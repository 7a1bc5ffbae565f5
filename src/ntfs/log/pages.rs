//! The pages of the log. The last ones are written twice: their copies lie before the ring, and where a page of the
//! ring is torn or older, its copy counts (`last_log_lsn` of Linux `fs/ntfs3/fslog.c`; `apply_fast_pages` of
//! dfir_ntfs).

use super::Source;
use super::lsn::{LogLayout, Lsn};
use crate::bytes::{u16_at, u32_at, u64_at};
use crate::fixup;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use vfs::reader::corrupt;
use vfs::{Kept, Result};

/// Pages that are read at once.
const CHUNK_PAGES: u64 = 64;
/// Chunks that are kept: 256 KiB each mostly.
const CHUNKS_MAX: NonZeroUsize = NonZeroUsize::new(4).unwrap();
/// Pages that are kept.
const PAGES_MAX: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// Flag: a record ends in this page.
const RECORD_END: u32 = 1;

/// A page of records that is whole.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) bytes: Vec<u8>,
    /// The last record that begins here.
    pub(super) last: Lsn,
    /// The last record that ends here; `None` when none does.
    pub(super) last_end: Option<Lsn>,
    /// Pages that were written in one go with this one, and the place of this one among them, from 1 on.
    pub(super) transfer: (u16, u16),
}

/// The pages of a log.
pub(super) struct Pages<'a> {
    log: &'a Source<'a>,
    layout: LogLayout,
    /// What the copies before the ring say of pages in it: the newest of each.
    copies: BTreeMap<u64, Page>,
    chunks: Kept<u64, Vec<u8>>,
    pages: Kept<u64, Option<Page>>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(log: &'a Source<'a>, layout: LogLayout) -> Result<Self> {
        let mut pages =
            Self { log, layout, copies: BTreeMap::new(), chunks: Kept::new(CHUNKS_MAX), pages: Kept::new(PAGES_MAX) };
        for number in 2..layout.first_page {
            let Some((page, place)) = pages.raw(number)?.and_then(|raw| copy(&layout, raw)) else { continue };
            match pages.copies.get(&place) {
                Some(other) if other.last >= page.last => {}
                _ => {
                    pages.copies.insert(place, page);
                }
            }
        }
        Ok(pages)
    }

    /// A page of the ring, from where it was written last; `None` when it was never written, or is torn in all places.
    pub(super) fn page(&self, number: u64) -> Result<Arc<Option<Page>>> {
        self.pages.get_or_read(number, || {
            let own = self.raw(number)?.and_then(parse);
            let copy = self.copies.get(&number);
            Ok(match own {
                Some(own) if copy.is_none_or(|copy| copy.last <= own.last) => Some(own),
                _ => copy.cloned(),
            })
        })
    }

    /// The bytes of a page; `None` when it is no page of records, or torn.
    fn raw(&self, number: u64) -> Result<Option<Vec<u8>>> {
        let chunk = number.checked_div(CHUNK_PAGES).unwrap_or(0);
        let bytes = self.chunks.get_or_read(chunk, || self.chunk(chunk))?;
        let in_chunk = usize::try_from(number.checked_rem(CHUNK_PAGES).unwrap_or(0)).unwrap_or(usize::MAX);
        let mut pages = bytes.chunks_exact(self.layout.page_bytes).skip(in_chunk);
        let page = pages.next().ok_or_else(|| corrupt(format!("the log has no page {number}")))?;
        let mut page = page.to_vec();
        let is_page = page.starts_with(b"RCRD") && fixup::undo(&mut page).is_ok();
        Ok(is_page.then_some(page))
    }

    fn chunk(&self, chunk: u64) -> Result<Vec<u8>> {
        let first = chunk.saturating_mul(CHUNK_PAGES);
        let count = self.layout.pages.saturating_sub(first).min(CHUNK_PAGES);
        let page_bytes = u64::try_from(self.layout.page_bytes).unwrap_or(u64::MAX);
        let length = usize::try_from(count.saturating_mul(page_bytes)).unwrap_or(0);
        let mut bytes = vec![0; length];
        self.log.read(first.saturating_mul(page_bytes), &mut bytes)?;
        Ok(bytes)
    }
}

/// A page of the ring.
fn parse(bytes: Vec<u8>) -> Option<Page> {
    let last = Lsn(u64_at(&bytes, 8)?);
    let has_end = u32_at(&bytes, 0x10)? & RECORD_END != 0;
    let last_end = has_end.then_some(Lsn(u64_at(&bytes, 0x20)?));
    let transfer = (u16_at(&bytes, 0x14)?, u16_at(&bytes, 0x16)?);
    Some(Page { bytes, last, last_end, transfer })
}

/// A copy before the ring, and the page that it is a copy of.
fn copy(layout: &LogLayout, bytes: Vec<u8>) -> Option<(Page, u64)> {
    let page_bytes = u64::try_from(layout.page_bytes).ok()?;
    // Version 1 has the place where the last LSN would be: such pages hold no record that does not end in them.
    let place = if layout.is_fast { u64::from(u32_at(&bytes, 0x3C)?) } else { u64_at(&bytes, 8)? };
    let mut page = parse(bytes)?;
    if !layout.is_fast {
        page.last = page.last_end?;
    }
    let number = place.checked_div(page_bytes)?;
    let is_in_ring = place.checked_rem(page_bytes)? == 0 && (layout.first_page..layout.pages).contains(&number);
    is_in_ring.then_some((page, number))
}
