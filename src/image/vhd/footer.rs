//! The footer of a VHD: what it is, and how large the disk is.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A footer in bytes. Old programs wrote one byte less.
pub(super) const BYTES: usize = 512;
pub(super) const OLD_BYTES: u64 = 511;

/// The footer ("Hard Disk Footer Format" of the specification).
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawFooter {
    cookie: [u8; 8],
    features: U32,
    file_format_version: U32,
    data_offset: U64,
    time_stamp: U32,
    creator_application: [u8; 4],
    creator_version: U32,
    creator_host_os: [u8; 4],
    original_size: U64,
    current_size: U64,
    cylinders: U16,
    heads_and_sectors: [u8; 2],
    disk_type: U32,
    checksum: U32,
    unique_id: [u8; 16],
    saved_state: u8,
    reserved: [u8; 427],
}

/// How the disk lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fixed,
    /// With a table of blocks; the byte where its header is.
    Dynamic(u64),
    /// The same, over another image.
    Differencing(u64),
}

/// A footer whose checksum and fields are right.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) kind: Kind,
    /// The size of the disk in bytes. Programs of old took it from the geometry, which is at most a few sectors less:
    /// this field is what the specification means, and what all of today use.
    pub(super) size: u64,
    pub(super) id: [u8; 16],
}

impl Footer {
    /// The footer in `bytes`; what is wrong with it otherwise.
    pub(super) fn parse(bytes: &[u8; BYTES]) -> Result<Self, String> {
        let raw = RawFooter::ref_from_bytes(bytes).map_err(|_| "its footer is too short".to_owned())?;
        if &raw.cookie != b"conectix" {
            return Err("there is no footer".to_owned());
        }
        if checksum(bytes, 64) != raw.checksum.get() {
            return Err("the checksum of its footer is wrong".to_owned());
        }
        if raw.file_format_version.get() >> 16 != 1 {
            return Err(format!("its format has the version {}", raw.file_format_version.get() >> 16));
        }
        let kind = match raw.disk_type.get() {
            2 => Kind::Fixed,
            3 => Kind::Dynamic(raw.data_offset.get()),
            4 => Kind::Differencing(raw.data_offset.get()),
            other => return Err(format!("its type is {other}, which is neither fixed, dynamic nor differencing")),
        };
        Ok(Self { kind, size: raw.current_size.get(), id: raw.unique_id })
    }
}

/// The complement of the sum of all bytes but the four of the checksum itself, which are at `at`.
pub(super) fn checksum(bytes: &[u8], at: usize) -> u32 {
    let is_other = |index: &usize| index.checked_sub(at).is_none_or(|inside| inside >= 4);
    let others = bytes.iter().enumerate().filter(|(index, _)| is_other(index));
    !others.fold(0_u32, |sum, (_, byte)| sum.wrapping_add(u32::from(*byte)))
}
