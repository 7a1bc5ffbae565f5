//! What a recovered system says of its own volumes, read from its files: [`MountedDevices`] are the drive letters of a Windows.
//! Its files are read through `vfs`; no format of a file system is known here, and nothing of disks but what such a system
//! remembers them by.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod hive;
mod mounted_devices;

pub use hive::ReadHive;
pub use mounted_devices::{MountedDevices, Partition};
