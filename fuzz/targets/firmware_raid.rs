//! Changes to the metadata of RAID firmware, DDF and Intel's, whose checksums are made right again.
#![no_main]

use disk_structures::{Disks, Seed};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

#[path = "support/disk_structures.rs"]
mod disk_structures;
#[path = "support/disks.rs"]
mod disks;
#[path = "support/images.rs"]
mod images;
#[path = "support/sparse.rs"]
mod sparse;

const DDF: &[&str] = &["DDF header", "DDF disks", "DDF volumes", "DDF disk", "DDF configuration"];
/// Containers by the names of their fixtures, with the number of their members.
const CONTAINERS: [(&str, usize, &[&str]); 8] = [
    ("ddf-raid1", 2, DDF),
    ("ddf-raid10", 4, DDF),
    ("ddf-two", 3, DDF),
    ("ddf-stale-raid5", 3, DDF),
    ("imsm-raid1", 2, &["IMSM"]),
    // With file systems, which disks are told apart by.
    ("imsm-r5", 3, &["IMSM"]),
    ("imsm-r10", 4, &["IMSM"]),
    ("imsm-stale", 3, &["IMSM"]),
];

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    let seed = |(name, count, expected)| Seed::read(&format!("md-{name}"), &Disks::Equal(count), expected);
    CONTAINERS.map(seed).into()
});

fuzz_target!(init: { LazyLock::force(&SEEDS); }, |data: &[u8]| {
    let Some((which, changes)) = data.split_first() else { return };
    SEEDS[usize::from(*which) % SEEDS.len()].change(changes);
});
