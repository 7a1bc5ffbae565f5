use super::*;
use crate::map::{Leg, Map};
use block::{BlockSize, MemoryDisk};
use std::collections::BTreeMap;
use std::sync::Arc;

const SECTORS: u32 = 1;
const CHUNK: usize = 512;
/// Exceptions in an area of chunks of that size.
const PER_AREA: usize = 32;

fn header(magic: u32, valid: u32, version: u32, chunk_size: u32) -> RawHeader {
    let [magic, valid, version, chunk_size] = [magic, valid, version, chunk_size].map(U32::new);
    RawHeader { magic, valid, version, chunk_size }
}

/// Content of chunk `number` of the origin, or of the snapshot where it differs.
fn content(number: u64, differs: bool) -> [u8; CHUNK] {
    let mut bytes = [if differs { 0xcc } else { 0x00 }; CHUNK];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[CHUNK - 8..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// A store of `chunks` chunks, filled as the kernel does: the next free chunk for each exception, past the areas' own.
fn store(olds: &[u64], chunks: usize) -> Vec<u8> {
    let mut bytes = vec![0; chunks * CHUNK];
    bytes[..16].copy_from_slice(header(MAGIC, 1, VERSION, SECTORS).as_bytes());
    let mut free = 2;
    for (number, old) in olds.iter().enumerate() {
        set(&mut bytes, number, *old, free as u64);
        bytes[free * CHUNK..(free + 1) * CHUNK].copy_from_slice(&content(*old, true));
        free += if (free + 1) % (PER_AREA + 1) == 1 { 2 } else { 1 };
    }
    bytes
}

fn set(store: &mut [u8], number: usize, old: u64, new: u64) {
    let at = (1 + number / PER_AREA * (PER_AREA + 1)) * CHUNK + number % PER_AREA * 16;
    store[at..at + 8].copy_from_slice(&old.to_le_bytes());
    store[at + 8..at + 16].copy_from_slice(&new.to_le_bytes());
}

fn disk(bytes: &[u8]) -> Arc<MemoryDisk> {
    Arc::new(MemoryDisk::new(bytes.to_vec(), BlockSize::B512))
}

fn open(store: &[u8], bytes: u64) -> Result<Snapshot, Error> {
    Snapshot::open(disk(store).as_ref(), bytes)
}

/// Compares a whole snapshot of so many bytes with what its exceptions say.
fn check(olds: &[u64], store: &[u8], bytes: usize) -> Snapshot {
    let is_new = |number: u64| olds.contains(&number);
    let chunks = bytes.div_ceil(CHUNK) as u64;
    let origin: Vec<u8> = (0..chunks).map(|number| content(number, false)).collect::<Vec<_>>().concat();
    let expected: Vec<u8> = (0..chunks).map(|number| content(number, is_new(number))).collect::<Vec<_>>().concat();
    let legs = [origin.as_slice(), store].map(|bytes| Leg { name: String::new(), data: Some(disk(bytes)) });
    let map = Map::new(Box::new(open(store, bytes as u64).unwrap()), legs.into(), &Arc::default());
    for (start, end) in [(0, bytes), (1, bytes), (bytes / 2, bytes), (CHUNK - 1, bytes.min(3 * CHUNK + 1))] {
        let mut read = vec![0; end - start];
        map.read_exact_at(start as u64, &mut read).unwrap();
        assert!(read == expected[start..end], "{start}..{end}");
    }
    open(store, bytes as u64).unwrap()
}

#[test]
fn what_differs_comes_from_the_store_and_all_else_from_the_origin() {
    for olds in [vec![], vec![0], vec![19], vec![3, 4, 5], vec![5, 4, 3], vec![0, 19, 7, 8, 1, 18]] {
        let snapshot = check(&olds, &store(&olds, 40), 20 * CHUNK - 100);
        assert_eq!(snapshot.exceptions(), olds.len() as u64);
    }
}

#[test]
fn exceptions_that_go_on_from_one_another_are_one_piece() {
    let snapshot = open(&store(&[9, 3, 4, 5, 8, 10], 40), 20 * CHUNK as u64).unwrap();
    let runs: Vec<_> = snapshot.runs.iter().map(|run| (run.old, run.new, run.count)).collect();
    assert_eq!(runs, [(3, 3, 3), (8, 6, 1), (9, 2, 1), (10, 7, 1)]);
    let piece = snapshot.piece(3 * CHUNK as u64 + 5).unwrap();
    let place = Place { member: 1, offset: 3 * CHUNK as u64 + 5 };
    assert_eq!(piece, Piece { length: 3 * CHUNK as u64 - 5, source: Source::Copies(vec![place]) });
}

#[test]
fn lists_over_several_areas_are_read_to_their_end() {
    // In an order that joins nothing, and in one that joins everything.
    for step in [1, 37] {
        for count in [PER_AREA - 1, PER_AREA, PER_AREA + 1, 2 * PER_AREA, 3 * PER_AREA + 5] {
            let olds: Vec<u64> = (0..count).map(|number| (number * step % 128) as u64).collect();
            let snapshot = check(&olds, &store(&olds, 140), 128 * CHUNK);
            assert_eq!(snapshot.exceptions(), count as u64);
        }
    }
}

#[test]
fn what_a_merge_carried_over_comes_from_the_origin() {
    let olds: Vec<u64> = (0..100).map(|number| number * 3).collect();
    let mut merged = store(&olds, 110);
    // The kernel clears them from the last one on, over the border of areas.
    for left in (60..100).rev() {
        set(&mut merged, left, 0, 0);
        if [99, 97, 96, 95, 65, 64, 60].contains(&left) {
            check(&olds[..left], &merged, 310 * CHUNK);
        }
    }
}

#[test]
fn a_store_that_was_never_written_to_is_an_empty_snapshot() {
    let snapshot = check(&[], &[0; 4 * CHUNK], 20 * CHUNK);
    assert_eq!(snapshot.exceptions(), 0);
}

#[test]
fn a_store_that_was_given_up_or_is_damaged_is_refused_with_the_reason() {
    let sound = store(&[3, 7], 10);
    let with_header = |header: RawHeader| [header.as_bytes(), &sound[16..]].concat();
    let with = |old, new| {
        let mut bytes = sound.clone();
        set(&mut bytes, 1, old, new);
        bytes
    };
    let cases = [
        (with_header(header(MAGIC, 0, VERSION, SECTORS)), "marked as invalid"),
        (with_header(header(MAGIC + 1, 1, VERSION, SECTORS)), "begins with 0x70416e54"),
        (with_header(header(0, 1, VERSION, SECTORS)), "begins with 0x00000000"),
        (with_header(header(MAGIC, 1, 2, SECTORS)), "version 2"),
        (with_header(header(MAGIC, 1, VERSION, 0)), "chunks of 0 sectors"),
        (with_header(header(MAGIC, 1, VERSION, 9)), "chunks of 9 sectors"),
        (with_header(header(MAGIC, 1, VERSION, 1 << 23)), "chunks of 8388608 sectors"),
        (with_header(header(MAGIC, 1, VERSION, 64)), "no end"),
        (with(7, 10), "chunk 7 should be in its chunk 10"),
        (with(7, u64::MAX), "chunk 7 should be in its chunk 18446744073709551615"),
        (with(7, 1), "where its list of exceptions is"),
        (with(3, 4), "chunk 3 is in it twice"),
    ];
    for (bytes, text) in cases {
        let error = open(&bytes, 20 * CHUNK as u64).unwrap_err().to_string();
        assert!(error.contains(text), "{text}: {error}");
    }
    assert!(matches!(open(&[], 512), Err(Error::Read(_))));
}

#[test]
fn a_list_without_an_end_is_refused() {
    let olds: Vec<u64> = (0..PER_AREA as u64).collect();
    let cut = &store(&olds, 300)[..(PER_AREA + 2) * CHUNK];
    let error = open(cut, 1 << 30).unwrap_err().to_string();
    assert!(error.contains("no end"), "{error}");
}

#[test]
fn exceptions_behind_the_end_of_the_volume_are_not_looked_at() {
    let snapshot = check(&[3, 19], &store(&[3, 20, 19, 1 << 60, u64::MAX], 40), 20 * CHUNK);
    assert_eq!(snapshot.exceptions(), 2);
}

/// A large store that is written to in few places.
struct Sparse {
    bytes: u64,
    parts: Vec<(u64, Vec<u8>)>,
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        assert!(offset + buf.len() as u64 <= self.bytes);
        for (at, byte) in (offset..).zip(buf) {
            let part = self.parts.iter().find(|(start, part)| (*start..start + part.len() as u64).contains(&at));
            *byte = part.map_or(0, |(start, part)| part[(at - start) as usize]);
        }
        Ok(())
    }
}

#[test]
fn areas_of_chunks_of_any_size_are_read_whole() {
    for sectors in [1, 2, 16, 128, 256, 512] {
        let chunk = u64::from(sectors) * 512;
        let per_area = chunk / 16;
        let areas = [chunk, (per_area + 2) * chunk];
        let mut parts = vec![(0, header(MAGIC, 1, VERSION, sectors).as_bytes().to_vec())];
        let (mut lists, mut expected) = ([Vec::new(), Vec::new()], BTreeMap::new());
        for number in 0..=per_area {
            // From the last to the first, so that none goes on from another.
            let (old, in_second) = (per_area - number, number == per_area);
            let new = 2 + number + u64::from(in_second);
            lists[usize::from(in_second)].extend([old.to_le_bytes(), new.to_le_bytes()].concat());
            expected.insert(old, new);
        }
        parts.extend(areas.into_iter().zip(lists));
        let store = Sparse { bytes: (per_area + 4) * chunk, parts };
        let snapshot = Snapshot::open(&store, (per_area + 1) * chunk).unwrap();
        let found: BTreeMap<u64, u64> = snapshot.runs.iter().map(|run| (run.old, run.new)).collect();
        assert_eq!(found, expected, "{sectors}");
    }
}
