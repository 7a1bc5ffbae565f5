//! Changes to what is in the volumes of LVM2 that others are made of: metadata of thin pools and caches, write caches,
//! the superblocks of RAID images, logs of mirrors, exceptions of snapshots. Checksums are made right again.
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

/// Groups by the names of their fixtures, and what is to be found on each.
const GROUPS: [(&str, &[&str]); 16] = [
    ("thin", &["thin pool", "node", "index", "bitmap"]),
    ("thin-external", &["thin pool", "node"]),
    ("thin-layers", &["thin pool", "node"]),
    ("thin-crash", &["thin pool", "node"]),
    ("cache-writeback", &["cache", "array"]),
    ("cache-writeback-crash", &["cache", "array"]),
    ("cache-volume", &["cache", "array"]),
    ("writecache", &["write cache"]),
    ("writecache-crash", &["write cache"]),
    ("raid4-5", &["RAID image"]),
    ("raid10", &["RAID image"]),
    ("raid-stale", &["RAID image"]),
    ("raid-reshaping", &["RAID image"]),
    ("mirror", &["mirror log"]),
    ("snapshot", &["snapshot"]),
    ("snapshot-merging", &["snapshot"]),
];

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    let seed = |(name, expected)| Seed::read(&format!("lvm-{name}"), &Disks::At(512, b"LABELONE"), expected);
    GROUPS.map(seed).into()
});

fuzz_target!(init: { LazyLock::force(&SEEDS); }, |data: &[u8]| {
    let Some((which, changes)) = data.split_first() else { return };
    SEEDS[usize::from(*which) % SEEDS.len()].change(changes);
});
