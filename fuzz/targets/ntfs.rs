//! NTFS images with bytes changed: everything in them is listed and read, bounded, without a panic.
#![no_main]

use block::ReadAt;
use byte_changes::{Seed, changed};
use libfuzzer_sys::fuzz_target;
use ntfs::{Ntfs, OpenOptions};
use sparse::Image;
use std::sync::{Arc, LazyLock};

#[path = "support/byte_changes.rs"]
mod byte_changes;
#[path = "support/images.rs"]
mod images;
#[path = "support/look.rs"]
mod look;
#[path = "support/sparse.rs"]
mod sparse;

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| ["ntfs", "ntfs-4k"].into_iter().map(seed).collect());

fn seed(name: &str) -> Seed {
    // An empty log is full of ones, and so is most of $UpCase.
    let seed = Seed::read(name, |sector| ![[0; 512], [0xFF; 512]].contains(sector.first_chunk().unwrap()));
    let sound = look_at(seed.sound());
    assert!(sound > 150, "{name}: {sound} nodes");
    seed
}

/// Nodes that were looked at.
fn look_at(image: Image) -> usize {
    let volume: Arc<dyn ReadAt> = Arc::new(image);
    let _ = (ntfs::probe(volume.as_ref()), ntfs::probe_copy(volume.as_ref()));
    let options = OpenOptions { short_names: true, stream_paths: true, ..OpenOptions::default() };
    Ntfs::open_with(&volume, &options).map_or(0, |fs| look::look_at_all(&fs))
}

fuzz_target!(init: { LazyLock::force(&SEEDS); }, |data: &[u8]| {
    if let Some(image) = changed(&SEEDS, data) {
        look_at(image);
    }
});
