//! Disk images as a [`block::Disk`]: raw ones, and the containers VHD, VHDX, qcow2 and VMDK with the chains of images
//! that they build on.
//!
//! Where the bytes of a container come from is the business of [`Files`]: files of this machine ([`LocalFiles`]) or
//! objects of a store. Nothing is ever written: what a log has to say of an image is kept in memory.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod bitmap;
mod chain;
mod disk;
mod error;
mod files;
mod format;
mod inflate;
mod kept;
mod map;
mod open;
mod qcow2;
mod sys;
mod vhd;
mod vhdx;
mod vmdk;
mod windows_path;
mod workers;

#[cfg(test)]
mod tests;

pub use disk::disk;
pub use error::Error;
pub use files::{Files, LocalFile, LocalFiles};
pub use format::Format;
pub use open::{OpenOptions, Opened, open};
