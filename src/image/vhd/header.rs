//! The header of a dynamic or differencing VHD: where the table of its blocks is, and what it builds on.

use super::footer::checksum;
use crate::windows_path;
use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The header in bytes.
pub(super) const BYTES: usize = 1024;
/// The largest block that is read; 2 MiB are usual.
const BLOCK_BYTES_MAX: u32 = 256 << 20;

/// The header ("Dynamic Disk Header Format" of the specification).
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    cookie: [u8; 8],
    data_offset: U64,
    table_offset: U64,
    header_version: U32,
    max_table_entries: U32,
    block_size: U32,
    checksum: U32,
    parent_unique_id: [u8; 16],
    parent_time_stamp: U32,
    reserved: U32,
    parent_unicode_name: [U16; 256],
    parent_locators: [RawLocator; 8],
    reserved2: [u8; 256],
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawLocator {
    platform_code: [u8; 4],
    platform_data_space: U32,
    platform_data_length: U32,
    reserved: U32,
    platform_data_offset: U64,
}

/// A header whose checksum and fields are right.
pub(super) struct Header {
    /// Byte of the file where the block allocation table begins.
    pub(super) table: u64,
    /// Entries that the table has.
    pub(super) entries: u64,
    /// Bytes of the disk in a block: a power of two, 512 at least.
    pub(super) block_bytes: u64,
    pub(super) parent_id: [u8; 16],
    /// The name of the parent, without its place.
    pub(super) parent_name: String,
    /// Paths of the parent that lie elsewhere in the file, the relative one first.
    pub(super) locators: Vec<Locator>,
}

/// Where in the file a path of the parent is.
pub(super) struct Locator {
    pub(super) offset: u64,
    pub(super) bytes: u32,
}

impl Header {
    /// The header in `bytes`; what is wrong with it otherwise.
    pub(super) fn parse(bytes: &[u8; BYTES]) -> Result<Self, String> {
        let raw = RawHeader::ref_from_bytes(bytes).map_err(|_| "its header is too short".to_owned())?;
        if &raw.cookie != b"cxsparse" {
            return Err("there is no header where its footer says".to_owned());
        }
        if checksum(bytes, 36) != raw.checksum.get() {
            return Err("the checksum of its header is wrong".to_owned());
        }
        if raw.header_version.get() >> 16 != 1 {
            return Err(format!("its header has the version {}", raw.header_version.get() >> 16));
        }
        let block_bytes = raw.block_size.get();
        if !block_bytes.is_power_of_two() || !(512..=BLOCK_BYTES_MAX).contains(&block_bytes) {
            return Err(format!("its blocks have {block_bytes} bytes"));
        }
        let locator = |code: &[u8; 4]| {
            let found = raw.parent_locators.iter().find(|locator| &locator.platform_code == code)?;
            Some(Locator { offset: found.platform_data_offset.get(), bytes: found.platform_data_length.get() })
        };
        Ok(Self {
            table: raw.table_offset.get(),
            entries: u64::from(raw.max_table_entries.get()),
            block_bytes: u64::from(block_bytes),
            parent_id: raw.parent_unique_id,
            parent_name: windows_path::text(raw.parent_unicode_name.iter().map(|unit| unit.get())),
            locators: [b"W2ru", b"W2ku"].into_iter().filter_map(locator).collect(),
        })
    }
}
