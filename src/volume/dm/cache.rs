//! Volumes some of whose blocks are in a faster cache. Source: Linux, `drivers/md/dm-cache-metadata.c` and
//! `dm-cache-target.c`.
//!
//! A dirty block is right in the cache alone. A clean one is the same in both; it is read from the cache first, as the
//! kernel does: a block is marked clean when it was written back, and nothing flushes the origin's own volatile cache
//! between the two, so that after a power cut the origin may still have the older one, but never the newer.

use super::persistent::{Metadata, bits, values};
use crate::Error;
use crate::map::{Layout, Piece, Place, Source};
use block::{ReadAt, ReadError};
use std::num::NonZeroU64;
use std::sync::Arc;
use superblock::Superblock;

mod superblock;

/// What is cached.
const ORIGIN: usize = 0;
/// The cache's data.
const CACHE: usize = 1;
/// More blocks than anybody has (LVM2 makes at most a million unless told otherwise): 16 bytes of memory each.
const BLOCKS_MAX: u64 = 1 << 24;
/// The low bits of a mapping are flags, the others are the block of the origin (`unpack_value`).
const FLAGS_BITS: u32 = 16;
const FLAGS_MASK: u64 = (1 << FLAGS_BITS) - 1;
/// `M_VALID` and `M_DIRTY`.
const VALID: u64 = 1;
const DIRTY: u64 = 2;

/// What writing does, as the table of the kernel (and LVM2) says: the metadata do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheMode {
    /// It goes to the cache alone, and later to the origin.
    Writeback,
    /// It goes to both at once.
    Writethrough,
    /// It goes to the origin, and the cache forgets the block.
    Passthrough,
}

/// Where a block of the origin can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the cache, and as well in the origin.
    Clean,
    /// In the cache alone.
    Dirty,
    /// Two blocks of the cache say that they are it.
    Contested,
}

/// A block of the origin that is in the cache.
#[derive(Clone, Copy)]
struct Cached {
    /// Block of the origin.
    origin: u64,
    /// Block of the cache.
    cache: u32,
    state: State,
}

/// A volume with a cache: member 0 is the origin, member 1 the cache's data.
pub(crate) struct CacheMap {
    superblock: Superblock,
    /// By block of the origin.
    cached: Vec<Cached>,
    size: u64,
}

impl CacheMap {
    /// The volume of `origin_bytes` whose cache has its metadata on this device.
    ///
    /// Where the cache was not shut down, what is dirty was not written, and in mode [`CacheMode::Writeback`] all is taken
    /// for dirty, as the kernel does (`__load_mapping_v1` and `_v2`); the other modes make nothing dirty, so that what was
    /// written last holds.
    ///
    /// # Errors
    /// When the metadata cannot be read, are damaged, have features that are not known, or are of too many blocks.
    pub(crate) fn open(metadata: Arc<dyn ReadAt>, origin_bytes: u64, mode: CacheMode) -> Result<Self, Error> {
        let metadata = Metadata::new(metadata);
        let superblock = Superblock::read(&metadata)?;
        let count = u64::from(superblock.cache_blocks);
        if count > BLOCKS_MAX {
            return Err(Error::Damaged(format!("the cache has {count} blocks; up to {BLOCKS_MAX} can be read")));
        }
        let all_dirty = mode == CacheMode::Writeback && !superblock.is_clean_shutdown;
        let dirty = superblock.dirty_root.filter(|_| count > 0);
        let dirty = dirty.map(|root| bits(&metadata, root, count)).transpose()?;
        // A part of a block at the origin's end is never cached (`map_bio`).
        let blocks = origin_bytes / superblock.block_bytes;
        let mut cached = Vec::new();
        let mut add = |index: u64, value: u64| {
            let (origin, flags) = (value >> FLAGS_BITS, value & FLAGS_MASK);
            if flags & !(VALID | DIRTY) != 0 {
                return Err(Error::Damaged(format!("block {index} of the cache has the flags {flags:#x}")));
            }
            if flags & VALID == 0 || origin >= blocks {
                return Ok(());
            }
            let is_dirty = all_dirty || dirty.as_deref().map_or(flags & DIRTY != 0, |bits| bit(bits, index));
            let state = if is_dirty { State::Dirty } else { State::Clean };
            // What passes through the cache is never read from it.
            if state == State::Dirty || mode != CacheMode::Passthrough {
                cached.push(Cached { origin, cache: u32::try_from(index).unwrap_or(u32::MAX), state });
            }
            Ok(())
        };
        if count > 0 {
            values(&metadata, superblock.mapping_root, count, &mut add)?;
        }
        cached.sort_unstable_by_key(|cached| (cached.origin, cached.cache));
        cached.dedup_by(|next, one| {
            let is_same = next.origin == one.origin;
            if is_same {
                one.state = State::Contested;
            }
            is_same
        });
        Ok(Self { superblock, cached, size: origin_bytes })
    }

