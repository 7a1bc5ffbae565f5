use super::{CACHE, ORIGIN, WritecacheMap};
use crate::Error;
use crate::dm::persistent::testing::Memory;
use crate::map::{Layout, Place, Source};
use block::ReadAt;
use proptest::prelude::*;
use std::sync::Arc;

const ORIGIN_BYTES: u64 = 1 << 20;
/// What an entry has that is free.
const FREE: u64 = u64::MAX;

/// A write cache of blocks of 4 KiB with these entries of sector and count, after as many commits.
fn device(entries: &[(u64, u64)], commits: u64) -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(0x2348_9321_u32.to_le_bytes());
    data.extend(1_u32.to_le_bytes());
    data.extend(4096_u32.to_le_bytes());
    data.extend(0_u32.to_le_bytes());
    data.extend((entries.len() as u64).to_le_bytes());
    data.extend(commits.to_le_bytes());
    data.resize(64, 0);
    for (sector, count) in entries {
        data.extend(sector.to_le_bytes());
        data.extend(count.to_le_bytes());
    }
    data.resize(data.len().next_multiple_of(4096) + 4096 * entries.len(), 0);
    data
}

fn open(data: Vec<u8>) -> Result<WritecacheMap, Error> {
    let device: Arc<dyn ReadAt> = Arc::new(Memory::new(data));
    WritecacheMap::open(&device, ORIGIN_BYTES)
}

fn piece(map: &WritecacheMap, at: u64) -> (Source, u64) {
    let piece = map.piece(at).unwrap();
    (piece.source, piece.length)
}

fn at(member: usize, offset: u64) -> Source {
    Source::Copies(vec![Place { member, offset }])
}

#[test]
fn what_was_committed_is_read_from_the_cache_and_the_rest_is_not() {
    let map = open(device(&[(FREE, FREE), (16, 2), (24, 4), (80, 5), (88, 6), (8, FREE)], 5)).unwrap();
    assert_eq!((map.needs_cache(), map.block_bytes()), (2, 4096));
    assert_eq!(piece(&map, 0), (at(ORIGIN, 0), 8192));
    // The entries begin in the first block, the blocks in the second: this is the second of them.
    assert_eq!(piece(&map, 8192 + 100), (at(CACHE, 2 * 4096 + 100), 8192 - 100));
    assert_eq!(piece(&map, 16384), (at(ORIGIN, 16384), ORIGIN_BYTES - 16384));
}

#[test]
fn of_two_entries_for_a_block_the_newer_counts() {
    let map = open(device(&[(8, 3), (8, 7), (8, 9), (8, 5)], 8)).unwrap();
    assert_eq!((map.needs_cache(), piece(&map, 4096)), (1, (at(CACHE, 2 * 4096), 4096)));
}

#[test]
fn a_block_with_two_entries_that_are_equally_new_is_lost() {
    let map = open(device(&[(8, 3), (8, 3), (8, 1), (16, 3)], 8)).unwrap();
    let (source, length) = piece(&map, 4096);
    assert!(matches!(source, Source::Lost(_)) && length == 4096, "{source:?}");
    assert_eq!(piece(&map, 8192), (at(CACHE, 4 * 4096), 4096));
}

#[test]
fn blocks_are_behind_the_entries_however_many_these_are() {
    let mut entries = vec![(FREE, FREE); 40_000];
    entries[39_999] = (8, 0);
    let map = open(device(&entries, 1)).unwrap();
    let data_at = (64_u64 + 16 * 40_000).next_multiple_of(4096);
    assert_eq!(piece(&map, 4096).0, at(CACHE, data_at + 39_999 * 4096));
}

#[test]
fn a_cache_that_is_not_understood_is_refused() {
    let refused = |offset: usize, value: u8| {
        let mut data = device(&[(8, 1), (FREE, FREE)], 2);
        data[offset] = value;
        open(data).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(refused(0, 0x21), "");
    assert!(refused(0, 0).contains("magic number"));
    assert!(refused(4, 2).contains("version 2"));
    assert!(refused(9, 1).contains("blocks of 256 bytes"));
    assert!(refused(8, 8).contains("blocks of 4104 bytes"));
    assert!(refused(16, 3).contains("do not fit"));
    assert!(refused(23, 1).contains("up to 4294967295"));
    assert!(refused(64, 9).contains("sector 9, where none begins"));
    assert!(open(vec![0; 8192]).err().unwrap().to_string().contains("never used"));
    assert!(open(vec![0; 10]).is_err());
}

proptest! {
    #[test]
    fn a_damaged_cache_never_leads_astray(changes in proptest::collection::vec((0..4000_usize, any::<u8>()), 1..20)) {
        let mut data = device(&(0..200).map(|block| (8 * (block % 150), block % 7)).collect::<Vec<_>>(), 5);
        for (at, value) in changes {
            data[at] = value;
        }
        let Ok(map) = open(data) else { return Ok(()) };
        let mut at = 0;
        while at < map.size() {
            let piece = map.piece(at).unwrap();
            prop_assert!(piece.length > 0 && piece.length <= map.size() - at);
            at += piece.length;
        }
    }
}
