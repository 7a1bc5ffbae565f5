//! The metadata of a VHDX (MS-VHDX 2.6): how large the disk, its blocks and its sectors are, and what it builds on.

use super::guid;
use super::region::Region;
use crate::windows_path;
use block::{BlockSize, ReadAt};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The table in bytes, at the start of the region; items follow it.
const TABLE_BYTES: usize = 64 << 10;
/// Most entries, which is what fits.
const ENTRIES_MAX: usize = 2047;
/// Most bytes of an item.
const ITEM_BYTES_MAX: u32 = 1 << 20;
/// The largest disk of the format.
const DISK_BYTES_MAX: u64 = 64 << 40;

const FILE_PARAMETERS: [u8; 16] = guid(0xCAA1_6737, 0xFA36, 0x4D43, 0xB3B6_33F0_AA44_E76B);
const DISK_SIZE: [u8; 16] = guid(0x2FA5_4224, 0xCD1B, 0x4876, 0xB211_5DBE_D83B_F4B8);
const DISK_ID: [u8; 16] = guid(0xBECA_12AB, 0xB2E6, 0x4523, 0x93EF_C309_E000_C746);
const LOGICAL_SECTOR: [u8; 16] = guid(0x8141_BF1D, 0xA96F, 0x4709, 0xBA47_F233_A8FA_AB5F);
const PHYSICAL_SECTOR: [u8; 16] = guid(0xCDA3_48C7, 0x445D, 0x4471, 0x9CC9_E988_5251_C556);
const PARENT_LOCATOR: [u8; 16] = guid(0xA8D3_5F2D, 0xB30B, 0x454D, 0xABF7_D3D8_4834_AB0C);
/// The one type of parent locators that there is.
const LOCATOR_TYPE: [u8; 16] = guid(0xB04A_EFB7, 0xD19E, 0x4A81, 0xB789_25B8_E944_5913);

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawTable {
    signature: [u8; 8],
    reserved: U16,
    entry_count: U16,
    reserved2: [u8; 20],
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawEntry {
    item_id: [u8; 16],
    offset: U32,
    length: U32,
    flags: U32,
    reserved: U32,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawLocator {
    locator_type: [u8; 16],
    reserved: U16,
    key_value_count: U16,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawKeyValue {
    key_offset: U32,
    value_offset: U32,
    key_length: U16,
    value_length: U16,
}

/// What the metadata say, checked.
pub(super) struct Metadata {
    pub(super) disk_bytes: u64,
    /// Bytes of the disk in a block: a power of two from 1 to 256 MiB.
    pub(super) block_bytes: u64,
    pub(super) sector: BlockSize,
    /// Of a differencing image: what it builds on.
    pub(super) parent: Option<Parent>,
}

/// What a differencing image says of its parent.
pub(super) struct Parent {
    /// What the parent's header may have as its `DataWriteGuid`.
    pub(super) linkage: Vec<[u8; 16]>,
    /// Its paths, in the order in which they are to be tried.
    pub(super) paths: Vec<String>,
}

/// Reads the metadata in `region`; says what is wrong with them otherwise.
pub(super) fn read(bytes: &Arc<dyn ReadAt>, region: Region) -> Result<Metadata, String> {
    let items = items(bytes, region)?;
    let item = |id: &[u8; 16], name: &str| items.get(id).ok_or_else(|| format!("its metadata lack the {name}"));
    let (block, flags) = u32_pair(item(&FILE_PARAMETERS, "file parameters")?)?;
    if !block.is_power_of_two() || !(1 << 20..=256 << 20).contains(&block) {
        return Err(format!("its blocks have {block} bytes"));
    }
    let sector = number(item(&LOGICAL_SECTOR, "size of a sector")?)?;
    let sector = u32::try_from(sector).ok().and_then(BlockSize::from_bytes);
    let sector = sector.ok_or_else(|| "its sectors have neither 512 nor 4096 bytes".to_owned())?;
    let disk_bytes = number(item(&DISK_SIZE, "size of the disk")?)?;
    if disk_bytes > DISK_BYTES_MAX || !disk_bytes.is_multiple_of(u64::from(sector.bytes())) {
        return Err(format!("its disk would have {disk_bytes} bytes"));
    }
    let parent = if flags & 2 == 0 { None } else { Some(parent(item(&PARENT_LOCATOR, "locator of the parent")?)?) };
    Ok(Metadata { disk_bytes, block_bytes: u64::from(block), sector, parent })
}

type Items = HashMap<[u8; 16], Vec<u8>>;

/// The items that are known.
fn items(bytes: &Arc<dyn ReadAt>, region: Region) -> Result<Items, String> {
    let too_short = || "its table of metadata is too short".to_owned();
    let read = |offset: u64, length: usize| {
        let fits = offset.checked_add(u64::try_from(length).ok()?)? <= region.bytes;
        let mut item = vec![0; length];
        let read = bytes.read_exact_at(region.offset.checked_add(offset)?, &mut item);
        (fits && read.is_ok()).then_some(item)
    };
    let table = read(0, TABLE_BYTES).ok_or_else(too_short)?;
    let (raw, rest) = RawTable::ref_from_prefix(&table).map_err(|_| too_short())?;
    let count = usize::from(raw.entry_count.get());
    if &raw.signature != b"metadata" || count > ENTRIES_MAX {
        return Err("there is no table of metadata where it should be".to_owned());
    }
    let (entries, _) = <[RawEntry]>::ref_from_prefix_with_elems(rest, count).map_err(|_| too_short())?;
    let mut items = Items::new();
    for entry in entries {
        // Bit 0 says that an item is a user's, bit 2 that nobody may open the image who does not know it.
        let flags = entry.flags.get();
        let known = [FILE_PARAMETERS, DISK_SIZE, DISK_ID, LOGICAL_SECTOR, PHYSICAL_SECTOR, PARENT_LOCATOR];
        if flags & 1 != 0 || !known.contains(&entry.item_id) {
            if flags & 4 != 0 {
                return Err("its metadata have an item that is required and not known".to_owned());
            }
            continue;
        }
        let length = usize::try_from(entry.length.get()).ok().filter(|_| entry.length.get() <= ITEM_BYTES_MAX);
        let item = length.and_then(|length| read(u64::from(entry.offset.get()), length));
        let item = item.ok_or_else(|| "an item of its metadata lies outside of their region".to_owned())?;
        if items.insert(entry.item_id, item).is_some() {
            return Err("its metadata have an item twice".to_owned());
        }
    }
    Ok(items)
}

/// A number of four or eight bytes.
fn number(item: &[u8]) -> Result<u64, String> {
    if let Ok(bytes) = item.try_into() {
        return Ok(u64::from_le_bytes(bytes));
    }
    let bytes = item.try_into().map_err(|_| format!("a number in its metadata has {} bytes", item.len()))?;
    Ok(u64::from(u32::from_le_bytes(bytes)))
}

fn u32_pair(item: &[u8]) -> Result<(u32, u32), String> {
    let (raw, _) = <[U32; 2]>::ref_from_prefix(item).map_err(|_| "its file parameters are too short".to_owned())?;
    let [first, second] = raw;
    Ok((first.get(), second.get()))
}

/// The parent locator (MS-VHDX 2.6.2.6).
fn parent(item: &[u8]) -> Result<Parent, String> {
    let too_short = || "the locator of its parent is too short".to_owned();
    let (raw, rest) = RawLocator::ref_from_prefix(item).map_err(|_| too_short())?;
    if raw.locator_type != LOCATOR_TYPE {
        return Err("its parent is no VHDX".to_owned());
    }
    let count = usize::from(raw.key_value_count.get());
    let (pairs, _) = <[RawKeyValue]>::ref_from_prefix_with_elems(rest, count).map_err(|_| too_short())?;
    let text = |offset: U32, length: U16| {
        let start = usize::try_from(offset.get()).ok()?;
        item.get(start..start.checked_add(usize::from(length.get()))?).map(windows_path::text_of_bytes)
    };
    let mut values = HashMap::new();
    for pair in pairs {
        let key = text(pair.key_offset, pair.key_length).ok_or_else(too_short)?;
        values.insert(key, text(pair.value_offset, pair.value_length).ok_or_else(too_short)?);
    }
    let linkage = ["parent_linkage", "parent_linkage2"].into_iter().filter_map(|key| values.get(key));
    let linkage: Vec<_> =
        linkage.filter_map(|text| Uuid::parse_str(text).ok()).map(|guid| guid.to_bytes_le()).collect();
    if linkage.is_empty() {
        return Err("it does not say what its parent is known by".to_owned());
    }
    let paths = ["relative_path", "volume_path", "absolute_win32_path"].into_iter().filter_map(|key| values.get(key));
    Ok(Parent { linkage, paths: paths.cloned().collect() })
}
