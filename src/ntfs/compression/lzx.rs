//! LZX as WIM and WOF use it: every chunk stands alone, the window is as long as a chunk, 32 KiB, and calls in x86 code are
//! always translated, as if every chunk began a file of 12,000,000 bytes. The rest is [MS-PATCH] 2.

use super::bits::Bits;
use super::copy_match;
use super::huffman::Code;
use crate::bytes::{index, u32_at};
use vfs::Result;
use vfs::reader::corrupt;

/// What a chunk unpacks to at most.
pub const CHUNK_BYTES: usize = 32768;
/// Symbols of the main code that are bytes.
const BYTES: usize = 256;
/// Each slot is a range of offsets; a window of 32 KiB has these, the first three of which repeat earlier offsets.
const SLOTS: usize = 30;
/// Lengths in a symbol of the main code; the last says that the length code has the rest.
const LENGTH_HEADERS: usize = 8;
const MAIN_SYMBOLS: usize = BYTES + SLOTS * LENGTH_HEADERS;
const LENGTH_SYMBOLS: usize = 249;
const PRE_SYMBOLS: usize = 20;
const ALIGNED_SYMBOLS: usize = 8;
/// The shortest match.
const LENGTH_MIN: usize = 2;
/// The lengths of code words are counted modulo this.
const LENGTH_MODULUS: usize = 17;
/// Types of blocks.
const VERBATIM: u32 = 1;
const ALIGNED: u32 = 2;
const UNCOMPRESSED: u32 = 3;
/// For each slot its first offset, to which 2 was added, and how many bits follow that are added.
const SLOT_RANGES: [(u32, u32); SLOTS] = slot_ranges();
/// A call in x86 code: the operation, then 32 bits that are relative to where it is.
const CALL: u8 = 0xE8;
/// Calls are translated as if the file had this size.
const FILE_SIZE: i32 = 12_000_000;
/// Calls in the last bytes of a chunk are left alone.
const UNTRANSLATED: usize = 10;

type PreCode = Code<PRE_SYMBOLS, 64>;

/// Unpacks a chunk, `out`, of which all must be there.
///
/// # Errors
///
/// `Corrupt`: the data is damaged.
pub fn decompress(compressed: &[u8], out: &mut [u8]) -> Result<()> {
    if out.len() > CHUNK_BYTES {
        return Err(corrupt(format!("LZX: a chunk has {} bytes, more than {CHUNK_BYTES}", out.len())));
    }
    let mut chunk = Chunk {
        bits: Bits::new(compressed),
        main_lengths: [0; MAIN_SYMBOLS],
        length_lengths: [0; LENGTH_SYMBOLS],
        recent: [1; 3],
    };
    let mut at = 0;
    while at < out.len() {
        at = chunk.block(out, at)?;
    }
    chunk.bits.finish()?;
    untranslate_calls(out);
    Ok(())
}

/// The codes of a block.
struct Codes {
    main: Code<MAIN_SYMBOLS, 2048>,
    length: Code<LENGTH_SYMBOLS, 1024>,
    aligned: Option<Code<ALIGNED_SYMBOLS, 128>>,
}

/// What is carried from one block of a chunk to the next.
struct Chunk<'a> {
    bits: Bits<'a>,
    main_lengths: [u8; MAIN_SYMBOLS],
    length_lengths: [u8; LENGTH_SYMBOLS],
    /// The offsets that matches may repeat.
    recent: [u32; 3],
}

