//! Changes to structures of NTFS images, whose update sequences are then made right again: what stands behind them is
//! reached, in files, indexes and the log. Each change names an image, a kind of structure, one of that kind, a place in it
//! and a value.
#![no_main]

use block::ReadAt;
use libfuzzer_sys::fuzz_target;
use ntfs::{Ntfs, OpenOptions};
use ntfs_structures::{Kind, Map, Structure};
use sparse::{Base, Image};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use vfs::NodeId;

#[path = "support/images.rs"]
mod images;
#[path = "support/look.rs"]
mod look;
#[path = "support/ntfs_structures.rs"]
mod ntfs_structures;
#[path = "support/sparse.rs"]
mod sparse;

/// Bytes of a change.
const CHANGE: usize = 9;
/// Nodes that one input looks at: those that were changed, and others.
const NODES_MAX: usize = 50;

struct Seed {
    base: Arc<Base>,
    map: Map,
}

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| ["ntfs", "ntfs-4k"].into_iter().map(seed).collect());

fn open(image: Image, replay: bool) -> vfs::Result<Ntfs> {
    let volume: Arc<dyn ReadAt> = Arc::new(image);
    Ntfs::open_with(&volume, &OpenOptions { replay, short_names: true, stream_paths: true, ..OpenOptions::default() })
}

/// Reads an image. A target whose map is wrong, or that never gets past the update sequences, would find nothing.
fn seed(name: &str) -> Seed {
    let base = Base::read(name);
    let map = Map::new(&Image::of(&base));
    for (kind, least) in EVERY_FORM {
        let count = map.of(kind).len();
        assert!(count >= least, "{name}: {count} of {kind:?}");
    }
    let sound = open(Image::of(&base), true).map_or(0, |fs| look::look_at_all(&fs));
    assert!(sound > 150, "{name}: {sound} nodes");
    let seed = Seed { base, map };
    check_repair(name, &seed);
    seed
}

/// The update sequences of the map are made as they were, and nothing stands behind them that is refused.
fn check_repair(name: &str, seed: &Seed) {
    let mut image = Image::of(&seed.base);
    let blocks: BTreeSet<_> = seed.map.kinds.iter().flatten().filter_map(|structure| structure.block).collect();
    for block in blocks {
        seed.map.undo(&mut image, block);
        seed.map.redo(&mut image, block);
    }
    assert!(image.is_unchanged(), "{name}: an update sequence is made otherwise");
    let root = seed.map.of(Kind::Record).iter().find(|found| found.owner == Some(5)).unwrap();
    for is_repaired in [false, true] {
        let mut image = Image::of(&seed.base);
        seed.map.undo(&mut image, root.block.unwrap());
        if is_repaired {
            seed.map.redo(&mut image, root.block.unwrap());
        }
        assert!(open(image, true).is_ok() == is_repaired, "{name}: repaired: {is_repaired}");
    }
}

/// What every image has of each kind.
const EVERY_FORM: [(Kind, usize); 16] = [
    (Kind::Boot, 1),
    (Kind::Record, 150),
    (Kind::Attribute, 500),
    (Kind::Runs, 20),
    (Kind::StandardInformation, 150),
    (Kind::AttributeList, 1),
    (Kind::FileName, 150),
    (Kind::IndexRoot, 6),
    (Kind::IndexBlock, 3),
    (Kind::ViewRoot, 4),
    (Kind::Bitmap, 3),
    (Kind::Security, 1),
    (Kind::Reparse, 12),
    (Kind::ExtendedAttributes, 4),
    (Kind::Compressed, 2),
    (Kind::Wof, 4),
];

/// Numbers that code stumbles over, for one in two values.
const INTERESTING: [u64; 16] = [
    0,
    1,
    2,
    4,
    8,
    16,
    255,
    511,
    512,
    0x7FFF,
    0x8000,
    0xFFFF,
    0xFFFF_FFFF,
    0x8000_0000,
    0x7FFF_FFFF_FFFF_FFFF,
    0xFFFF_FFFF_FFFF_FFFF,
];

/// The structure that a change is for.
fn structure<'a>(seed: &'a Seed, input: &[u8]) -> &'a Structure {
    let kind = &seed.map.kinds[usize::from(input[0]) % seed.map.kinds.len()];
    &kind[usize::from(u16::from_le_bytes([input[1], input[2]])) % kind.len()]
}

/// Makes one change.
fn change(image: &mut Image, structure: &Structure, input: &[u8]) {
    let length = structure.pieces.length();
    let place = usize::from(u16::from_le_bytes([input[3], input[4]])) % length;
    // Fields are where their sizes say.
    let width = [1, 2, 4, 8][usize::from(input[5] & 3)];
    let place = if input[5] & 0x40 == 0 { place } else { place / width * width };
    let value = match input[5] & 0x80 {
        0 => u64::from(u32::from_le_bytes([input[6], input[7], input[8], 0])),
        _ => INTERESTING[usize::from(input[6]) % INTERESTING.len()],
    };
    for (at, byte) in (place..length).zip(&value.to_le_bytes()[..width]) {
        image.write(structure.pieces.place(at), &[*byte]);
    }
}

fuzz_target!(init: { LazyLock::force(&SEEDS); }, |data: &[u8]| {
    let Some((which, changes)) = data.split_first() else { return };
    let seed = &SEEDS[usize::from(which & 0x7F) % SEEDS.len()];
    let mut image = Image::of(&seed.base);
    let changes: Vec<_> = changes.chunks_exact(CHANGE).take(64).map(|input| (structure(seed, input), input)).collect();
    let blocks: BTreeSet<_> = changes.iter().filter_map(|(structure, _)| structure.block).collect();
    blocks.iter().for_each(|block| seed.map.undo(&mut image, *block));
    changes.iter().for_each(|(structure, input)| change(&mut image, structure, input));
    blocks.iter().for_each(|block| seed.map.redo(&mut image, *block));
    // A file, and its first stream.
    let owners = changes.iter().filter_map(|(structure, _)| structure.owner);
    let first: Vec<_> = owners.flat_map(|owner| [NodeId(owner), NodeId(1 << 48 | owner)]).collect();
    if let Ok(fs) = open(image, which & 0x80 == 0) {
        look::look_from(&fs, &first, NODES_MAX);
    }
});
