//! Streams that wimlib made, and streams made by hand; the reparse points of both providers.

use super::{Algorithm, Backing, Packed, Wim};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use vfs::{ErrorKind, Result};

fn fixture(name: &str) -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/ntfs/compression").join(format!("{name}.zst"));
    zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}

/// Reads a stream in memory; reading past its end is what [`Packed`] never does.
fn read_of(stream: &[u8]) -> impl Fn(u64, &mut [u8]) -> Result<()> {
    move |at, out| {
        let at = at as usize;
        out.copy_from_slice(&stream[at..at + out.len()]);
        Ok(())
    }
}

fn unpack(algorithm: Algorithm, size: usize, stream: &[u8]) -> Result<Vec<u8>> {
    let packed = Packed::new(algorithm, size as u64, stream.len() as u64)?;
    let mut plain = Vec::new();
    for number in 0..packed.chunks() {
        plain.extend(packed.read_chunk(&read_of(stream), number)?);
    }
    Ok(plain)
}

#[test]
fn what_wimlib_packed_is_unpacked_as_it_was() {
    let plain = fixture("plain");
    let mut types = BTreeSet::new();
    let kinds = [
        ("xpress4k", Algorithm::Xpress4K),
        ("xpress8k", Algorithm::Xpress8K),
        ("xpress16k", Algorithm::Xpress16K),
        ("lzx20", Algorithm::Lzx),
        ("lzx100", Algorithm::Lzx),
    ];
    for (name, algorithm) in kinds {
        let stream = fixture(name);
        assert!(unpack(algorithm, plain.len(), &stream).unwrap() == plain, "{name}");
        let packed = Packed::new(algorithm, plain.len() as u64, stream.len() as u64).unwrap();
        let chunks = packed.chunks();
        let mut raw = 0;
        for number in 0..chunks {
            let chunk = packed.chunk(number).unwrap();
            let place = packed.place(&read_of(&stream), chunk).unwrap();
            raw += u32::from(place.end - place.start == u64::from(chunk.size));
            if algorithm == Algorithm::Lzx {
                types.insert(stream[place.start as usize + 1] >> 5);
            }
            // Each range of the file is where its chunks are.
            let start = number * packed.chunk_bytes();
            let same = packed.stored_range(&read_of(&stream), start..start + 1).unwrap();
            assert_eq!(same, place);
        }
        let all = packed.stored_range(&read_of(&stream), 0..u64::MAX).unwrap();
        assert_eq!(all, packed.table_bytes()..stream.len() as u64);
        assert_eq!(packed.stored_range(&read_of(&stream), plain.len() as u64..u64::MAX).unwrap(), 0..0);
        assert!(raw > 0 || algorithm != Algorithm::Xpress4K, "{name}: {raw} chunks are not compressed");
        assert_eq!(packed.read_chunk(&read_of(&stream), chunks).unwrap_err().kind, ErrorKind::Corrupt);
    }
    // The first blocks of the chunks: verbatim and aligned ones.
    assert_eq!(types, BTreeSet::from([1, 2]));
}

#[test]
fn a_chunk_that_is_as_long_as_what_it_holds_is_not_compressed() {
    let mut stream = Vec::from(4096_u32.to_le_bytes());
    stream.extend((0..4096).map(|at| at as u8));
    stream.extend(b"rest");
    let plain = unpack(Algorithm::Xpress4K, 4100, &stream).unwrap();
    assert!(plain == stream[4..]);
}

#[test]
fn files_of_4_gib_have_a_table_of_longer_entries() {
    let chunks = (1_u64 << 32).div_ceil(32768);
    let table = (chunks - 1) * 8;
    let packed = Packed::new(Algorithm::Lzx, 1 << 32, table + (1 << 32)).unwrap();
    let read = |at: u64, out: &mut [u8]| {
        if at < table {
            for (number, entry) in out.chunks_mut(8).enumerate() {
                entry.copy_from_slice(&((at / 8 + number as u64 + 1) * 32768).to_le_bytes());
            }
        } else {
            out.fill(((at - table) / 32768) as u8);
        }
        Ok(())
    };
    assert_eq!(packed.read_chunk(&read, 77).unwrap(), [77; 32768]);
    assert_eq!(packed.read_chunk(&read, chunks - 1).unwrap(), [255; 32768]);
    assert_eq!(Packed::new(Algorithm::Lzx, (1 << 32) - 1, 1 << 32).unwrap().table_bytes(), table / 2);
}

