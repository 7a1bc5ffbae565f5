//! The two restart pages at the beginning of the log: how it is laid out, and where NTFS, its only client, wrote its
//! last checkpoint (`struct RESTART_HDR`, `RESTART_AREA` and `CLIENT_REC` of Linux `fs/ntfs3/fslog.c`).

use super::Source;
use super::lsn::{LogLayout, Lsn};
use crate::bytes::{index, slice, u16_at, u32_at, u64_at};
use crate::fixup;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result};

/// No client, in lists of clients.
const NO_CLIENT: u16 = 0xFFFF;
/// Bytes of a client record.
const CLIENT_BYTES: usize = 0xA0;
/// "NTFS".
const CLIENT_NAME: &[u8] = b"N\0T\0F\0S\0";
/// Bytes of the header before each record; no other number was ever seen.
const RECORD_HEADER: u16 = 0x30;
/// Pages that Windows uses, and those around them.
const PAGE_BYTES_MIN: usize = 1024;
const PAGE_BYTES_MAX: usize = 1 << 16;
/// Windows makes no larger log.
const LOG_BYTES_MAX: u64 = 1 << 32;
/// Pages of records in the smallest log.
const PAGES_MIN: u64 = 0x30;

/// What the restart pages say.
pub(super) enum Restart {
    /// Nobody uses the log, or it was emptied: nothing is to be replayed.
    Clean,
    InUse(Checkpoint),
}

/// Where the log of a volume that is in use, or was closed in good order, begins and ends.
#[derive(Clone, Copy)]
pub(super) struct Checkpoint {
    pub(super) layout: LogLayout,
    /// The last record when the page was written; the log goes on after it.
    pub(super) current: Lsn,
    /// The oldest record that NTFS may need.
    pub(super) oldest: Lsn,
    /// The record of the last checkpoint.
    pub(super) restart: Lsn,
    /// Index and sequence number of the client, as records carry them.
    pub(super) client: (u16, u16),
}

/// A restart page that was found.
struct RestartPage {
    bytes: Vec<u8>,
    /// Whether chkdsk left it: it repaired the volume then, and the log has nothing to say.
    is_chkdsk: bool,
}

impl Restart {
    /// Reads both pages and takes the newer one that is whole.
    pub(super) fn read(log: &Source<'_>) -> Result<Self> {
        if log.bytes > LOG_BYTES_MAX {
            return Err(corrupt(format!("the log has {} bytes, and none has more than 4 GiB", log.bytes)));
        }
        let first = page_at(log, 0)?;
        let second = match &first {
            // The second one follows the first, however large pages are.
            Found::Page(page) => page_at(log, u64::from(u32_at(&page.bytes, 0x10).unwrap_or(0)))?,
            _ => second_page(log)?,
        };
        if matches!((&first, &second), (Found::Empty, Found::Empty)) {
            return Ok(Self::Clean);
        }
        let read = |found| match found {
            Found::Page(page) => Some(area(log, &page)),
            Found::Empty | Found::Other => None,
        };
        match (read(first), read(second)) {
            (Some(Ok(first)), Some(Ok(second))) => Ok(if second.lsn > first.lsn { second } else { first }.restart),
            (Some(Ok(one)), _) | (_, Some(Ok(one))) => Ok(one.restart),
            (Some(Err(error)), _) | (None, Some(Err(error))) => Err(error),
            (None, None) => Err(corrupt("the log has no restart page")),
        }
    }
}

/// What is where a restart page should be.
enum Found {
    Page(RestartPage),
    /// Bytes of 0xFF alone: the log was emptied (mkntfs, ntfs-3g) or never used.
    Empty,
    Other,
}

/// The second page when the first cannot say where it is: it follows it.
fn second_page(log: &Source<'_>) -> Result<Found> {
    let mut at = PAGE_BYTES_MIN;
    let mut seen = Found::Other;
    while at <= PAGE_BYTES_MAX {
        match page_at(log, u64::try_from(at).unwrap_or(u64::MAX))? {
            found @ Found::Page(_) => return Ok(found),
            Found::Empty => seen = Found::Empty,
            Found::Other => {}
        }
        at = at.saturating_mul(2);
    }
    Ok(seen)
}

fn page_at(log: &Source<'_>, at: u64) -> Result<Found> {
    if at.saturating_add(u64::try_from(PAGE_BYTES_MIN).unwrap_or(u64::MAX)) > log.bytes {
        return Ok(Found::Other);
    }
    let mut head = vec![0; PAGE_BYTES_MIN];
    log.read(at, &mut head)?;
    if head.iter().all(|byte| *byte == 0xFF) {
        return Ok(Found::Empty);
    }
    let (is_chkdsk, is_restart) = (head.starts_with(b"CHKD"), head.starts_with(b"RSTR"));
    let page_bytes = u32_at(&head, 0x10).map_or(0, index);
    let is_size = page_bytes.is_power_of_two() && (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes);
    let page_length = u64::from(u32_at(&head, 0x10).unwrap_or(0));
    let is_place = at == 0 || at == page_length;
    if !(is_chkdsk || is_restart) || !is_size || !is_place || at.saturating_add(page_length) > log.bytes {
        return Ok(Found::Other);
    }
    let mut bytes = vec![0; page_bytes];
    log.read(at, &mut bytes)?;
    // A torn page is as good as none: its twin was written at another time.
    if fixup::undo(&mut bytes).is_err() {
        return Ok(Found::Other);
    }
    Ok(Found::Page(RestartPage { bytes, is_chkdsk }))
}

