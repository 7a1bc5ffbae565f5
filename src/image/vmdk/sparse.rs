//! Sparse extents of a VMDK ("Hosted Sparse Extents" and "Stream-Optimized Compressed Sparse Extents" of VMware's
//! specification): a directory of tables says for each grain where it is in the file.

use super::descriptor::Problem;
use crate::files::ImageFile;
use crate::inflate::inflate;
use crate::kept::{self, Kept};
use crate::map::{Piece, Place, damaged};
use block::{ReadAt, ReadError};
use bytes::Bytes;
use std::sync::Arc;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Bytes of a sector, in which everything is counted.
pub(super) const SECTOR: u64 = 512;
/// Sectors of the largest grain that is read, 2 MiB; 128 are usual.
const GRAIN_SECTORS_MAX: u64 = 4096;
/// The longest descriptor, in sectors.
const DESCRIPTOR_SECTORS_MAX: u64 = 2048;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: [u8; 4],
    version: U32,
    flags: U32,
    capacity: U64,
    grain_size: U64,
    descriptor_offset: U64,
    descriptor_size: U64,
    gtes_per_gt: U32,
    rgd_offset: U64,
    gd_offset: U64,
    over_head: U64,
    unclean_shutdown: u8,
    line_ends: [u8; 4],
    compress_algorithm: U16,
}

/// Bits of a header's flags.
mod flag {
    pub(super) const LINE_ENDS: u32 = 1;
    pub(super) const ZERO_GRAINS: u32 = 4;
    pub(super) const COMPRESSED: u32 = 1 << 16;
    pub(super) const MARKERS: u32 = 1 << 17;
}

/// What lies before a compressed grain.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawMarker {
    lba: U64,
    size: U32,
}

/// A sparse extent.
pub(super) struct Sparse {
    name: String,
    bytes: Arc<dyn ReadAt>,
    tables: kept::Tables,
    unpacked: Kept,
    /// Bytes of the disk that it holds.
    pub(super) capacity: u64,
    grain_bytes: u64,
    grains_per_table: u64,
    /// Byte of the file where the directory begins.
    directory: u64,
    has_zero_grains: bool,
    is_compressed: bool,
    /// First sector of the descriptor in it and how many it has; none in an extent of a disk with others.
    descriptor: Option<(u64, u64)>,
}

fn wrong(problem: &str) -> Problem {
    Problem::Damaged(problem.to_owned())
}

impl Sparse {
    /// The extent in `file`.
    pub(super) fn open(file: &ImageFile) -> Result<Self, Problem> {
        let first = header(file, 0)?;
        // Written in one go, its directory was not known at the start: the header is there again at the end.
        let last = if first.gd_offset.get() == u64::MAX {
            let at = file.bytes.size().checked_sub(1024).ok_or_else(|| wrong("it is too short"))?;
            header(file, at).map_err(|_| wrong("its end is missing"))?
        } else {
            header(file, 0)?
        };
        let (flags, grain) = (last.flags.get(), last.grain_size.get());
        if flags & flag::LINE_ENDS != 0 && &last.line_ends != b"\n \r\n" {
            return Err(wrong(
                "its line ends were changed, as some programs do when they copy text; copy it anew, as binary",
            ));
        }
        if !grain.is_power_of_two() || grain > GRAIN_SECTORS_MAX || last.gtes_per_gt.get() == 0 {
            return Err(Problem::Damaged(format!("its grains have {grain} sectors")));
        }
        let is_compressed = flags & flag::COMPRESSED != 0;
        if is_compressed && (last.compress_algorithm.get() != 1 || flags & flag::MARKERS == 0) {
            return Err(Problem::Unsupported("a compression that is not known".to_owned()));
        }
        let bytes_of = |sectors: u64| sectors.checked_mul(SECTOR).filter(|bytes| *bytes < 1 << 62);
        let capacity = bytes_of(last.capacity.get()).ok_or_else(|| wrong("it is larger than can be"))?;
        let directory = bytes_of(last.gd_offset.get()).ok_or_else(|| wrong("its directory is not in its file"))?;
        let descriptor = (first.descriptor_offset.get(), first.descriptor_size.get());
        Ok(Self {
            name: file.name.clone(),
            bytes: Arc::clone(&file.bytes),
            tables: kept::Tables::new(Arc::clone(&file.bytes)),
            unpacked: Kept::new(),
            capacity,
            grain_bytes: grain.saturating_mul(SECTOR),
            grains_per_table: u64::from(last.gtes_per_gt.get()),
            directory,
            has_zero_grains: flags & flag::ZERO_GRAINS != 0,
            is_compressed,
            descriptor: Some(descriptor).filter(|(offset, sectors)| *offset > 0 && *sectors > 0),
        })
    }

