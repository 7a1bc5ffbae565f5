//! File systems of version 4 with bytes changed: everything in them is listed and read, bounded, without a panic. The
//! input is an image and a list of changes (place, value) to those sectors of it that hold anything. Version 4 has no
//! checksums that would keep a change from being looked at. The logs of some are to be recovered.
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

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    ["xfs-dirty-v4", "xfs-dirty-v4-log1", "xfs-v4-oldest", "xfs-v4-ci"].into_iter().map(seed).collect()
});

fn seed(name: &str) -> Seed {
    let base = Base::read(name);
    let image = Image::of(&base);
    let sectors = (0..image.len()).step_by(512).filter(|at| image.bytes(*at, 512) != [0; 512]).collect();
    let sound = look_both_ways(image);
    assert!(sound.iter().all(|nodes| *nodes > 20), "{name}: {sound:?} nodes");
    Seed { base, sectors }
}

/// Nodes that were looked at with the log's changes and without.
fn look_both_ways(image: Image) -> [usize; 2] {
    let volume: Arc<dyn ReadAt> = Arc::new(image);
    let _ = (xfs::describe(volume.as_ref()), xfs::external(volume.as_ref()));
    let _ = (xfs::log_device(volume.as_ref()), xfs::realtime_device(volume.as_ref()));
    [true, false].map(|replay| {
        let options = OpenOptions { replay, ..OpenOptions::default() };
        Xfs::open_with(&volume, &options).map_or(0, |fs| look::look_at_all(&fs))
    })
}

fuzz_target!(init: { LazyLock::force(&SEEDS); }, |data: &[u8]| {
    let Some((which, changes)) = data.split_first() else { return };
    let seed = &SEEDS[usize::from(*which) % SEEDS.len()];
    let mut image = Image::of(&seed.base);
    for change in changes.chunks_exact(5) {
        let place = u32::from_le_bytes(change[..4].try_into().unwrap()) as usize;
        let sector = seed.sectors[place / 512 % seed.sectors.len()];
        image.write(sector + place % 512, &change[4..]);
    }
    look_both_ways(image);
});
