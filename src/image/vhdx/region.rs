//! The region table of a VHDX (MS-VHDX 2.2.3): where the block allocation table and the metadata are. There are two
//! copies.

use super::guid;
use super::header::is_intact;
use block::ReadAt;
use std::sync::Arc;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Where the two copies are, in bytes.
const PLACES: [u64; 2] = [192 << 10, 256 << 10];
/// A copy in bytes.
const BYTES: usize = 64 << 10;
/// Most entries, which is what fits.
const ENTRIES_MAX: usize = 2047;

const BAT: [u8; 16] = guid(0x2DC2_7766, 0xF623, 0x4200, 0x9D64_115E_9BFD_4A08);
const METADATA: [u8; 16] = guid(0x8B7C_A206, 0x4790, 0x4B9A, 0xB8FE_575F_050F_886E);

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawTable {
    signature: [u8; 4],
    checksum: U32,
    entry_count: U32,
    reserved: U32,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawEntry {
    guid: [u8; 16],
    file_offset: U64,
    length: U32,
    required: U32,
}

/// A part of the file.
#[derive(Clone, Copy)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// The regions that matter.
pub(super) struct Regions {
    pub(super) bat: Region,
    pub(super) metadata: Region,
}

/// The regions of the image in `bytes`; what is wrong with both copies of their table otherwise.
pub(super) fn read(bytes: &Arc<dyn ReadAt>) -> Result<Regions, String> {
    for place in PLACES {
        let mut table = vec![0; BYTES];
        if bytes.read_exact_at(place, &mut table).is_ok() && is_intact(&table, b"regi") {
            return parse(&table, bytes.size());
        }
    }
    Err("neither copy of its region table is intact".to_owned())
}

fn parse(table: &[u8], file_bytes: u64) -> Result<Regions, String> {
    let too_short = || "its region table is too short".to_owned();
    let (raw, rest) = RawTable::ref_from_prefix(table).map_err(|_| too_short())?;
    let count = usize::try_from(raw.entry_count.get()).ok().filter(|count| *count <= ENTRIES_MAX);
    let count = count.ok_or_else(|| "its region table has too many entries".to_owned())?;
    let (entries, _) = <[RawEntry]>::ref_from_prefix_with_elems(rest, count).map_err(|_| too_short())?;
    let (mut bat, mut metadata) = (None, None);
    for entry in entries {
        let (offset, length) = (entry.file_offset.get(), u64::from(entry.length.get()));
        let place = match entry.guid {
            BAT => &mut bat,
            METADATA => &mut metadata,
            _ if entry.required.get() & 1 == 0 => continue,
            _ => return Err("it has a region that is required and not known".to_owned()),
        };
        let end = offset.checked_add(length).filter(|end| *end <= file_bytes);
        if offset < 1 << 20 || !offset.is_multiple_of(1 << 20) || length == 0 || end.is_none() {
            return Err(format!("one of its regions would have {length} bytes at byte {offset}"));
        }
        if place.replace(Region { offset, bytes: length }).is_some() {
            return Err("its region table has an entry twice".to_owned());
        }
    }
    match (bat, metadata) {
        (Some(bat), Some(metadata)) => Ok(Regions { bat, metadata }),
        (None, _) => Err("its region table does not say where its block allocation table is".to_owned()),
        (_, None) => Err("its region table does not say where its metadata are".to_owned()),
    }
}
