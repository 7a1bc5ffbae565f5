//! Transactions put together from the operations of records, over which they are scattered.

use super::fields::{Item, Order, Region, cut_short};
use super::layout::{REGIONS_MAX, RawOperation, TRANSACTION_HEADER_BYTES, TRANSACTION_MAGIC, operation};
use super::record::RecordHeader;
use std::collections::HashMap;
use vfs::Result;
use vfs::reader::corrupt;
use vfs::replay::Memory;
use zerocopy::FromBytes;

/// A transaction as far as it was read.
pub(crate) struct Transaction {
    /// Where the record begins in which it does.
    pub(crate) lsn: u64,
    order: Order,
    /// Bytes of its header that were read; all of them when items may follow.
    header_bytes: usize,
    /// All regions, one behind the other.
    bytes: Vec<u8>,
    /// Where each region ends in `bytes`.
    region_ends: Vec<usize>,
    items: Vec<Counted>,
}

/// How many regions an item has, and how many of them were read.
struct Counted {
    total: u16,
    found: u16,
}

/// What a region takes beside its bytes.
const REGION_OVERHEAD: usize = 48;
/// What a transaction takes that has nothing.
const TRANSACTION_OVERHEAD: usize = 256;

impl Transaction {
    fn new(lsn: u64, order: Order) -> Self {
        Self { lsn, order, header_bytes: 0, bytes: Vec::new(), region_ends: Vec::new(), items: Vec::new() }
    }

    fn memory(&self) -> usize {
        let regions = self.region_ends.len().saturating_mul(REGION_OVERHEAD);
        regions.saturating_add(self.bytes.len()).saturating_add(TRANSACTION_OVERHEAD)
    }

    /// Takes the start of a region, or all of it (Linux `xlog_recover_add_to_trans`).
    fn begin_region(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let region = Region { bytes, order: self.order };
        if self.header_bytes < TRANSACTION_HEADER_BYTES {
            if region.u32(0)? != TRANSACTION_MAGIC || bytes.len() > TRANSACTION_HEADER_BYTES {
                return Err(corrupt("the log is damaged: a transaction does not begin with its header"));
            }
            self.header_bytes = bytes.len();
            return Ok(());
        }
        if self.items.last().is_none_or(|item| item.found == item.total) {
            let total = region.u16(2)?;
            if total == 0 || total > REGIONS_MAX {
                return Err(corrupt(format!("the log is damaged: a log item of {total} regions")));
            }
            self.items.push(Counted { total, found: 0 });
        }
        if let Some(item) = self.items.last_mut() {
            item.found = item.found.saturating_add(1);
        }
        self.bytes.extend_from_slice(bytes);
        self.region_ends.push(self.bytes.len());
        Ok(())
    }

    /// Takes more of the region that was begun last (Linux `xlog_recover_add_to_cont_trans`).
    fn go_on(&mut self, bytes: &[u8]) -> Result<()> {
        if self.header_bytes < TRANSACTION_HEADER_BYTES {
            self.header_bytes = TRANSACTION_HEADER_BYTES;
            return if bytes.len() > TRANSACTION_HEADER_BYTES { Err(cut_short()) } else { Ok(()) };
        }
        let end = self.region_ends.last_mut();
        // A region that was cut where it began left nothing to go on with: it is whole here.
        let Some(end) = end else { return self.begin_region(bytes) };
        self.bytes.extend_from_slice(bytes);
        *end = self.bytes.len();
        Ok(())
    }

    /// Its items, in the order in which they were logged.
    pub(crate) fn items(&self) -> Result<Vec<Item<'_>>> {
        let mut start = 0;
        let mut regions = self.region_ends.iter().map(|end| {
            let bytes = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            Region { bytes, order: self.order }
        });
        let items = self.items.iter().map(|item| {
            if item.found < item.total {
                return Err(cut_short());
            }
            Ok(Item { regions: regions.by_ref().take(item.total.into()).collect() })
        });
        items.collect()
    }
}

/// The transactions that were begun and not yet committed. What never is committed is dropped with it.
#[derive(Default)]
pub(crate) struct Transactions {
    begun: HashMap<u32, Transaction>,
}

impl Transactions {
    /// Takes the operations of one record; each transaction that is committed in it is given to `each`
    /// (Linux `xlog_recover_process_data`).
    pub(crate) fn take(
        &mut self,
        header: &RecordHeader,
        data: &[u8],
        memory: &mut Memory,
        each: &mut dyn FnMut(&Transaction) -> Result<()>,
    ) -> Result<()> {
        /// Who wrote an operation: `XFS_TRANSACTION` and `XFS_LOG`.
        const CLIENTS: [u8; 2] = [0x69, 0xAA];
        let order = header.order()?;
        let mut rest = data;
        for _ in 0..header.operations {
            if rest.is_empty() {
                break;
            }
            let bad = |what: &str| corrupt(format!("the log is damaged: an operation of a transaction {what}"));
            let (raw, after) = RawOperation::ref_from_prefix(rest).map_err(|_| bad("is cut short"))?;
            if !CLIENTS.contains(&raw.oh_clientid) {
                return Err(bad(&format!("of the unknown client {:#x}", raw.oh_clientid)));
            }
            let length = usize::try_from(raw.oh_len.get()).unwrap_or(usize::MAX);
            let (bytes, after) = after.split_at_checked(length).ok_or_else(|| bad("is longer than its record"))?;
            rest = after;
            let id = raw.oh_tid.get();
            let is_begun = self.begun.contains_key(&id);
            if is_begun {
                self.operation(id, raw.oh_flags, bytes, memory, each)?;
            } else if raw.oh_flags & operation::START != 0 {
                memory.take(TRANSACTION_OVERHEAD)?;
                self.begun.insert(id, Transaction::new(header.lsn, order));
            }
            // Others belong to a transaction that began before the log does.
        }
        Ok(())
    }

    /// Linux `xlog_recovery_process_trans`.
    fn operation(
        &mut self,
        id: u32,
        flags: u8,
        bytes: &[u8],
        memory: &mut Memory,
        each: &mut dyn FnMut(&Transaction) -> Result<()>,
    ) -> Result<()> {
        let mut flags = flags & !operation::END;
        if flags & operation::WAS_CONTINUED != 0 {
            flags &= !operation::CONTINUE;
        }
        let Some(transaction) = self.begun.get_mut(&id) else { return Ok(()) };
        match flags {
            0 | operation::CONTINUE | operation::WAS_CONTINUED => {
                let before = transaction.memory();
                if flags == operation::WAS_CONTINUED {
                    transaction.go_on(bytes)?;
                } else {
                    transaction.begin_region(bytes)?;
                }
                memory.take(transaction.memory().saturating_sub(before))
            }
            operation::COMMIT | operation::UNMOUNT => {
                let Some(transaction) = self.begun.remove(&id) else { return Ok(()) };
                memory.give_back(transaction.memory());
                if flags == operation::COMMIT { each(&transaction) } else { Ok(()) }
            }
            _ => Err(corrupt(format!("the log is damaged: an operation with the flags {flags:#x}"))),
        }
    }
}
