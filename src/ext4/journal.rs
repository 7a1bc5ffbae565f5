//! The journal (jbd2): what it still holds for a file system that was in use is put over the volume in memory, and
//! nothing is written. Every structure in it is big-endian (Linux `include/linux/jbd2.h`, `fs/jbd2/recovery.c`).
//!
//! A block that the journal replaces is not copied: [`Replay`] remembers where in the log it lies, reads it there when
//! it is wanted, and verifies its checksum then. A log that has grown to gigabytes costs a few bytes for each block.

mod layout;
mod log;
mod replay;
mod scan;
mod superblock;

pub(crate) use log::Log;
pub(crate) use replay::Replay;
pub(crate) use scan::scan;
pub(crate) use superblock::{Checksums, JournalSuperblock};

#[cfg(test)]
mod tests;
