//! From disks to volumes: partition tables today; LVM, md RAID, dynamic disks and storage pools behind the same seam
//! later. What the bytes of a volume mean is not known here.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod device;
mod gpt;
mod kind;
mod manager;
mod mbr;
mod scan;

pub use device::{Device, Identity, Volume};
pub use gpt::Gpt;
pub use kind::VolumeKind;
pub use manager::{Assembly, Error, Membership, VolumeManager};
pub use mbr::Mbr;
pub use scan::{Scan, Table, scan};
