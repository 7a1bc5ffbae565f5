//! Changes to what is on members of md arrays whose writes were cut off: write journals, partial parity logs, and the
//! superblocks. Checksums are made right again.
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

/// Arrays by the names of their fixtures, and what is to be found on each.
const ARRAYS: [(&str, &[&str]); 5] = [
    ("journal", &["md", "journal"]),
    ("journal-write-through", &["md", "journal"]),
    ("journal-write-back", &["md", "journal"]),
    ("ppl", &["md", "partial parity"]),
    ("ppl-torn", &["md", "partial parity"]),
];

/// What superblocks of version 1 begin with.
const MAGIC: &[u8] = &[0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0];

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    let seed = |(name, expected)| Seed::read(&format!("md-{name}"), &Disks::At(4096, MAGIC), expected);
    ARRAYS.map(seed).into()
});

fuzz_target!(init: { LazyLock::force(&SEEDS); }, |data: &[u8]| {
    let Some((which, changes)) = data.split_first() else { return };
    SEEDS[usize::from(*which) % SEEDS.len()].change(changes);
});
