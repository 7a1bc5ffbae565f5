//! Data that wimlib compressed, data made by hand for what wimlib does not write, and data that nobody made on purpose.

use super::{copy_match, lznt1, lzx, xpress};
use proptest::prelude::*;
use vfs::ErrorKind;

fn assert_corrupt<T: std::fmt::Debug>(result: vfs::Result<T>, message: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    assert!(error.message.contains(message), "{error}");
}

/// Writes bits as XPRESS and LZX read them.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    unit: u32,
    used: u32,
}

impl Writer {
    fn put(mut self, value: u32, count: u32) -> Self {
        for bit in (0..count).rev() {
            self.unit = self.unit << 1 | (value >> bit & 1);
            self.used += 1;
            if self.used == 16 {
                self.bytes.extend((self.unit as u16).to_le_bytes());
                (self.unit, self.used) = (0, 0);
            }
        }
        self
    }

    /// Fills up the unit, with bits of 1, which must not matter; a whole one if there is nothing to fill up.
    fn align(self) -> Self {
        let rest = 16 - self.used;
        self.put(0xFFFF, rest)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        assert_eq!(self.used, 0);
        self.bytes.extend(bytes);
        self
    }
}

/// The header of a block of LZX.
fn block(writer: Writer, kind: u32, size: u32) -> Writer {
    writer.put(kind, 3).put(0, 1).put(size, 16)
}

fn uncompressed(writer: Writer, recent: [u32; 3], data: &[u8]) -> Writer {
    let mut writer = block(writer, 3, data.len() as u32).align();
    for offset in recent {
        writer = writer.raw(&offset.to_le_bytes());
    }
    writer = writer.raw(data);
    if data.len() % 2 == 1 { writer.raw(&[0xFF]) } else { writer }
}

/// Lengths of 1 for the symbols `first` and `second` of `count`, 0 for all others, which were all 0 before.
fn two_symbols(writer: Writer, first: u32, second: u32, count: u32) -> Writer {
    // The code of the lengths: 0 (none), 16 (1 more than 0), 18 (a long run of none) and 17 (a run), with 2 bits each.
    let mut writer = writer;
    for symbol in 0..20 {
        writer = writer.put(if [0, 16, 17, 18].contains(&symbol) { 2 } else { 0 }, 4);
    }
    let mut at = 0;
    while at < count {
        if at == first || at == second {
            writer = writer.put(1, 2);
            at += 1;
            continue;
        }
        let next = [first, second, count].into_iter().filter(|next| *next > at).min().unwrap();
        let run = (next - at).min(51);
        writer = match run {
            20.. => writer.put(3, 2).put(run - 20, 5),
            _ => writer.put(0, 2),
        };
        at += if run >= 20 { run } else { 1 };
    }
    writer
}

#[test]
fn uncompressed_blocks_of_lzx_are_read_wherever_they_begin() {
    // The first begins in the middle of a unit, the second at its start; the one of odd length is filled up.
    let made = uncompressed(uncompressed(Writer::default(), [1, 1, 1], b"abc"), [1, 2, 3], b"defgh!");
    let mut out = [0; 9];
    lzx::decompress(&made.bytes, &mut out).unwrap();
    assert_eq!(&out, b"abcdefgh!");
    let empty = uncompressed(Writer::default(), [0, 1, 1], b"abc");
    assert_corrupt(lzx::decompress(&empty.bytes, &mut [0; 3]), "offset 0");
    let cut = &made.bytes[..made.bytes.len() - 1];
    assert_corrupt(lzx::decompress(cut, &mut out), "ends before");
}

/// A verbatim block of the letters of `data`, a and b, and of matches that are the symbol 256 + `header`, as x.
fn verbatim(writer: Writer, size: u32, other: u32, data: &str) -> Writer {
    let mut writer = block(writer, 1, size);
    let (bytes, matches) = if other < 256 { ([97, other], [9999, 9999]) } else { ([97, 9999], [other - 256, 9999]) };
    writer = two_symbols(writer, bytes[0], bytes[1], 256);
    writer = two_symbols(writer, matches[0], matches[1], 240);
    writer = two_symbols(writer, 9999, 9999, 249);
    for letter in data.chars() {
        writer = writer.put(u32::from(letter != 'a'), 1);
    }
    writer
}

#[test]
fn a_verbatim_block_is_followed_by_an_uncompressed_one_at_any_bit() {
    for count in 1..40 {
        let data = "ab".repeat(20)[..count].to_owned();
        let writer = verbatim(Writer::default(), count as u32, 98, &data);
        let made = uncompressed(writer, [1, 1, 1], b"raw");
        let mut out = vec![0; count + 3];
        lzx::decompress(&made.bytes, &mut out).unwrap();
        assert_eq!(out, format!("{data}raw").into_bytes());
    }
}