    /// How many blocks can be had from the cache alone: with none of them, the origin is all that is needed.
    pub(crate) fn needs_cache(&self) -> usize {
        self.cached.iter().filter(|cached| cached.state != State::Clean).count()
    }

    /// Whether the cache was shut down, so that it is known which blocks are dirty.
    pub(crate) const fn was_shut_down(&self) -> bool {
        self.superblock.is_clean_shutdown
    }

    /// Bytes of a block: what LVM2 calls the chunk size.
    pub(crate) const fn block_bytes(&self) -> u64 {
        self.superblock.block_bytes.get()
    }

    /// Whether the kernel found the metadata wanting and asks for `cache_check`.
    pub(crate) const fn needs_check(&self) -> bool {
        self.superblock.needs_check
    }

    /// The policy that last decided what is cached, as `smq`.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests hold it against what the tools say"))]
    pub(crate) fn policy(&self) -> &str {
        &self.superblock.policy
    }

    const fn bytes(&self) -> NonZeroU64 {
        self.superblock.block_bytes
    }
}

impl Layout for CacheMap {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let (block, inside) = (offset / self.bytes(), offset % self.bytes());
        let index = self.cached.partition_point(|cached| cached.origin < block);
        let rest = self.cached.get(index..).unwrap_or_default();
        let origin = Place { member: ORIGIN, offset };
        let until = |end: u64| end.saturating_mul(self.block_bytes()).min(self.size).saturating_sub(offset);
        let Some(first) = rest.first().filter(|first| first.origin == block) else {
            let length = rest.first().map_or_else(|| self.size.saturating_sub(offset), |next| until(next.origin));
            return Ok(Piece { length, source: Source::Copies(vec![origin]) });
        };
        let follows = |(one, next): &(&Cached, &Cached)| {
            one.origin.checked_add(1) == Some(next.origin)
                && one.cache.checked_add(1) == Some(next.cache)
                && one.state == next.state
        };
        let last = rest.iter().zip(rest.iter().skip(1)).take_while(follows).last().map_or(first, |(_, last)| last);
        let at = u64::from(first.cache).saturating_mul(self.block_bytes()).saturating_add(inside);
        let cache = Place { member: CACHE, offset: at };
        let source = match first.state {
            State::Clean => Source::Copies(vec![cache, origin]),
            State::Dirty => Source::Copies(vec![cache]),
            State::Contested => {
                Source::Lost(format!("block {block} of the volume is in the cache more than once").into())
            }
        };
        Ok(Piece { length: until(last.origin.saturating_add(1)), source })
    }
}

/// A bit of a set, 64 in a number.
fn bit(bits: &[u64], index: u64) -> bool {
    let word = usize::try_from(index >> 6).ok().and_then(|word| bits.get(word));
    word.is_some_and(|word| (word >> (index & 63)) & 1 != 0)
}

#[cfg(test)]
mod tests;
