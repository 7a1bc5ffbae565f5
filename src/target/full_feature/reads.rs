//! Reads that are under way: submitted to their disks as far as the memory for their data goes, the rest waiting.

use crate::memory::{Account, Share};
use crate::scsi::Sense;
use block::{BlockRange, Disk, ReadError};
use bytes::Bytes;
use iscsi::pdu::HEADER_BYTES;
use iscsi::scsi::LunNumber;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

/// A read that was asked for and is not answered yet.
pub(super) struct Read {
    pub(super) lun: LunNumber,
    /// The header of its command.
    pub(super) header: [u8; HEADER_BYTES],
    pub(super) disk: Arc<dyn Disk>,
    pub(super) blocks: BlockRange,
    /// Nothing of it is sent.
    pub(super) discard: bool,
    /// How many bytes the initiator has room for.
    pub(super) expected_length: u32,
    /// Whether it takes part in the CmdSN window.
    pub(super) numbered: bool,
}

/// What became of a read.
pub(crate) struct Completed {
    ticket: Ticket,
    outcome: Result<Bytes, ReadError>,
    share: Share,
}

/// A read whose disk has answered.
pub(super) struct Ended {
    pub(super) task_tag: u32,
    pub(super) read: Read,
    pub(super) outcome: Result<Bytes, Sense>,
    /// To be kept for as long as the data are.
    pub(super) share: Share,
}

/// Tells a read from a later one with the same task tag.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ticket {
    task_tag: u32,
    serial: u64,
    bytes: usize,
}

/// The reads of one session.
pub(super) struct Reads {
    under_way: HashMap<u32, (Ticket, Read)>,
    waiting: VecDeque<Ticket>,
    immediate: u32,
    last_serial: u64,
    /// What the submitted ones hold or will hold, those that were aborted included, and those that are not sent yet.
    account: Account,
    delay: Duration,
    completed: UnboundedSender<Completed>,
}

impl Reads {
    pub(super) fn new(account: Account, delay: Duration, completed: UnboundedSender<Completed>) -> Self {
        Self {
            under_way: HashMap::new(),
            waiting: VecDeque::new(),
            immediate: 0,
            last_serial: 0,
            account,
            delay,
            completed,
        }
    }

    /// Whether a read has this task tag.
    pub(super) fn has(&self, task_tag: u32) -> bool {
        self.under_way.contains_key(&task_tag)
    }

    /// How many do not take part in the CmdSN window.
    pub(super) const fn immediate(&self) -> u32 {
        self.immediate
    }

    /// Begins a read; its task tag must not be in use.
    pub(super) fn begin(&mut self, task_tag: u32, read: Read) {
        let bytes = data_length(&read);
        self.last_serial = self.last_serial.wrapping_add(1);
        self.immediate = self.immediate.saturating_add(u32::from(!read.numbered));
        let ticket = Ticket { task_tag, serial: self.last_serial, bytes };
        self.under_way.insert(task_tag, (ticket, read));
        self.waiting.push_back(ticket);
        self.submit_waiting();
    }

    /// Ends a read whose disk has answered. `None` when it was aborted meanwhile.
    pub(super) fn complete(&mut self, completed: Completed) -> Option<Ended> {
        let Completed { ticket, outcome, share } = completed;
        if self.current(ticket).is_none() {
            drop(share);
            self.submit_waiting();
            return None;
        }
        let read = self.take(ticket.task_tag)?;
        let outcome = match outcome {
            Ok(data) if data.len() == ticket.bytes => Ok(if read.discard { Bytes::new() } else { data }),
            Ok(data) => {
                tracing::error!(expected = ticket.bytes, found = data.len(), "a disk answered with a wrong length");
                Err(Sense::INTERNAL_TARGET_FAILURE)
            }
            Err(error) => {
                tracing::warn!(%error, "a disk cannot be read");
                Err(Sense::from(&error))
            }
        };
        Some(Ended { task_tag: ticket.task_tag, read, outcome, share })
    }

    /// Forgets a read: whatever its disk answers is dropped.
    pub(super) fn abort(&mut self, task_tag: u32) -> Option<Read> {
        let read = self.take(task_tag)?;
        self.forget_aborted();
        self.submit_waiting();
        Some(read)
    }

    /// Forgets every read for which this holds.
    pub(super) fn abort_all(&mut self, which: impl Fn(&Read) -> bool) -> Vec<Read> {
        let tags = self.under_way.iter().filter(|(_, (_, read))| which(read)).map(|(tag, _)| *tag);
        let tags: Vec<u32> = tags.collect();
        let reads = tags.into_iter().filter_map(|tag| self.take(tag)).collect();
        self.forget_aborted();
        self.submit_waiting();
        reads
    }

    fn take(&mut self, task_tag: u32) -> Option<Read> {
        let (_, read) = self.under_way.remove(&task_tag)?;
        self.immediate = self.immediate.saturating_sub(u32::from(!read.numbered));
        Some(read)
    }

    /// Those that waited and were aborted must not pile up behind a disk that does not answer.
    fn forget_aborted(&mut self) {
        let under_way = &self.under_way;
        self.waiting.retain(|ticket| under_way.get(&ticket.task_tag).is_some_and(|(current, _)| current == ticket));
    }

    fn current(&self, ticket: Ticket) -> Option<&Read> {
        self.under_way.get(&ticket.task_tag).filter(|(current, _)| *current == ticket).map(|(_, read)| read)
    }

    /// Submits in order for as long as there is room. To be called whenever there is more.
    pub(super) fn submit_waiting(&mut self) {
        while let Some(ticket) = self.waiting.front().copied() {
            let Some(read) = self.current(ticket) else {
                self.waiting.pop_front();
                continue;
            };
            let Some(share) = self.account.take(ticket.bytes) else { return };
            let (disk, blocks) = (Arc::clone(&read.disk), read.blocks);
            self.waiting.pop_front();
            self.submit(ticket, share, &*disk, blocks);
        }
    }

    fn submit(&self, ticket: Ticket, share: Share, disk: &dyn Disk, blocks: BlockRange) {
        let completed = self.completed.clone();
        let delay = (!self.delay.is_zero()).then(|| (self.delay, Handle::current()));
        let done = move |outcome| {
            let answer = Completed { ticket, outcome, share };
            // Nobody listens any more when the connection is gone.
            let Some((delay, runtime)) = delay else {
                let _ = completed.send(answer);
                return;
            };
            runtime.spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = completed.send(answer);
            });
        };
        disk.submit(blocks, Box::new(done));
    }
}

fn data_length(read: &Read) -> usize {
    let block = read.disk.geometry().block_size().bytes();
    usize::try_from(u64::from(read.blocks.count).saturating_mul(u64::from(block))).unwrap_or(usize::MAX)
}
