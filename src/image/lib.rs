//! Disk images as a [`block::Disk`]: raw ones; containers (VHD, VHDX, qcow2, …) are recognised and refused, as their
//! bytes are not the disk's.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod container;
mod error;
mod raw;
mod sys;
mod workers;

pub use error::Error;
pub use raw::RawImage;
