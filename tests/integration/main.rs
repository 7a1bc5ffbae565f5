//! Everything that is tested through the `fr-mount` program, and the rules that the repository itself keeps.
//!
//! One binary for all of it: `cargo test --test integration`. Tests that need root, FUSE, loop devices or Debian
//! packages say so and are skipped with a loud line where those are missing; with `FR_REQUIRE_ALL=1` a skip fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    clippy::arithmetic_side_effects,
    reason = "tests stop where something is not as they expect, and compute on known data"
)]

mod docs;
mod layering;
mod tidy;
mod tree;

#[cfg(target_os = "linux")]
mod acl;
#[cfg(target_os = "linux")]
mod azure;
#[cfg(target_os = "linux")]
mod bundle;
#[cfg(target_os = "linux")]
mod cleanup;
#[cfg(target_os = "linux")]
mod demo;
#[cfg(target_os = "linux")]
mod dirty;
#[cfg(target_os = "linux")]
mod disk_images;
#[cfg(target_os = "linux")]
mod drive_letters;
#[cfg(target_os = "linux")]
mod flow;
#[cfg(target_os = "linux")]
mod hostile_clients;
#[cfg(target_os = "linux")]
mod inode_flags;
#[cfg(target_os = "linux")]
mod lifetime;
#[cfg(target_os = "linux")]
mod many_disks;
#[cfg(target_os = "linux")]
mod misdeeds;
#[cfg(target_os = "linux")]
mod mountpoint;
#[cfg(target_os = "linux")]
mod ntfs;
#[cfg(target_os = "linux")]
mod object_stores;
#[cfg(target_os = "linux")]
mod protected_files;
#[cfg(target_os = "linux")]
mod recovery;
#[cfg(target_os = "linux")]
mod secrets;
#[cfg(target_os = "linux")]
mod spanning;
mod support;
#[cfg(target_os = "linux")]
mod tgt_chain;
#[cfg(target_os = "linux")]
mod unmount;
#[cfg(target_os = "linux")]
mod unprivileged;
#[cfg(target_os = "linux")]
mod volumes;
#[cfg(target_os = "linux")]
mod write;
#[cfg(target_os = "linux")]
mod xattr;
#[cfg(target_os = "linux")]
mod xfs;
