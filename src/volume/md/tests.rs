//! Arrays that Linux made.

#[path = "../../../tests/readers/fixtures.rs"]
mod fixtures;

mod arrays;
mod corpus;
