//! Files that `compact /exe` or CompactOS packed: the filter driver WOF shows what their stream `WofCompressedData` unpacks to
//! instead of their own data, which is a hole of the same size. The reparse point says how it is packed.
//!
//! The stream begins with where each chunk but the first begins, counted from the end of that table; then the chunks follow,
//! without gaps. A chunk that did not become smaller is stored as it is. Sources: wimlib's `include/wimlib/wof.h` and
//! ntfs-3g-system-compression; Microsoft documents only the structures of its ioctls (`WOF_EXTERNAL_INFO`).

use crate::bytes::{array, u32_at, u64_at};
use crate::compression::{lzx, xpress};
use std::ops::Range;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result};

/// The stream that holds what is packed.
pub(crate) const STREAM: &str = "WofCompressedData";

/// [`STREAM`] as streams are named.
pub(crate) fn stream_name() -> Vec<u16> {
    STREAM.encode_utf16().collect()
}

/// `WOF_CURRENT_VERSION` and `FILE_PROVIDER_CURRENT_VERSION`.
const VERSION: u32 = 1;
/// `WOF_PROVIDER_WIM`.
const PROVIDER_WIM: u32 = 1;
/// `WOF_PROVIDER_FILE`.
const PROVIDER_FILE: u32 = 2;
/// The version of `wim_provider_rpdata` that is known.
const WIM_VERSION: u32 = 2;

/// Reads bytes of the stream, from an offset on: all that are asked for, or it is an error.
pub(crate) type ReadStream<'a> = &'a dyn Fn(u64, &mut [u8]) -> Result<()>;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// `FILE_PROVIDER_COMPRESSION_XPRESS4K`.
    Xpress4K,
    /// `FILE_PROVIDER_COMPRESSION_LZX`.
    Lzx,
    /// `FILE_PROVIDER_COMPRESSION_XPRESS8K`.
    Xpress8K,
    /// `FILE_PROVIDER_COMPRESSION_XPRESS16K`.
    Xpress16K,
}

impl Algorithm {
    /// What each chunk unpacks to; the last may be shorter.
    pub(crate) fn chunk_bytes(self) -> u32 {
        match self {
            Self::Xpress4K => 4096,
            Self::Xpress8K => 8192,
            Self::Xpress16K => 16384,
            Self::Lzx => 32768,
        }
    }
}

/// Where the data of a file really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// In the file's own stream [`STREAM`].
    Stream(Algorithm),
    /// In a WIM, elsewhere on the disk or on another one (WIMBoot).
    Wim(Wim),
}

/// Which data of which WIM a file shows (`wim_provider_rpdata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wim {
    /// The number under which `System Volume Information\WimOverlay.dat` names the WIM.
    pub(crate) data_source_id: u64,
    /// SHA-1 of the data, by which the WIM finds it.
    pub(crate) sha1: [u8; 20],
}

impl Backing {
    /// What a reparse point with the tag `IO_REPARSE_TAG_WOF` says: `data` is what follows its tag and length.
    ///
    /// # Errors
    ///
    /// `Corrupt` when it is too short; `Unsupported`, by name, for what is newer than this.
    pub(crate) fn parse(data: &[u8]) -> Result<Self> {
        let number = |at| u32_at(data, at).ok_or_else(|| too_short(data.len()));
        let (version, provider) = (number(0)?, number(4)?);
        if version != VERSION {
            return Err(unsupported(format!("WOF: its reparse point has the version {version}, known is {VERSION}")));
        }
        match provider {
            PROVIDER_FILE => Self::parse_file(number(8)?, number(12)?),
            PROVIDER_WIM => {
                let version = number(8)?;
                if version != WIM_VERSION {
                    let message =
                        format!("WOF: data in a WIM, described in the version {version}, known is {WIM_VERSION}");
                    return Err(unsupported(message));
                }
                let data_source_id = u64_at(data, 16).ok_or_else(|| too_short(data.len()))?;
                let sha1 = array(data, 24).ok_or_else(|| too_short(data.len()))?;
                Ok(Self::Wim(Wim { data_source_id, sha1 }))
            }
            other => Err(unsupported(format!("WOF: the provider {other} of a file's data is not known"))),
        }
    }

    fn parse_file(version: u32, algorithm: u32) -> Result<Self> {
        if version != VERSION {
            return Err(unsupported(format!(
                "WOF: compression is described in the version {version}, known is {VERSION}"
            )));
        }
        Ok(Self::Stream(match algorithm {
            0 => Algorithm::Xpress4K,
            1 => Algorithm::Lzx,
            2 => Algorithm::Xpress8K,
            3 => Algorithm::Xpress16K,
            other => return Err(unsupported(format!("WOF: the compression {other} is not known"))),
        }))
    }
}

impl Wim {
    /// Why the data cannot be read, and what has it.
    pub(crate) fn refusal(&self) -> Error {
        let sha1: String = self.sha1.iter().map(|byte| format!("{byte:02x}")).collect();
        unsupported(format!(
            "its data is in a WIM file (WIMBoot), which is not followed: in the one that \"System Volume \
             Information\\WimOverlay.dat\" has under the number {}, it is the resource with the SHA-1 {sha1}",
            self.data_source_id
        ))
    }
}

/// The packed data of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed {
    algorithm: Algorithm,
    /// Bytes of the file.
    size: u64,
    /// Bytes of the stream.
    stored: u64,
}

/// One chunk of a file.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    number: u64,
    /// What it unpacks to, in bytes.
    size: u32,
}

