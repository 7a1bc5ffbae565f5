//! The label of a physical volume, which stands in one of its first four sectors (`lib/label/label.h`,
//! `lib/format_text/layout.h`).

use super::crc::checksum;
use super::id::Id;
use crate::{Device, Error};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Sectors are of this size here, whatever blocks the device has.
pub(super) const SECTOR: u64 = 512;
/// In how many sectors a label is looked for (`LABEL_SCAN_SECTORS`).
const SECTORS: u64 = 4;
const SECTOR_LENGTH: usize = 512;

/// `struct label_header`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LabelHeader {
    id: [u8; 8],
    /// The sector that it is in.
    sector_xl: U64,
    /// Of what follows it in the sector.
    crc_xl: U32,
    /// From the start of the sector to the header of the physical volume.
    offset_xl: U32,
    r#type: [u8; 8],
}

/// The part of `struct pv_header` before its lists.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PvHeader {
    pv_uuid: [u8; Id::LENGTH],
    /// In bytes.
    device_size_xl: U64,
}

/// `struct disk_locn`: an area in bytes from the start of the device.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DiskLocation {
    offset: U64,
    size: U64,
}

const LABEL_ID: &[u8; 8] = b"LABELONE";
const LVM2_LABEL: &[u8; 8] = b"LVM2 001";
/// Where the checksummed part of a label begins.
const CHECKED_FROM: usize = 20;

/// An area of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    /// In bytes from the start of the device.
    pub(super) offset: u64,
    /// In bytes; 0 is all the rest of the device.
    pub(super) size: u64,
}

/// What the label says of a physical volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    /// The byte that it is at.
    pub(super) at: u64,
    /// The physical volume's identity.
    pub(super) id: Id,
    /// Where descriptions of the volume group are.
    pub(super) metadata_areas: Vec<Area>,
}

impl Label {
    /// The label of a device; `None` when it has none.
    ///
    /// # Errors
    /// When it cannot be read, or there is one that is damaged and no other.
    pub(super) fn read(device: &Device) -> Result<Option<Self>, Error> {
        let mut damaged = None;
        for number in 0..SECTORS {
            let at = number.saturating_mul(SECTOR);
            if at.saturating_add(SECTOR) > device.data.size() {
                break;
            }
            let mut sector = [0; SECTOR_LENGTH];
            device.data.read_exact_at(at, &mut sector)?;
            match Self::parse(number, &sector) {
                Ok(None) => {}
                Ok(Some(label)) => return Ok(Some(label)),
                Err(what) => damaged = damaged.or(Some(format!("the label in sector {number}: {what}"))),
            }
        }
        damaged.map_or(Ok(None), |what| Err(Error::Damaged(what)))
    }

    fn parse(number: u64, sector: &[u8; SECTOR_LENGTH]) -> Result<Option<Self>, String> {
        let cut = || "it is cut short".to_owned();
        let (header, _) = LabelHeader::ref_from_prefix(sector).map_err(|_| cut())?;
        if header.id != *LABEL_ID || header.r#type != *LVM2_LABEL {
            return Ok(None);
        }
        if header.sector_xl.get() != number {
            return Err(format!("it says that it is in sector {}", header.sector_xl.get()));
        }
        let found = checksum(&[sector.get(CHECKED_FROM..).unwrap_or_default()]);
        let expected = header.crc_xl.get();
        if found != expected {
            return Err(format!("its checksum is {found:#010x}, not {expected:#010x}"));
        }
        let offset = usize::try_from(header.offset_xl.get()).unwrap_or(usize::MAX);
        let rest = sector.get(offset..).ok_or_else(|| format!("its contents begin at byte {offset}"))?;
        let (header, rest) = PvHeader::ref_from_prefix(rest).map_err(|_| cut())?;
        let id = Id::parse(&header.pv_uuid).ok_or_else(|| "the physical volume's UUID is none".to_owned())?;
        let (_, rest) = areas(rest).ok_or_else(|| "its data areas do not end in it".to_owned())?;
        let (metadata_areas, _) = areas(rest).ok_or_else(|| "its metadata areas do not end in it".to_owned())?;
        Ok(Some(Self { at: number.saturating_mul(SECTOR), id, metadata_areas }))
    }
}

/// A list of areas up to the one that begins at 0, and what follows it.
fn areas(mut rest: &[u8]) -> Option<(Vec<Area>, &[u8])> {
    let mut areas = Vec::new();
    loop {
        let (area, after) = DiskLocation::ref_from_prefix(rest).ok()?;
        rest = after;
        if area.offset.get() == 0 {
            return Some((areas, rest));
        }
        areas.push(Area { offset: area.offset.get(), size: area.size.get() });
    }
}
