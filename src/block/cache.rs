//! The cache between disks that answer later and readers that want bytes now: bounded in bytes over all disks
//! together, one read for any number of readers that miss the same bytes, many reads in flight.

use crate::flight::{Flight, lock};
use crate::{BlockRange, Disk, ReadAt, ReadError, ReadErrorKind};
use bytes::Bytes;
use quick_cache::sync::Cache as Store;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter, sync::DefaultLifecycle};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How a [`Cache`] behaves.
#[derive(Clone, Copy, Debug)]
pub struct CacheConfig {
    /// Most bytes that are kept, over all disks. At least 16 chunks are kept whatever this says.
    pub bytes_max: u64,
    /// What is read and kept at a time, in bytes; a power of two, 4096 at least.
    pub chunk_bytes: u32,
    /// Most bytes on their way because of hints; hints beyond are dropped.
    pub hinted_bytes_max: u64,
    /// How long a reader waits for the disk. The disk has its own, shorter time-outs: this is the last resort.
    pub wait_max: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            bytes_max: 256 << 20,
            chunk_bytes: 128 << 10,
            hinted_bytes_max: 16 << 20,
            wait_max: Duration::from_secs(600),
        }
    }
}

/// Chunks of any number of disks, and the reads that are on their way.
pub struct Cache {
    config: CacheConfig,
    store: Store<Key, Bytes, ByBytes>,
    flights: Mutex<Flights>,
    disks: AtomicU32,
    closed: AtomicBool,
    bytes_read: AtomicU64,
}

/// A chunk of a disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    disk: u32,
    chunk: u64,
}

/// Reads on their way.
#[derive(Default)]
struct Flights {
    by_key: HashMap<Key, Arc<Flight>>,
    hinted_bytes: u64,
    /// Chunks that the disk cannot read as a whole: of these, what is wanted is read alone.
    bad: HashSet<Key>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Bytes> for ByBytes {
    fn weight(&self, _: &Key, chunk: &Bytes) -> u64 {
        u64::try_from(chunk.len()).unwrap_or(u64::MAX)
    }
}

/// Why a read is started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Reader,
    Hint,
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(config: CacheConfig) -> Arc<Self> {
        const CHUNKS_MIN: u64 = 16;
        let chunk_bytes = config.chunk_bytes.clamp(4096, 16 << 20).next_power_of_two();
        let config = CacheConfig { chunk_bytes, ..config };
        let bytes_max = config.bytes_max.max(u64::from(chunk_bytes).saturating_mul(CHUNKS_MIN));
        let chunks = usize::try_from(bytes_max >> chunk_bytes.trailing_zeros()).unwrap_or(usize::MAX);
        // A shard must hold several chunks, or chunks would not fit their shard.
        let shards = (chunks >> 4).clamp(1, 16);
        let options =
            OptionsBuilder::new().estimated_items_capacity(chunks).weight_capacity(bytes_max).shards(shards).build();
        let store = match options {
            Ok(options) => {
                Store::with_options(options, ByBytes, DefaultHashBuilder::default(), DefaultLifecycle::default())
            }
            Err(_) => Store::with_weighter(chunks, bytes_max, ByBytes),
        };
        Arc::new(Self {
            config,
            store,
            flights: Mutex::default(),
            disks: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            bytes_read: AtomicU64::new(0),
        })
    }

    /// `disk`, read through this cache.
    #[must_use]
    pub fn attach(self: &Arc<Self>, disk: Arc<dyn Disk>) -> CachedDisk {
        let number = self.disks.fetch_add(1, Ordering::Relaxed);
        CachedDisk { cache: Arc::clone(self), disk, number }
    }

    /// Ends all reading, for good: whoever waits, and whoever reads from now on, gets [`ReadErrorKind::Closed`], of what is kept
    /// too.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut lock(&self.flights).by_key);
        for flight in waiting.into_values() {
            flight.land(Err(ReadError::new(ReadErrorKind::Closed, 0, 0)));
        }
        self.store.clear();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// How many bytes the disks have given so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: &Bytes) {
        self.bytes_read.fetch_add(u64::try_from(bytes.len()).unwrap_or_default(), Ordering::Relaxed);
    }

    /// How many bytes are kept now.
    #[must_use]
    pub fn bytes_used(&self) -> u64 {
        self.store.weight()
    }
}

/// A disk behind the cache.
pub struct CachedDisk {
    cache: Arc<Cache>,
    disk: Arc<dyn Disk>,
    number: u32,
}