impl Chunk<'_> {
    /// Unpacks the block that begins at `at`, and says where it ends.
    fn block(&mut self, out: &mut [u8], at: usize) -> Result<usize> {
        let kind = self.bits.take(3);
        let size = if self.bits.take(1) == 1 { CHUNK_BYTES } else { index(self.bits.take(16)) };
        let (end, length) = (at.saturating_add(size), out.len());
        let block = out.get_mut(..end).ok_or_else(|| {
            corrupt(format!("LZX: a block has {size} bytes, and {} are left of the chunk", length.saturating_sub(at)))
        })?;
        match kind {
            VERBATIM | ALIGNED => {
                let codes = self.codes(kind)?;
                self.compressed(&codes, block, at)?;
            }
            UNCOMPRESSED => self.uncompressed(block, at)?,
            _ => return Err(corrupt(format!("LZX: a block is of type {kind}, which there is not"))),
        }
        Ok(end)
    }

    fn codes(&mut self, kind: u32) -> Result<Codes> {
        let aligned = if kind == ALIGNED {
            let mut lengths = [0; ALIGNED_SYMBOLS];
            lengths.iter_mut().for_each(|length| *length = low_byte(self.bits.take(3)));
            Some(Code::new(&lengths)?)
        } else {
            None
        };
        let (bytes, matches) = self.main_lengths.split_at_mut(BYTES);
        read_lengths(&mut self.bits, bytes)?;
        read_lengths(&mut self.bits, matches)?;
        let main = Code::new(&self.main_lengths)?;
        read_lengths(&mut self.bits, &mut self.length_lengths)?;
        Ok(Codes { main, length: Code::new(&self.length_lengths)?, aligned })
    }

    /// Unpacks a block of bytes and matches that ends with `out`.
    fn compressed(&mut self, codes: &Codes, out: &mut [u8], start: usize) -> Result<()> {
        let mut at = start;
        while let Some(byte) = out.get_mut(at) {
            let symbol = codes.main.read(&mut self.bits)?;
            if let Ok(literal) = u8::try_from(symbol) {
                *byte = literal;
                at = at.wrapping_add(1);
                continue;
            }
            let symbol = symbol.saturating_sub(BYTES);
            let mut length = (symbol % LENGTH_HEADERS).saturating_add(LENGTH_MIN);
            if symbol % LENGTH_HEADERS == LENGTH_HEADERS - 1 {
                length = length.saturating_add(codes.length.read(&mut self.bits)?);
            }
            let offset = self.offset(symbol / LENGTH_HEADERS, codes)?;
            copy_match(out, at, index(offset), length)?;
            at = at.wrapping_add(length);
        }
        Ok(())
    }

    /// The offset of a match, which becomes the most recent one.
    #[inline]
    fn offset(&mut self, slot: usize, codes: &Codes) -> Result<u32> {
        let [first, second, third] = self.recent;
        // The second and the third change places with the first: this is no queue of the least recently used.
        self.recent = match slot {
            0 => [first, second, third],
            1 => [second, first, third],
            2 => [third, second, first],
            _ => [self.new_offset(slot, codes)?, first, second],
        };
        let [offset, ..] = self.recent;
        Ok(offset)
    }

    #[inline]
    fn new_offset(&mut self, slot: usize, codes: &Codes) -> Result<u32> {
        let (base, extra) = SLOT_RANGES.get(slot).copied().ok_or_else(|| corrupt("LZX: there is no such slot"))?;
        let added = match &codes.aligned {
            Some(aligned) if extra >= 3 => {
                let high = self.bits.take(extra.saturating_sub(3)).wrapping_shl(3);
                high | u32::try_from(aligned.read(&mut self.bits)?).unwrap_or(0)
            }
            _ => self.bits.take(extra),
        };
        Ok(base.saturating_add(added).saturating_sub(2))
    }

    /// Copies a block that is not compressed and ends with `out`; the offsets to repeat stand before it.
    fn uncompressed(&mut self, out: &mut [u8], start: usize) -> Result<()> {
        self.bits.align()?;
        for offset in &mut self.recent {
            *offset = u32_at(self.bits.bytes(4)?, 0).unwrap_or(0);
        }
        if self.recent.contains(&0) {
            return Err(corrupt("LZX: an uncompressed block says that matches repeat the offset 0"));
        }
        let block = out.get_mut(start..).unwrap_or_default();
        block.copy_from_slice(self.bits.bytes(block.len())?);
        if block.len() % 2 == 1 {
            self.bits.skip_byte();
        }
        Ok(())
    }
}

/// Reads how the lengths of a code's words differ from those that the code had in the block before.
fn read_lengths(bits: &mut Bits<'_>, lengths: &mut [u8]) -> Result<()> {
    let mut pre_lengths = [0; PRE_SYMBOLS];
    pre_lengths.iter_mut().for_each(|length| *length = low_byte(bits.take(4)));
    let code = PreCode::new(&pre_lengths)?;
    let mut at = 0_usize;
    while let Some(old) = lengths.get(at).copied() {
        let (count, length) = match code.read(bits)? {
            17 => (bits.take(4).saturating_add(4), 0),
            18 => (bits.take(5).saturating_add(20), 0),
            19 => {
                let count = bits.take(1).saturating_add(4);
                (count, changed(old, code.read(bits)?)?)
            }
            difference => (1, changed(old, difference)?),
        };
        let end = at.saturating_add(index(count));
        lengths
            .get_mut(at..end)
            .ok_or_else(|| corrupt("LZX: more lengths of code words than there are symbols"))?
            .fill(length);
        at = end;
    }
    Ok(())
}

fn changed(old: u8, difference: usize) -> Result<u8> {
    let length = usize::from(old).saturating_add(LENGTH_MODULUS).checked_sub(difference);
    match length {
        Some(length) if difference < LENGTH_MODULUS => Ok(u8::try_from(length % LENGTH_MODULUS).unwrap_or(0)),
        _ => Err(corrupt("LZX: the length of a code word is repeated that is none")),
    }
}

/// The lowest 8 bits.
fn low_byte(number: u32) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

/// The first offsets of the slots go up by twice the size of the ranges, two of which are equally large from the fourth on.
const fn slot_ranges() -> [(u32, u32); SLOTS] {
    let mut ranges = [(0, 0); SLOTS];
    let (mut rest, mut slot, mut base) = (ranges.as_mut_slice(), 0_u32, 0_u32);
    while let [range, others @ ..] = rest {
        let extra = if slot < 4 { 0 } else { (slot / 2).saturating_sub(1) };
        *range = (base, extra);
        base = base.saturating_add(1 << extra);
        slot = slot.saturating_add(1);
        rest = others;
    }
    ranges
}

/// Gives calls of x86 code their relative targets back, whether or not it is code.
fn untranslate_calls(data: &mut [u8]) {
    let last = data.len().saturating_sub(UNTRANSLATED);
    let mut at = 0_usize;
    while let Some(skipped) = data.get(at..last).and_then(|rest| rest.iter().position(|byte| *byte == CALL)) {
        at = at.saturating_add(skipped);
        let from = at.saturating_add(1);
        let end = at.saturating_add(5);
        let (Some(target), Ok(position)) = (data.get_mut(from..end), i32::try_from(at)) else { return };
        if let Some(relative) = u32_at(target, 0).and_then(|absolute| relative(absolute.cast_signed(), position)) {
            target.copy_from_slice(&relative.to_le_bytes());
        }
        at = end;
    }
}

/// The target relative to `position`, unless it was not translated.
fn relative(absolute: i32, position: i32) -> Option<i32> {
    match absolute {
        0..FILE_SIZE => Some(absolute.wrapping_sub(position)),
        ..0 if absolute >= position.wrapping_neg() => Some(absolute.wrapping_add(FILE_SIZE)),
        _ => None,
    }
}
