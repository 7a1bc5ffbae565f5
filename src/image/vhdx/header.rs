//! The headers of a VHDX (MS-VHDX 2.2.2): two of them, of which the newer intact one counts.

use crate::files::ImageFile;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Where the two headers are, in bytes.
const PLACES: [u64; 2] = [64 << 10, 128 << 10];
/// A header in bytes.
const BYTES: usize = 4096;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    signature: [u8; 4],
    checksum: U32,
    sequence_number: U64,
    file_write_guid: [u8; 16],
    data_write_guid: [u8; 16],
    log_guid: [u8; 16],
    log_version: U16,
    version: U16,
    log_length: U32,
    log_offset: U64,
}

/// The header that counts.
pub(super) struct Header {
    /// What a child of this image knows it by: it changes whenever what the disk shows does.
    pub(super) data_write_guid: [u8; 16],
    /// The log, if there is something in it.
    pub(super) log: Option<Log>,
}

/// Where a log is that has to be replayed.
pub(super) struct Log {
    pub(super) guid: [u8; 16],
    pub(super) offset: u64,
    pub(super) bytes: u32,
}

/// The header of the image in `file` that counts; what is wrong with both otherwise.
pub(super) fn read(file: &ImageFile) -> Result<Header, String> {
    let mut found: Option<(u64, Vec<u8>)> = None;
    for place in PLACES {
        let mut bytes = vec![0; BYTES];
        if file.bytes.read_exact_at(place, &mut bytes).is_err() || !is_intact(&bytes, b"head") {
            continue;
        }
        let Ok((raw, _)) = RawHeader::ref_from_prefix(&bytes) else { continue };
        let sequence = raw.sequence_number.get();
        match &found {
            // Programs are known that write both headers alike, which the specification does not allow; it does not
            // matter then.
            Some((other, same)) if *other == sequence && *same != bytes => {
                return Err("both of its headers say that they are the newer one".to_owned());
            }
            Some((other, _)) if *other >= sequence => {}
            _ => found = Some((sequence, bytes)),
        }
    }
    let (_, bytes) = found.ok_or_else(|| "neither of its headers is intact".to_owned())?;
    let (raw, _) = RawHeader::ref_from_prefix(&bytes).map_err(|_| "its header is too short".to_owned())?;
    parse(raw)
}

fn parse(raw: &RawHeader) -> Result<Header, String> {
    if raw.version.get() != 1 {
        return Err(format!("its format has the version {}", raw.version.get()));
    }
    if raw.log_guid == [0; 16] {
        return Ok(Header { data_write_guid: raw.data_write_guid, log: None });
    }
    if raw.log_version.get() != 0 {
        return Err(format!("its log has the version {}", raw.log_version.get()));
    }
    let (offset, bytes) = (raw.log_offset.get(), raw.log_length.get());
    if offset < 1 << 20 || !offset.is_multiple_of(1 << 20) || bytes == 0 || !bytes.is_multiple_of(1 << 20) {
        return Err(format!("its log would have {bytes} bytes at byte {offset}"));
    }
    Ok(Header { data_write_guid: raw.data_write_guid, log: Some(Log { guid: raw.log_guid, offset, bytes }) })
}

/// Whether a structure has its signature, and after that the right CRC-32C of itself with zeros in the checksum's
/// place.
pub(super) fn is_intact(bytes: &[u8], signature: &[u8; 4]) -> bool {
    let Some((found, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let Some((stored, rest)) = rest.split_first_chunk::<4>() else { return false };
    let sum = crc32c::crc32c_append(crc32c::crc32c(found), &[0; 4]);
    found == signature && crc32c::crc32c_append(sum, rest) == u32::from_le_bytes(*stored)
}
