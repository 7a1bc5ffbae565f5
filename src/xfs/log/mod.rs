//! The log: what was changed and had not reached its place yet when the source stopped is found here, and laid over the
//! volume in memory. Nothing is written.
//!
//! The log is a ring of blocks of 512 bytes. The kernel writes it in records ([`record`]); each begins with the number
//! of its cycle, by which the ends of the log are found ([`ends`]) and what was not written to its end is told
//! ([`torn`]). The operations in the records make transactions ([`transaction`]), which consist of log items: buffers
//! ([`buffer`]), inodes ([`inode`]), new inodes ([`create`]), quotas ([`quota`]), and intents ([`intent`]). They are
//! gone through twice ([`replay`]): what was freed, of which nothing may be replayed ([`cancel`]), then the changes
//! themselves.
//!
//! After that a kernel finishes the intents. Three kinds of them free space or note who uses it, which changes no file;
//! the others are left to those who show files. It also frees inodes that were deleted while they were open: they have
//! no name, so nobody sees them.
//!
//! Source: Linux `fs/xfs/xfs_log_recover.c`.

mod buffer;
mod cancel;
mod create;
mod device;
mod ends;
mod fields;
mod inode;
mod intent;
mod layout;
mod quota;
mod record;
mod replay;
mod root;
mod stamp;
#[cfg(test)]
mod tests;
mod torn;
mod transaction;

pub(crate) use device::LogDevice;
pub(crate) use intent::{AttributeChange, AttributeIntent, ExchangeIntent, Intent, MapIntent};

use crate::layout::RawSuperblock;
use crate::superblock::{self, Superblock};
use block::ReadAt;
use ends::{Ends, Finder, Identity, Span};
use quota::Quotas;
use record::{Fault, Record};
use replay::{FirstPass, Replay};
use std::sync::Arc;
use torn::Verified;
use transaction::{Transaction, Transactions};
use vfs::reader::corrupt;
use vfs::replay::{BYTES_MAX, Memory, Sectors};
use vfs::{Error, ErrorKind, Result};

/// What a recovery found.
pub(crate) struct Recovered {
    /// The changed sectors, to be laid over the data volume in an `Overlay` with blocks of `1 << `[`PATCH_SHIFT`]
    /// bytes.
    pub(crate) patches: Arc<Sectors>,
    /// What a kernel would finish after the replay, in this order.
    pub(crate) intents: Vec<Intent>,
    pub(crate) transactions: u64,
    /// Memory that the changed sectors take.
    pub(crate) memory_bytes: usize,
    /// What people should know, in whole sentences.
    pub(crate) notices: Vec<String>,
}

/// log2 of the size of a sector of [`Recovered::patches`].
pub(crate) const PATCH_SHIFT: u32 = vfs::replay::SECTOR_SHIFT;

/// What part of the memory transactions may take that are not committed yet, in addition to what was changed. A kernel
/// makes none that is larger than an eighth of a log, which has 2 GiB at most.
const BEGUN_PART: usize = 2;

/// Whether the log holds anything to be replayed. Cheap: only its ends are looked at.
pub(crate) fn is_dirty(superblock: &Superblock, log: &LogDevice) -> Result<bool> {
    dirty_span(superblock, log).map(|span| span.is_some())
}

/// What has to be replayed; `None` when there is nothing.
fn dirty_span(superblock: &Superblock, log: &LogDevice) -> Result<Option<Span>> {
    let ends = Finder::new(log, identity(superblock)).find()?;
    check_age(superblock, ends.cycle_and_head())?;
    Ok(match ends {
        Ends::Dirty(span) if span.head != span.tail => Some(span),
        _ => None,
    })
}

fn identity(superblock: &Superblock) -> Identity {
    Identity { uuid: superblock.uuid, is_v2_log: superblock.features.log_v2() }
}

/// Replays the log in memory; `None` when it [`is_dirty`] not.
pub(crate) fn recover(superblock: &Superblock, data: &Arc<dyn ReadAt>, log: &LogDevice) -> Result<Option<Recovered>> {
    recover_within(superblock, data, log, BYTES_MAX)
}

