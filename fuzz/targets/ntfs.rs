//! NTFS images with bytes changed: everything in them is listed and read, bounded, without a panic. The input is an image
//! and a list of changes (place, value) to those sectors of it that hold anything.
#![no_main]

use block::ReadAt;
use libfuzzer_sys::fuzz_target;
use ntfs::{Ntfs, OpenOptions};
use sparse::{Base, Image};
use std::sync::{Arc, LazyLock};

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

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| ["ntfs", "ntfs-4k"].into_iter().map(seed).collect());

fn seed(name: &str) -> Seed {
    let base = Base::read(name);
    let image = Image::of(&base);
    // An empty log is full of ones, and so is most of $UpCase.
    let is_used = |at: &usize| ![[0; 512], [0xFF; 512]].contains(image.bytes(*at, 512).first_chunk().unwrap());
    let sectors = (0..image.len()).step_by(512).filter(is_used).collect();
    let sound = look_at(image);
    assert!(sound > 150, "{name}: {sound} nodes");
    Seed { base, sectors }
}

/// Nodes that were looked at.
fn look_at(image: Image) -> usize {
    let volume: Arc<dyn ReadAt> = Arc::new(image);
    let _ = (ntfs::probe(volume.as_ref()), ntfs::probe_copy(volume.as_ref()));
    let options = OpenOptions { short_names: true, stream_paths: true, ..OpenOptions::default() };
    Ntfs::open_with(&volume, &options).map_or(0, |fs| look::look_at_all(&fs))
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
    look_at(image);
});
