//! Arrays that Linux made.

#[path = "../../../tests/readers/fixtures.rs"]
mod fixtures;

mod arrays;
mod assembly;
mod corpus;
mod crafted;
mod damage;
mod superblocks;
