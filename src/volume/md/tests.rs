//! Arrays that Linux made.

#[path = "../../../tests/readers/fixtures.rs"]
#[allow(dead_code, reason = "not all of it is used for every format")]
pub(super) mod packed;

mod arrays;
mod assembly;
mod corpus;
mod crafted;
mod damage;
mod fixtures;
mod superblocks;