/// A chunk that is here, or on its way.
enum Chunk {
    Here(Bytes),
    Coming(Arc<Flight>),
    /// The disk cannot read all of it.
    Bad,
}

impl CachedDisk {
    /// The disk behind the cache.
    #[must_use]
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The chunk, read from the disk if nobody did so yet; `None` when it is only hinted at and there is no room.
    fn chunk(&self, chunk: u64, cause: Cause) -> Option<Chunk> {
        let key = Key { disk: self.number, chunk };
        if let Some(bytes) = self.cache.store.get(&key) {
            return Some(Chunk::Here(bytes));
        }
        let mut flights = lock(&self.cache.flights);
        if flights.bad.contains(&key) {
            return Some(Chunk::Bad);
        }
        if let Some(flight) = flights.by_key.get(&key) {
            return Some(Chunk::Coming(Arc::clone(flight)));
        }
        // It may have landed between the look into the store and the lock: chunks are stored under the lock.
        if let Some(bytes) = self.cache.store.get(&key) {
            return Some(Chunk::Here(bytes));
        }
        let hinted = if cause == Cause::Hint { u64::from(self.cache.config.chunk_bytes) } else { 0 };
        let hinted_bytes = flights.hinted_bytes.saturating_add(hinted);
        if cause == Cause::Hint && hinted_bytes > self.cache.config.hinted_bytes_max {
            return None;
        }
        flights.hinted_bytes = hinted_bytes;
        let flight = Arc::new(Flight::default());
        flights.by_key.insert(key, Arc::clone(&flight));
        drop(flights);
        self.launch(key, Arc::clone(&flight), hinted);
        Some(Chunk::Coming(flight))
    }

    /// Reads the blocks around `part` alone, which begins with byte `offset` of the disk: a block that the disk cannot read must not
    /// take its neighbours with it.
    fn read_alone(&self, part: &mut [u8], offset: u64, deadline: Instant) -> Result<(), ReadError> {
        let shift = self.disk.geometry().block_size().shift();
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let out_of_range = || ReadError::new(ReadErrorKind::OutOfRange, offset, length);
        let first = offset >> shift;
        let end = offset.checked_add(length).ok_or_else(out_of_range)?.div_ceil(1 << shift);
        let count = u32::try_from(end.saturating_sub(first)).map_err(|_| out_of_range())?;
        let expected = usize::try_from(u64::from(count) << shift).map_err(|_| out_of_range())?;
        let flight = Arc::new(Flight::default());
        let landing = Arc::clone(&flight);
        let done = move |answer: Result<Bytes, ReadError>| {
            landing.land(answer.and_then(|bytes| checked_length(bytes, expected)));
        };
        self.disk.submit(BlockRange { first, count }, Box::new(done));
        let bytes = flight.wait(deadline)?;
        self.cache.count(&bytes);
        let from = usize::try_from(offset.saturating_sub(first << shift)).map_err(|_| out_of_range())?;
        let wanted = bytes.get(from..from.saturating_add(part.len())).ok_or_else(out_of_range)?;
        part.copy_from_slice(wanted);
        Ok(())
    }

    /// Remembers that a chunk cannot be read as a whole.
    fn remember_bad(&self, chunk: u64) {
        /// Chunks that are remembered; of others it is found out anew.
        const BAD_MAX: usize = 1 << 16;
        let mut flights = lock(&self.cache.flights);
        if flights.bad.len() < BAD_MAX {
            flights.bad.insert(Key { disk: self.number, chunk });
        }
    }

    /// Submits the read of a chunk; its answer is stored and handed to all who wait.
    fn launch(&self, key: Key, flight: Arc<Flight>, hinted: u64) {
        let geometry = self.disk.geometry();
        let shift = geometry.block_size().shift();
        let chunk_blocks = self.cache.config.chunk_bytes >> shift;
        let first = key.chunk.saturating_mul(u64::from(chunk_blocks));
        let left = geometry.blocks().saturating_sub(first);
        let count = u32::try_from(left).map_or(chunk_blocks, |left| left.min(chunk_blocks));
        let expected = usize::try_from(u64::from(count) << shift).unwrap_or(usize::MAX);
        let cache = Arc::clone(&self.cache);
        let done = move |answer: Result<Bytes, ReadError>| {
            let answer = answer.and_then(|bytes| checked_length(bytes, expected));
            let mut flights = lock(&cache.flights);
            if let Ok(bytes) = &answer {
                cache.count(bytes);
                if !cache.is_closed() {
                    cache.store.insert(key, bytes.clone());
                }
            }
            flights.by_key.remove(&key);
            flights.hinted_bytes = flights.hinted_bytes.saturating_sub(hinted);
            drop(flights);
            flight.land(answer);
        };
        self.disk.submit(BlockRange { first, count }, Box::new(done));
    }

