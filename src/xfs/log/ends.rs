//! Where the log begins and ends. Nothing says so: every block of the log begins with the number of the cycle in which
//! it was written (or is the header of a record, which has it), and the place where that number changes is the end
//! (Linux `xlog_find_head`, `xlog_find_tail`).

use super::device::{LogDevice, Window};
use super::layout::{
    BASIC_BLOCK_SHIFT, HEADER_CYCLE_BYTES, RECORD_BYTES_MAX, RECORD_MAGIC, RECORDS_IN_FLIGHT, operation,
};
use super::record::{RecordHeader, is_header, lsn_block};
use crate::bytes::u32_at;
use vfs::Result;
use vfs::reader::corrupt;

/// Of which file system the log is, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) uuid: [u8; 16],
    pub(crate) is_v2_log: bool,
}

/// A record found by its header.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) block: u64,
    pub(crate) header: RecordHeader,
    /// Whether it lies behind the end of the log as seen from where the search began.
    pub(crate) has_wrapped: bool,
}

/// The state of a log, before torn writes are looked for.
#[derive(Clone, Debug)]
pub(crate) enum Ends {
    /// It was never written to.
    Empty,
    /// Its last record says that the file system was unmounted.
    Clean(Span),
    Dirty(Span),
}

/// From the oldest record that is still needed to the place behind the newest.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) tail: u64,
    pub(crate) head: u64,
    pub(crate) last: Found,
}

impl Ends {
    /// The cycle in which the next record would be written, and the block.
    pub(crate) fn cycle_and_head(&self) -> (u64, u64) {
        match self {
            Self::Empty => (1, 0),
            Self::Clean(span) | Self::Dirty(span) => span.cycle_and_head(),
        }
    }
}

impl Span {
    /// The cycle in which the next record would be written, and the block (Linux `xlog_set_state`).
    pub(crate) fn cycle_and_head(&self) -> (u64, u64) {
        (u64::from(self.last.header.cycle).saturating_add(self.last.has_wrapped.into()), self.head)
    }
}

