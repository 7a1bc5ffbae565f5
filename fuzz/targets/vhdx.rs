//! Changes to structures of VHDXs, whose checksums are then made right again: headers, region tables, entries of the
//! log, metadata, the block allocation table and bitmaps. Each change names a structure, a place in it and a value.
#![no_main]

use containers::{CHANGE, Given};
use libfuzzer_sys::fuzz_target;
use sparse::{Base, Image};
use std::sync::{Arc, LazyLock};

#[path = "support/containers.rs"]
mod containers;
#[path = "support/images.rs"]
mod images;
#[path = "support/sparse.rs"]
mod sparse;

const LOG: usize = 1 << 20;
const METADATA: usize = 2 << 20;
const TABLE: usize = 3 << 20;

struct Seed {
    base: Arc<Base>,
    /// Where entries of the log are.
    entries: Vec<usize>,
}

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    let names = ["child", "log-ring", "log-many", "log-longer", "log-torn", "sectors-4096"];
    let seed = |name| {
        let base = Base::read(&format!("image-{name}-vhdx"));
        let image = Image::of(&base);
        let entries = (LOG..METADATA).step_by(4096).filter(|at| image.bytes(*at, 4) == b"loge").collect();
        Seed { base, entries }
    };
    names.map(seed).into()
});

static PARENT: LazyLock<Arc<Base>> = LazyLock::new(|| Base::read("image-base-vhdx"));

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let seed = &SEEDS[usize::from(*first) % SEEDS.len()];
    let mut image = Image::of(&seed.base);
    let mut changed = Vec::new();
    for change in containers::changes(rest) {
        let (place, which) = (usize::from(change.place), usize::from(change.which));
        match change.kind % 7 {
            0 => [64 << 10, 128 << 10].into_iter().for_each(|header| image.write(header + place % 80, &change.value)),
            1 => image.write((64 << 10 << (which & 1)) + place % 80, &change.value),
            2 => [192 << 10, 256 << 10].into_iter().for_each(|table| image.write(table + place % 80, &change.value)),
            3 => image
                .write(METADATA + if which & 1 == 0 { place % 256 } else { (64 << 10) + place % 512 }, &change.value),
            4 => image.write(TABLE + if which & 1 == 0 { place % 64 } else { place % (64 << 10) }, &change.value),
            5 if !seed.entries.is_empty() => {
                let entry = seed.entries[which % seed.entries.len()];
                let within = if place & 1 == 0 { place / 2 % 128 } else { place % 16_380 };
                image.write((entry + within).min(METADATA - 8), &change.value);
                changed.push(entry);
            }
            _ => image.write((4 << 20) + (place * 256 + which) % (image.len() - (4 << 20) - 8), &change.value),
        }
    }
    for (start, length) in [(64 << 10, 4096), (128 << 10, 4096), (192 << 10, 64 << 10), (256 << 10, 64 << 10)] {
        seal(&mut image, start, length);
    }
    for entry in changed {
        let length = u32::from_le_bytes(image.bytes(entry + 8, 4).try_into().unwrap()) as usize;
        seal(&mut image, entry, length.clamp(64, METADATA - entry));
    }
    let places: Vec<_> = rest.chunks_exact(CHANGE).map(|change| u64::from(change[2]) * 4099).collect();
    let parent = Image::of(&PARENT);
    containers::look(&Given(vec![("disk", Arc::new(image)), ("base.vhdx", Arc::new(parent))]), None, &places);
});

/// Makes the checksum of a structure right.
fn seal(image: &mut Image, start: usize, length: usize) {
    image.write(start + 4, &[0; 4]);
    let sum = crc32c::crc32c(&image.bytes(start, length));
    image.write(start + 4, &sum.to_le_bytes());
}
