//! XPRESS with Huffman codes ([MS-XCA] 2.2), as WIM and WOF use it: one code for all of a chunk, before which stand the lengths
//! of its words.

use super::bits::Bits;
use super::copy_match;
use super::huffman::Code;
use crate::bytes::index;
use vfs::Result;
use vfs::reader::corrupt;

/// Symbols: 256 bytes, then 16 times 16 kinds of matches.
const SYMBOLS: usize = 512;
/// Bytes of the lengths of code words, half a byte each.
const LENGTHS_BYTES: usize = SYMBOLS / 2;
/// Symbols from here on are matches.
const FIRST_MATCH: usize = 256;
/// The shortest match.
const LENGTH_MIN: usize = 3;
/// The length that a symbol can hold: this one says that more of it follows in a byte, and [`LENGTH_IN_TWO`] that it is in two.
const LENGTH_IN_ONE: usize = 15;
const LENGTH_IN_TWO: u8 = 255;

/// Unpacks a chunk, `out`, of which all must be there.
///
/// # Errors
///
/// `Corrupt`: the data is damaged.
pub fn decompress(compressed: &[u8], out: &mut [u8]) -> Result<()> {
    let (packed_lengths, data) = compressed
        .split_at_checked(LENGTHS_BYTES)
        .ok_or_else(|| corrupt(format!("XPRESS: a chunk has {} bytes, less than its code", compressed.len())))?;
    let mut lengths = [0; SYMBOLS];
    for (pair, packed) in lengths.chunks_exact_mut(2).zip(packed_lengths) {
        pair.copy_from_slice(&[packed & 15, packed >> 4]);
    }
    let code = Code::<SYMBOLS, 2048>::new(&lengths)?;
    let mut bits = Bits::new(data);
    let mut at = 0_usize;
    while let Some(byte) = out.get_mut(at) {
        let symbol = code.read(&mut bits)?;
        if let Ok(literal) = u8::try_from(symbol) {
            *byte = literal;
            at = at.wrapping_add(1);
            continue;
        }
        bits.fill();
        let kind = symbol.saturating_sub(FIRST_MATCH);
        let length = length(kind & 15, &mut bits)?;
        let offset_bits = u32::try_from(kind >> 4).unwrap_or(0);
        let offset = 1_u32.wrapping_shl(offset_bits) | bits.take_held(offset_bits);
        copy_match(out, at, index(offset), length)?;
        at = at.wrapping_add(length);
    }
    bits.finish()
}

/// The length of a match. Its bytes stand where the reader of bits is before it takes those of the offset.
#[inline]
fn length(in_symbol: usize, bits: &mut Bits<'_>) -> Result<usize> {
    if in_symbol < LENGTH_IN_ONE {
        return Ok(in_symbol.wrapping_add(LENGTH_MIN));
    }
    let length = match bits.bytes(1)? {
        [LENGTH_IN_TWO] => match bits.bytes(2)? {
            [low, high] => usize::from(u16::from_le_bytes([*low, *high])),
            _ => 0,
        },
        [more] => usize::from(*more).saturating_add(LENGTH_IN_ONE),
        _ => 0,
    };
    // 0 would announce four bytes, and no chunk is that long.
    if length < LENGTH_IN_ONE {
        return Err(corrupt(format!("XPRESS: a match has the length {length} in two bytes, which needs none")));
    }
    Ok(length.saturating_add(LENGTH_MIN))
}
