//! Any bytes as the start of a physical volume of LVM2, its label and its metadata area; checksums are made right first.
#![no_main]

use disks::{Disk, look_at};
use libfuzzer_sys::fuzz_target;

#[path = "support/disks.rs"]
mod disks;
#[path = "support/lvm_disk.rs"]
mod lvm_disk;

fuzz_target!(|data: &[u8]| {
    let mut start = data.to_vec();
    lvm_disk::fix_sums(&mut start);
    // Beside it one that is sound, as single ones of a group would say little.
    let other = lvm_disk::physical_volume(1, start.get(lvm_disk::AREA + 512..).unwrap_or_default());
    look_at([start, other].map(|part| Disk { bytes: lvm_disk::BYTES, parts: vec![(0, part)] }).into());
});
