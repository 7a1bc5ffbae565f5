//! Whole images: against what other drivers show of them.

#[path = "../../tests/readers/manifest.rs"]
#[allow(dead_code, reason = "NTFS has more to show, in words of its own")]
mod common;
mod dirty;
#[path = "../../tests/readers/file_disk.rs"]
mod file_disk;
mod fixture;
#[path = "../../tests/readers/fixtures.rs"]
pub(crate) mod fixtures;
mod live;
mod manifest;
mod reads;
