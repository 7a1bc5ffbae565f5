use super::{CACHE, CacheMap, CacheMode, ORIGIN};
use crate::dm::persistent::testing::{Memory, Writer, dumped, made};
use crate::map::{Layout, Place, Source};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a block in the caches of the fixtures, and in those made here.
const BLOCK: u64 = 192 * 512;
/// More than the origin's blocks that are cached there.
const ORIGIN_BYTES: u64 = 20_000 * BLOCK;
const SUPERBLOCK_XOR: u32 = 9_031_977;

fn open(data: Vec<u8>, mode: CacheMode) -> CacheMap {
    CacheMap::open(Arc::new(Memory::new(data)), ORIGIN_BYTES, mode).unwrap()
}

/// Blocks of the origin that are cached, as the tools dumped them: block of the cache, and whether it is dirty.
fn mappings(name: &str) -> BTreeMap<u64, (u64, bool)> {
    let mappings = dumped(name).into_iter().filter(|element| element.name == "mapping");
    mappings
        .map(|mapping| {
            let value = (mapping.number("cache_block"), mapping.text("dirty") == "true");
            (mapping.number("origin_block"), value)
        })
        .collect()
}

/// The places of each block that is not read from the origin alone.
fn read(map: &CacheMap) -> BTreeMap<u64, Vec<Place>> {
    let (mut found, mut at) = (BTreeMap::new(), 0);
    while at < map.size() {
        let piece = map.piece(at).unwrap();
        let Source::Copies(places) = piece.source else { panic!("{:?}", piece.source) };
        if places != [Place { member: ORIGIN, offset: at }] {
            assert_eq!(piece.length % BLOCK, 0);
            for block in 0..piece.length / BLOCK {
                let places = places.iter().map(|place| Place { offset: place.offset + block * BLOCK, ..*place });
                found.insert(at / BLOCK + block, places.collect());
            }
        }
        at += piece.length;
    }
    found
}

#[test]
fn every_mapping_is_what_cache_dump_says() {
    for (name, was_shut_down) in [("cache-1", true), ("cache-2", true), ("cache-crashed", false)] {
        let map = open(made(name), CacheMode::Writeback);
        let expected = mappings(name);
        assert!(expected.len() > 200 && map.was_shut_down() == was_shut_down && !map.needs_check());
        assert_eq!((map.block_bytes(), map.policy()), (BLOCK, "smq"));
        let places = |(origin, (cache, is_dirty)): (&u64, &(u64, bool))| {
            let cached = Place { member: CACHE, offset: cache * BLOCK };
            let origin_place = Place { member: ORIGIN, offset: origin * BLOCK };
            // After a crash it is not known what is dirty.
            let alone = *is_dirty || !was_shut_down;
            (*origin, if alone { vec![cached] } else { vec![cached, origin_place] })
        };
        assert_eq!(read(&map), expected.iter().map(places).collect(), "{name}");
        let dirty = expected.values().filter(|(_, is_dirty)| *is_dirty || !was_shut_down).count();
        assert_eq!(map.needs_cache(), dirty);
    }
}

#[test]
fn a_cache_that_was_written_through_needs_its_dirty_blocks_alone() {
    let dirty = mappings("cache-crashed").values().filter(|(_, is_dirty)| *is_dirty).count();
    assert!(dirty > 20);
    let through = open(made("cache-crashed"), CacheMode::Writethrough);
    assert_eq!((through.needs_cache(), read(&through).len()), (dirty, mappings("cache-crashed").len()));
    let passed = open(made("cache-crashed"), CacheMode::Passthrough);
    assert_eq!((passed.needs_cache(), read(&passed).len()), (dirty, dirty));
}

/// A cache of version 1 with these values of its blocks, shut down.
fn cache(values: &[u64]) -> Writer {
    let mut writer = Writer::new();
    let root = writer.array(values);
    writer.put(0, 4, [1]);
    writer.put(0, 32, 1_623_043_u64.to_le_bytes());
    writer.put(0, 40, 1_u32.to_le_bytes());
    writer.put(0, 192, root.to_le_bytes());
    writer.put(0, 232, 192_u32.to_le_bytes());
    writer.put(0, 236, 8_u32.to_le_bytes());
    writer.put(0, 240, (values.len() as u32).to_le_bytes());
    writer.sign(0, SUPERBLOCK_XOR);
    writer
}

