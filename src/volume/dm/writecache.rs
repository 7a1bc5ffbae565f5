//! Volumes whose writes gather on a faster device first. Source: Linux, `drivers/md/dm-writecache.c`.
//!
//! What counts is what the kernel takes over when it starts (`writecache_resume`): entries that were committed, which have
//! a lower count than the superblock; of two for one block, the newer. A block that was written back has no entry any more,
//! so that what has one is newer than the origin. Both forms, for disks and for persistent memory, are the same on disk.

use crate::Error;
use crate::map::{Layout, Piece, Place, Source};
use block::{ReadAt, ReadError};
use std::num::NonZeroU64;
use std::sync::Arc;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `MEMORY_SUPERBLOCK_MAGIC` and `MEMORY_SUPERBLOCK_VERSION`.
const MAGIC: u32 = 0x2348_9321;
const VERSION: u32 = 1;
/// What is written to.
const ORIGIN: usize = 0;
/// The device with the cache.
const CACHE: usize = 1;
/// Bytes of a block: a power of two between a sector and a page; pages of 64 KiB are the largest there are.
const BLOCK_BYTES: std::ops::RangeInclusive<u32> = 512..=65536;
/// More blocks than the kernel itself could keep in mind.
const BLOCKS_MAX: u64 = (1 << 32) - 1;
/// More blocks in use than are kept in mind here: 24 bytes of memory each, at most 384 MiB.
const IN_USE_MAX: usize = 1 << 24;
/// Entries that are read at once.
const ENTRIES_READ: u64 = 16384;

/// `struct wc_memory_superblock`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    magic: U32,
    version: U32,
    /// In bytes.
    block_size: U32,
    pad: U32,
    n_blocks: U64,
    seq_count: U64,
    padding: [u8; 32],
}

/// `struct wc_memory_entry`, right behind the superblock for each block.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawEntry {
    /// In sectors of 512 bytes.
    original_sector: U64,
    seq_count: U64,
}

/// A block of the origin that is in the cache.
#[derive(Clone, Copy)]
struct Entry {
    /// Block of the origin.
    origin: u64,
    sequence: u64,
    /// Block of the cache; none where two are equally new.
    cache: Option<u32>,
}

/// A volume with a write cache: member 0 is the origin, member 1 the device with the cache, from its superblock on.
pub(crate) struct WritecacheMap {
    /// By block of the origin.
    entries: Vec<Entry>,
    block_bytes: NonZeroU64,
    /// Where on the device the first block is.
    data_at: u64,
    size: u64,
}

impl WritecacheMap {
    /// The volume of `origin_bytes` whose write cache is this device, from its superblock on.
    ///
    /// # Errors
    /// When the device cannot be read, has no superblock that is known, or is of too many blocks.
    pub(crate) fn open(device: &Arc<dyn ReadAt>, origin_bytes: u64) -> Result<Self, Error> {
        let damaged = |what: String| Error::Damaged(format!("the superblock of the write cache {what}"));
        let mut superblock = [0; size_of::<Raw>()];
        device.read_exact_at(0, &mut superblock)?;
        let (raw, _) = Raw::ref_from_prefix(&superblock).map_err(|_| damaged("is cut short".to_owned()))?;
        if raw.magic.get() == 0 && raw.version.get() == 0 {
            return Err(damaged("is all zeros: the cache was never used, or was wiped".to_owned()));
        }
        if raw.magic.get() != MAGIC {
            return Err(damaged(format!("has the magic number {:#010x} instead of {MAGIC:#010x}", raw.magic.get())));
        }
        if raw.version.get() != VERSION {
            return Err(damaged(format!("is of version {}; {VERSION} is known", raw.version.get())));
        }
        let (block, count) = (raw.block_size.get(), raw.n_blocks.get());
        if !BLOCK_BYTES.contains(&block) || !block.is_power_of_two() {
            return Err(damaged(format!("has blocks of {block} bytes")));
        }
        if count > BLOCKS_MAX {
            return Err(damaged(format!("has {count} blocks; up to {BLOCKS_MAX} can be read")));
        }
        let data_at = entry_at(count).next_multiple_of(u64::from(block));
        let end = u64::from(block).saturating_mul(count).saturating_add(data_at);
        if end > device.size() {
            return Err(damaged(format!("has {count} blocks of {block} bytes, which do not fit in {}", device.size())));
        }
        let block_bytes = NonZeroU64::new(u64::from(block)).unwrap_or(NonZeroU64::MIN);
        let mut entries = Vec::new();
        each_entry(device, count, &mut |index, entry| {
            // Never committed, or freed, which sets all bits of it (`writecache_entry_is_committed`, `clear_seq_count`).
            if entry.seq_count.get() >= raw.seq_count.get() {
                return Ok(());
            }
            let at = entry.original_sector.get().checked_mul(512).filter(|at| *at % block_bytes == 0);
            let at = at.ok_or_else(|| {
                let sector = entry.original_sector.get();
                Error::Damaged(format!(
                    "block {index} of the write cache is that of sector {sector}, where none begins"
                ))
            })?;
            // Behind the end of the volume it is never asked for.
            if at >= origin_bytes {
                return Ok(());
            }
            if entries.len() >= IN_USE_MAX {
                return Err(Error::Damaged(format!("the write cache has more than {IN_USE_MAX} blocks in use")));
            }
            let origin = at / block_bytes;
            entries.push(Entry { origin, sequence: entry.seq_count.get(), cache: u32::try_from(index).ok() });
            Ok(())
        })?;
        Ok(Self { entries: newest(entries), block_bytes, data_at, size: origin_bytes })
    }