#[test]
fn matches_of_lzx_repeat_the_offsets_that_an_uncompressed_block_gave() {
    // Slots 0, 1 and 2 with the length 3: once each, then the next letter.
    for (slot, expected) in [(0, "abcdefefe"), (1, "abcdefcde"), (2, "abcdefabc")] {
        let made = verbatim(uncompressed(Writer::default(), [2, 4, 6], b"abcdef"), 3, 256 + slot * 8 + 1, "x").align();
        let mut out = [0; 9];
        lzx::decompress(&made.bytes, &mut out).unwrap();
        assert_eq!(out, expected.as_bytes());
    }
    let before = verbatim(uncompressed(Writer::default(), [7, 4, 6], b"abcdef"), 3, 257, "x").align();
    assert_corrupt(lzx::decompress(&before.bytes, &mut [0; 9]), "7 bytes before");
    let beyond = verbatim(uncompressed(Writer::default(), [2, 4, 6], b"abcdef"), 2, 257, "x").align();
    assert_corrupt(lzx::decompress(&beyond.bytes, &mut [0; 8]), "not there");
}

#[test]
fn blocks_of_lzx_end_where_the_chunk_does() {
    let made = verbatim(Writer::default(), 3, 98, "aba").align().bytes;
    lzx::decompress(&made, &mut [0; 3]).unwrap();
    assert_corrupt(lzx::decompress(&made, &mut [0; 2]), "2 are left");
    assert_corrupt(lzx::decompress(&made, &mut [0; 70_000]), "70000");
    let (_, cut) = made.split_last_chunk::<2>().map(|(cut, last)| (last, cut)).unwrap();
    assert_corrupt(lzx::decompress(cut, &mut [0; 3]), "ends before");
    assert_corrupt(lzx::decompress(&block(Writer::default(), 0, 3).align().bytes, &mut [0; 3]), "type 0");
    assert_corrupt(lzx::decompress(&[], &mut [0; 3]), "type 0");
}

/// XPRESS with two symbols of 1 bit each.
fn xpress_code(first: usize, second: usize) -> Writer {
    let mut lengths = [0_u8; 512];
    (lengths[first], lengths[second]) = (1, 1);
    let packed: Vec<u8> = lengths.chunks(2).map(|pair| pair[0] | pair[1] << 4).collect();
    Writer::default().raw(&packed)
}

#[test]
fn lengths_of_xpress_stand_between_the_bits() {
    // One letter and a match of the offset 1, whose length is in the symbol, in a byte, and in two.
    let made = xpress_code(97, 256 + 14).put(0b01, 2).align().put(0, 16).bytes;
    let mut out = [0; 18];
    xpress::decompress(&made, &mut out).unwrap();
    assert_eq!(out, [97; 18]);
    for (bytes, length) in [(&[2][..], 20), (&[254], 272), (&[255, 15, 0], 18), (&[255, 0xE8, 3], 1003)] {
        // After the match, which is the second bit, there are 14 bits of the first unit and 16 of the second.
        let made = xpress_code(97, 256 + 15).put(0b0100, 4).align().put(0, 16).raw(bytes).bytes;
        let mut out = vec![0; length + 3];
        xpress::decompress(&made, &mut out).unwrap();
        assert_eq!(out, vec![97; length + 3], "{bytes:?}");
        assert_corrupt(xpress::decompress(&made, &mut out[1..length]), "not there");
        assert_corrupt(xpress::decompress(&made[..made.len() - 1], &mut out), "ends before");
    }
    for bytes in [[255, 0, 0], [255, 14, 0]] {
        let made = xpress_code(97, 256 + 15).put(0b01, 2).align().put(0, 16).raw(&bytes).bytes;
        assert_corrupt(xpress::decompress(&made, &mut [0; 18]), "which needs none");
    }
}

#[test]
fn codes_that_are_incomplete_or_have_too_many_words_are_refused() {
    let mut made = xpress_code(97, 98).put(0b01, 2).align().put(0, 16).bytes;
    xpress::decompress(&made, &mut [0; 2]).unwrap();
    made[49] = 0x02;
    assert_corrupt(xpress::decompress(&made, &mut [0; 2]), "Huffman");
    made[49] = 0x11;
    assert_corrupt(xpress::decompress(&made, &mut [0; 2]), "Huffman");
    made[..256].fill(0);
    assert_corrupt(xpress::decompress(&made, &mut [0; 2]), "Huffman");
    assert_corrupt(xpress::decompress(&made[..255], &mut [0; 2]), "less than its code");
}

