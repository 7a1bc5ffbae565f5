//! Records that reached the disk only in part. Up to eight are on their way at once, so those are the ones that may
//! fail their checksum; an earlier one that does is damage (Linux `xlog_verify_head`, `xlog_verify_tail`).

use super::device::LogDevice;
use super::ends::{Finder, Identity, Span};
use super::layout::{BASIC_BLOCK_SHIFT, RECORD_BYTES_MAX, RECORDS_IN_FLIGHT};
use super::record::{self, Fault, lsn_block};
use vfs::Result;
use vfs::reader::corrupt;

/// What is left of a log when torn records are left out.
pub(crate) enum Verified {
    Dirty(Span),
    /// What is left ends with an unmounted file system, or holds nothing.
    Clean(Span),
}

/// Looks for torn records at the ends of a log; what was found is told in `notices`.
pub(crate) fn verify(log: &LogDevice, identity: Identity, span: Span, notices: &mut Vec<String>) -> Result<Verified> {
    let mut finder = Finder::new(log, identity);
    let mut span = span;
    let newest = finder.before(span.head, span.tail, RECORDS_IN_FLIGHT)?;
    let start = newest.map_or(span.tail, |found| found.block);
    if let Some(torn) = first_bad(log, identity, start, span.head)? {
        notices.push("the last write to its log was not finished and is left out".to_owned());
        let missing = || corrupt("the log is damaged: all of its records fail their checksum");
        let last = finder.before(torn, span.tail, 1)?.ok_or_else(missing)?;
        let tail = lsn_block(last.header.tail_lsn);
        span = Span { tail, head: torn, last };
        if tail >= log.blocks() {
            return Err(corrupt(format!("the log is damaged: it begins at its block {tail}, which does not exist")));
        }
        if span.head == span.tail || finder.is_unmount(&span.last, torn)? {
            return Ok(Verified::Clean(span));
        }
    }
    verify_tail(log, identity, &mut finder, span, notices).map(Verified::Dirty)
}

/// Checks all records, and steps over those at the start of the log that were overwritten already.
fn verify_tail(
    log: &LogDevice,
    identity: Identity,
    finder: &mut Finder<'_>,
    span: Span,
    notices: &mut Vec<String>,
) -> Result<Span> {
    let mut span = span;
    let buffer_bytes = span.last.header.buffer_bytes.min(RECORD_BYTES_MAX);
    let reach = buffer_bytes.saturating_mul(RECORDS_IN_FLIGHT) >> BASIC_BLOCK_SHIFT;
    let missing = || corrupt("the log is damaged: no record begins where it does");
    span.tail = finder.after(span.head, span.tail, 1)?.ok_or_else(missing)?.block;
    // Ends: each time the log gets shorter by a record.
    while let Some(bad) = first_bad(log, identity, span.tail, span.head)? {
        let to_bad = if span.head < bad {
            bad.saturating_sub(span.head)
        } else {
            bad.saturating_add(log.blocks().saturating_sub(span.head))
        };
        let next = finder.after(span.head, bad, 2)?.filter(|next| next.block != bad);
        let (true, Some(next)) = (to_bad <= reach, next) else {
            return Err(corrupt(format!("the log is damaged: the record at its block {bad} is not whole")));
        };
        notices.push(format!("the log begins at its block {}, as what was before it is overwritten", next.block));
        span.tail = next.block;
    }
    Ok(span)
}

/// The block at which the first record between `tail` and `head` begins that is not whole.
fn first_bad(log: &LogDevice, identity: Identity, tail: u64, head: u64) -> Result<Option<u64>> {
    let span = record::Span { tail, head, is_v2_log: identity.is_v2_log };
    let check = &mut |record: record::Record| {
        if record.is_torn() { Err(Fault::Damaged("it fails its checksum".to_owned())) } else { Ok(()) }
    };
    match record::walk(log, span, check) {
        Ok(()) => Ok(None),
        Err(record::Stopped { at, fault: Fault::Damaged(_) }) => Ok(Some(at)),
        Err(record::Stopped { fault: Fault::Other(error), .. }) => Err(error),
    }
}
