//! `vfs` calls as FUSE replies, and what else a mount on Linux takes: mount points, who holds them, taking them down.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod adapter;
mod attr;
mod callbacks;
mod errno;
mod error;
mod holders;
mod inode_flags;
mod kernel;
mod mount;
mod mount_point;
mod node_map;
mod open_files;
mod read_ahead;
mod seek;
mod xattrs;

pub use error::{Error, ErrorKind};
pub use holders::{Holder, Use, holders};
pub use mount::{How, Mount, MountOptions, mount, mount_points, remove_dead_mount};
pub use mount_point::{MountPointProblem, check_mount_point};

#[cfg(test)]
mod tests;
