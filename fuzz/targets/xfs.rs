//! File systems of version 4 with bytes changed: everything in them is listed and read, bounded, without a panic.
//! Version 4 has no checksums that would keep a change from being looked at. The logs of some are to be recovered.
#![no_main]

use block::ReadAt;
use byte_changes::{Seed, changed};
use libfuzzer_sys::fuzz_target;
use sparse::Image;
use std::sync::{Arc, LazyLock};
use xfs::{OpenOptions, Xfs};

#[path = "support/byte_changes.rs"]
mod byte_changes;
#[path = "support/images.rs"]
mod images;
#[path = "support/look.rs"]
mod look;
#[path = "support/sparse.rs"]
mod sparse;

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    ["xfs-dirty-v4", "xfs-dirty-v4-log1", "xfs-v4-oldest", "xfs-v4-ci"].into_iter().map(seed).collect()
});

fn seed(name: &str) -> Seed {
    let seed = Seed::read(name, |sector| sector != [0; 512]);
    let sound = look_both_ways(seed.sound());
    assert!(sound.iter().all(|nodes| *nodes > 20), "{name}: {sound:?} nodes");
    seed
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
    if let Some(image) = changed(&SEEDS, data) {
        look_both_ways(image);
    }
});
