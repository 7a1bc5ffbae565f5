//! The header of a qcow2 image (docs/interop/qcow2.txt of QEMU), versions 2 and 3, and its extensions.

use block::ReadAt;
use std::sync::Arc;
use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// What all versions have.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: [u8; 4],
    version: U32,
    backing_file_offset: U64,
    backing_file_size: U32,
    cluster_bits: U32,
    size: U64,
    crypt_method: U32,
    l1_size: U32,
    l1_table_offset: U64,
    refcount_table_offset: U64,
    refcount_table_clusters: U32,
    nb_snapshots: U32,
    snapshots_offset: U64,
}

/// What version 3 has beyond that.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawVersion3 {
    incompatible_features: U64,
    compatible_features: U64,
    autoclear_features: U64,
    refcount_order: U32,
    header_length: U32,
}

/// Bytes of the header of version 2, after which its extensions follow.
const VERSION_2_BYTES: usize = 72;
/// The longest name of another file, in bytes.
const NAME_BYTES_MAX: u32 = 1023;
/// The largest disk that is read.
const DISK_BYTES_MAX: u64 = 1 << 56;
/// The largest first table that QEMU reads, in bytes.
const L1_BYTES_MAX: u64 = 32 << 20;

/// Incompatible features: an image must not be opened by whoever does not know one of them.
mod feature {
    /// Reference counts may be wrong, which matters to those who write.
    pub(super) const DIRTY: u64 = 1;
    /// Something found the tables damaged; they may only be read.
    pub(super) const CORRUPT: u64 = 2;
    pub(super) const DATA_FILE: u64 = 4;
    pub(super) const COMPRESSION: u64 = 8;
    pub(super) const SUBCLUSTERS: u64 = 16;
}

/// Types of header extensions.
mod extension {
    pub(super) const END: u32 = 0;
    pub(super) const BACKING_FORMAT: u32 = 0xE279_2ACA;
    pub(super) const DATA_FILE: u32 = 0x4441_5441;
}

/// How compressed clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Deflate,
    Zstd,
}

/// Why a header is not used.
pub(super) enum Problem {
    Damaged(String),
    /// It uses what is not read; and what to do, as the rest of the sentence.
    Unsupported(String, &'static str),
}

/// A header whose fields are right.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    /// log2 of the bytes of a cluster: 9 to 21.
    pub(super) cluster_bits: u32,
    pub(super) size: u64,
    /// Byte of the file where the first table begins.
    pub(super) l1_table: u64,
    pub(super) compression: Compression,
    /// Whether clusters are divided in 32, each of which is somewhere of its own.
    pub(super) subclusters: bool,
    pub(super) backing: Option<String>,
    pub(super) backing_format: Option<String>,
    /// The file that holds the data, if it is not this one.
    pub(super) data_file: Option<String>,
}

fn damaged(problem: &str) -> Problem {
    Problem::Damaged(problem.to_owned())
}

/// Reads the header of the image in `bytes`.
pub(super) fn read(bytes: &Arc<dyn ReadAt>) -> Result<Header, Problem> {
    // Header, extensions and the name of the backing file are in the first cluster.
    let mut start = vec![0; 64 << 10];
    start.truncate(usize::try_from(bytes.size()).unwrap_or(usize::MAX).min(start.len()));
    bytes.read_exact_at(0, &mut start).map_err(|error| Problem::Damaged(error.to_string()))?;
    let (raw, rest) = RawHeader::ref_from_prefix(&start).map_err(|_| damaged("it is too short"))?;
    let version = raw.version.get();
    if &raw.magic != b"QFI\xfb" || !(2..=3).contains(&version) {
        return Err(damaged("it has no header of version 2 or 3"));
    }
    if raw.crypt_method.get() != 0 {
        return Err(Problem::Unsupported("encryption".to_owned(), "; qemu-img convert decrypts it, given the key"));
    }
    let cluster_bits = raw.cluster_bits.get();
    if !(9..=21).contains(&cluster_bits) {
        return Err(damaged("the size of its clusters is none that there is"));
    }
    let mut header = Header {
        version,
        cluster_bits,
        size: raw.size.get(),
        l1_table: raw.l1_table_offset.get(),
        compression: Compression::Deflate,
        subclusters: false,
        backing: name(&start, raw.backing_file_offset.get(), raw.backing_file_size.get())?,
        backing_format: None,
        data_file: None,
    };
    let (mut extensions, mut needs_data_file) = (VERSION_2_BYTES, false);
    if version == 3 {
        (extensions, needs_data_file) = version_3(&mut header, rest)?;
    }
    // They end where the name of the backing file begins, which in old images follows the header itself.
    let end = match usize::try_from(raw.backing_file_offset.get()).unwrap_or(usize::MAX) {
        0 => 1 << cluster_bits,
        name => name,
    };
    read_extensions(&mut header, start.get(extensions..end.min(start.len())).unwrap_or_default())?;
    if needs_data_file && header.data_file.is_none() {
        return Err(damaged("it does not say which file its data are in"));
    }
    if !needs_data_file {
        header.data_file = None;
    }
    check_tables(&header, u64::from(raw.l1_size.get()))?;
    Ok(header)
}