/// The restart area of a page, and its age.
struct Area {
    lsn: u64,
    restart: Restart,
}

fn area(log: &Source<'_>, page: &RestartPage) -> Result<Area> {
    let damaged = || corrupt("the restart page of the log is damaged");
    if page.is_chkdsk {
        return Ok(Area { lsn: u64_at(&page.bytes, 8).ok_or_else(damaged)?, restart: Restart::Clean });
    }
    let area_at = usize::from(u16_at(&page.bytes, 0x18).ok_or_else(damaged)?);
    let area = page.bytes.get(area_at..).filter(|_| area_at >= 0x1E && area_at & 7 == 0).ok_or_else(damaged)?;
    let current = u64_at(area, 0).ok_or_else(damaged)?;
    let in_use = u16_at(area, 0xC).ok_or_else(damaged)?;
    if in_use == NO_CLIENT {
        return Ok(Area { lsn: current, restart: Restart::Clean });
    }
    let layout = layout(log, page, area)?;
    let clients = u16_at(area, 8).ok_or_else(damaged)?;
    let clients_at = usize::from(u16_at(area, 0x16).ok_or_else(damaged)?);
    let client = usize::from(in_use)
        .checked_mul(CLIENT_BYTES)
        .and_then(|offset| slice(area, clients_at.checked_add(offset)?, CLIENT_BYTES))
        .filter(|_| in_use < clients)
        .ok_or_else(damaged)?;
    if u32_at(client, 0x1C) != Some(8) || slice(client, 0x20, 8) != Some(CLIENT_NAME) {
        return Err(corrupt("the log belongs to something else than NTFS"));
    }
    let lsn = |at| u64_at(client, at).map(Lsn).ok_or_else(damaged);
    let sequence = u16_at(client, 0x14).ok_or_else(damaged)?;
    let checkpoint =
        Checkpoint { layout, current: Lsn(current), oldest: lsn(0)?, restart: lsn(8)?, client: (in_use, sequence) };
    Ok(Area { lsn: current, restart: Restart::InUse(checkpoint) })
}

/// Sizes and places, checked.
fn layout(log: &Source<'_>, page: &RestartPage, area: &[u8]) -> Result<LogLayout> {
    let damaged = || corrupt("the restart page of the log is damaged");
    let (minor, major) = (u16_at(&page.bytes, 0x1A), u16_at(&page.bytes, 0x1C));
    let (minor, major) = minor.zip(major).ok_or_else(damaged)?;
    let buffer_pages = match (major, minor) {
        // Two copies of the last page.
        (1, 1) => 2,
        // Two times sixteen pages, which are written in turn before the pages themselves.
        (2, 0) => 0x20,
        _ => {
            let message = format!("the log has version {major}.{minor}, which this version does not know");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    let page_bytes = page.bytes.len();
    if u32_at(&page.bytes, 0x14).map(index) != Some(page_bytes) {
        return Err(corrupt("the pages of the log have another size than its restart pages"));
    }
    let (sequence_bits, bytes) = u32_at(area, 0x10).zip(u64_at(area, 0x18)).ok_or_else(damaged)?;
    let page_length = u64::try_from(page_bytes).unwrap_or(u64::MAX);
    let pages = bytes.checked_div(page_length).unwrap_or(0);
    let usable = bytes <= log.bytes && pages >= PAGES_MIN.saturating_add(buffer_pages);
    // As many bits as are not needed for offsets in units of eight bytes.
    let bits_expected = bytes.leading_zeros().saturating_add(3);
    if !usable || sequence_bits != bits_expected {
        return Err(corrupt(format!(
            "the log says that it has {bytes} bytes and numbers with {sequence_bits} bits, in a file of {}",
            log.bytes
        )));
    }
    let (header, data_offset) = u16_at(area, 0x24).zip(u16_at(area, 0x26)).ok_or_else(damaged)?;
    let data_offset = usize::from(data_offset);
    let fixups_end = (page_bytes >> 9).saturating_add(1).saturating_mul(2).saturating_add(0x28);
    if header != RECORD_HEADER || data_offset & 7 != 0 || data_offset < fixups_end || data_offset > page_bytes / 2 {
        return Err(damaged());
    }
    Ok(LogLayout {
        page_bytes,
        pages,
        first_page: buffer_pages.saturating_add(2),
        data_offset,
        sequence_bits,
        is_fast: major >= 2,
    })
}
