//! The exception store of dm-snapshot: what a snapshot holds that differs from its origin.
//!
//! The store is cut into chunks. The first holds the header; then come areas: a chunk of exceptions, each of which says
//! that a chunk of the volume (`old_chunk`) lies in a chunk of the store (`new_chunk`), and the chunks for as many
//! exceptions as fit into that. An exception whose `new_chunk` is 0, where the header is, ends the list. Source: Linux,
//! `drivers/md/dm-snap-persistent.c`.

use crate::Error;
use crate::map::{Layout, Piece, Place, Source};
use block::{ReadAt, ReadError};
use std::num::NonZeroU64;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `struct disk_header`, at the start of a store.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: U32,
    /// 0 when the snapshot was given up: its store was full, or could not be written.
    valid: U32,
    version: U32,
    /// In sectors of 512 bytes.
    chunk_size: U32,
}

/// `struct disk_exception`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawException {
    /// In chunks of the volume.
    old_chunk: U64,
    /// In chunks of the store.
    new_chunk: U64,
}

/// `SNAP_MAGIC`: "SnAp".
const MAGIC: u32 = 0x7041_6e53;
/// `SNAPSHOT_DISK_VERSION`.
const VERSION: u32 = 1;
/// How many bytes of exceptions are read at once.
const WINDOW_BYTES: u64 = 64 << 10;
/// How many areas are asked for before the first is waited for.
const AREAS_AHEAD: u64 = 64;
/// How many runs of exceptions are kept: 24 bytes each. The kernel that wrote them kept as many in memory, at 32 bytes.
const RUNS_MAX: usize = 16 << 20;

/// Chunks of the volume that lie one after another in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    old: u64,
    new: u64,
    count: u64,
}

impl Run {
    const fn end(&self) -> u64 {
        self.old.saturating_add(self.count)
    }

    /// Whether that run goes on where this one ends, in the volume and in the store.
    const fn is_followed_by(&self, next: &Self) -> bool {
        self.end() == next.old && self.new.saturating_add(self.count) == next.new
    }
}

/// A snapshot, or an origin that a snapshot is being merged into. Its members are 0, the origin, and 1, the store.
///
/// While a snapshot is merged, its exceptions are carried over to the origin from the last to the first, and each is removed
/// from the store once its chunk is in its place. What is not carried over yet still comes from the store: the volume,
/// which has the origin's name by then, reads as the snapshot did (`snapshot_merge_map` of `dm-snap.c`).
#[derive(Debug)]
pub struct Snapshot {
    bytes: u64,
    chunk: NonZeroU64,
    /// By `old`.
    runs: Vec<Run>,
}

impl Snapshot {
    /// Reads the store of a snapshot of `bytes` bytes, all of its exceptions.
    ///
    /// # Errors
    /// When the store cannot be read, is damaged, or says that the snapshot is lost; with what to do.
    pub fn open(store: &dyn ReadAt, bytes: u64) -> Result<Self, Error> {
        let mut raw = [0; size_of::<RawHeader>()];
        store.read_exact_at(0, &mut raw)?;
        let header = RawHeader::read_from_bytes(&raw).map_err(|_| damaged("its header cannot be read"))?;
        if raw == [0; size_of::<RawHeader>()] {
            // One that was made and never written to: kernels take it for empty and write a header when they see it.
            return Ok(Self { bytes, chunk: NonZeroU64::MIN, runs: Vec::new() });
        }
        let store = Store::new(store, &header)?;
        Ok(Self { bytes, chunk: store.chunk, runs: joined(store.exceptions(bytes)?)? })
    }

    /// Whether the store says that what the snapshot held is lost.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_lost(store: &dyn ReadAt) -> Result<bool, Error> {
        let mut raw = [0; size_of::<RawHeader>()];
        store.read_exact_at(0, &mut raw)?;
        let header = RawHeader::read_from_bytes(&raw).map_err(|_| damaged("its header cannot be read"))?;
        Ok(header.magic.get() == MAGIC && header.valid.get() == 0)
    }

    /// How many chunks differ from the origin.
    #[must_use]
    pub fn exceptions(&self) -> u64 {
        self.runs.iter().fold(0, |sum, run| sum.saturating_add(run.count))
    }
}

/// An error that says which part of a volume it is about.
fn damaged(what: &str) -> Error {
    Error::Damaged(format!("the snapshot's exception store: {what}"))
}

/// A store whose header is right.
struct Store<'a> {
    data: &'a dyn ReadAt,
    /// In bytes.
    chunk: NonZeroU64,
    /// How many whole chunks it has.
    chunks: u64,
    /// How many exceptions an area holds.
    per_area: u64,
}

impl<'a> Store<'a> {
    fn new(data: &'a dyn ReadAt, header: &RawHeader) -> Result<Self, Error> {
        let (magic, version, sectors) = (header.magic.get(), header.version.get(), header.chunk_size.get());
        if magic != MAGIC {
            return Err(damaged(&format!(
                "it begins with {magic:#010x} and not with {MAGIC:#010x}: it was overwritten"
            )));
        }
        if version != VERSION {
            return Err(damaged(&format!("it is of version {version}, only version {VERSION} is known")));
        }
        if header.valid.get() == 0 {
            let why = "it is marked as invalid: its space ran out, or it could not be written. What the snapshot held is \
                       lost; its origin is not affected";
            return Err(damaged(why));
        }
        // `dm_exception_store_set_chunk_size`.
        if !sectors.is_power_of_two() || sectors > 1 << 22 {
            return Err(damaged(&format!("its chunks of {sectors} sectors are no power of two up to 2 GiB")));
        }
        let bytes = u64::from(sectors).saturating_mul(512);
        let chunk = NonZeroU64::new(bytes).ok_or_else(|| damaged("its chunks are empty"))?;
        let per_area = bytes >> size_of::<RawException>().trailing_zeros();
        Ok(Self { data, chunk, chunks: data.size() / chunk, per_area })
    }

