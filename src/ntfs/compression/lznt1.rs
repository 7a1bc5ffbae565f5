//! LZNT1 ([MS-XCA] 2.5): chunks of 4 KiB, each with a header of 16 bits; a match is one of 16 bits, which offset and length share
//! the more unequally the less of the chunk there is.
//!
//! Where writers and readers differ: a chunk that unpacks to less than 4 KiB is filled up with zeros when another follows, and
//! a header of 0 or the end of the data ends the unit, the rest of which is zeros (ntfs-3g's `ntfs_decompress` and the
//! kernel's `decompress_lznt` alike). What only one of them takes (matches that go on past their chunk, uncompressed chunks
//! that are not whole) is an error here.

use super::copy_match;
use crate::bytes::{index, slice, u16_at};
use vfs::Result;
use vfs::reader::corrupt;

/// What a chunk unpacks to.
const CHUNK_BYTES: usize = 4096;
/// Header: the chunk is compressed.
const COMPRESSED: u16 = 0x8000;
/// Header: what is always the same.
const SIGNATURE_MASK: u16 = 0x7000;
const SIGNATURE: u16 = 0x3000;
/// Header: the bytes of the chunk, header included, less 3.
const SIZE_MASK: u16 = 0x0FFF;
/// The shortest match.
const LENGTH_MIN: usize = 3;

/// Unpacks one unit of compression, `out`; what the data does not reach is zeros.
///
/// # Errors
///
/// `Corrupt`: the data is damaged.
pub fn decompress(compressed: &[u8], out: &mut [u8]) -> Result<()> {
    let mut at = 0_usize;
    for (number, chunk) in out.chunks_mut(CHUNK_BYTES).enumerate() {
        let header = u16_at(compressed, at).unwrap_or(0);
        if header == 0 {
            // The chunks that follow find this place again.
            chunk.fill(0);
            continue;
        }
        let size = usize::from(header & SIZE_MASK).saturating_add(1);
        let body = slice(compressed, at.saturating_add(2), size).ok_or_else(|| {
            corrupt(format!(
                "LZNT1: chunk {number} has {size} bytes, which go beyond the {} that are there",
                compressed.len()
            ))
        })?;
        if header & SIGNATURE_MASK != SIGNATURE {
            return Err(corrupt(format!("LZNT1: chunk {number} begins with {header:#06x}, which is no header")));
        }
        if header & COMPRESSED != 0 {
            let length = unpack(body, chunk)?;
            chunk.iter_mut().skip(length).for_each(|byte| *byte = 0);
        } else if size == CHUNK_BYTES {
            chunk.copy_from_slice(body.get(..chunk.len()).unwrap_or(body));
        } else {
            return Err(corrupt(format!(
                "LZNT1: chunk {number} is not compressed and has {size} bytes, not {CHUNK_BYTES}"
            )));
        }
        at = at.saturating_add(2).saturating_add(size);
    }
    Ok(())
}

/// Unpacks the data of one chunk, and says how long it is.
fn unpack(data: &[u8], out: &mut [u8]) -> Result<usize> {
    let (mut from, mut to) = (0_usize, 0_usize);
    // The kernel's writer leaves a byte of flags without anything to flag at the end.
    while let Some(flags) = data.get(from) {
        from = from.wrapping_add(1);
        for bit in 0..8 {
            let Some(byte) = data.get(from) else { break };
            if flags & (1_u8 << bit) == 0 {
                *out.get_mut(to).ok_or_else(too_long)? = *byte;
                (from, to) = (from.wrapping_add(1), to.wrapping_add(1));
                continue;
            }
            let pair = u16_at(data, from).ok_or_else(|| corrupt("LZNT1: a chunk ends within a match"))?;
            let (offset, length) = offset_and_length(pair, to);
            copy_match(out, to, offset, length)?;
            (from, to) = (from.wrapping_add(2), to.wrapping_add(length));
        }
    }
    Ok(to)
}

/// A match at `at`: the offset has as many bits as the largest that is possible there needs, 4 to 12; the length has the others.
fn offset_and_length(pair: u16, at: usize) -> (usize, usize) {
    let offset_bits = usize::BITS.wrapping_sub(at.saturating_sub(1).leading_zeros()).clamp(4, 12);
    let length_bits = 16_u32.saturating_sub(offset_bits);
    let pair = u32::from(pair);
    let length = pair & 1_u32.wrapping_shl(length_bits).wrapping_sub(1);
    let offset = index(pair.wrapping_shr(length_bits)).saturating_add(1);
    (offset, index(length).saturating_add(LENGTH_MIN))
}

#[cold]
fn too_long() -> vfs::Error {
    corrupt(format!("LZNT1: a chunk unpacks to more than {CHUNK_BYTES} bytes"))
}
