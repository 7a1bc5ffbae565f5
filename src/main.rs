//! The `fr-mount` program: everything it does is in the `cli` crate.

fn main() {}