#[test]
fn tables_that_cannot_be_are_refused() {
    let refused = |size, stored, entries: [u32; 2]| {
        let read = move |at: u64, out: &mut [u8]| {
            let table: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
            out.copy_from_slice(&table[at as usize..at as usize + out.len()]);
            Ok(())
        };
        let packed = Packed::new(Algorithm::Xpress4K, size, stored).unwrap();
        let error = (0..3).find_map(|number| packed.place(&read, packed.chunk(number).unwrap()).err()).unwrap();
        assert_eq!(error.kind, ErrorKind::Corrupt);
        assert!(error.message.contains("cannot be"), "{error}");
    };
    refused(9000, 1000, [0, 100]);
    refused(9000, 1000, [100, 50]);
    refused(9000, 1000, [100, 100]);
    refused(9000, 1000, [100, 993]);
    refused(9000, 1000, [100, 992]);
    refused(9000, 9000, [4097, 5000]);
    refused(9000, 9000, [4096, 8193]);
    refused(9000, 9000, [4096, 8100]);
    assert_eq!(Packed::new(Algorithm::Xpress4K, 9000, 7).unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(Packed::new(Algorithm::Lzx, 0, 0).unwrap().chunks(), 0);
    // The largest sizes that a disk can claim.
    assert_eq!(Packed::new(Algorithm::Xpress4K, u64::MAX, 1 << 40).unwrap_err().kind, ErrorKind::Corrupt);
}

#[test]
fn a_damaged_chunk_is_named() {
    let mut stream = fixture("lzx20");
    let size = fixture("plain").len();
    let packed = Packed::new(Algorithm::Lzx, size as u64, stream.len() as u64).unwrap();
    let place = packed.place(&read_of(&stream), packed.chunk(1).unwrap()).unwrap();
    stream[place.start as usize + 1] = 0;
    packed.read_chunk(&read_of(&stream), 0).unwrap();
    let error = packed.read_chunk(&read_of(&stream), 1).unwrap_err();
    assert_eq!((error.kind, error.message.contains("chunk 1: LZX")), (ErrorKind::Corrupt, true), "{error}");
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn reparse_points_say_how_a_file_is_packed() {
    for (number, algorithm) in
        [Algorithm::Xpress4K, Algorithm::Lzx, Algorithm::Xpress8K, Algorithm::Xpress16K].iter().enumerate()
    {
        let data = words(&[1, 2, 1, number as u32]);
        assert_eq!(Backing::parse(&data).unwrap(), Backing::Stream(*algorithm));
        assert_eq!(Backing::parse(&data[..15]).unwrap_err().kind, ErrorKind::Corrupt);
    }
    for unknown in [[2, 2, 1, 0], [1, 3, 1, 0], [1, 2, 2, 0], [1, 2, 1, 4], [1, 1, 3, 0]] {
        assert_eq!(Backing::parse(&words(&unknown)).unwrap_err().kind, ErrorKind::Unsupported);
    }
}

#[test]
fn data_in_a_wim_is_refused_with_what_has_it() {
    let mut data = words(&[1, 1, 2, 0, 5, 0]);
    data.extend([0xAB; 20]);
    data.extend([0; 44]);
    let expected = Wim { data_source_id: 5, sha1: [0xAB; 20] };
    assert_eq!(Backing::parse(&data).unwrap(), Backing::Wim(expected.clone()));
    assert_eq!(Backing::parse(&data[..43]).unwrap_err().kind, ErrorKind::Corrupt);
    let refusal = expected.refusal();
    assert_eq!(refusal.kind, ErrorKind::Unsupported);
    for part in ["WimOverlay.dat", "number 5", &"ab".repeat(20)] {
        assert!(refusal.message.contains(part), "{refusal}");
    }
}

proptest! {
    #[test]
    fn arbitrary_streams_are_read_or_refused(stream in prop::collection::vec(any::<u8>(), 0..700), size in any::<u64>(), bits in 0_u32..64) {
        let size = size >> bits;
        for algorithm in [Algorithm::Xpress4K, Algorithm::Lzx] {
            let Ok(packed) = Packed::new(algorithm, size, stream.len() as u64) else { continue };
            for number in [0, 1, packed.chunks().saturating_sub(1), u64::MAX] {
                let _ = packed.read_chunk(&read_of(&stream), number);
            }
            let _ = packed.stored_range(&read_of(&stream), 0..size);
        }
        let _ = Backing::parse(&stream);
    }
}
