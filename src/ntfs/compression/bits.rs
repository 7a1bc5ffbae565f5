//! The bits of XPRESS and LZX: units of 16 bits, little-endian, each read from its highest bit on; between the units stand
//! bytes that are no bits.

use crate::bytes::{array, slice};
use vfs::Result;
use vfs::reader::corrupt;

/// Reads bits. How far it has read ahead is part of the format, as bytes between the units stand where the reader of
/// [MS-XCA] 2.2.4 is when it needs them: it holds 16 to 31 bits after every [`Bits::fill`].
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// Where the next unit, or byte between units, is.
    at: usize,
    /// The bits that were read ahead, the next of them highest.
    buffer: u32,
    /// How many those are: 31 at most.
    held: u32,
    /// How many zero bits were put behind the data's end. Readers look 16 bits ahead, so some always are.
    padding: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, held: 0, padding: 0 }
    }

    /// Sees to it that at least 16 bits are held.
    #[inline]
    pub(super) fn fill(&mut self) {
        if self.held >= 16 {
            return;
        }
        let unit = match array(self.data, self.at) {
            Some(unit) => {
                self.at = self.at.wrapping_add(2);
                u16::from_le_bytes(unit)
            }
            None => {
                self.padding = self.padding.saturating_add(16);
                0
            }
        };
        // `held` is below 16 here, so the unit fits below what is held.
        self.buffer |= u32::from(unit).wrapping_shl(16_u32.wrapping_sub(self.held));
        self.held = self.held.wrapping_add(16);
    }

    /// The next 16 bits, which stay where they are; they are only there after [`Bits::fill`].
    #[inline]
    pub(super) fn peek(&self) -> u32 {
        self.buffer.wrapping_shr(16)
    }

    /// Drops `count` of the bits that [`Bits::peek`] showed: 16 at most.
    #[inline]
    pub(super) fn drop(&mut self, count: u32) {
        self.buffer = self.buffer.wrapping_shl(count);
        self.held = self.held.saturating_sub(count);
    }

    /// The next `count` bits, 16 at most, of those that are held.
    #[inline]
    pub(super) fn take_held(&mut self, count: u32) -> u32 {
        let value = self.peek().wrapping_shr(16_u32.saturating_sub(count));
        self.drop(count);
        // No bits at all would be all 16 shifted out, which leaves 0.
        value
    }

    /// The next `count` bits, 16 at most.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        self.fill();
        self.take_held(count)
    }

    /// The bytes between units that come next.
    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let bytes = slice(self.data, self.at, count).ok_or_else(ended)?;
        self.at = self.at.saturating_add(count);
        Ok(bytes)
    }

    /// Goes on at the end of the unit that is being read; where the unit before ended with the last bit that was read, the next is
    /// skipped whole, as LZX's uncompressed blocks have it. Bits after this are read anew.
    pub(super) fn align(&mut self) -> Result<()> {
        self.fill();
        if self.padding > 0 {
            return Err(ended());
        }
        // 16 to 31 bits are held: the last 16 are a unit of which nothing was read, unless they are all.
        if self.held > 16 {
            self.at = self.at.saturating_sub(2);
        }
        self.buffer = 0;
        self.held = 0;
        Ok(())
    }

    /// Skips the byte that fills up a unit, if there is one.
    pub(super) fn skip_byte(&mut self) {
        self.at = self.at.saturating_add(1).min(self.data.len());
    }

    /// Whether all bits that were read are in the data; what lies behind its end is damage.
    pub(super) fn finish(&self) -> Result<()> {
        if self.padding > self.held { Err(ended()) } else { Ok(()) }
    }
}

#[cold]
fn ended() -> vfs::Error {
    corrupt("compressed data ends before all was unpacked")
}
