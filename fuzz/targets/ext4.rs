//! A small file system with bytes changed: everything in it is listed and read, bounded, without a panic. The input is
//! a list of changes (place, value) to the seed image; the feature `metadata_csum` is off in it, or nothing behind a
//! checksum would ever be reached.
#![no_main]

use block::{BlockSize, MemoryDisk};
use ext4::Ext4;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

#[path = "support/images.rs"]
mod images;
#[path = "support/look.rs"]
mod look;

static SEED: LazyLock<Vec<u8>> = LazyLock::new(|| std::fs::read(images::path("ext4")).unwrap());

fuzz_target!(|data: &[u8]| {
    let mut image = SEED.clone();
    for change in data.chunks_exact(5) {
        let place = u32::from_le_bytes(change[..4].try_into().unwrap()) as usize % image.len();
        image[place] = change[4];
    }
    let volume = Arc::new(MemoryDisk::new(image, BlockSize::B512));
    let _ = ext4::describe(volume.as_ref());
    let Ok(fs) = Ext4::open(volume) else { return };
    look::look_at_all(&fs);
});