fn recover_within(
    superblock: &Superblock,
    data: &Arc<dyn ReadAt>,
    log: &LogDevice,
    memory_bytes: usize,
) -> Result<Option<Recovered>> {
    let mut notices = Vec::new();
    let identity = identity(superblock);
    let Some(span) = dirty_span(superblock, log)? else { return Ok(None) };
    if let Some(features) = superblock.features.unreplayable() {
        let message = format!("its log needs what this version does not have: {features}");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let span = match torn::verify(log, identity, span, &mut notices)? {
        Verified::Dirty(span) => span,
        Verified::Clean(span) => {
            check_age(superblock, span.cycle_and_head())?;
            return Ok(Some(nothing(notices)));
        }
    };
    let sector = superblock::read_sector(data.as_ref())?;
    let raw = superblock::raw(&sector)?;
    check_cycles(log, &span)?;
    check_age(superblock, span.cycle_and_head())?;
    let mut memory = Memory::new(memory_bytes);
    let mut first = FirstPass::default();
    let begun_bytes = memory_bytes / BEGUN_PART;
    pass(superblock, log, &span, begun_bytes, &mut |transaction| first.take(transaction, &mut memory))?;
    let quotas = Quotas::new(raw, first.quotas_off);
    let mut replay = Replay::new(superblock, data, first, quotas, cluster_blocks(superblock, raw), memory);
    pass(superblock, log, &span, begun_bytes, &mut |transaction| replay.take(transaction))?;
    let replayed = replay.end()?;
    notices.extend(replayed.notices);
    Ok(Some(Recovered {
        memory_bytes: replayed.changed.memory_bytes(),
        patches: Arc::new(replayed.changed),
        intents: replayed.intents,
        transactions: replayed.transactions,
        notices,
    }))
}

fn nothing(notices: Vec<String>) -> Recovered {
    Recovered { patches: Arc::default(), intents: Vec::new(), transactions: 0, memory_bytes: 0, notices }
}

/// Gives every committed transaction to `each`, the oldest first.
fn pass(
    superblock: &Superblock,
    log: &LogDevice,
    span: &Span,
    begun_bytes: usize,
    each: &mut dyn FnMut(&Transaction) -> Result<()>,
) -> Result<()> {
    let mut memory = Memory::new(begun_bytes);
    let is_v5 = superblock.features.is_v5();
    let mut transactions = Transactions::default();
    let records = record::Span { tail: span.tail, head: span.head, is_v2_log: superblock.features.log_v2() };
    let mut take = |record: Record| {
        let (header, data) = record.unpack(is_v5)?;
        if header.uuid != superblock.uuid {
            return Err(corrupt("the log belongs to another file system").into());
        }
        transactions.take(&header, &data, &mut memory, each).map_err(Fault::from)
    };
    record::walk(log, records, &mut take).map_err(|stopped| match stopped.fault {
        Fault::Damaged(what) => corrupt(format!("the log is damaged: {what}")),
        Fault::Other(error) => error,
    })
}

/// Refuses a log whose numbers contradict each other (Linux `xlog_clear_stale_blocks`).
fn check_cycles(log: &LogDevice, span: &Span) -> Result<()> {
    let (head_cycle, _) = span.cycle_and_head();
    let tail_lsn = span.last.header.tail_lsn;
    let (tail_cycle, tail) = (record::lsn_cycle(tail_lsn), record::lsn_block(tail_lsn));
    let is_sound = if head_cycle == tail_cycle {
        span.head >= tail && span.head < log.blocks()
    } else {
        span.head < tail && head_cycle == tail_cycle.saturating_add(1)
    };
    if is_sound {
        return Ok(());
    }
    Err(corrupt(format!(
        "the log is damaged: it begins in cycle {tail_cycle} at block {tail}, and ends in cycle {head_cycle} at {}",
        span.head
    )))
}

/// Refuses a log that ends before the file system was changed last, also one that seems to hold nothing: it is not the
/// one that belongs to it, or not of the same time, and what it should hold would be missing without a word (Linux
/// `xfs_log_check_lsn` in `xlog_recover`).
fn check_age(superblock: &Superblock, (head_cycle, head): (u64, u64)) -> Result<()> {
    let (cycle, block) = (record::lsn_cycle(superblock.lsn), record::lsn_block(superblock.lsn));
    if !superblock.features.is_v5() || !stamp::is_set(superblock.lsn) || (cycle, block) <= (head_cycle, head) {
        return Ok(());
    }
    Err(corrupt(format!(
        "the superblock was written in cycle {cycle} of the log at block {block}, and the log ends in cycle \
         {head_cycle} at block {head}: the log was replaced, or is older than the rest"
    )))
}

/// Blocks of a buffer of inodes (Linux `xfs_ialloc_setup_geometry`).
fn cluster_blocks(superblock: &Superblock, raw: &RawSuperblock) -> u64 {
    const CLUSTER_BYTES: u64 = 8192;
    let grown = CLUSTER_BYTES << superblock.inode_shift.saturating_sub(8);
    let alignment = u64::from(raw.sb_inoalignmt.get());
    let is_grown = superblock.features.is_v5() && alignment >= grown >> superblock.block_shift;
    let bytes = if is_grown { grown } else { CLUSTER_BYTES };
    (bytes >> superblock.block_shift).max(1)
}