    /// The numbers of the chunks that hold bytes `start..end`.
    fn chunks(&self, start: u64, end: u64) -> Range<u64> {
        let shift = self.cache.config.chunk_bytes.trailing_zeros();
        (start >> shift)..end.div_ceil(u64::from(self.cache.config.chunk_bytes))
    }

    /// The part of `buf` (which stands for the bytes from `offset` on) that lies in `chunk`, and where in the chunk it
    /// begins.
    fn part<'a>(&self, buf: &'a mut [u8], offset: u64, chunk: u64) -> Option<(&'a mut [u8], usize)> {
        let chunk_bytes = u64::from(self.cache.config.chunk_bytes);
        let chunk_start = chunk.checked_mul(chunk_bytes)?;
        let begin = offset.max(chunk_start);
        let in_buf = usize::try_from(begin.checked_sub(offset)?).ok()?;
        let in_chunk = begin.checked_sub(chunk_start)?;
        let length = usize::try_from(chunk_bytes.checked_sub(in_chunk)?).ok()?;
        let rest = buf.get_mut(in_buf..)?;
        let length = length.min(rest.len());
        Some((rest.get_mut(..length)?, usize::try_from(in_chunk).ok()?))
    }
}

/// A disk that answers with another number of bytes than asked for is not believed.
fn checked_length(bytes: Bytes, expected: usize) -> Result<Bytes, ReadError> {
    if bytes.len() == expected {
        return Ok(bytes);
    }
    let detail = format!("it sent {} bytes where {expected} were asked for", bytes.len());
    Err(ReadError::new(ReadErrorKind::Device, 0, 0).with_detail(&detail))
}

impl ReadAt for CachedDisk {
    fn size(&self) -> u64 {
        self.disk.geometry().bytes()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        /// Reads that one call keeps in flight; a longer read is done in several rounds.
        const CHUNKS_IN_FLIGHT: usize = 64;
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let out_of_range = || ReadError::new(ReadErrorKind::OutOfRange, offset, length);
        let closed = || ReadError::new(ReadErrorKind::Closed, offset, length);
        if self.cache.is_closed() {
            return Err(closed());
        }
        let end = offset.checked_add(length).filter(|end| *end <= self.size()).ok_or_else(out_of_range)?;
        let deadline = Instant::now().checked_add(self.cache.config.wait_max);
        let deadline = deadline.ok_or_else(|| ReadError::new(ReadErrorKind::TimedOut, offset, length))?;
        let mut chunks = self.chunks(offset, end).peekable();
        while chunks.peek().is_some() {
            let round = chunks.by_ref().take(CHUNKS_IN_FLIGHT);
            let round: Vec<_> = round.filter_map(|n| Some((n, self.chunk(n, Cause::Reader)?))).collect();
            for (number, chunk) in round {
                let (part, from) = self.part(buf, offset, number).ok_or_else(out_of_range)?;
                let bytes = match chunk {
                    Chunk::Here(bytes) => Ok(bytes),
                    Chunk::Coming(flight) => flight.wait(deadline),
                    Chunk::Bad => Err(ReadError::new(ReadErrorKind::Device, offset, length)),
                };
                let bytes = match bytes {
                    Ok(bytes) => bytes,
                    Err(error) if error.kind == ReadErrorKind::Device => {
                        self.remember_bad(number);
                        let at = offset.max(number.saturating_mul(self.cache.config.chunk_bytes.into()));
                        self.read_alone(part, at, deadline).map_err(|error| error.at(offset, length))?;
                        continue;
                    }
                    Err(error) => return Err(error.at(offset, length)),
                };
                let to = from.saturating_add(part.len());
                part.copy_from_slice(bytes.get(from..to).ok_or_else(out_of_range)?);
            }
        }
        // What came in before the end is not given after it.
        if self.cache.is_closed() { Err(closed()) } else { Ok(()) }
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        let size = self.size();
        if self.cache.is_closed() {
            return;
        }
        for range in ranges {
            let (start, end) = (range.start.min(size), range.end.min(size));
            for chunk in self.chunks(start, end.max(start)) {
                if self.chunk(chunk, Cause::Hint).is_none() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
