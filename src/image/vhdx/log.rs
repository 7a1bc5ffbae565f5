//! The log of a VHDX (MS-VHDX 2.3): changes of tables that were under way when the file was left. Entries lie in a
//! ring; those that count are the newest unbroken sequence of them.

use super::header::{Log, is_intact};
use super::replayed::{Edit, Edits};
use block::ReadAt;
use std::collections::HashMap;
use std::sync::Arc;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// What entries and what they change are multiples of, in bytes.
const SECTOR: u32 = 4096;
/// The longest log that is read, which has to be held in memory. Hyper-V and qemu make logs of 1 MiB.
const LOG_BYTES_MAX: u32 = 32 << 20;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawEntry {
    signature: [u8; 4],
    checksum: U32,
    entry_length: U32,
    tail: U32,
    sequence_number: U64,
    descriptor_count: U32,
    reserved: U32,
    log_guid: [u8; 16],
    flushed_file_offset: U64,
    last_file_offset: U64,
}

/// A descriptor: of zeros, or of a sector of data that follows all descriptors.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawDescriptor {
    signature: [u8; 4],
    /// Of data: its last four bytes.
    trailing_bytes: [u8; 4],
    /// Of data: its first eight bytes. Of zeros: how many bytes.
    leading_bytes: U64,
    file_offset: U64,
    sequence_number: U64,
}

/// A sector of data: what its signature and number stand in for is in the descriptor.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawData {
    signature: [u8; 4],
    sequence_high: U32,
    data: [u8; 4084],
    sequence_low: U32,
}

/// An entry that is intact.
#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    bytes: u32,
    tail: u32,
    sequence: u64,
    flushed_file_offset: u64,
    last_file_offset: u64,
}

/// An unbroken sequence of entries, oldest first.
type Sequence = Vec<Entry>;

/// What the log changes in the file; what is wrong with it otherwise.
pub(super) fn replay(bytes: &Arc<dyn ReadAt>, log: &Log) -> Result<Edits, String> {
    if log.bytes > LOG_BYTES_MAX {
        return Err(format!("its log has {} MiB, which is more than any program writes", log.bytes >> 20));
    }
    let mut ring = vec![0; usize::try_from(log.bytes).unwrap_or(0)];
    bytes.read_exact_at(log.offset, &mut ring).map_err(|_| "its log lies outside of its file".to_owned())?;
    let mut reader = Reader { ring, bytes: log.bytes, guid: log.guid, known: HashMap::new(), budget: 0 };
    reader.budget = u64::from(log.bytes).saturating_mul(8);
    let sequence = reader.newest()?;
    let head =
        sequence.last().ok_or_else(|| "its log should be replayed and has no entry that is intact".to_owned())?;
    if bytes.size() < head.flushed_file_offset {
        return Err("it is cut short: its log knows of a longer file".to_owned());
    }
    let mut edits = Edits::new(bytes.size().max(head.last_file_offset));
    // The newest entry says with which one the replay begins.
    for entry in sequence.iter().skip_while(|entry| entry.start != head.tail) {
        reader.apply(entry, &mut edits)?;
    }
    Ok(edits)
}

struct Reader {
    ring: Vec<u8>,
    bytes: u32,
    guid: [u8; 16],
    /// What was found at each place that was looked at.
    known: HashMap<u32, Option<Entry>>,
    /// Bytes that may still be looked at: entries of a real log do not lie in one another.
    budget: u64,
}

impl Reader {
    /// The sequence whose newest entry is the newest of all (MS-VHDX 2.3.4, "log replay").
    fn newest(&mut self) -> Result<Sequence, String> {
        let (mut newest, mut tail) = (Sequence::new(), 0);
        while tail < self.bytes {
            let sequence = self.sequence(tail)?;
            let Some(head) = sequence.last().copied() else {
                tail = tail.saturating_add(SECTOR);
                continue;
            };
            if !sequence.iter().any(|entry| entry.start == head.tail) {
                tail = tail.saturating_add(SECTOR);
                continue;
            }
            if newest.last().is_none_or(|newest| newest.sequence < head.sequence) {
                newest = sequence;
            }
            let end = head.start.saturating_add(head.bytes);
            // It ran over the end of the ring: all places were looked at.
            if head.start < tail || end >= self.bytes {
                break;
            }
            tail = end;
        }
        Ok(newest)
    }

