//! Arrays that Linux made.

pub(super) use crate::packed;

mod arrays;
mod assembly;
mod corpus;
mod crafted;
mod damage;
mod fixtures;
mod superblocks;
