//! Changes to structures of ext4 images that have checksums, which are then made right again: what stands behind them
//! is reached. Each change names an image, a kind of structure, one of that kind, a place in it and a value.
#![no_main]

use block::{BlockSize, MemoryDisk, ReadAt};
use bytes::Bytes;
use ext4::{Ext4, OpenOptions};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use structures::{Map, Structure};

#[path = "support/images.rs"]
mod images;
#[path = "support/look.rs"]
mod look;
#[path = "support/structures.rs"]
mod structures;

/// Bytes of a change.
const CHANGE: usize = 9;

struct Seed {
    image: Vec<u8>,
    map: Map,
}

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    let seeds: Vec<_> = ["ext4-checksums", "ext4-dirty", "ext4-fast"].into_iter().map(seed).collect();
    // A target that never gets past the checksums would find nothing.
    for seed in &seeds {
        let sound = look::look_at_all(&open(seed.image.clone(), true).expect("a sound image does not open"));
        assert!(sound > 20, "{sound} nodes");
        let mut image = seed.image.clone();
        for structure in seed.map.kinds.iter().flatten() {
            seed.map.repair(&mut image, *structure);
        }
        assert!(image == seed.image, "a checksum is computed otherwise");
        let root = seed.map.kinds.iter().flatten().find(|found| found.kind == structures::Kind::Inode(2)).unwrap();
        image[root.at + 8] ^= 1;
        assert!(open(image.clone(), false).is_err());
        seed.map.repair(&mut image, *root);
        assert!(open(image.clone(), false).is_ok());
    }
    seeds
});

fn seed(name: &str) -> Seed {
    let image = std::fs::read(images::path(name)).unwrap();
    let map = Map::new(&image);
    Seed { image, map }
}

fn open(image: impl Into<Bytes>, replay: bool) -> vfs::Result<Ext4> {
    let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(image, BlockSize::B512));
    Ext4::open_with(&disk, &OpenOptions { replay, verify: true, ..OpenOptions::default() })
}

/// Numbers that code stumbles over, for one in two values.
const INTERESTING: [u32; 16] =
    [0, 1, 2, 4, 8, 12, 255, 256, 1023, 1024, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF];

/// Makes one change and says which structure it was.
fn change(seed: &Seed, image: &mut [u8], input: &[u8]) -> Structure {
    let pick = |at: usize| usize::from(u16::from_le_bytes([input[at], input[at + 1]]));
    let kind = &seed.map.kinds[usize::from(input[0]) % seed.map.kinds.len()];
    let structure = kind[pick(1) % kind.len()];
    let place = structure.at + pick(3) % structure.length;
    let value = match input[5] & 0x80 {
        0 => u32::from_le_bytes([input[6], input[7], input[8], 0]),
        _ => INTERESTING[usize::from(input[6]) % INTERESTING.len()],
    };
    let bytes = if input[5] & 8 == 0 { value.to_le_bytes() } else { value.to_be_bytes() };
    let width = [1, 2, 4, 4][usize::from(input[5] & 3)].min(structure.at + structure.length - place);
    let from = if input[5] & 8 == 0 { 0 } else { 4 - width };
    image[place..place + width].copy_from_slice(&bytes[from..from + width]);
    structure
}

fuzz_target!(|data: &[u8]| {
    let Some((which, changes)) = data.split_first() else { return };
    let seed = &SEEDS[usize::from(*which) % SEEDS.len()];
    let mut image = seed.image.clone();
    let mut changed: Vec<_> =
        changes.chunks_exact(CHANGE).take(64).map(|input| change(seed, &mut image, input)).collect();
    // Inodes first: the seed of other checksums is in them.
    changed.sort_by_key(|structure| !matches!(structure.kind, structures::Kind::Inode(_)));
    for structure in changed {
        seed.map.repair(&mut image, structure);
    }
    let image = Bytes::from(image);
    for replay in [true, false] {
        if let Ok(fs) = open(image.clone(), replay) {
            look::look_at_all(&fs);
        }
    }
});