    /// How many blocks can be had from the cache alone: with none of them, the origin is all that is needed.
    pub(crate) fn needs_cache(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of a block.
    pub(crate) const fn block_bytes(&self) -> u64 {
        self.block_bytes.get()
    }
}

/// Where an entry is, in bytes.
fn entry_at(index: u64) -> u64 {
    let bytes = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    index.saturating_mul(bytes(size_of::<RawEntry>())).saturating_add(bytes(size_of::<Raw>()))
}

/// Shows each entry with its index.
fn each_entry(
    device: &Arc<dyn ReadAt>,
    count: u64,
    visit: &mut dyn FnMut(u64, &RawEntry) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut index = 0_u64;
    while index < count {
        let length = entry_at(count.min(index.saturating_add(ENTRIES_READ))).saturating_sub(entry_at(index));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        device.read_exact_at(entry_at(index), &mut bytes)?;
        for entry in <[RawEntry]>::ref_from_bytes(&bytes).unwrap_or_default() {
            visit(index, entry)?;
            index = index.saturating_add(1);
        }
    }
    Ok(())
}

/// The newest entry for each block of the origin.
fn newest(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_unstable_by_key(|entry| (entry.origin, std::cmp::Reverse(entry.sequence), entry.cache));
    entries.dedup_by(|next, one| {
        let is_same = next.origin == one.origin;
        if is_same && next.sequence == one.sequence {
            one.cache = None;
        }
        is_same
    });
    entries
}

impl Layout for WritecacheMap {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let (block, inside) = (offset / self.block_bytes, offset % self.block_bytes);
        let index = self.entries.partition_point(|entry| entry.origin < block);
        let rest = self.entries.get(index..).unwrap_or_default();
        let until = |end: u64| end.saturating_mul(self.block_bytes()).min(self.size).saturating_sub(offset);
        let Some(first) = rest.first().filter(|first| first.origin == block) else {
            let length = rest.first().map_or_else(|| self.size.saturating_sub(offset), |next| until(next.origin));
            return Ok(Piece { length, source: Source::Copies(vec![Place { member: ORIGIN, offset }]) });
        };
        let Some(cache) = first.cache else {
            let why = format!("the write cache has two blocks for byte {offset} of the volume, both equally new");
            return Ok(Piece { length: until(block.saturating_add(1)), source: Source::Lost(why.into()) });
        };
        let follows = |(one, next): &(&Entry, &Entry)| {
            one.origin.checked_add(1) == Some(next.origin)
                && next.cache.is_some_and(|next| one.cache.and_then(|cache| cache.checked_add(1)) == Some(next))
        };
        let last = rest.iter().zip(rest.iter().skip(1)).take_while(follows).last().map_or(first, |(_, last)| last);
        let at = u64::from(cache).saturating_mul(self.block_bytes()).saturating_add(self.data_at);
        let place = Place { member: CACHE, offset: at.saturating_add(inside) };
        Ok(Piece { length: until(last.origin.saturating_add(1)), source: Source::Copies(vec![place]) })
    }
}

#[cfg(test)]
mod tests;
