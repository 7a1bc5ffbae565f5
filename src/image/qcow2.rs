//! qcow2, versions 2 and 3 (docs/interop/qcow2.txt of QEMU), with chains of backing files: the active state, not the
//! snapshots inside.
//!
//! Two levels of tables say for each cluster of the disk whether it is in the file, compressed in it, zeros, or the
//! backing file's; with "extended L2 entries" this is said for each of the 32 parts of a cluster.

mod header;
mod unpack;

use crate::chain::{Chain, beside};
use crate::files::ImageFile;
use crate::kept::{self, Kept};
use crate::map::{Mapped, Piece, Place, Tables, damaged};
use crate::open::{self, Layer};
use crate::{Error, Format, format};
use block::{BlockSize, ReadAt, ReadError};
use header::{Header, Problem};
use std::sync::Arc;

/// The bits of an entry that are a byte of the file.
const OFFSET_MASK: u64 = 0x00FF_FFFF_FFFF_FE00;
/// Of an entry: nobody else refers to this cluster.
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
/// Of an entry without subclusters: the cluster reads as zeros.
const ZERO: u64 = 1;

/// Opens the qcow2 image in `file`; `block_size` is that of the disk, of which the format says nothing.
pub(crate) fn open(chain: &mut Chain<'_>, file: &ImageFile, block_size: BlockSize) -> Result<Layer, Error> {
    let header = header::read(&file.bytes).map_err(|problem| explain(file, problem))?;
    let data = match &header.data_file {
        None => Arc::clone(&file.bytes),
        Some(name) => chain.part(&beside(&file.name, plain_name(file, name)?))?.bytes,
    };
    let below = match &header.backing {
        None => None,
        Some(name) => Some(open_backing(chain, file, name, &header, block_size)?),
    };
    let size = header.size;
    let clusters = Clusters {
        name: file.name.clone(),
        tables: kept::Tables::new(Arc::clone(&file.bytes)),
        has_data_file: header.data_file.is_some(),
        data,
        unpacked: Kept::new(),
        header,
    };
    // The sectors of the disk are those that what it builds on has, if that knows.
    let block_size = below.as_ref().map_or(block_size, |below| below.block_size);
    let below = below.map(|below| below.content);
    let content = Mapped { name: file.name.clone(), tables: Box::new(clusters), below, size };
    Ok(Layer { content: Arc::new(content), block_size })
}

fn explain(file: &ImageFile, problem: Problem) -> Error {
    let (image, format) = (file.name.clone(), Format::Qcow2);
    match problem {
        Problem::Damaged(problem) => Error::Damaged { image, format, problem },
        Problem::Unsupported(feature, advice) => Error::Unsupported { image, format, feature, advice },
    }
}

fn open_backing(
    chain: &mut Chain<'_>,
    file: &ImageFile,
    name: &str,
    header: &Header,
    block_size: BlockSize,
) -> Result<Layer, Error> {
    let backing = match chain.layer(&beside(&file.name, plain_name(file, name)?)) {
        Err(Error::NotFound(name)) => {
            let problem = format!("is missing: '{name}' does not exist");
            return Err(Error::Parent { image: file.name.clone(), problem });
        }
        found => found?,
    };
    let format = match header.backing_format.as_deref() {
        None => format::detect(&backing)?,
        Some("raw" | "file" | "host_device") => Format::Raw,
        Some("qcow2") => Format::Qcow2,
        Some("vmdk") => Format::Vmdk,
        Some("vpc") => Format::Vhd,
        Some("vhdx") => Format::Vhdx,
        Some(other) => {
            let feature = format!("a backing file in the format '{other}'");
            return Err(explain(file, Problem::Unsupported(feature, "; convert it with qemu-img")));
        }
    };
    open::layer(chain, &backing, format, block_size)
}

/// The name of a file, where QEMU would also take descriptions of other things.
fn plain_name<'a>(file: &ImageFile, name: &'a str) -> Result<&'a str, Error> {
    let plain = name.strip_prefix("file:").unwrap_or(name);
    // As QEMU tells them apart: what has a colon before the first slash names a protocol.
    let has_protocol = plain.split('/').next().is_some_and(|first| first.contains(':'));
    if has_protocol || plain.is_empty() {
        let feature = format!("a backing file that is not named by a path ('{name}')");
        return Err(explain(file, Problem::Unsupported(feature, "; make one image of them with qemu-img convert")));
    }
    Ok(plain)
}

/// The tables of an image.
struct Clusters {
    name: String,
    header: Header,
    tables: kept::Tables,
    /// The file that clusters are in.
    data: Arc<dyn ReadAt>,
    has_data_file: bool,
    /// Clusters that were unpacked, by where they are packed.
    unpacked: Kept,
}

