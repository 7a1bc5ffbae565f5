//! A chunk of LZX, of 32 KiB or less: unpacked, or refused, without a panic. The first two bytes are its size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ntfs::compression::lzx;

fuzz_target!(|data: &[u8]| {
    let [low, high, data @ ..] = data else { return };
    let _ = lzx::decompress(data, &mut vec![0; usize::from(u16::from_le_bytes([*low, *high])) % 32769]);
});
