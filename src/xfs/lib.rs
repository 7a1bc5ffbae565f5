//! XFS, read-only: [`Xfs`] shows the files of a volume as its owner's kernel would have shown them, after the recovery of
//! its log, which happens in memory. What it does not understand (a feature) it refuses by name; what fails its
//! checksum is an error on that object alone.
//!
//! Sources: the kernel's `fs/xfs`, above all `fs/xfs/libxfs/xfs_format.h`, `xfs_da_format.h` and `xfs_log_format.h`.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod acl;
mod ag_header;
mod bytes;
mod da_tree;
mod description;
mod device;
mod directory;
mod external;
mod features;
mod file;
mod filesystem;
mod fork;
mod inode;
mod intents;
mod layout;
mod log;
mod mapping;
mod options;
mod recovery;
mod space;
mod superblock;
mod symlink;
mod time;
mod tree;
mod unlinked;
mod verify;
mod xattr;
mod zoned;

#[cfg(test)]
mod tests;

pub use description::describe;
pub use external::{External, Needed, external, log_device, realtime_device};
pub use filesystem::Xfs;
pub use options::OpenOptions;
pub use superblock::probe;
