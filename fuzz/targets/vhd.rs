//! Changes to structures of VHDs, whose checksums are then made right again: the footer and its copy, the header, the
//! table of blocks and bitmaps. Each change names a structure, a place in it and a value. The image is one that builds
//! on another, or not.
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

static SEEDS: LazyLock<[Arc<Base>; 3]> =
    LazyLock::new(|| ["image-middle-vhd", "image-sectors-vhd", "image-base-vhd"].map(Base::read));

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let mut image = Image::of(&SEEDS[usize::from(*first & 1)]);
    let end = image.len() - 512;
    for change in containers::changes(rest) {
        let place = usize::from(change.place);
        match change.kind % 5 {
            // Mostly both footers are alike, as otherwise the last one counts.
            0 => [0, end].into_iter().for_each(|footer| image.write(footer + place % 505, &change.value)),
            1 => image.write(usize::from(change.which & 1) * end + place % 505, &change.value),
            2 => image.write(512 + place % 1020, &change.value),
            3 => image.write(1536 + place % 4096, &change.value),
            _ => image.write((place * 512 + usize::from(change.which)) % (end - 4), &change.value),
        }
    }
    for (start, length, at) in [(0, 512, 64), (end, 512, 64), (512, 1024, 36)] {
        let sum: u32 = image.bytes(start, length).iter().map(|byte| u32::from(*byte)).sum();
        let stored: u32 = image.bytes(start + at, 4).iter().map(|byte| u32::from(*byte)).sum();
        image.write(start + at, &(!(sum - stored)).to_be_bytes());
    }
    let places: Vec<_> = rest.chunks_exact(CHANGE).map(|change| u64::from(change[2]) * 97).collect();
    let base = Image::of(&SEEDS[2]);
    containers::look(&Given(vec![("disk", Arc::new(image)), ("base.vhd", Arc::new(base))]), None, &places);
});
