//! Canonical Huffman codes: code words are given in the order of their lengths, and of their symbols where those are equal.

use super::bits::Bits;
use vfs::Result;
use vfs::reader::corrupt;

/// Bits of the longest code word.
const LENGTH_MAX: usize = 16;

/// A code of at most `SYMBOLS` symbols; code words up to the logarithm of `TABLE` in length are looked up at once.
pub(super) struct Code<const SYMBOLS: usize, const TABLE: usize> {
    /// For each beginning of a code word the symbol, times 16, and the length of its word; 0 where that is longer.
    table: [u16; TABLE],
    /// The symbols in the order of their words.
    sorted: [u16; SYMBOLS],
    /// For each length the first value of 16 bits that begins with no word of that length or a shorter one.
    limits: [u32; LENGTH_MAX + 1],
    /// For each length, how many words are shorter.
    shorter: [usize; LENGTH_MAX + 1],
}

impl<const SYMBOLS: usize, const TABLE: usize> Code<SYMBOLS, TABLE> {
    /// The bits that are looked up at once.
    const TABLE_BITS: u32 = TABLE.trailing_zeros();

    /// The code whose symbols have words of these lengths: 0 where a symbol has none, else up to 16. A code without any word
    /// is one that is not used; all others have to be complete, as wimlib demands too.
    pub(super) fn new(lengths: &[u8]) -> Result<Self> {
        let mut counts = [0_usize; LENGTH_MAX + 1];
        for length in lengths {
            let count = counts.get_mut(usize::from(*length)).ok_or_else(invalid)?;
            *count = count.saturating_add(1);
        }
        let mut code =
            Self { table: [0; TABLE], sorted: [0; SYMBOLS], limits: [0; LENGTH_MAX + 1], shorter: [0; LENGTH_MAX + 1] };
        let (mut limit, mut words, mut share) = (0_u32, 0_usize, 1_u32 << LENGTH_MAX);
        let slots = code.limits.iter_mut().zip(&mut code.shorter);
        for ((limit_slot, shorter), count) in slots.zip(&counts).skip(1) {
            share >>= 1;
            *shorter = words;
            words = words.saturating_add(*count);
            limit = limit.saturating_add(u32::try_from(*count).unwrap_or(u32::MAX).saturating_mul(share));
            *limit_slot = limit;
        }
        if words == 0 {
            return Ok(code);
        }
        if limit != 1 << LENGTH_MAX {
            return Err(invalid());
        }
        code.sort(lengths)?;
        code.fill_table(&counts)?;
        Ok(code)
    }

    fn sort(&mut self, lengths: &[u8]) -> Result<()> {
        let mut next = self.shorter;
        for (symbol, length) in (0_u16..).zip(lengths).filter(|(_, length)| **length > 0) {
            let place = next.get_mut(usize::from(*length)).ok_or_else(invalid)?;
            *self.sorted.get_mut(*place).ok_or_else(invalid)? = symbol;
            *place = place.saturating_add(1);
        }
        Ok(())
    }

    fn fill_table(&mut self, counts: &[usize; LENGTH_MAX + 1]) -> Result<()> {
        let mut rest = self.table.as_mut_slice();
        let mut symbols = self.sorted.iter();
        for (length, count) in (0_u16..).zip(counts).skip(1) {
            let Some(spare) = Self::TABLE_BITS.checked_sub(u32::from(length)) else { break };
            for symbol in symbols.by_ref().take(*count) {
                let (entries, others) = rest.split_at_mut_checked(1_usize.wrapping_shl(spare)).ok_or_else(invalid)?;
                entries.fill(symbol.wrapping_shl(4) | length);
                rest = others;
            }
        }
        Ok(())
    }

    /// The next symbol.
    #[inline]
    pub(super) fn read(&self, bits: &mut Bits<'_>) -> Result<usize> {
        bits.fill();
        let word = bits.peek();
        let place = word.wrapping_shr(16_u32.wrapping_sub(Self::TABLE_BITS));
        match self.table.get(crate::bytes::index(place)) {
            Some(entry) if *entry != 0 => {
                bits.drop(u32::from(*entry & 15));
                Ok(usize::from(entry.wrapping_shr(4)))
            }
            _ => self.read_long(bits, word),
        }
    }

    #[cold]
    fn read_long(&self, bits: &mut Bits<'_>, word: u32) -> Result<usize> {
        let first = crate::bytes::index(Self::TABLE_BITS);
        let lengths = (0_u32..).zip(&self.limits).zip(&self.shorter).skip(first);
        let mut previous = 0;
        for ((length, limit), shorter) in lengths {
            if word < *limit {
                let number = word.saturating_sub(previous).wrapping_shr(16_u32.saturating_sub(length));
                let place = shorter.saturating_add(crate::bytes::index(number));
                bits.drop(length);
                return self.sorted.get(place).map(|symbol| usize::from(*symbol)).ok_or_else(invalid);
            }
            previous = *limit;
        }
        // A complete code has a word for every value: this is the one without words.
        Err(invalid())
    }
}

#[cold]
fn invalid() -> vfs::Error {
    corrupt("compressed data: its Huffman code is incomplete, or has more words than fit")
}