/// Reads what version 3 has beyond version 2: the bytes of the whole header, and whether the data are in another file.
fn version_3(header: &mut Header, rest: &[u8]) -> Result<(usize, bool), Problem> {
    let (raw, rest) = RawVersion3::ref_from_prefix(rest).map_err(|_| damaged("its header is too short"))?;
    let length = usize::try_from(raw.header_length.get()).ok().filter(|length| (104..=4096).contains(length));
    let length = length.ok_or_else(|| damaged("its header has no sensible length"))?;
    let features = raw.incompatible_features.get();
    let known = feature::DIRTY | feature::CORRUPT | feature::DATA_FILE | feature::COMPRESSION | feature::SUBCLUSTERS;
    if features & !known != 0 {
        return Err(Problem::Unsupported(format!("features of a newer version (bits {:#x})", features & !known), ""));
    }
    header.subclusters = features & feature::SUBCLUSTERS != 0;
    if header.subclusters && header.cluster_bits < 14 {
        return Err(damaged("its clusters are too small to be divided"));
    }
    let compression = if length > 104 { rest.first().copied().unwrap_or(0) } else { 0 };
    header.compression = match compression {
        0 => Compression::Deflate,
        1 if features & feature::COMPRESSION != 0 => Compression::Zstd,
        other => return Err(Problem::Unsupported(format!("compression of type {other}"), "")),
    };
    Ok((length, features & feature::DATA_FILE != 0))
}

fn read_extensions(header: &mut Header, mut rest: &[u8]) -> Result<(), Problem> {
    // Each takes eight bytes at least, so that this ends; without an end mark they end where the names begin.
    while let Ok((raw, after)) = <[U32; 2]>::ref_from_prefix(rest) {
        let [kind, length] = raw;
        let length = usize::try_from(length.get()).unwrap_or(usize::MAX);
        let Some(data) = after.get(..length).filter(|_| kind.get() != extension::END) else { return Ok(()) };
        match kind.get() {
            extension::BACKING_FORMAT => header.backing_format = Some(text(data)?),
            extension::DATA_FILE => header.data_file = Some(text(data)?),
            _ => {}
        }
        rest = after.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(())
}

fn name(start: &[u8], offset: u64, length: u32) -> Result<Option<String>, Problem> {
    if offset == 0 || length == 0 {
        return Ok(None);
    }
    if length > NAME_BYTES_MAX {
        return Err(damaged("the name of its backing file is too long"));
    }
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    let bytes = start.get(from..to).ok_or_else(|| damaged("the name of its backing file is not where it should be"))?;
    text(bytes).map(Some)
}

fn text(bytes: &[u8]) -> Result<String, Problem> {
    let text = String::from_utf8(bytes.to_vec());
    text.map_err(|_| Problem::Unsupported("a name of another file that is not UTF-8".to_owned(), "; rename that file"))
}

/// Whether the first table is where one can be, and long enough for the disk.
fn check_tables(header: &Header, l1_entries: u64) -> Result<(), Problem> {
    let cluster = 1_u64 << header.cluster_bits;
    if header.size > DISK_BYTES_MAX {
        return Err(Problem::Damaged(format!("its disk would have {} bytes", header.size)));
    }
    if !header.l1_table.is_multiple_of(cluster) || l1_entries.saturating_mul(8) > L1_BYTES_MAX {
        return Err(damaged("its first table is not where one can be"));
    }
    let needed = header.size.div_ceil(cluster.saturating_mul(header.l2_entries()));
    if needed > l1_entries {
        return Err(damaged("its first table is too short for its disk"));
    }
    Ok(())
}

impl Header {
    /// Entries of a second table, which is a cluster.
    pub(super) const fn l2_entries(&self) -> u64 {
        1 << self.cluster_bits.saturating_sub(if self.subclusters { 4 } else { 3 })
    }
}
