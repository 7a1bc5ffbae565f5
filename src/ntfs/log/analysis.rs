//! The first pass: from the tables of the last checkpoint and the records after it to what was open, dirty and
//! unfinished when the log ended (`log_replay` of Linux `fs/ntfs3/fslog.c`, up to `end_log_records_enumerate`).

use super::dirty::{DirtyClusters, Opening};
use super::lsn::Lsn;
use super::operation::{Action, Operation};
use super::record::{Kind, Reader, Record};
use super::restart::Checkpoint;
use super::table::{DirtyPage, OpenAttribute, Progress, TableVersion, Transaction};
use crate::bytes::{u16_at, u32_at, u64_at};
use std::collections::BTreeMap;
use vfs::reader::corrupt;
use vfs::replay::Memory;
use vfs::{Error, ErrorKind, Result};

/// What an entry of a table takes in memory, in bytes.
const ENTRY_MEMORY: usize = 96;
/// Bytes of the record of a checkpoint that are there in all versions.
const CHECKPOINT_BYTES: usize = 0x40;

/// What the tables said when the log ended.
pub(super) struct State {
    pub(super) dirty: DirtyClusters,
    pub(super) transactions: BTreeMap<u32, Transaction>,
    pub(super) openings: Openings,
    /// Clusters that were freed after the checkpoint.
    pub(super) freed: Freed,
    /// The last record of the log.
    pub(super) end: Lsn,
    /// The record of the checkpoint: its tables are older.
    checkpoint: Lsn,
    version: TableVersion,
}

/// Which attribute an index of the table of open attributes meant, and since which record.
#[derive(Default)]
pub(super) struct Openings {
    by_index: BTreeMap<u32, Vec<(Lsn, Opening, OpenAttribute)>>,
    count: Opening,
}

impl Openings {
    /// What the index means in a record.
    pub(super) fn at(&self, index: u32, lsn: Lsn) -> Option<(Opening, OpenAttribute)> {
        let all = self.by_index.get(&index)?;
        let after = all.partition_point(|(since, _, _)| *since <= lsn);
        all.get(after.checked_sub(1)?).map(|(_, opening, attribute)| (*opening, *attribute))
    }

    fn add(&mut self, index: u32, since: Lsn, attribute: OpenAttribute, memory: &mut Memory) -> Result<()> {
        memory.take(ENTRY_MEMORY)?;
        self.by_index.entry(index).or_default().push((since, self.count, attribute));
        self.count = self.count.saturating_add(1);
        Ok(())
    }
}

/// Clusters that were freed: ranges that do not touch, by their first clusters, with the clusters after them.
#[derive(Default)]
pub(super) struct Freed(BTreeMap<u64, u64>);

impl Freed {
    fn add(&mut self, first: u64, end: u64) {
        let (mut first, mut end) = (first, end);
        while let Some((other, other_end)) = self.0.range(..=end).next_back().map(|(other, end)| (*other, *end)) {
            if other_end < first {
                break;
            }
            self.0.remove(&other);
            (first, end) = (first.min(other), end.max(other_end));
        }
        self.0.insert(first, end);
    }

    pub(super) fn has(&self, lcn: u64) -> bool {
        self.0.range(..=lcn).next_back().is_some_and(|(_, end)| lcn < *end)
    }
}

/// The state at the end of the log; `None` when NTFS never wrote a checkpoint: the volume was just formatted.
pub(super) fn analyze(reader: &Reader<'_>, checkpoint: &Checkpoint, memory: &mut Memory) -> Result<Option<State>> {
    if checkpoint.restart == Lsn::NONE {
        return Ok(None);
    }
    let restart = reader.read(checkpoint.restart)?;
    if restart.kind != Kind::Restart || restart.client != checkpoint.client {
        return Err(corrupt(format!("the log is damaged: record {:#x} is no checkpoint", restart.lsn.0)));
    }
    if restart.body.is_empty() {
        return Ok(None);
    }
    let tables = Tables::parse(&restart)?;
    let mut state = tables.load(reader, restart.lsn, memory)?;
    let start = if tables.start == Lsn::NONE { restart.lsn } else { tables.start };
    if start > restart.lsn || start < checkpoint.oldest {
        return Err(corrupt(format!(
            "the log is damaged: a checkpoint at {:#x} began at {:#x}",
            restart.lsn.0, start.0
        )));
    }
    let mut take = |record: &Record| {
        // The tables hold what the record says with which the checkpoint began.
        let is_ours = record.kind == Kind::Change && record.client == checkpoint.client && record.lsn > start;
        if is_ours { state.take(record, memory) } else { Ok(()) }
    };
    state.end = {
        let end = reader.walk(start, &mut take)?;
        if checkpoint.layout.place(checkpoint.current).is_some() && end < checkpoint.current {
            return Err(corrupt(format!(
                "the log is damaged: it ends at {:#x}, and should go on to {:#x}",
                end.0, checkpoint.current.0
            )));
        }
        end
    };
    Ok(Some(state))
}