#[test]
fn blocks_that_follow_one_another_on_both_sides_are_one_piece() {
    let writer = cache(&[7 << 16 | 1, 8 << 16 | 1, 9 << 16 | 3, 8 << 16, 20 << 16 | 1]);
    let map = open(writer.blocks.concat(), CacheMode::Writeback);
    let places = |bytes: u64| {
        let piece = map.piece(bytes).unwrap();
        (piece.source, piece.length)
    };
    let (cache, origin) = (Place { member: CACHE, offset: 10 }, Place { member: ORIGIN, offset: 7 * BLOCK + 10 });
    assert_eq!(places(7 * BLOCK + 10), (Source::Copies(vec![cache, origin]), 2 * BLOCK - 10));
    let cache = Place { member: CACHE, offset: 2 * BLOCK };
    assert_eq!(places(9 * BLOCK), (Source::Copies(vec![cache]), BLOCK));
    let origin = Place { member: ORIGIN, offset: 10 * BLOCK };
    assert_eq!(places(10 * BLOCK), (Source::Copies(vec![origin]), 10 * BLOCK));
    assert_eq!(map.needs_cache(), 1);
}

#[test]
fn a_block_that_is_cached_twice_is_lost() {
    let map = open(cache(&[7 << 16 | 1, 7 << 16 | 3]).blocks.concat(), CacheMode::Writeback);
    let piece = map.piece(7 * BLOCK).unwrap();
    assert!(matches!(piece.source, Source::Lost(_)) && piece.length == BLOCK, "{piece:?}");
    assert_eq!(map.piece(8 * BLOCK).unwrap().length, ORIGIN_BYTES - 8 * BLOCK);
}

#[test]
fn a_part_of_a_block_at_the_end_is_the_origins() {
    let writer = cache(&[7 << 16 | 3, 8 << 16 | 3]);
    let map = CacheMap::open(writer.device(), 8 * BLOCK + 512, CacheMode::Writeback).unwrap();
    assert_eq!((map.needs_cache(), map.piece(7 * BLOCK).unwrap().length), (1, BLOCK));
    let origin = Place { member: ORIGIN, offset: 8 * BLOCK };
    assert_eq!(map.piece(8 * BLOCK).unwrap().source, Source::Copies(vec![origin]));
}

#[test]
fn a_superblock_that_is_not_understood_is_refused() {
    let refused = |change: &dyn Fn(&mut Writer)| {
        let mut writer = cache(&[7 << 16 | 1]);
        change(&mut writer);
        writer.sign(0, SUPERBLOCK_XOR);
        let opened = CacheMap::open(writer.device(), ORIGIN_BYTES, CacheMode::Writeback);
        opened.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(refused(&|_| ()), "");
    assert!(refused(&|writer| writer.put(0, 32, [0])).contains("magic number"));
    assert!(refused(&|writer| writer.put(0, 40, [3])).contains("version 3"));
    assert!(refused(&|writer| writer.put(0, 252, [4])).contains("features 0x4"));
    assert!(refused(&|writer| writer.put(0, 232, [1])).contains("blocks of 1 sectors"));
    assert!(refused(&|writer| writer.put(0, 236, [1])).contains("1 sectors"));
    assert!(refused(&|writer| writer.put(0, 240, [2])).contains("ends at value 1 of 2"));
    assert!(refused(&|writer| writer.put(0, 243, [2])).contains("up to 16777216"));
    let flags = CacheMap::open(cache(&[7 << 16 | 5]).device(), ORIGIN_BYTES, CacheMode::Writeback);
    assert!(flags.err().unwrap().to_string().contains("flags 0x5"));
    let wiped = CacheMap::open(Arc::new(Memory::new(vec![0; 8192])), ORIGIN_BYTES, CacheMode::Writeback);
    assert!(wiped.err().unwrap().to_string().contains("never used"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_damaged_cache_never_leads_astray(
        changes in proptest::collection::vec((0..12_usize, 0..512_usize, any::<u8>()), 1..4),
        is_signed in any::<bool>(),
    ) {
        let mut writer = Writer { blocks: made("cache-2").chunks(4096).map(<[u8]>::to_vec).collect() };
        let xors = [SUPERBLOCK_XOR, 121_107, 595_846_735];
        for (block, at, value) in changes {
            let xor = writer.xor(block, &xors);
            writer.put(block, at, [value]);
            if let Some(xor) = xor.filter(|_| is_signed) {
                writer.sign(block, xor);
            }
        }
        let Ok(map) = CacheMap::open(writer.device(), ORIGIN_BYTES, CacheMode::Writeback) else { return Ok(()) };
        let mut at = 0;
        while at < map.size() {
            let piece = map.piece(at).unwrap();
            prop_assert!(piece.length > 0 && piece.length <= map.size() - at);
            at += piece.length;
        }
    }
}
