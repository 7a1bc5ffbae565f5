//! A unit of compression of NTFS, of 64 KiB or less: unpacked, or refused, without a panic. The first two bytes are its size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ntfs::compression::lznt1;

fuzz_target!(|data: &[u8]| {
    let [low, high, data @ ..] = data else { return };
    let _ = lznt1::decompress(data, &mut vec![0; usize::from(u16::from_le_bytes([*low, *high]))]);
});
