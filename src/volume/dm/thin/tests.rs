use super::{ORIGIN, POOL, ThinPool, ThinVolume};
use crate::dm::persistent::testing::{Memory, Writer, dumped, made};
use crate::map::{Layout, Place, Source};
use block::ReadErrorKind;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a block of data in the pools made here.
const BLOCK: u64 = 65536;
const SUPERBLOCK_XOR: u32 = 160_774;

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

/// A pool of one volume, 1, with these mappings.
fn pool(mappings: &[(u64, u64)], data_blocks: u64, fill: usize) -> Writer {
    let mut writer = Writer::new();
    let value = |data: u64| (data << 24 | 5).to_le_bytes().to_vec();
    let entries: Vec<_> = mappings.iter().map(|(block, data)| (*block, value(*data))).collect();
    let volume = writer.tree(8, &entries, fill);
    let volumes = writer.tree(8, &[(1, volume.to_le_bytes().to_vec())], 1);
    let details = writer.tree(24, &[(1, vec![0; 24])], 1);
    writer.put(0, 32, 27_022_010_u64.to_le_bytes());
    writer.put(0, 40, 2_u32.to_le_bytes());
    writer.put(0, 48, 77_u64.to_le_bytes());
    writer.put(0, 64, data_blocks.to_le_bytes());
    writer.put(0, 320, volumes.to_le_bytes());
    writer.put(0, 328, details.to_le_bytes());
    writer.put(0, 336, 128_u32.to_le_bytes());
    writer.put(0, 340, 8_u32.to_le_bytes());
    writer.sign(0, SUPERBLOCK_XOR);
    writer
}

/// Its volume of 64 KiB times `blocks`.
fn volume(writer: &Writer, blocks: u64) -> ThinVolume {
    ThinPool::open(writer.device()).unwrap().volume(1, blocks * BLOCK, None).unwrap()
}

#[test]
fn a_block_outside_of_the_pool_is_lost_and_no_other() {
    let volume = volume(&pool(&[(0, 8), (1, 9), (2, 10), (3, 3)], 10, 252), 4);
    assert_eq!(volume.piece(0).unwrap().length, 2 * BLOCK);
    let lost = volume.piece(2 * BLOCK + 5).unwrap();
    assert_eq!(lost.length, BLOCK - 5);
    let Source::Lost(why) = lost.source else { panic!("{:?}", lost.source) };
    assert!(why.contains("block 2 of the thin volume should be in block 10 of the pool, which has 10 blocks"), "{why}");
    assert_eq!(
        volume.piece(3 * BLOCK).unwrap().source,
        Source::Copies(vec![Place { member: POOL, offset: 3 * BLOCK }])
    );
}

#[test]
fn what_a_damaged_leaf_had_is_lost_and_the_rest_is_not() {
    let mut writer = pool(&(0..60).map(|block| (block, 100 + block)).collect::<Vec<_>>(), 1000, 20);
    // The leaves are the first nodes that were written.
    writer.put(2, 2000, [1]);
    let volume = volume(&writer, 60);
    assert_eq!(volume.piece(0).unwrap().length, 20 * BLOCK);
    let lost = volume.piece(25 * BLOCK).unwrap();
    assert!(matches!(lost.source, Source::Lost(_)) && lost.length == 15 * BLOCK, "{lost:?}");
    let after = volume.piece(40 * BLOCK).unwrap();
    assert_eq!(after.source, Source::Copies(vec![Place { member: POOL, offset: 140 * BLOCK }]));
}

#[test]
fn metadata_that_cannot_be_read_are_an_error_of_the_disk() {
    let writer = pool(&[(0, 8)], 10, 252);
    let mut device = Memory::new(writer.blocks.concat());
    device.bad = Some(4096);
    let volume = ThinPool::open(Arc::new(device)).unwrap().volume(1, BLOCK, None).unwrap();
    assert_eq!(volume.piece(0).unwrap_err().kind, ReadErrorKind::Device);
}

