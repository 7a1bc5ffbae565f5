//! Whole images: against what the kernel shows of them, against another reader, and damaged.

mod backup;
mod casefold;
mod crafted;
mod damage;
#[path = "../../tests/readers/damage.rs"]
mod damaged;
mod dirty;
#[path = "../../tests/readers/disk.rs"]
mod disk;
mod e2fsprogs;
mod encrypted;
mod fast_commits;
#[path = "../../tests/readers/file_disk.rs"]
mod file_disk;
mod fixture;
#[path = "../../tests/readers/fixtures.rs"]
mod fixtures;
mod flags;
mod kernel;
#[path = "../../tests/readers/large_directory.rs"]
mod large;
mod large_blocks;
mod large_directory;
#[path = "../../tests/readers/manifest.rs"]
mod manifest;
mod oracle;
mod reads;
mod refusals;
#[path = "../../tests/readers/tree.rs"]
mod tree;
mod verity;
#[path = "../../tests/readers/walk.rs"]
mod walk;