    /// The entries from `tail` on whose numbers follow one another.
    fn sequence(&mut self, tail: u32) -> Result<Sequence, String> {
        let (mut sequence, mut at, mut bytes) = (Sequence::new(), tail, 0_u32);
        while let Some(entry) = self.entry(at)? {
            let follows = sequence.last().is_none_or(|last| last.sequence.checked_add(1) == Some(entry.sequence));
            bytes = bytes.saturating_add(entry.bytes);
            if !follows || bytes > self.bytes {
                break;
            }
            sequence.push(entry);
            at = self.wrap(u64::from(at).saturating_add(u64::from(entry.bytes)));
        }
        Ok(sequence)
    }

    fn wrap(&self, at: u64) -> u32 {
        // A remainder by a log's length, which is not 0 and fits 32 bits.
        at.checked_rem(u64::from(self.bytes)).and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
    }

    /// The intact entry at `at`, if there is one.
    fn entry(&mut self, at: u32) -> Result<Option<Entry>, String> {
        if let Some(known) = self.known.get(&at) {
            return Ok(*known);
        }
        let mut found = self.look(at);
        if let Some(entry) = found {
            let budget = self.budget.checked_sub(u64::from(entry.bytes));
            self.budget =
                budget.ok_or_else(|| "its log is none that a program writes: its entries overlap".to_owned())?;
            found = found.filter(|entry| self.part(at, entry.bytes).is_some_and(|entry| is_intact(&entry, b"loge")));
        }
        self.known.insert(at, found);
        Ok(found)
    }

    /// What seems to be an entry at `at`.
    fn look(&self, at: u32) -> Option<Entry> {
        let head = self.part(at, 64)?;
        let (raw, _) = RawEntry::ref_from_prefix(&head).ok()?;
        let bytes = raw.entry_length.get();
        let is_placed = bytes >= SECTOR && bytes <= self.bytes && bytes.is_multiple_of(SECTOR);
        if &raw.signature != b"loge" || raw.log_guid != self.guid || !is_placed || raw.sequence_number.get() == 0 {
            return None;
        }
        Some(Entry {
            start: at,
            bytes,
            tail: raw.tail.get(),
            sequence: raw.sequence_number.get(),
            flushed_file_offset: raw.flushed_file_offset.get(),
            last_file_offset: raw.last_file_offset.get(),
        })
    }

    /// `bytes` of the ring from `at` on.
    fn part(&self, at: u32, bytes: u32) -> Option<Vec<u8>> {
        let (at, bytes) = (usize::try_from(at).ok()?, usize::try_from(bytes).ok()?);
        let end = at.checked_add(bytes)?.min(self.ring.len());
        let mut part = self.ring.get(at..end)?.to_vec();
        let rest = bytes.checked_sub(part.len())?;
        part.extend_from_slice(self.ring.get(..rest)?);
        Some(part)
    }

    /// Notes what `entry` changes.
    fn apply(&self, entry: &Entry, edits: &mut Edits) -> Result<(), String> {
        let wrong = |what: &str| format!("entry {} of its log {what}", entry.sequence);
        let too_short = || wrong("is too short");
        let whole = self.part(entry.start, entry.bytes).ok_or_else(too_short)?;
        let (raw, rest) = RawEntry::ref_from_prefix(&whole).map_err(|_| too_short())?;
        let count = usize::try_from(raw.descriptor_count.get()).map_err(|_| too_short())?;
        let (descriptors, _) = <[RawDescriptor]>::ref_from_prefix_with_elems(rest, count).map_err(|_| too_short())?;
        // Header and descriptors fill whole sectors; those of data follow.
        let before = count.saturating_add(2).saturating_mul(32).next_multiple_of(4096);
        let mut data = whole.get(before..).unwrap_or_default();
        for descriptor in descriptors {
            if descriptor.sequence_number.get() != entry.sequence {
                return Err(wrong("has a descriptor of another entry"));
            }
            let offset = descriptor.file_offset.get();
            match &descriptor.signature {
                b"zero" => edits.put(offset, descriptor.leading_bytes.get(), Edit::Zeros),
                b"desc" => {
                    let (sector, _) = RawData::ref_from_prefix(data).map_err(|_| too_short())?;
                    let number = u64::from(sector.sequence_high.get()) << 32 | u64::from(sector.sequence_low.get());
                    if &sector.signature != b"data" || number != entry.sequence {
                        return Err(wrong("has data of another entry"));
                    }
                    let sector =
                        [&descriptor.leading_bytes.to_bytes()[..], &sector.data, &descriptor.trailing_bytes].concat();
                    edits.put(offset, u64::from(SECTOR), Edit::Data(sector.into()))
                }
                _ => None,
            }
            .ok_or_else(|| wrong("has a descriptor that says nothing sensible"))?;
            data = if &descriptor.signature == b"desc" { data.get(4096..).unwrap_or_default() } else { data };
        }
        Ok(())
    }
}