#[test]
fn a_superblock_that_is_not_understood_is_refused() {
    let refused = |change: &dyn Fn(&mut Writer)| {
        let mut writer = pool(&[], 10, 252);
        change(&mut writer);
        writer.sign(0, SUPERBLOCK_XOR);
        ThinPool::open(writer.device()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(refused(&|_| ()), "");
    assert!(refused(&|writer| writer.put(0, 32, [0])).contains("magic number"));
    assert!(refused(&|writer| writer.put(0, 40, [3])).contains("version 3"));
    assert!(refused(&|writer| writer.put(0, 360, [4])).contains("features 0x4"));
    assert!(refused(&|writer| writer.put(0, 336, [0x81])).contains("129 sectors"));
    assert!(refused(&|writer| writer.put(0, 340, [9])).contains("9 sectors"));
    assert!(refused(&|writer| writer.put(0, 8, [1])).contains("says that it is block 1"));
    let cut = ThinPool::open(Arc::new(Memory::new(vec![0; 4095]))).err().unwrap().to_string();
    assert!(cut.contains("0 blocks"), "{cut}");
    let wiped = ThinPool::open(Arc::new(Memory::new(vec![0; 40960]))).err().unwrap().to_string();
    assert!(wiped.contains("never used"), "{wiped}");
}

#[test]
fn what_the_superblock_says_of_the_pool_is_told() {
    let mut writer = pool(&[], 10, 252);
    writer.put(0, 4, [1]);
    writer.put(0, 56, [9]);
    writer.sign(0, SUPERBLOCK_XOR);
    let pool = ThinPool::open(writer.device()).unwrap();
    assert!(pool.needs_check());
    assert_eq!((pool.held_root(), pool.transaction_id(), pool.data_blocks()), (Some(9), 77, 10));
}

#[test]
fn a_million_mappings_are_looked_up_in_little_memory() {
    // Multiplying by an odd number deals the blocks out over the pool, each to a place of its own.
    let count = 1 << 20;
    let place = |block: u64| block.wrapping_mul(0x9e37_79b1) % count;
    let writer = pool(&(0..count).map(|block| (block, place(block))).collect::<Vec<_>>(), count, 126);
    let pool = ThinPool::open(writer.device()).unwrap();
    let volume = pool.volume(1, count * BLOCK, None).unwrap();
    for step in 0..200_000 {
        let block = place(step * 77);
        let piece = volume.piece(block * BLOCK + 512).unwrap();
        assert_eq!(piece.source, Source::Copies(vec![Place { member: POOL, offset: place(block) * BLOCK + 512 }]));
    }
    let kept = pool.metadata.kept();
    assert!(kept > 2000 && kept <= 4096, "{kept} nodes are kept");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_damaged_pool_never_leads_astray(
        changes in proptest::collection::vec((0..20_usize, 0..512_usize, any::<u8>()), 1..4),
        is_signed in any::<bool>(),
    ) {
        let mut writer = Writer { blocks: made("thin-few").chunks(4096).map(<[u8]>::to_vec).collect() };
        for (block, at, value) in changes {
            let xor = writer.xor(block, &[SUPERBLOCK_XOR, 121_107]);
            writer.put(block, at, [value]);
            if let Some(xor) = xor.filter(|_| is_signed) {
                writer.sign(block, xor);
            }
        }
        let Ok(pool) = ThinPool::open(writer.device()) else { return Ok(()) };
        let _ = pool.devices();
        for id in [0, 1, 7, 12, 0xff_ffff] {
            let Ok(volume) = pool.volume(id, 200 * BLOCK, Some(30 * BLOCK)) else { continue };
            let mut at = 0;
            while at < volume.size() {
                let piece = volume.piece(at).unwrap();
                prop_assert!(piece.length > 0 && piece.length <= volume.size() - at);
                at += piece.length;
            }
        }
    }
}
