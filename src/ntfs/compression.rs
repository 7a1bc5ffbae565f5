//! The three compressions that data on NTFS has: [`lznt1`] for compressed files, [`xpress`] and [`lzx`] for what
//! `compact /exe` packed (see `wof.rs`).
//!
//! Sources: [MS-XCA] 2.2 and 2.5, [MS-PATCH] 2 for LZX, and what wimlib, ntfs-3g and the kernel's `fs/ntfs3` do with them.

mod bits;
mod huffman;
pub mod lznt1;
pub mod lzx;
pub mod xpress;

#[cfg(test)]
mod tests;

use vfs::Result;
use vfs::reader::corrupt;

/// Repeats at `at` the `length` bytes that begin `offset` bytes before it, as LZ77 means it: where both overlap, what was
/// just written is read again. A match that begins before the data or ends after it is damage.
#[inline]
fn copy_match(out: &mut [u8], at: usize, offset: usize, length: usize) -> Result<()> {
    let end = at.saturating_add(length);
    if offset == 0 || offset > at || end > out.len() {
        return Err(match_outside(at, offset, length, out.len()));
    }
    let start = at.wrapping_sub(offset);
    if offset >= length {
        out.copy_within(start..start.wrapping_add(length), at);
        return Ok(());
    }
    // What lies between `start` and `written` repeats with the period `offset`, so all of it may be copied at once.
    let mut written = at;
    while written < end {
        let piece = written.wrapping_sub(start).min(end.wrapping_sub(written));
        out.copy_within(start..start.wrapping_add(piece), written);
        written = written.wrapping_add(piece);
    }
    Ok(())
}

#[cold]
fn match_outside(at: usize, offset: usize, length: usize, size: usize) -> vfs::Error {
    corrupt(format!(
        "compressed data: at byte {at} of {size}, {length} bytes from {offset} bytes before are to be repeated: they are not there"
    ))
}
