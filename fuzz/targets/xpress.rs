//! A chunk of XPRESS, of 16 KiB or less: unpacked, or refused, without a panic. The first two bytes are its size; with the lowest bit
//! set, a code that is sound stands before the data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ntfs::compression::xpress;

fuzz_target!(|data: &[u8]| {
    let [low, high, data @ ..] = data else { return };
    let mut out = vec![0; usize::from(u16::from_le_bytes([*low, *high])) % 16385];
    if low & 1 == 0 {
        let _ = xpress::decompress(data, &mut out);
        return;
    }
    // Codes that are complete are rare: this one has words of 9 bits for all symbols.
    let sound = [&[0x99; 256], data].concat();
    let _ = xpress::decompress(&sound, &mut out);
});