impl Packed {
    /// A file of `size` bytes whose stream has `stored` bytes.
    ///
    /// # Errors
    ///
    /// `Corrupt`: the stream is shorter than its table.
    pub(crate) fn new(algorithm: Algorithm, size: u64, stored: u64) -> Result<Self> {
        let packed = Self { algorithm, size, stored };
        if packed.table_bytes() > stored {
            return Err(corrupt(format!(
                "{STREAM}: it has {stored} bytes, less than the table of a file of {size} bytes: {}",
                packed.table_bytes()
            )));
        }
        Ok(packed)
    }

    /// What each chunk unpacks to, but the last.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        u64::from(self.algorithm.chunk_bytes())
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> u64 {
        self.size.div_ceil(self.chunk_bytes())
    }

    /// Reads and unpacks a chunk.
    ///
    /// # Errors
    ///
    /// `Corrupt`, with the number of the chunk; and those of `read`.
    pub(crate) fn read_chunk(&self, read: ReadStream<'_>, number: u64) -> Result<Vec<u8>> {
        let chunk = self.chunk(number)?;
        let place = self.place(read, chunk)?;
        // Both are at most a chunk: `place` saw to it.
        let length = usize::try_from(place.end.saturating_sub(place.start)).unwrap_or(0);
        let mut stored = vec![0; length];
        read(place.start, &mut stored)?;
        let size = crate::bytes::index(chunk.size);
        if length == size {
            return Ok(stored);
        }
        let mut plain = vec![0; size];
        let unpacked = match self.algorithm {
            Algorithm::Lzx => lzx::decompress(&stored, &mut plain),
            Algorithm::Xpress4K | Algorithm::Xpress8K | Algorithm::Xpress16K => xpress::decompress(&stored, &mut plain),
        };
        unpacked.map_err(|error| Error { message: format!("{STREAM}: chunk {number}: {}", error.message), ..error })?;
        Ok(plain)
    }

    /// Which bytes of the stream hold the bytes `range` of the file, without the table; for hints of what will be read.
    ///
    /// # Errors
    ///
    /// As for [`Packed::read_chunk`].
    pub(crate) fn stored_range(&self, read: ReadStream<'_>, range: Range<u64>) -> Result<Range<u64>> {
        let end = range.end.min(self.size);
        if range.start >= end {
            return Ok(0..0);
        }
        let place = |at: u64| self.place(read, self.chunk(at.checked_div(self.chunk_bytes()).unwrap_or(0))?);
        let (first, last) = (place(range.start)?, place(end.saturating_sub(1))?);
        if first.start > last.start {
            return Err(corrupt(format!("{STREAM}: byte {} of the file is stored behind byte {end}", range.start)));
        }
        Ok(first.start..last.end)
    }

    fn chunk(&self, number: u64) -> Result<Chunk> {
        let start = number.saturating_mul(self.chunk_bytes());
        let rest = self.size.saturating_sub(start);
        if rest == 0 {
            return Err(corrupt(format!("{STREAM}: there is no chunk {number} in a file of {} bytes", self.size)));
        }
        let size = u32::try_from(rest).unwrap_or(u32::MAX).min(self.algorithm.chunk_bytes());
        Ok(Chunk { number, size })
    }

    /// Where a chunk is in the stream.
    fn place(&self, read: ReadStream<'_>, chunk: Chunk) -> Result<Range<u64>> {
        let is_last = chunk.number.saturating_add(1) >= self.chunks();
        let data_bytes = self.stored.saturating_sub(self.table_bytes());
        let (start, end) = match (chunk.number.checked_sub(1), is_last) {
            (None, true) => (0, data_bytes),
            (None, false) => {
                let [end] = self.entries(read, 0)?;
                (0, end)
            }
            (Some(before), true) => {
                let [start] = self.entries(read, before)?;
                (start, data_bytes)
            }
            (Some(before), false) => {
                let [start, end] = self.entries(read, before)?;
                (start, end)
            }
        };
        let stored = end.checked_sub(start).filter(|bytes| *bytes > 0 && *bytes <= u64::from(chunk.size));
        if stored.is_none() || end > data_bytes {
            return Err(corrupt(format!(
                "{STREAM}: chunk {} of {} bytes is from {start} to {end} of {data_bytes} bytes: this cannot be",
                chunk.number, chunk.size
            )));
        }
        Ok(start.saturating_add(self.table_bytes())..end.saturating_add(self.table_bytes()))
    }

    /// Entries of the table, from the one of chunk `first + 1` on.
    fn entries<const COUNT: usize>(&self, read: ReadStream<'_>, first: u64) -> Result<[u64; COUNT]> {
        let width = self.entry_bytes();
        let length = crate::bytes::index(width).saturating_mul(COUNT);
        let mut bytes = vec![0; length];
        read(first.saturating_mul(u64::from(width)), &mut bytes)?;
        let mut entries = [0; COUNT];
        for (entry, bytes) in entries.iter_mut().zip(bytes.chunks_exact(crate::bytes::index(width))) {
            *entry = u64_at(bytes, 0).or_else(|| u32_at(bytes, 0).map(u64::from)).unwrap_or(0);
        }
        Ok(entries)
    }

    /// Bytes of an entry: a file of 4 GiB has longer ones.
    fn entry_bytes(&self) -> u32 {
        if u32::try_from(self.size).is_ok() { 4 } else { 8 }
    }

    fn table_bytes(&self) -> u64 {
        self.chunks().saturating_sub(1).saturating_mul(u64::from(self.entry_bytes()))
    }
}

fn too_short(length: usize) -> Error {
    corrupt(format!("WOF: a reparse point has {length} bytes of data, which end before all that is in them"))
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests;
