//! ext2, ext3 and ext4, read-only: [`Ext4`] shows the files of a volume that was unmounted cleanly. What it does not
//! understand (a feature, a journal to be replayed) it refuses by name; what fails its checksum is an error on that
//! object alone.
//!
//! Sources: the kernel's `Documentation/filesystems/ext4` and `fs/ext4`, e2fsprogs `lib/ext2fs`.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod acl;
mod block_map;
mod bytes;
mod checksum;
mod device;
mod directory;
mod error;
mod extent;
mod features;
mod file;
mod filesystem;
mod group;
mod hash;
mod htree;
mod inline;
mod inode;
mod layout;
mod mapping;
mod space;
mod superblock;
mod xattr;

#[cfg(test)]
mod tests;

pub use filesystem::Ext4;
pub use superblock::probe;
