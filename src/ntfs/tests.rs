//! Whole images: against what other drivers show of them.

mod case;
#[path = "../../tests/readers/manifest.rs"]
#[allow(dead_code, reason = "NTFS has more to show, in words of its own")]
mod common;
mod corpus;
mod crafted;
mod damage;
#[path = "../../tests/readers/damage.rs"]
#[allow(dead_code, reason = "NTFS has no checksums, and is damaged in ways of its own")]
mod damaged;
mod dirty;
#[path = "../../tests/readers/disk.rs"]
#[allow(dead_code, reason = "the same")]
mod disk;
#[path = "../../tests/readers/file_disk.rs"]
#[allow(dead_code, reason = "the same")]
mod file_disk;
pub(crate) mod fixture;
#[path = "../../tests/readers/fixtures.rs"]
#[allow(dead_code, reason = "the same")]
pub(crate) mod fixtures;
mod hostile;
mod live;
pub(crate) mod manifest;
mod oracle;
mod reads;
#[path = "../../tests/readers/tree.rs"]
mod tree;
#[path = "../../tests/readers/walk.rs"]
#[allow(dead_code, reason = "the same")]
mod walk;