/// Looks for the ends of a log.
pub(crate) struct Finder<'a> {
    log: &'a LogDevice,
    window: Window<'a>,
    identity: Identity,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(log: &'a LogDevice, identity: Identity) -> Self {
        Self { log, window: Window::new(log), identity }
    }

    /// Blocks that one record can have.
    fn record_blocks(&self) -> u64 {
        (if self.identity.is_v2_log { RECORD_BYTES_MAX } else { HEADER_CYCLE_BYTES }) >> BASIC_BLOCK_SHIFT
    }

    /// Blocks that can be on their way to the disk at once.
    fn blocks_in_flight(&self) -> u64 {
        self.record_blocks().saturating_mul(RECORDS_IN_FLIGHT)
    }

    /// The ends of the log, and whether anything lies between them (the first half of Linux `xlog_find_tail`).
    pub(crate) fn find(&mut self) -> Result<Ends> {
        let head = self.head()?;
        if head == 0 && self.cycle(0)? == 0 {
            return Ok(Ends::Empty);
        }
        let missing = || corrupt("the log is damaged: there is no record before its end");
        let last = self.before(head, head, 1)?.ok_or_else(missing)?;
        if self.is_unmount(&last, head)? {
            return Ok(Ends::Clean(Span { tail: head, head, last }));
        }
        let tail = lsn_block(last.header.tail_lsn);
        if tail >= self.log.blocks() {
            return Err(corrupt(format!("the log is damaged: it begins at its block {tail}, which does not exist")));
        }
        Ok(Ends::Dirty(Span { tail, head, last }))
    }

    /// Whether the last record, at the end of which the log ends, says that the file system was unmounted
    /// (Linux `xlog_check_unmount_rec`).
    pub(crate) fn is_unmount(&mut self, last: &Found, head: u64) -> Result<bool> {
        const FLAGS_OFFSET: usize = 9;
        let end = self.log.wrap(last.block, last.header.blocks());
        if end != head || last.header.operations != 1 {
            return Ok(false);
        }
        let data = self.log.wrap(last.block, last.header.header_blocks);
        let flags = self.window.block(data)?.get(FLAGS_OFFSET).copied().unwrap_or(0);
        Ok(flags & operation::UNMOUNT != 0)
    }

    /// The number of the cycle in which a block was written.
    fn cycle(&mut self, block: u64) -> Result<u32> {
        let bytes = self.window.block(block)?;
        let word = u32_at(bytes, 0).unwrap_or(0);
        Ok(if word == RECORD_MAGIC { u32_at(bytes, 4).unwrap_or(0) } else { word })
    }

    /// About the first block with this cycle between `first`, which has another, and `last`, which has it
    /// (Linux `xlog_find_cycle_start`).
    fn cycle_start(&mut self, first: u64, last: u64, cycle: u32) -> Result<u64> {
        let (mut first, mut last) = (first, last);
        // Ends: what lies between is halved.
        while last.saturating_sub(first) > 1 {
            let middle = first.midpoint(last);
            if self.cycle(middle)? == cycle {
                last = middle;
            } else {
                first = middle;
            }
        }
        Ok(last)
    }

    /// The first of `count` blocks that has this cycle (Linux `xlog_find_verify_cycle`).
    fn first_of_cycle(&mut self, start: u64, count: u64, cycle: u32) -> Result<Option<u64>> {
        for block in start..start.saturating_add(count) {
            if self.cycle(block)? == cycle {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// Steps back over a record that was not written to its end: `last` itself if the record before it is whole, else
    /// the block at which that begins. `None` when there is no record before `last` in the log, and the search has to
    /// go on at its end; `before` is the number of blocks that were seen there already
    /// (Linux `xlog_find_verify_log_record`).
    fn whole_records_end(&mut self, start: u64, last: u64, before: u64) -> Result<Option<u64>> {
        for block in (start..last).rev() {
            let bytes = self.window.block(block)?;
            if !is_header(bytes) {
                continue;
            }
            let header = RecordHeader::parse(bytes, self.identity.is_v2_log);
            let header = header.ok_or_else(|| corrupt("the log is damaged: a record without a header"))?;
            self.check_uuid(&header)?;
            let found = last.saturating_sub(block).saturating_add(before);
            return Ok(Some(if found == header.blocks() { last } else { block }));
        }
        if start == 0 {
            return Ok(None);
        }
        Err(corrupt(format!("the log is damaged: no record begins in the blocks before {last}")))
    }

    /// Linux `xlog_header_check_mount`: IRIX writes no UUID.
    fn check_uuid(&self, header: &RecordHeader) -> Result<()> {
        if header.uuid == self.identity.uuid || header.uuid == [0; 16] {
            return Ok(());
        }
        Err(corrupt("the log belongs to another file system"))
    }

    /// The end of a log whose rest was never written to; `None` when it was written to the end (Linux
    /// `xlog_find_zeroed`).
    fn zeroed(&mut self) -> Result<Option<u64>> {
        let end = self.log.blocks().saturating_sub(1);
        if self.cycle(0)? == 0 {
            return Ok(Some(0));
        }
        if self.cycle(end)? != 0 {
            return Ok(None);
        }
        let mut last = self.cycle_start(0, end, 0)?;
        let scanned = self.blocks_in_flight().min(last);
        let start = last.saturating_sub(scanned);
        if let Some(hole) = self.first_of_cycle(start, scanned, 0)? {
            last = hole;
        }
        let whole = self.whole_records_end(start, last, 0)?;
        whole.map(Some).ok_or_else(|| corrupt("the log is damaged: it does not begin with a record"))
    }

    /// Where the next record would be written (Linux `xlog_find_head`).
    fn head(&mut self) -> Result<u64> {
        if let Some(head) = self.zeroed()? {
            return Ok(head);
        }
        let blocks = self.log.blocks();
        let (first_cycle, last_cycle) = (self.cycle(0)?, self.cycle(blocks.saturating_sub(1))?);
        // Where all blocks have one cycle the end is behind the last one, unless there is a hole.
        let (mut head, stop) = if first_cycle == last_cycle {
            (blocks, last_cycle.wrapping_sub(1))
        } else {
            (self.cycle_start(0, blocks.saturating_sub(1), last_cycle)?, last_cycle)
        };
        // What was on its way to the disk may have arrived in any order: a block before the end that was not written in
        // this cycle is the real end.
        let scanned = self.blocks_in_flight().min(blocks);
        if head >= scanned {
            let hole = self.first_of_cycle(head.saturating_sub(scanned), scanned, stop)?;
            head = hole.unwrap_or(head);
        } else {
            let at_end = scanned.saturating_sub(head);
            let start = blocks.saturating_sub(at_end);
            head = match self.first_of_cycle(start, at_end, stop.wrapping_sub(1))? {
                Some(hole) => hole,
                None => self.first_of_cycle(0, head, stop)?.unwrap_or(head),
            };
        }
        let head = self.whole_head(head)?;
        Ok(if head == blocks { 0 } else { head })
    }

    /// The end, if it is not in the middle of a record, or where that record begins.
    fn whole_head(&mut self, head: u64) -> Result<u64> {
        let blocks = self.log.blocks();
        let missing = || corrupt("the log is damaged: no record begins before its end");
        let scanned = self.record_blocks();
        if head >= scanned {
            return self.whole_records_end(head.saturating_sub(scanned), head, 0)?.ok_or_else(missing);
        }
        if let Some(whole) = self.whole_records_end(0, head, 0)? {
            return Ok(whole);
        }
        let start = blocks.saturating_sub(scanned.saturating_sub(head));
        let whole = self.whole_records_end(start, blocks, head)?.ok_or_else(missing)?;
        Ok(if whole == blocks { head } else { whole })
    }

    /// The record that is the `count`th before `head`, or the last one before there are no more up to `tail`
    /// (Linux `xlog_rseek_logrec_hdr`). With `head` and `tail` the same, the whole log is searched.
    pub(crate) fn before(&mut self, head: u64, tail: u64, count: u64) -> Result<Option<Found>> {
        let near = if head > tail { tail } else { 0 }..head;
        let far = if tail >= head { tail..self.log.blocks() } else { 0..0 };
        let near = near.rev().map(|block| (block, false));
        self.nth_header(near.chain(far.rev().map(|block| (block, true))), count)
    }

    /// The record that is the `count`th from `tail` on, or the last one before there are no more up to `head`
    /// (Linux `xlog_seek_logrec_hdr`).
    pub(crate) fn after(&mut self, head: u64, tail: u64, count: u64) -> Result<Option<Found>> {
        let near = tail..if head > tail { head } else { self.log.blocks() };
        let far = if tail > head { 0..head } else { 0..0 };
        self.nth_header(near.map(|block| (block, false)).chain(far.map(|block| (block, true))), count)
    }

    fn nth_header(&mut self, blocks: impl Iterator<Item = (u64, bool)>, count: u64) -> Result<Option<Found>> {
        let (mut found, mut number) = (None, 0);
        for (block, has_wrapped) in blocks {
            if let Some(header) = RecordHeader::parse(self.window.block(block)?, self.identity.is_v2_log) {
                found = Some(Found { block, header, has_wrapped });
                number = u64::saturating_add(number, 1);
                if number == count {
                    break;
                }
            }
        }
        Ok(found)
    }
}