/// Where a checkpoint has its tables (`struct NTFS_RESTART`).
struct Tables {
    version: TableVersion,
    /// The record before the first one that the tables do not know.
    start: Lsn,
    open_attributes: Option<Lsn>,
    dirty_pages: Option<Lsn>,
    transactions: Option<Lsn>,
}

impl Tables {
    fn parse(restart: &Record) -> Result<Self> {
        let damaged = || corrupt(format!("the log is damaged: the checkpoint at {:#x} is too short", restart.lsn.0));
        let body = restart.body.as_slice();
        if body.len() < CHECKPOINT_BYTES {
            return Err(damaged());
        }
        let version = match u32_at(body, 0).ok_or_else(damaged)? {
            0 => TableVersion::V0,
            1 => TableVersion::V1,
            other => {
                let message = format!("its log has checkpoints of version {other}, which this version does not know");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        let table = |lsn_at, length_at| {
            let (lsn, length) = u64_at(body, lsn_at).zip(u32_at(body, length_at)).ok_or_else(damaged)?;
            Ok((length != 0).then_some(Lsn(lsn)))
        };
        Ok(Self {
            version,
            start: Lsn(u64_at(body, 8).ok_or_else(damaged)?),
            open_attributes: table(0x10, 0x30)?,
            dirty_pages: table(0x20, 0x38)?,
            transactions: table(0x28, 0x3C)?,
        })
    }

    fn load(&self, reader: &Reader<'_>, checkpoint: Lsn, memory: &mut Memory) -> Result<State> {
        let mut state = State {
            dirty: DirtyClusters::default(),
            transactions: BTreeMap::new(),
            openings: Openings::default(),
            freed: Freed::default(),
            end: Lsn::NONE,
            checkpoint,
            version: self.version,
        };
        if let Some(table) = self.open_attributes {
            let found = read_table(reader, table, &|raw| OpenAttribute::table(raw, self.version))?;
            for (index, attribute) in found {
                state.openings.add(index, Lsn::NONE, attribute, memory)?;
            }
        }
        if let Some(table) = self.dirty_pages {
            for page in read_table(reader, table, &|raw| DirtyPage::table(raw, self.version))? {
                state.take_page(&page, memory)?;
            }
        }
        if let Some(table) = self.transactions {
            for (name, transaction) in read_table(reader, table, &Transaction::table)? {
                memory.take(ENTRY_MEMORY)?;
                state.transactions.insert(name, transaction);
            }
        }
        Ok(state)
    }
}

/// The entries of the table in the record with this number. Its length there has 16 bits, which a large table does not
/// fit: it goes on to the end of the record.
fn read_table<T>(reader: &Reader<'_>, lsn: Lsn, parse: &dyn Fn(&[u8]) -> Option<Vec<T>>) -> Result<Vec<T>> {
    let record = reader.read(lsn)?;
    let offset = u16_at(&record.body, 4).map_or(0, usize::from);
    record
        .body
        .get(offset..)
        .and_then(parse)
        .ok_or_else(|| corrupt(format!("the log is damaged: the table in record {:#x} cannot be read", lsn.0)))
}

impl State {
    /// Whether nothing has to be done.
    pub(super) fn is_clean(&self) -> bool {
        self.dirty.is_empty() && self.unfinished().next().is_none()
    }

    /// The transactions that have to be undone, and from which record on.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (u32, Lsn)> {
        let all = self.transactions.iter().map(|(name, transaction)| (*name, *transaction));
        let active = all.filter(|(_, transaction)| transaction.progress == Progress::Active);
        active.map(|(name, transaction)| (name, transaction.undo_next)).filter(|(_, undo_next)| *undo_next != Lsn::NONE)
    }

    fn take_page(&mut self, page: &DirtyPage, memory: &mut Memory) -> Result<()> {
        // Of an attribute that was closed meanwhile nothing is dirty any more: `ntfs3` leaves such pages out as well.
        let Some((opening, _)) = self.openings.at(page.target, Lsn::NONE) else { return Ok(()) };
        for (vcn, lcn) in (page.vcn..).zip(&page.lcns) {
            if *lcn != 0 && *lcn != u64::MAX {
                self.dirty.add((opening, vcn), *lcn, page.oldest, memory)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, record: &Record, memory: &mut Memory) -> Result<()> {
        let action = Action::parse(record)?;
        self.take_transaction(record, &action, memory)?;
        let redo = action.redo()?;
        match redo {
            Operation::DeleteDirtyClusters => self.free(&action, memory)?,
            Operation::OpenNonresidentAttribute => {
                let raw = action.redo_data.bytes().and_then(|raw| OpenAttribute::parse(raw, self.version));
                let attribute = raw.ok_or_else(|| damaged(&action))?;
                self.openings.add(action.target.into(), record.lsn, attribute, memory)?;
            }
            Operation::HotFix => {
                if let Some(opening) = self.opening(&action)? {
                    let lcn = action.lcns.first().ok_or_else(|| damaged(&action))?;
                    self.dirty.moved((opening, action.vcn), *lcn);
                }
            }
            _ if redo.is_on_volume() => {
                let Some(opening) = self.opening(&action)? else { return Ok(()) };
                for (vcn, lcn) in (action.vcn..).zip(&action.lcns) {
                    // A later use of a cluster is not undone by an earlier release of it.
                    self.dirty.add((opening, vcn), *lcn, record.lsn, memory)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Which attribute a record changes. `None` for one that was closed before the tables of the checkpoint were
    /// written, and after the record with which it began: nothing of it was dirty then.
    fn opening(&self, action: &Action<'_>) -> Result<Option<Opening>> {
        let target = u32::from(action.target);
        match self.openings.at(target, action.lsn) {
            Some((opening, _)) => Ok(Some(opening)),
            None if action.lsn < self.checkpoint => Ok(None),
            None => Err(corrupt(format!("the log is damaged: it changes attribute {target:#x}, which nobody opened"))),
        }
    }

    fn take_transaction(&mut self, record: &Record, action: &Action<'_>, memory: &mut Memory) -> Result<()> {
        use std::collections::btree_map::Entry;
        let redo = action.redo()?;
        if redo == Operation::ForgetTransaction {
            self.transactions.remove(&record.transaction);
            return Ok(());
        }
        let transaction = match self.transactions.entry(record.transaction) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                memory.take(ENTRY_MEMORY)?;
                entry.insert(Transaction { progress: Progress::Active, undo_next: Lsn::NONE })
            }
        };
        let is_step = action.undo()? == Operation::CompensationLogRecord || redo == Operation::EndTopLevelAction;
        transaction.undo_next = if is_step { record.undo_next } else { record.lsn };
        match redo {
            Operation::PrepareTransaction => transaction.progress = Progress::Prepared,
            Operation::CommitTransaction => transaction.progress = Progress::Committed,
            _ => {}
        }
        Ok(())
    }

    fn free(&mut self, action: &Action<'_>, memory: &mut Memory) -> Result<()> {
        let ranges = action.redo_data.bytes().ok_or_else(|| damaged(action))?;
        for range in ranges.chunks_exact(0x10) {
            let (first, count) = u64_at(range, 0).zip(u64_at(range, 8)).ok_or_else(|| damaged(action))?;
            self.dirty.free(first, count);
            memory.take(ENTRY_MEMORY)?;
            self.freed.add(first, first.saturating_add(count));
        }
        Ok(())
    }
}

fn damaged(action: &Action<'_>) -> Error {
    corrupt(format!("the log is damaged: record {:#x} makes no sense", action.lsn.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_ranges_grow_together() {
        let mut freed = Freed::default();
        for (first, end) in [(10, 20), (30, 40), (20, 25), (5, 7), (22, 31), (50, 50)] {
            freed.add(first, end);
        }
        assert_eq!(freed.0.into_iter().collect::<Vec<_>>(), [(5, 7), (10, 40), (50, 50)]);
        let mut freed = Freed::default();
        freed.add(10, 20);
        assert_eq!([9, 10, 19, 20].map(|lcn| freed.has(lcn)), [false, true, true, false]);
    }

    #[test]
    fn an_index_means_what_was_opened_last_before_a_record() {
        let (mut openings, mut memory) = (Openings::default(), Memory::new(1 << 20));
        openings.add(0x18, Lsn::NONE, OpenAttribute::Mft, &mut memory).unwrap();
        openings.add(0x18, Lsn(100), OpenAttribute::Other, &mut memory).unwrap();
        assert_eq!(openings.at(0x18, Lsn(99)), Some((0, OpenAttribute::Mft)));
        assert_eq!(openings.at(0x18, Lsn(100)), Some((1, OpenAttribute::Other)));
        assert_eq!(openings.at(0x40, Lsn(100)), None);
    }
}