impl Tables for Clusters {
    fn piece(&self, offset: u64, _wanted: u64) -> Result<Piece, ReadError> {
        let wrong = |problem: &str| damaged(&self.name, offset, problem);
        let cluster_bytes = 1_u64 << self.header.cluster_bits;
        let (cluster, in_cluster) = (offset >> self.header.cluster_bits, offset & (cluster_bytes.saturating_sub(1)));
        let rest = cluster_bytes.saturating_sub(in_cluster);
        let entries_mask = self.header.l2_entries().saturating_sub(1);
        let l1_number = cluster >> entries_mask.count_ones();
        let l1 = u64::from_be_bytes(self.tables.entry::<8>(self.header.l1_table, l1_number)?);
        let l2_table = l1 & OFFSET_MASK;
        if l1 & !(OFFSET_MASK | COPIED) != 0 || l2_table & cluster_bytes.saturating_sub(1) != 0 {
            return Err(wrong("an entry of its first table is damaged"));
        }
        if l2_table == 0 {
            let covered = (entries_mask & !cluster).saturating_mul(cluster_bytes);
            return Ok(Piece { place: Place::Below, length: rest.saturating_add(covered) });
        }
        let number = cluster & entries_mask;
        if self.header.subclusters {
            let [entry, bitmap] = self.extended_entry(l2_table, number)?;
            return if entry & COMPRESSED == 0 {
                self.subcluster(entry, bitmap, in_cluster)
            } else if bitmap == 0 {
                self.compressed(entry, in_cluster)
            } else {
                Err(wrong("a compressed cluster is divided"))
            };
        }
        let entry = u64::from_be_bytes(self.tables.entry::<8>(l2_table, number)?);
        if entry & COMPRESSED != 0 {
            return self.compressed(entry, in_cluster);
        }
        let is_zero = entry & ZERO != 0;
        if entry & !(OFFSET_MASK | COPIED | ZERO) != 0 || (is_zero && self.header.version < 3) {
            return Err(wrong("an entry of its second tables is damaged"));
        }
        let place = if is_zero { Place::Zeros } else { self.stored(entry, in_cluster)? };
        Ok(Piece { place, length: rest })
    }
}

impl Clusters {
    fn extended_entry(&self, table: u64, number: u64) -> Result<[u64; 2], ReadError> {
        let entry = u128::from_be_bytes(self.tables.entry::<16>(table, number)?);
        // Both halves fit: the shift and the mask leave 64 bits.
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
        Ok([half(entry >> 64), half(entry)])
    }

    /// Where a byte of an allocated or unallocated cluster is.
    fn stored(&self, entry: u64, in_cluster: u64) -> Result<Place, ReadError> {
        let at = entry & OFFSET_MASK;
        // In a file of its own, data may begin at byte 0.
        if at == 0 && !(self.has_data_file && entry & COPIED != 0) {
            return Ok(Place::Below);
        }
        if at & (1_u64 << self.header.cluster_bits).saturating_sub(1) != 0 {
            return Err(damaged(&self.name, at, "an entry of its second tables points into the middle of a cluster"));
        }
        Ok(Place::File(Arc::clone(&self.data), at.saturating_add(in_cluster)))
    }

    /// A part of a cluster: its bit in the lower half of `bitmap` says that it is allocated, in the upper half that it
    /// is zeros.
    fn subcluster(&self, entry: u64, bitmap: u64, in_cluster: u64) -> Result<Piece, ReadError> {
        let wrong = || damaged(&self.name, in_cluster, "an entry of its second tables is damaged");
        let bits = self.header.cluster_bits.saturating_sub(5);
        let number = in_cluster >> bits;
        let length = number.saturating_add(1).saturating_mul(1 << bits).saturating_sub(in_cluster);
        let (is_allocated, is_zero) = (bitmap >> number & 1 == 1, bitmap >> number >> 32 & 1 == 1);
        if entry & !(OFFSET_MASK | COPIED) != 0 || (is_allocated && is_zero) {
            return Err(wrong());
        }
        let place = match (is_zero, is_allocated) {
            (true, _) => Place::Zeros,
            (false, false) => Place::Below,
            (false, true) => self.stored(entry, in_cluster)?,
        };
        if is_allocated && matches!(place, Place::Below) {
            return Err(wrong());
        }
        Ok(Piece { place, length })
    }

    fn compressed(&self, entry: u64, in_cluster: u64) -> Result<Piece, ReadError> {
        let wrong = |problem: &str| damaged(&self.name, in_cluster, problem);
        if self.has_data_file {
            return Err(wrong("a cluster is compressed although its data are in another file"));
        }
        // How many bits are the byte of the file depends on the size of clusters: the others count sectors.
        let offset_bits = 62_u32.saturating_sub(self.header.cluster_bits.saturating_sub(8));
        let at = entry & (1_u64 << offset_bits).saturating_sub(1);
        let sectors = (entry & COMPRESSED.saturating_sub(1)) >> offset_bits;
        let packed = sectors.saturating_add(1).saturating_mul(512).saturating_sub(at & 511);
        let bytes = self.unpacked.get(at, || self.unpack(at, packed))?;
        let rest =
            usize::try_from(in_cluster).ok().and_then(|from| bytes.get(from..)).map(|rest| bytes.slice_ref(rest));
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or_else(|| wrong("a compressed cluster is too short"))?;
        Ok(Piece { length: u64::try_from(rest.len()).unwrap_or(0), place: Place::Held(rest) })
    }

    /// The cluster that is packed in at most `packed` bytes from byte `at` of the file on.
    fn unpack(&self, at: u64, packed: u64) -> Result<bytes::Bytes, ReadError> {
        // What is counted are whole sectors, of which the file need not have the end.
        let packed = packed.min(self.data.size().saturating_sub(at));
        let mut bytes = vec![0; usize::try_from(packed).unwrap_or(0)];
        self.data.read_exact_at(at, &mut bytes)?;
        let cluster = unpack::unpack(&bytes, self.header.compression, 1 << self.header.cluster_bits);
        cluster
            .ok_or_else(|| damaged(&self.name, at, &format!("the compressed cluster at byte {at} cannot be unpacked")))
    }
}
