//! A file system of version 4 with bytes changed: everything in it is listed and read, bounded, without a panic. The
//! input is a list of changes (place, value) to those sectors of the seed image that hold anything. Version 4 has no
//! checksums that would keep a change from being looked at, and the log is to be recovered.
#![no_main]

use block::ReadAt;
use libfuzzer_sys::fuzz_target;
use sparse::{Base, Image};
use std::sync::{Arc, LazyLock};
use xfs::{OpenOptions, Xfs};

#[path = "support/images.rs"]
mod images;
#[path = "support/look.rs"]
mod look;
#[path = "support/sparse.rs"]
mod sparse;

struct Seed {
    base: Arc<Base>,
    sectors: Vec<usize>,
}

static SEED: LazyLock<Seed> = LazyLock::new(|| {
    let base = Base::read("xfs-dirty-v4");
    let image = Image::of(&base);
    let sectors = (0..image.len()).step_by(512).filter(|at| image.bytes(*at, 512) != [0; 512]).collect();
    let sound = look_both_ways(image);
    assert!(sound.iter().all(|nodes| *nodes > 20), "{sound:?} nodes");
    Seed { base, sectors }
});

/// Nodes that were looked at with the log's changes and without.
fn look_both_ways(image: Image) -> [usize; 2] {
    let volume: Arc<dyn ReadAt> = Arc::new(image);
    let _ = xfs::describe(volume.as_ref());
    [true, false].map(|replay| {
        let options = OpenOptions { replay, ..OpenOptions::default() };
        Xfs::open_with(&volume, &options).map_or(0, |fs| look::look_at_all(&fs))
    })
}

fuzz_target!(|data: &[u8]| {
    let mut image = Image::of(&SEED.base);
    for change in data.chunks_exact(5) {
        let place = u32::from_le_bytes(change[..4].try_into().unwrap()) as usize;
        let sector = SEED.sectors[place / 512 % SEED.sectors.len()];
        image.write(sector + place % 512, &change[4..]);
    }
    look_both_ways(image);
});