/// A chunk of LZNT1.
fn chunk(header: u16, body: &[u8]) -> Vec<u8> {
    let mut chunk = (header | (body.len() as u16 - 1)).to_le_bytes().to_vec();
    chunk.extend(body);
    chunk
}

#[test]
fn the_example_of_the_specification_of_lznt1_unpacks() {
    // [MS-XCA] 3.3.
    let packed = [
        0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2, 0x47, 0x01, 0xa0, 0x45,
        0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xc0, 0x45, 0x20, 0x05, 0x24, 0x13, 0x88, 0x05, 0xb4,
        0x02, 0x4a, 0x44, 0xef, 0x03, 0x58, 0x02, 0x8c, 0x09, 0x16, 0x01, 0x48, 0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00,
        0x04, 0x01, 0x18, 0x90, 0x00,
    ];
    let plain = "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A F# F# \
                 G A A G F# E D D E F# E D D\0";
    let mut out = vec![0xFF; 4096];
    lznt1::decompress(&packed, &mut out).unwrap();
    assert_eq!(String::from_utf8_lossy(&out[..plain.len()]), plain);
    assert!(out[plain.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn what_lznt1_leaves_out_is_zeros() {
    let mut packed = chunk(0xB000, &[0, b'a', b'b']);
    packed.extend(chunk(0x3000, &[b'x'; 4096]));
    // The kernel's writer ends a chunk with flags for nothing; then there is the end.
    packed.extend(chunk(0xB000, &[0, b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', 0]));
    packed.extend([0, 0, 0xFF, 0xFF, 0xFF]);
    let mut out = vec![0xEE; 5 * 4096];
    lznt1::decompress(&packed, &mut out).unwrap();
    let mut expected = vec![0; 5 * 4096];
    expected[..2].copy_from_slice(b"ab");
    expected[4096..8192].fill(b'x');
    expected[8192..8200].copy_from_slice(b"12345678");
    assert!(out == expected);
    // Without an end, the data ends where it does.
    packed.truncate(packed.len() - 5);
    out.fill(0xEE);
    lznt1::decompress(&packed, &mut out).unwrap();
    assert!(out == expected);
}

#[test]
fn damaged_chunks_of_lznt1_are_errors() {
    let unpack = |packed: &[u8]| lznt1::decompress(packed, &mut [0; 8192]);
    assert_corrupt(unpack(&chunk(0xB000, &[0, 1, 2])[..4]), "go beyond the 4");
    assert_corrupt(unpack(&chunk(0x9000, &[0, 1, 2])), "no header");
    assert_corrupt(unpack(&chunk(0x3000, &[1, 2, 3])), "has 3 bytes");
    assert_corrupt(unpack(&chunk(0xB000, &[1, 2])), "within a match");
    assert_corrupt(unpack(&chunk(0xB000, &[1, 0, 0])), "not there");
    // A match of the offset 1 that goes on for longer than the chunk: 1 byte and 4098 more.
    assert_corrupt(unpack(&chunk(0xB000, &[2, b'a', 0xFF, 0x0F])), "not there");
    // A whole chunk, and one byte more.
    assert_corrupt(unpack(&chunk(0xB000, &[2, b'a', 0xFC, 0x0F, b'b'])), "more than 4096");
    unpack(&chunk(0xB000, &[2, b'a', 0xFC, 0x0F])).unwrap();
}

#[test]
fn matches_that_overlap_repeat_what_they_wrote() {
    for offset in 1..9 {
        for length in 1..40 {
            let mut out: Vec<u8> = (0..60).collect();
            copy_match(&mut out, 9, offset, length).unwrap();
            let mut expected: Vec<u8> = (0..60).collect();
            for at in 9..9 + length {
                expected[at] = expected[at - offset];
            }
            assert_eq!(out, expected);
        }
    }
    for (at, offset, length) in [(0, 1, 1), (5, 6, 1), (5, 0, 1), (5, 1, 56), (5, 1, usize::MAX)] {
        assert_corrupt(copy_match(&mut [0; 60], at, offset, length), "not there");
    }
}

proptest! {
    #[test]
    fn arbitrary_data_is_unpacked_or_refused(data in prop::collection::vec(any::<u8>(), 0..600), size in 0_usize..40_000) {
        let mut out = vec![0; size];
        let _ = lznt1::decompress(&data, &mut out);
        let _ = xpress::decompress(&data, &mut out);
        let _ = lzx::decompress(&data, &mut out);
        // With a code that is sound, more is reached.
        let mut sound = vec![0x99; 256];
        sound.extend(&data);
        let _ = xpress::decompress(&sound, &mut out);
    }
}
