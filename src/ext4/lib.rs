//! ext2, ext3 and ext4, read-only: [`Ext4`] shows the files of a volume as its owner's kernel would have shown them,
//! after the replay of its journal, which happens in memory. What it does not understand (a feature) it refuses by
//! name; what fails its checksum is an error on that object alone.
//!
//! Sources: the kernel's `Documentation/filesystems/ext4` and `fs/ext4`, e2fsprogs `lib/ext2fs`.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod acl;
mod backup;
mod block_map;
mod bytes;
mod casefold;
mod checksum;
mod description;
mod device;
mod directory;
mod encrypted_name;
mod extent;
mod fast_commit;
mod features;
mod file;
mod filesystem;
mod group;
mod hash;
mod htree;
mod inline;
mod inode;
mod inode_table;
mod journal;
mod layout;
mod mapping;
mod options;
mod orphans;
mod recovery;
mod space;
mod state;
mod superblock;
mod verity;
mod xattr;

#[cfg(test)]
mod tests;

pub use description::describe;
pub use filesystem::Ext4;
pub use options::OpenOptions;
pub use recovery::{external_journal, journal_device};
pub use superblock::{probe, probe_copies};
