//! Metadata areas: a header, and behind it a ring in which texts are written one after another
//! (`lib/format_text/layout.h`, `format-text.c`).

use super::crc::checksum;
use super::label::Area;
use crate::{Device, Error};
use block::ReadAt;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The largest text that is read; LVM2 has it in a few megabytes at most.
const TEXT_BYTES_MAX: u64 = 64 << 20;
/// The size of the header (`MDA_HEADER_SIZE`), behind which the ring begins.
const HEADER_BYTES: u64 = 512;
const HEADER_LENGTH: usize = 512;
/// Where the checksummed part of a header begins.
const CHECKED_FROM: usize = 4;
const VERSION: u32 = 1;
/// `FMTT_MAGIC`.
const MAGIC: &[u8; 16] = b" LVM2 x[5A%r0N*>";
/// `RAW_LOCN_IGNORED`.
const IGNORED: u32 = 1;

/// The part of `struct mda_header` before its list.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct MdaHeader {
    /// Of the rest of the header.
    checksum_xl: U32,
    magic: [u8; 16],
    version: U32,
    /// In bytes from the start of the device.
    start: U64,
    /// Of the area with its header, in bytes.
    size: U64,
}

/// `struct raw_locn`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawLocation {
    /// In bytes from the start of the area.
    offset: U64,
    /// In bytes.
    size: U64,
    /// Of the text.
    checksum: U32,
    flags: U32,
}

/// What is in a metadata area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// Nothing: the physical volume belongs to no group, or its description is elsewhere.
    Nothing,
    /// What must not be looked at, as it is not kept up to date.
    Ignored,
    /// A text.
    Text(Vec<u8>),
}

impl Contents {
    /// Reads the text that a metadata area says is its current one.
    pub(super) fn read(device: &Device, area: Area) -> Result<Self, Error> {
        let damaged = |what: &str| Error::Damaged(format!("the metadata area at byte {}: {what}", area.offset));
        let mut header = [0; HEADER_LENGTH];
        device.data.read_exact_at(area.offset, &mut header)?;
        let found = checksum(&[header.get(CHECKED_FROM..).unwrap_or_default()]);
        let (raw, rest) = MdaHeader::ref_from_prefix(&header).map_err(|_| damaged("its header is cut short"))?;
        if raw.magic != *MAGIC {
            return Err(damaged("there is no header"));
        }
        let expected = raw.checksum_xl.get();
        if found != expected {
            return Err(damaged(&format!("the checksum of its header is {found:#010x}, not {expected:#010x}")));
        }
        let (version, start, size) = (raw.version.get(), raw.start.get(), raw.size.get());
        if version != VERSION {
            return Err(damaged(&format!("its version is {version}, and {VERSION} is known")));
        }
        if start != area.offset {
            return Err(damaged(&format!("its header says that it is at byte {start}")));
        }
        let location = RawLocation::ref_from_prefix(rest).map_err(|_| damaged("its header is cut short"))?.0;
        if location.flags.get() & IGNORED != 0 {
            return Ok(Self::Ignored);
        }
        if location.offset.get() == 0 {
            return Ok(Self::Nothing);
        }
        let text = read_ring(device, Area { offset: start, size }, location).map_err(|error| match error {
            Error::Damaged(what) => damaged(&what),
            other @ Error::Read(_) => other,
        })?;
        let (found, expected) = (checksum(&[&text]), location.checksum.get());
        if found != expected {
            return Err(damaged(&format!("the checksum of its text is {found:#010x}, not {expected:#010x}")));
        }
        Ok(Self::Text(text))
    }
}

/// The bytes at a place of the ring; what does not fit before its end goes on at its beginning.
fn read_ring(device: &Device, area: Area, location: &RawLocation) -> Result<Vec<u8>, Error> {
    let (offset, size) = (location.offset.get(), location.size.get());
    let outside = || Error::Damaged(format!("a text of {size} bytes at byte {offset} of an area of {}", area.size));
    let ring = area.size.checked_sub(HEADER_BYTES).ok_or_else(outside)?;
    let fits_device = area.offset.checked_add(area.size).is_some_and(|end| end <= device.data.size());
    if offset < HEADER_BYTES || offset >= area.size || size > ring || size > TEXT_BYTES_MAX || !fits_device {
        return Err(outside());
    }
    let first = size.min(area.size.saturating_sub(offset));
    let length = usize::try_from(size).map_err(|_| outside())?;
    let first_length = usize::try_from(first).map_err(|_| outside())?;
    let mut text = vec![0; length];
    let (head, tail) = text.split_at_mut_checked(first_length).ok_or_else(outside)?;
    let data: &dyn ReadAt = device.data.as_ref();
    data.read_exact_at(area.offset.saturating_add(offset), head)?;
    data.read_exact_at(area.offset.saturating_add(HEADER_BYTES), tail)?;
    Ok(text)
}
