//! Arrays that Linux made.

#[path = "../../../tests/readers/fixtures.rs"]
pub(super) mod fixtures;

mod arrays;
mod corpus;