    /// The text of the descriptor in it, if there is one.
    pub(super) fn descriptor(&self) -> Result<Option<String>, Problem> {
        let Some((offset, sectors)) = self.descriptor else { return Ok(None) };
        let place = offset.checked_mul(SECTOR).filter(|_| sectors <= DESCRIPTOR_SECTORS_MAX);
        let place = place.ok_or_else(|| wrong("its descriptor is not in its file"))?;
        let mut text = vec![0; usize::try_from(sectors.saturating_mul(SECTOR)).unwrap_or(0)];
        self.bytes.read_exact_at(place, &mut text).map_err(|_| wrong("its descriptor is not in its file"))?;
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }

    /// The piece at byte `offset` of the extent.
    pub(super) fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let grain = offset.checked_div(self.grain_bytes).unwrap_or(0);
        let in_grain = offset.saturating_sub(grain.saturating_mul(self.grain_bytes));
        let rest = self.grain_bytes.saturating_sub(in_grain);
        let table_number = grain.checked_div(self.grains_per_table).unwrap_or(0);
        let first_grain = table_number.saturating_mul(self.grains_per_table);
        let in_table = grain.saturating_sub(first_grain);
        let table = u32::from_le_bytes(self.tables.entry::<4>(self.directory, table_number)?);
        if table == 0 {
            let others = self.grains_per_table.saturating_sub(in_table).saturating_sub(1);
            return Ok(Piece {
                place: Place::Below,
                length: rest.saturating_add(others.saturating_mul(self.grain_bytes)),
            });
        }
        let table = u64::from(table).saturating_mul(SECTOR);
        let place = match u64::from(u32::from_le_bytes(self.tables.entry::<4>(table, in_table)?)) {
            0 => Place::Below,
            1 if self.has_zero_grains => Place::Zeros,
            sector if self.is_compressed => return self.compressed(grain, sector.saturating_mul(SECTOR), in_grain),
            sector => {
                let at = sector.saturating_mul(SECTOR).saturating_add(in_grain);
                Place::File(Arc::clone(&self.bytes), at)
            }
        };
        Ok(Piece { place, length: rest })
    }

    fn compressed(&self, grain: u64, at: u64, in_grain: u64) -> Result<Piece, ReadError> {
        let wrong = || damaged(&self.name, at, &format!("the compressed grain at byte {at} cannot be unpacked"));
        let bytes = self.unpacked.get(at, || self.unpack(grain, at)?.ok_or_else(wrong))?;
        let rest = usize::try_from(in_grain).ok().and_then(|from| bytes.get(from..)).map(|rest| bytes.slice_ref(rest));
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or_else(wrong)?;
        Ok(Piece { length: u64::try_from(rest.len()).unwrap_or(0), place: Place::Held(rest) })
    }

    /// The grain that is packed at byte `at` of the file. The last one of a disk may be shorter.
    fn unpack(&self, grain: u64, at: u64) -> Result<Option<Bytes>, ReadError> {
        let mut marker = [0; size_of::<RawMarker>()];
        self.bytes.read_exact_at(at, &mut marker)?;
        let Ok(marker) = RawMarker::ref_from_bytes(&marker) else { return Ok(None) };
        let start = grain.saturating_mul(self.grain_bytes);
        let size = u64::from(marker.size.get());
        // Deflate makes nothing so much larger.
        if marker.lba.get().saturating_mul(SECTOR) != start || size > self.grain_bytes.saturating_mul(2) {
            return Ok(None);
        }
        let mut packed = vec![0; usize::try_from(size).unwrap_or(0)];
        self.bytes.read_exact_at(at.saturating_add(12), &mut packed)?;
        let mut unpacked = vec![0; usize::try_from(self.grain_bytes).unwrap_or(0)];
        let Some(length) = inflate(&packed, &mut unpacked, true) else { return Ok(None) };
        unpacked.truncate(length);
        let needed = self.capacity.saturating_sub(start).min(self.grain_bytes);
        Ok(Some(unpacked.into()).filter(|_| u64::try_from(length).is_ok_and(|length| length >= needed)))
    }
}

fn header(file: &ImageFile, at: u64) -> Result<RawHeader, Problem> {
    let mut bytes = [0; size_of::<RawHeader>()];
    file.bytes.read_exact_at(at, &mut bytes).map_err(|_| wrong("it is too short"))?;
    let header = RawHeader::read_from_bytes(&bytes).map_err(|_| wrong("it is too short"))?;
    if &header.magic != b"KDMV" {
        return Err(wrong("it has no header"));
    }
    match header.version.get() {
        1..=3 => Ok(header),
        other => Err(Problem::Unsupported(format!("the version {other} of its format"))),
    }
}
