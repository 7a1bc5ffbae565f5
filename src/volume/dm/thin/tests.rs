use super::{ORIGIN, POOL, ThinPool, ThinVolume};
use crate::dm::persistent::testing::{Memory, dumped, made};
use crate::map::{Layout, Place, Source};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The mappings of each volume by block, as the tools dumped them.
fn mappings(name: &str) -> BTreeMap<u64, BTreeMap<u64, u64>> {
    let mut volumes: BTreeMap<u64, BTreeMap<u64, u64>> = BTreeMap::new();
    for element in dumped(name) {
        let mut last = volumes.last_entry();
        match element.name.as_str() {
            "device" => drop(volumes.insert(element.number("dev_id"), BTreeMap::new())),
            "single_mapping" => {
                last.as_mut().unwrap().get_mut().insert(element.number("origin_block"), element.number("data_block"));
            }
            "range_mapping" => {
                let (origin, data) = (element.number("origin_begin"), element.number("data_begin"));
                let blocks = (0..element.number("length")).map(|block| (origin + block, data + block));
                last.as_mut().unwrap().get_mut().extend(blocks);
            }
            _ => {}
        }
    }
    volumes
}

/// All pieces of a volume, as the mappings of its blocks that they make, and how many they are.
fn read(volume: &ThinVolume, block_bytes: u64) -> (BTreeMap<u64, u64>, u64) {
    let (mut found, mut at, mut pieces) = (BTreeMap::new(), 0, 0);
    while at < volume.size() {
        let piece = volume.piece(at).unwrap();
        assert!(piece.length > 0 && piece.length % block_bytes == 0);
        if let Source::Copies(places) = &piece.source {
            let [Place { member: POOL, offset }] = places[..] else { panic!("{places:?}") };
            assert_eq!(offset % block_bytes, 0);
            found.extend((0..piece.length / block_bytes).map(|k| (at / block_bytes + k, offset / block_bytes + k)));
        } else {
            assert_eq!(piece.source, Source::Zeros);
        }
        assert_eq!(volume.known_piece(at), Some(piece.clone()));
        at += piece.length;
        pieces += 1;
    }
    (found, pieces)
}

#[test]
fn every_mapping_of_every_volume_is_what_thin_dump_says() {
    for name in ["thin-few", "thin-many"] {
        let pool = ThinPool::open(Arc::new(Memory::new(made(name)))).unwrap();
        let expected = mappings(name);
        let superblock = &dumped(name)[0];
        assert_eq!(pool.transaction_id(), superblock.number("transaction"));
        assert_eq!(pool.block_bytes(), 512 * superblock.number("data_block_size"));
        assert_eq!(pool.data_blocks(), superblock.number("nr_data_blocks"));
        assert!(!pool.needs_check() && pool.held_root().is_none());
        let devices: Vec<_> = expected.iter().map(|(id, blocks)| (*id, blocks.len() as u64)).collect();
        assert_eq!(pool.devices().unwrap(), devices);
        for (id, blocks) in &expected {
            let size = pool.block_bytes() * (blocks.keys().next_back().map_or(0, |last| last + 1) + 3);
            let volume = pool.volume(*id, size, None).unwrap();
            assert_eq!(&read(&volume, pool.block_bytes()).0, blocks, "{name}, volume {id}");
        }
    }
}

#[test]
fn mappings_that_follow_one_another_are_one_piece() {
    let pool = ThinPool::open(Arc::new(Memory::new(made("thin-few")))).unwrap();
    let bytes = pool.block_bytes();
    let volume = pool.volume(1, bytes * 200, None).unwrap();
    // 0 to 5 are together though not of the same time; then 6, a hole, 9 to 11, a hole, 100 to 109, 110, a hole.
    assert_eq!(read(&volume, bytes).1, 8);
    let inside = volume.piece(bytes + 7).unwrap();
    assert_eq!(inside.length, 5 * bytes - 7);
    assert_eq!(inside.source, Source::Copies(vec![Place { member: POOL, offset: 11 * bytes + 7 }]));
}

#[test]
fn what_was_never_written_shows_the_external_origin_as_far_as_it_reaches() {
    let pool = ThinPool::open(Arc::new(Memory::new(made("thin-few")))).unwrap();
    let bytes = pool.block_bytes();
    let volume = pool.volume(1, bytes * 200, Some(50 * bytes + 1536)).unwrap();
    let piece = volume.piece(20 * bytes).unwrap();
    assert_eq!(piece.source, Source::Copies(vec![Place { member: ORIGIN, offset: 20 * bytes }]));
    assert_eq!(piece.length, 30 * bytes + 1536);
    let behind = volume.piece(50 * bytes + 1536).unwrap();
    assert_eq!((behind.source, behind.length), (Source::Zeros, 50 * bytes - 1536));
}

#[test]
fn a_volume_that_is_not_in_the_pool_is_refused() {
    let pool = ThinPool::open(Arc::new(Memory::new(made("thin-few")))).unwrap();
    let refused = pool.volume(2, 1 << 20, None).err().unwrap().to_string();
    assert!(refused.contains("no volume 2"), "{refused}");
}
