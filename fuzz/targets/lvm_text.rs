//! Any text as the metadata of a volume group of three physical volumes.
#![no_main]

use disks::{Disk, look_at};
use libfuzzer_sys::fuzz_target;

#[path = "support/disks.rs"]
mod disks;
#[path = "support/lvm_disk.rs"]
mod lvm_disk;

fuzz_target!(|text: &[u8]| {
    let disk = |number| Disk { bytes: lvm_disk::BYTES, parts: vec![(0, lvm_disk::physical_volume(number, text))] };
    look_at((0..3).map(disk).collect());
});
