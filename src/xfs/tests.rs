//! Whole images: against what the kernel shows of them, and damaged.

#[path = "../../tests/readers/disk.rs"]
mod disk;
#[path = "../../tests/readers/file_disk.rs"]
mod file_disk;
mod fixture;
mod kernel;
#[path = "../../tests/readers/manifest.rs"]
mod manifest;
#[path = "../../tests/readers/walk.rs"]
mod walk;
