//! The write journal of RAID 4, 5 and 6 (Linux `drivers/md/raid5-cache.c`, `include/uapi/linux/raid/md_p.h`).
//!
//! Writes go to a journal first. What Linux would do with it when it starts the array is laid over its members and over the array:
//! stripes with data and parity are replayed, which is to write them to the members; of stripes with data alone the data is the
//! array's, and the members keep what was there, with a parity that fits it.

use crate::Error;
use crate::map::{Layout, Place, Source, Stripe};
use block::{Overlay, Patches, ReadAt, ReadError};
use std::collections::BTreeMap;
use std::sync::Arc;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct r5l_meta_block`, without the payloads that follow.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawMetaBlock {
    magic: U32,
    checksum: U32,
    version: u8,
    zero_padding: [u8; 3],
    meta_size: U32,
    seq: U64,
    position: U64,
}

/// `struct r5l_payload_data_parity` and `struct r5l_payload_flush`, without what follows.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawPayload {
    kind: U16,
    flags: U16,
    /// Sectors of data or parity; bytes of a list of stripes.
    size: U32,
}

const MAGIC: u32 = 0x6433_C509;
const VERSION: u8 = 1;
const BLOCK: usize = 4096;
const BLOCK_BYTES: u64 = 4096;
const BLOCK_SHIFT: u32 = 12;
const SECTOR_SHIFT: u32 = 9;
const DATA: u16 = 0;
const PARITY: u16 = 1;
const FLUSH: u16 = 2;
/// Blocks that are kept in mind; Linux uses at most 10 GiB of a journal.
const BLOCKS_MAX: usize = 4 << 20;

/// A journal, and the array that it belongs to.
pub(super) struct Journal<'a> {
    /// The device, from the byte on where its data begins.
    pub(super) data: Arc<dyn ReadAt>,
    /// `journal_tail` of its superblock, in sectors.
    pub(super) tail: u64,
    /// `set_uuid` of the array.
    pub(super) uuid: [u8; 16],
    /// How the array lies on its members.
    pub(super) layout: &'a dyn Layout,
    /// Size of a chunk in bytes.
    pub(super) chunk: u64,
    /// How many members hold data, and how many parity.
    pub(super) data_members: u64,
    pub(super) parities: u64,
}

/// What lies over the members and over the array; counted in blocks of 4 KiB, by where in the journal it is.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    journal: Option<Held>,
    members: BTreeMap<usize, Arc<BTreeMap<u64, u64>>>,
    volume: Arc<BTreeMap<u64, u64>>,
    /// Stripes that were replayed.
    pub(super) stripes: usize,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

/// The device, without its insides in messages.
#[derive(Clone)]
struct Held(Arc<dyn ReadAt>);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "journal of {} bytes", self.0.size())
    }
}

/// A stripe, one block high, of which something is in the journal (`struct stripe_head`).
#[derive(Default)]
struct Pending {
    /// By byte of the array: the member that it lies on, and where it is in the journal.
    data: BTreeMap<u64, (usize, u64)>,
    /// By member: where its parity is in the journal.
    parity: BTreeMap<usize, u64>,
}

/// The scan of a journal (`struct r5l_recovery_ctx`).
struct Scan<'a> {
    journal: &'a Journal<'a>,
    /// The checksum of the UUID, which all others begin with.
    seed: u32,
    /// Bytes that are used.
    size: u64,
    position: u64,
    sequence: u64,
    pending: BTreeMap<u64, Pending>,
    members: BTreeMap<usize, BTreeMap<u64, u64>>,
    kept: usize,
    replayed: usize,
}

/// Part of a meta block.
enum Payload {
    /// A block of data: byte of the array, where it is in the journal.
    Data { location: u64, at: u64 },
    /// Parity of a stripe: byte of the members, where its blocks are in the journal.
    Parity { location: u64, at: u64 },
    /// Stripes that are on the members: bytes of these.
    Flush(Vec<u64>),
}

impl Journal<'_> {
    /// What Linux would make of the journal when it starts the array (`r5l_load_log`, `r5l_recovery_log`).
    ///
    /// # Errors
    /// When the device cannot be read, or there is more in it than can be.
    pub(super) fn replay(&self) -> Result<Replayed, Error> {
        let size = self.data.size() & !(BLOCK_BYTES - 1);
        let tail = self.tail.checked_mul(1 << SECTOR_SHIFT);
        let tail = tail.filter(|tail| *tail < size && tail & (BLOCK_BYTES - 1) == 0).unwrap_or(0);
        let mut scan = Scan {
            journal: self,
            seed: crc32c::crc32c(&self.uuid),
            size,
            position: tail,
            sequence: 0,
            pending: BTreeMap::new(),
            members: BTreeMap::new(),
            kept: 0,
            replayed: 0,
        };
        let first = if size == 0 { None } else { scan.meta_block()? };
        let Some((sequence, _)) = first else {
            let notice = "the journal holds nothing that can be read; what was only there is lost";
            return Ok(Replayed { notices: vec![notice.to_owned()], ..Replayed::default() });
        };
        scan.sequence = sequence;
        scan.run()?;
        Ok(scan.finish())
    }

    /// The stripe of a byte of the array, and which of its units that byte is in.
    fn stripe(&self, offset: u64) -> Option<Stripe> {
        if offset >= self.layout.size() {
            return None;
        }
        match self.layout.piece(offset).ok()?.source {
            Source::Stripe(stripe) => Some(stripe),
            _ => None,
        }
    }

    /// Where the parity of a byte of the members is.
    fn parity(&self, location: u64) -> Option<Vec<Place>> {
        let (row, inside) = (location.checked_div(self.chunk)?, location.checked_rem(self.chunk)?);
        let first = row.checked_mul(self.chunk)?.checked_mul(self.data_members)?.checked_add(inside)?;
        let stripe = self.stripe(first)?;
        Some(stripe.p.into_iter().chain(stripe.q).filter(|place| place.offset == location).collect())
    }
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), Error> {
        // A block is passed once: the next round would need higher sequence numbers in the same places.
        let mut left = self.size >> BLOCK_SHIFT;
        while left > 0 {
            let Some((sequence, block)) = self.meta_block()? else { break };
            if sequence != self.sequence {
                break;
            }
            let mut blocks = 1;
            // A block of which a part was never written counts for nothing, and neither does what would follow.
            if let Some(payloads) = self.payloads(&block)? {
                for payload in payloads {
                    blocks = self.take(payload, blocks)?;
                }
            }
            left = left.saturating_sub(blocks);
            self.sequence = self.sequence.wrapping_add(1);
            self.position = self.ring(self.position, blocks.saturating_mul(BLOCK_BYTES));
        }
        Ok(())
    }

    /// The position `bytes` further on; the journal is a ring.
    fn ring(&self, position: u64, bytes: u64) -> u64 {
        position.saturating_add(bytes).checked_rem(self.size).unwrap_or(0)
    }

    fn block(&self, at: u64) -> Result<Vec<u8>, Error> {
        let mut block = vec![0; BLOCK];
        self.journal.data.read_exact_at(at, &mut block)?;
        Ok(block)
    }

    /// Whether the checksum of a block is this.
    fn is_whole(&self, block: &[u8], checksum: u32) -> bool {
        !crc32c::crc32c_append(self.seed, block) == checksum
    }

    /// The meta block at the current position, with its sequence number (`r5l_recovery_read_meta_block`).
    fn meta_block(&self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let block = self.block(self.position)?;
        let Ok((raw, _)) = RawMetaBlock::ref_from_prefix(&block) else { return Ok(None) };
        let mut blank = block.clone();
        if let Some(checksum) = blank.get_mut(4..8) {
            checksum.fill(0);
        }
        let is_right = raw.magic.get() == MAGIC
            && raw.version == VERSION
            && raw.position.get() == self.position >> SECTOR_SHIFT
            && usize::try_from(raw.meta_size.get()).is_ok_and(|size| size <= BLOCK)
            && self.is_whole(&blank, raw.checksum.get());
        let sequence = raw.seq.get();
        Ok(is_right.then_some((sequence, block)))
    }

    /// The payloads of a meta block; `None` when one of them is damaged (`r5l_recovery_verify_data_checksum_for_mb`).
    fn payloads(&self, block: &[u8]) -> Result<Option<Vec<Payload>>, Error> {
        let Ok((raw, _)) = RawMetaBlock::ref_from_prefix(block) else { return Ok(None) };
        let size = usize::try_from(raw.meta_size.get()).unwrap_or(BLOCK);
        let Some(mut rest) = block.get(size_of::<RawMetaBlock>()..size) else { return Ok(Some(Vec::new())) };
        let mut at = self.ring(self.position, BLOCK_BYTES);
        let mut payloads = Vec::new();
        while !rest.is_empty() {
            let Ok((head, after)) = RawPayload::ref_from_prefix(rest) else { return Ok(None) };
            let (kind, size) = (head.kind.get(), head.size.get());
            if kind == FLUSH {
                let length = usize::try_from(size).unwrap_or(usize::MAX);
                let Some((list, after)) = after.split_at_checked(length) else { return Ok(None) };
                let (stripes, _) = list.as_chunks::<8>();
                let bytes = |stripe: &[u8; 8]| u64::from_le_bytes(*stripe).saturating_mul(1 << SECTOR_SHIFT);
                payloads.push(Payload::Flush(stripes.iter().map(bytes).collect()));
                rest = after;
                continue;
            }
            let count = usize::try_from(size >> 3).unwrap_or(usize::MAX);
            let Ok((location, after)) = U64::ref_from_prefix(after) else { return Ok(None) };
            let Ok((sums, after)) = <[U32]>::ref_from_prefix_with_elems(after, count) else { return Ok(None) };
            let location = location.get().saturating_mul(1 << SECTOR_SHIFT);
            let (wanted, payload) = match kind {
                DATA => (1, Payload::Data { location, at }),
                PARITY => (self.journal.parities, Payload::Parity { location, at }),
                _ => return Ok(None),
            };
            if !self.are_whole(at, sums, wanted)? {
                return Ok(None);
            }
            payloads.push(payload);
            at = self.ring(at, u64::from(size) << SECTOR_SHIFT);
            rest = after;
        }
        Ok(Some(payloads))
    }

    /// Whether `count` blocks from `at` on have these checksums.
    fn are_whole(&self, mut at: u64, sums: &[U32], count: u64) -> Result<bool, Error> {
        for number in 0..count {
            let sum = usize::try_from(number).ok().and_then(|number| sums.get(number));
            let Some(sum) = sum else { return Ok(false) };
            if !self.is_whole(&self.block(at)?, sum.get()) {
                return Ok(false);
            }
            at = self.ring(at, BLOCK_BYTES);
        }
        Ok(true)
    }

    /// Takes note of a payload; gives how many blocks the meta block has with it (`r5c_recovery_analyze_meta_block`).
    fn take(&mut self, payload: Payload, blocks: u64) -> Result<u64, Error> {
        match payload {
            Payload::Flush(stripes) => {
                for stripe in stripes {
                    self.pending.remove(&stripe);
                }
                Ok(blocks)
            }
            Payload::Data { location, at } => {
                let stripe = self.journal.stripe(location);
                let unit = stripe.and_then(|stripe| Some(stripe.data.get(stripe.wanted)?.place));
                let place = unit.ok_or_else(|| outside(location))?;
                // Data after parity begins a new write; the one before was whole.
                if self.pending.get(&place.offset).is_some_and(|pending| !pending.parity.is_empty()) {
                    self.write(place.offset);
                }
                self.keep(1)?;
                let pending = self.pending.entry(place.offset).or_default();
                pending.data.insert(location, (place.member, at));
                Ok(blocks.saturating_add(1))
            }
            Payload::Parity { location, at } => {
                let places = self.journal.parity(location).ok_or_else(|| outside(location))?;
                self.keep(places.len())?;
                let mut at = at;
                for place in places {
                    self.pending.entry(location).or_default().parity.insert(place.member, at);
                    at = self.ring(at, BLOCK_BYTES);
                }
                Ok(blocks.saturating_add(self.journal.parities))
            }
        }
    }

    fn keep(&mut self, blocks: usize) -> Result<(), Error> {
        self.kept = self.kept.saturating_add(blocks);
        match self.kept > BLOCKS_MAX {
            true => Err(Error::Damaged(format!("the journal holds more than {BLOCKS_MAX} blocks"))),
            false => Ok(()),
        }
    }

    /// Writes a stripe to the members (`r5l_recovery_replay_one_stripe`); one without data was written before.
    fn write(&mut self, stripe: u64) {
        let Some(pending) = self.pending.remove(&stripe).filter(|pending| !pending.data.is_empty()) else { return };
        self.replayed = self.replayed.saturating_add(1);
        for (member, at) in pending.data.into_values().chain(pending.parity) {
            self.members.entry(member).or_default().insert(stripe >> BLOCK_SHIFT, at);
        }
    }

    /// Writes the stripes that have parity; the data of the others is the array's.
    fn finish(mut self) -> Replayed {
        let has_parity = |pending: &Pending| !pending.parity.is_empty();
        let whole: Vec<_> = self.pending.iter().filter(|(_, pending)| has_parity(pending)).map(|(at, _)| *at).collect();
        for stripe in whole {
            self.write(stripe);
        }
        let data = self.pending.values().flat_map(|pending| &pending.data);
        let volume: BTreeMap<_, _> = data.map(|(location, (_, at))| (location >> BLOCK_SHIFT, *at)).collect();
        let mut notices = Vec::new();
        if !volume.is_empty() {
            notices.push(format!("{} KiB are taken from the journal", volume.len().saturating_mul(4)));
        }
        Replayed {
            journal: Some(Held(Arc::clone(&self.journal.data))),
            members: self.members.into_iter().map(|(member, blocks)| (member, Arc::new(blocks))).collect(),
            volume: Arc::new(volume),
            stripes: self.replayed,
            notices,
        }
    }
}

fn outside(location: u64) -> Error {
    Error::Damaged(format!("the journal holds a write to byte {location}, which the array does not have"))
}

impl Replayed {
    /// A member as it would be after the replay; `data` begins where the array's data does.
    pub(super) fn member(&self, slot: usize, data: &Arc<dyn ReadAt>) -> Arc<dyn ReadAt> {
        let data = Arc::clone(data);
        match self.members.get(&slot) {
            Some(blocks) => self.over(data, blocks),
            None => data,
        }
    }

    /// The array, with what is only in the journal; `data` is the array of the members that [`Self::member`] gave.
    pub(super) fn volume(&self, data: Arc<dyn ReadAt>) -> Arc<dyn ReadAt> {
        if self.volume.is_empty() { data } else { self.over(data, &self.volume) }
    }

    fn over(&self, data: Arc<dyn ReadAt>, blocks: &Arc<BTreeMap<u64, u64>>) -> Arc<dyn ReadAt> {
        let Some(Held(journal)) = &self.journal else { return data };
        let patches = Blocks { journal: Arc::clone(journal), blocks: Arc::clone(blocks) };
        Arc::new(Overlay::new(data, Arc::new(patches), BLOCK_SHIFT))
    }
}

/// Blocks that are in the journal.
struct Blocks {
    journal: Arc<dyn ReadAt>,
    blocks: Arc<BTreeMap<u64, u64>>,
}

impl Patches for Blocks {
    fn next(&self, block: u64) -> Option<u64> {
        self.blocks.range(block..).next().map(|(block, _)| *block)
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.blocks.get(&block).map_or(Ok(()), |at| self.journal.read_exact_at(*at, buf))
    }

    fn will_need(&self, blocks: std::ops::Range<u64>) {
        let places = self.blocks.range(blocks).map(|(_, at)| *at..at.saturating_add(BLOCK_BYTES));
        self.journal.will_need(&places.collect::<Vec<_>>());
    }
}

#[cfg(test)]
pub(in crate::md) mod tests;
