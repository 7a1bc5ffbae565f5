//! Whole images: against what the kernel shows of them, and damaged.

mod corpus;
mod damage;
#[path = "../../tests/readers/damage.rs"]
mod damaged;
mod dirty;
#[path = "../../tests/readers/disk.rs"]
mod disk;
#[path = "../../tests/readers/file_disk.rs"]
mod file_disk;
mod fixture;
#[path = "../../tests/readers/fixtures.rs"]
mod fixtures;
mod flags;
mod intents;
mod kernel;
#[path = "../../tests/readers/large_directory.rs"]
mod large;
mod limits;
#[path = "../../tests/readers/manifest.rs"]
mod manifest;
mod oracle;
mod refusals;
#[path = "../../tests/readers/tree.rs"]
mod tree;
#[path = "../../tests/readers/walk.rs"]
mod walk;
