//! The partial parity log of RAID 5 (Linux `drivers/md/raid5-ppl.c`, `include/uapi/linux/raid/md_p.h`).
//!
//! After a loss of power the parity of a stripe may not fit its data; what a missing member held could not be computed then. The
//! member with the parity has a log of what it was about to be: the XOR of the data that was not written. With the data that
//! was, that is the parity. It is laid over the member, as Linux would write it when it starts the array.

use crate::Error;
use crate::map::{Layout, Place, Source};
use block::{Overlay, Patches, ReadAt, ReadError};
use std::collections::BTreeMap;
use std::sync::Arc;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct ppl_header`, without the entries that follow.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    reserved: [u8; 512],
    signature: U32,
    padding: U32,
    generation: U64,
    entries_count: U32,
    checksum: U32,
}

/// `struct ppl_header_entry`.
#[derive(Clone, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawEntry {
    data_sector: U64,
    pp_size: U32,
    data_size: U32,
    parity_disk: U32,
    checksum: U32,
}

const HEADER: usize = 4096;
const HEADER_BYTES: u64 = 4096;
const SECTOR: usize = 512;
const SECTOR_SHIFT: u32 = 9;
/// The largest partial parity of one header.
const PARITY_BYTES_MAX: u64 = 32 << 20;
/// Sectors of parity of one member that are laid over it; a header has 148 entries of a chunk each.
const SECTORS_MAX: usize = 1 << 20;

/// An array with such a log that was not shut down.
pub(super) struct PartialParity<'a> {
    /// How the array lies on its members.
    pub(super) layout: &'a dyn Layout,
    /// Size of a chunk in bytes.
    pub(super) chunk: u64,
    /// How many members hold data in a stripe.
    pub(super) data_members: u64,
    /// By slot: the member from the byte on where its data begins, as far as it is up to date.
    pub(super) members: &'a [Option<Arc<dyn ReadAt>>],
    /// By slot: the part of the member that is the log.
    pub(super) logs: &'a [Option<Arc<dyn ReadAt>>],
    /// What the headers are signed with; `None` when that is not known.
    pub(super) signature: Option<u32>,
    /// The unit of `data_sector` in bytes: 512, in containers the logical block.
    pub(super) block: u64,
}

/// What the logs gave.
pub(super) struct Recovered {
    /// By slot: the members, with their parity put right.
    pub(super) members: Vec<Option<Arc<dyn ReadAt>>>,
    /// Writes whose parity was put right.
    pub(super) entries: usize,
    /// Logs and entries that are damaged; where these belong to, nothing was put right.
    pub(super) damaged: usize,
}

/// What a sector of parity has to be: the XOR of these.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parity {
    data: Vec<Place>,
    /// Byte of the log.
    partial: Option<u64>,
}

/// The newest header of a log, and where it is.
struct Header {
    at: u64,
    entries: Vec<RawEntry>,
}

impl PartialParity<'_> {
    /// Puts the parity right (`ppl_load`).
    ///
    /// # Errors
    /// When a log cannot be read.
    pub(super) fn recover(&self) -> Result<Recovered, Error> {
        let mut recovered = Recovered { members: self.members.to_vec(), entries: 0, damaged: 0 };
        for (slot, log) in self.logs.iter().enumerate() {
            let Some(log) = log else { continue };
            let Some(header) = self.newest(log)? else {
                recovered.damaged = recovered.damaged.saturating_add(1);
                continue;
            };
            let sectors = self.entries(slot, log, &header, &mut recovered)?;
            let member = recovered.members.get_mut(slot).and_then(Option::as_mut);
            if let (Some(member), false) = (member, sectors.is_empty()) {
                let patches = Sectors { members: self.members.to_vec(), log: Arc::clone(log), sectors };
                *member = Arc::new(Overlay::new(Arc::clone(member), Arc::new(patches), SECTOR_SHIFT));
            }
        }
        Ok(recovered)
    }

    /// The newest header of a log that may hold several (`ppl_load_distributed`).
    fn newest(&self, log: &Arc<dyn ReadAt>) -> Result<Option<Header>, Error> {
        let mut newest: Option<(u64, Header)> = None;
        let mut at = 0_u64;
        while at.saturating_add(HEADER_BYTES) <= log.size() {
            let mut bytes = vec![0; HEADER];
            log.read_exact_at(at, &mut bytes)?;
            let Some((generation, entries)) = self.header(&mut bytes) else { break };
            if newest.as_ref().is_some_and(|(before, _)| *before > generation) {
                break;
            }
            let parity = entries.iter().map(|entry| u64::from(entry.pp_size.get()) & !511);
            let next = parity.fold(at.saturating_add(HEADER_BYTES), u64::saturating_add);
            newest = Some((generation, Header { at, entries }));
            at = next;
        }
        Ok(newest.map(|(_, header)| header))
    }

    /// A header with the right checksum and signature: its generation and entries.
    fn header(&self, bytes: &mut [u8]) -> Option<(u64, Vec<RawEntry>)> {
        let (raw, _) = RawHeader::ref_from_prefix(bytes).ok()?;
        let (stored, signature, generation) = (raw.checksum.get(), raw.signature.get(), raw.generation.get());
        let count = usize::try_from(raw.entries_count.get()).ok()?;
        let at = size_of::<RawHeader>();
        bytes.get_mut(at.checked_sub(4)?..at)?.fill(0);
        if crc32c::crc32c(bytes) != stored || self.signature.is_some_and(|wanted| wanted != signature) {
            return None;
        }
        let (entries, _) = <[RawEntry]>::ref_from_prefix_with_elems(bytes.get(at..)?, count).ok()?;
        Some((generation, entries.to_vec()))
    }

    /// What the entries of a header make of the parity of a member (`ppl_recover`).
    fn entries(
        &self,
        slot: usize,
        log: &Arc<dyn ReadAt>,
        header: &Header,
        recovered: &mut Recovered,
    ) -> Result<BTreeMap<u64, Parity>, Error> {
        let mut sectors = BTreeMap::new();
        let mut at = header.at.saturating_add(HEADER_BYTES);
        for entry in &header.entries {
            let is_mine = usize::try_from(entry.parity_disk.get()) == Ok(slot);
            if is_mine && sectors.len() < SECTORS_MAX && is_whole(log, at, entry)? {
                recovered.entries = recovered.entries.saturating_add(1);
                self.entry(slot, entry, at, &mut sectors);
            } else if entry.data_size.get() > 0 {
                recovered.damaged = recovered.damaged.saturating_add(1);
            }
            at = at.saturating_add(u64::from(entry.pp_size.get()) & !511);
        }
        Ok(sectors)
    }

    /// The parity of one write (`ppl_recover_entry`); `at` is where its partial parity begins in the log.
    fn entry(&self, slot: usize, entry: &RawEntry, at: u64, sectors: &mut BTreeMap<u64, Parity>) {
        let (partial, data) = (u64::from(entry.pp_size.get()) & !511, u64::from(entry.data_size.get()) & !511);
        let Some(first) = entry.data_sector.get().checked_mul(self.block) else { return };
        let (members, strip, end) = if partial >= self.chunk {
            (self.data_members, self.chunk, first.checked_add(data))
        } else {
            let members = if partial > 0 { data.checked_div(partial) } else { Some(self.data_members) };
            let members = members.unwrap_or(0);
            let strip = if partial > 0 { partial } else { data.checked_div(members).unwrap_or(0) };
            let rows = members.saturating_sub(1).checked_mul(self.chunk);
            (members, strip, rows.and_then(|rows| first.checked_add(rows)?.checked_add(strip)))
        };
        let Some(end) = end.filter(|_| strip <= self.chunk && members <= self.data_members) else { return };
        let mut inside = 0;
        while inside < strip {
            let partial = (partial > 0).then(|| at.saturating_add(inside));
            let starts = (0..members).map(|member| {
                self.chunk.checked_mul(member).and_then(|rows| first.checked_add(rows)?.checked_add(inside))
            });
            let starts = starts.map(|start| start.filter(|start| *start < end)).collect::<Vec<_>>();
            if let Some((place, parity)) = self.sector(slot, first.saturating_add(inside), &starts, partial) {
                sectors.insert(place.offset >> SECTOR_SHIFT, parity);
            }
            inside = inside.saturating_add(1 << SECTOR_SHIFT);
        }
    }

    /// A sector of parity: where it is, and what it has to be; `None` where a member that was written to is missing.
    fn sector(&self, slot: usize, first: u64, starts: &[Option<u64>], partial: Option<u64>) -> Option<(Place, Parity)> {
        let (_, place) = self.unit(first)?;
        let mut data = Vec::with_capacity(starts.len());
        for start in starts.iter().flatten() {
            let (unit, _) = self.unit(*start)?;
            self.members.get(unit.member)?.as_ref()?;
            data.push(unit);
        }
        let is_mine = place.member == slot && place.offset & 511 == 0;
        (is_mine && !data.is_empty()).then_some((place, Parity { data, partial }))
    }

    /// The unit that a byte of the array is in, and the parity over it.
    fn unit(&self, offset: u64) -> Option<(Place, Place)> {
        if offset >= self.layout.size() {
            return None;
        }
        match self.layout.piece(offset).ok()?.source {
            Source::Stripe(stripe) => Some((stripe.data.get(stripe.wanted)?.place, stripe.p?)),
            _ => None,
        }
    }
}

/// Whether the partial parity of an entry has the right checksum.
fn is_whole(log: &Arc<dyn ReadAt>, at: u64, entry: &RawEntry) -> Result<bool, Error> {
    let length = u64::from(entry.pp_size.get());
    if length > PARITY_BYTES_MAX || at.saturating_add(length) > log.size() {
        return Ok(false);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    log.read_exact_at(at, &mut bytes)?;
    Ok(crc32c::crc32c(&bytes) == entry.checksum.get())
}

/// The parity that is laid over a member.
struct Sectors {
    members: Vec<Option<Arc<dyn ReadAt>>>,
    log: Arc<dyn ReadAt>,
    sectors: BTreeMap<u64, Parity>,
}

impl Patches for Sectors {
    fn next(&self, block: u64) -> Option<u64> {
        self.sectors.range(block..).next().map(|(block, _)| *block)
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        buf.fill(0);
        let Some(parity) = self.sectors.get(&block) else { return Ok(()) };
        let mut part = [0; SECTOR];
        let mut add = |data: &Arc<dyn ReadAt>, offset: u64| {
            data.read_exact_at(offset, &mut part)?;
            buf.iter_mut().zip(&part).for_each(|(sum, byte)| *sum ^= byte);
            Ok(())
        };
        for place in &parity.data {
            // Those that are missing were left out when the sector was.
            if let Some(Some(member)) = self.members.get(place.member) {
                add(member, place.offset)?;
            }
        }
        parity.partial.map_or(Ok(()), |partial| add(&self.log, partial))
    }
}

#[cfg(test)]
mod tests;