    /// The chunk that an area's exceptions are in: `area_location`.
    const fn area(&self, number: u64) -> u64 {
        number.saturating_mul(self.per_area.saturating_add(1)).saturating_add(1)
    }

    /// All exceptions of a volume of `bytes` bytes, in the order of the store, those that go on from one another as one.
    fn exceptions(&self, bytes: u64) -> Result<Vec<Run>, Error> {
        let volume_chunks = bytes.div_ceil(self.chunk.get());
        let mut runs: Vec<Run> = Vec::new();
        let mut number = 0;
        // Ends with the list, or with the store: there is no area behind its end.
        loop {
            let area = self.area(number);
            if area >= self.chunks {
                let end =
                    "its list of exceptions has no end before the end of the store, which may have been cut short";
                return Err(damaged(end));
            }
            if number.is_multiple_of(AREAS_AHEAD) {
                self.ask_for(number);
            }
            let is_last = self.read_area(area, &mut |old, new| {
                if old >= volume_chunks {
                    // Nothing reads it: the volume was larger when it was made.
                    return Ok(());
                }
                let (run, is_full) = (Run { old, new, count: 1 }, runs.len() >= RUNS_MAX);
                match runs.last_mut() {
                    Some(last) if last.is_followed_by(&run) => last.count = last.count.saturating_add(1),
                    _ if is_full => return Err(damaged(&format!("it has more than {RUNS_MAX} exceptions"))),
                    _ => runs.push(run),
                }
                Ok(())
            })?;
            if is_last {
                return Ok(runs);
            }
            number = number.saturating_add(1);
        }
    }

    /// Says which areas will be wanted.
    fn ask_for(&self, first: u64) {
        let length = self.chunk.get().min(WINDOW_BYTES);
        let starts = (first..first.saturating_add(AREAS_AHEAD)).map(|number| self.area(number));
        let starts = starts.filter(|area| *area < self.chunks).filter_map(|area| area.checked_mul(self.chunk.get()));
        let ranges: Vec<_> = starts.map(|start| start..start.saturating_add(length)).collect();
        self.data.will_need(&ranges);
    }

    /// Hands out each exception of an area; whether the list ends in it.
    fn read_area(&self, area: u64, each: &mut dyn FnMut(u64, u64) -> Result<(), Error>) -> Result<bool, Error> {
        let start = area.saturating_mul(self.chunk.get());
        let mut at = 0;
        while at < self.chunk.get() {
            let length = self.chunk.get().saturating_sub(at).min(WINDOW_BYTES);
            let mut raw = vec![RawException { old_chunk: U64::ZERO, new_chunk: U64::ZERO }; exceptions_in(length)];
            self.data.read_exact_at(start.saturating_add(at), raw.as_mut_bytes())?;
            for exception in &raw {
                let (old, new) = (exception.old_chunk.get(), exception.new_chunk.get());
                if new == 0 {
                    return Ok(true);
                }
                each(old, self.data_chunk(old, new)?)?;
            }
            at = at.saturating_add(length);
        }
        Ok(false)
    }

    /// `new`, when it is a chunk of the store that can hold data.
    fn data_chunk(&self, old: u64, new: u64) -> Result<u64, Error> {
        let in_area = new.checked_rem(self.per_area.saturating_add(1)).unwrap_or(0);
        if new >= self.chunks {
            return Err(damaged(&format!("chunk {old} should be in its chunk {new}, and it has {}", self.chunks)));
        }
        if in_area == 1 {
            return Err(damaged(&format!("chunk {old} should be in its chunk {new}, where its list of exceptions is")));
        }
        Ok(new)
    }
}

/// How many exceptions fit into so many bytes, at most [`WINDOW_BYTES`].
fn exceptions_in(bytes: u64) -> usize {
    usize::try_from(bytes >> size_of::<RawException>().trailing_zeros()).unwrap_or(0)
}

/// Runs by their chunks of the volume, those that go on from one another as one.
fn joined(mut runs: Vec<Run>) -> Result<Vec<Run>, Error> {
    runs.sort_unstable_by_key(|run| run.old);
    for (run, next) in runs.iter().zip(runs.iter().skip(1)) {
        if run.end() > next.old {
            return Err(damaged(&format!("chunk {} is in it twice", next.old)));
        }
    }
    runs.dedup_by(|next, run| {
        let is_one = run.is_followed_by(next);
        if is_one {
            run.count = run.count.saturating_add(next.count);
        }
        is_one
    });
    runs.shrink_to_fit();
    Ok(runs)
}

impl Layout for Snapshot {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let chunk = offset / self.chunk;
        let next = self.runs.partition_point(|run| run.end() <= chunk);
        let run = self.runs.get(next);
        let (end, place) = match run.and_then(|run| Some((run, chunk.checked_sub(run.old)?))) {
            Some((run, further)) => {
                let start = run.new.saturating_add(further).saturating_mul(self.chunk.get());
                (run.end(), Place { member: 1, offset: start.saturating_add(offset % self.chunk) })
            }
            None => (run.map_or(u64::MAX, |run| run.old), Place { member: 0, offset }),
        };
        let end = end.saturating_mul(self.chunk.get()).min(self.bytes);
        Ok(Piece { length: end.saturating_sub(offset), source: Source::Copies(vec![place]) })
    }
}

#[cfg(test)]
mod tests;
