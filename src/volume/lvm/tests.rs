mod corpus;
#[path = "../../../tests/readers/file_disk.rs"]
#[allow(dead_code, reason = "not all of it is used for every format")]
mod file_disk;
mod fixtures;
mod groups;
mod made;
