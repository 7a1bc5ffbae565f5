//! Images that qemu-img makes when the tests run, and images made by scripts from the specifications, against what
//! they hold.

#[path = "../../tests/readers/fixtures.rs"]
#[allow(dead_code, reason = "not everything in it is needed for images")]
mod fixtures;
mod hostile;
mod parents;
mod qemu;
mod raw;
mod support;
