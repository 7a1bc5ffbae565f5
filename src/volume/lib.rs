//! From disks to volumes: partition tables, LVM2 and md RAID behind one seam, in any order over one another. What the
//! bytes of a volume mean is not known here.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod device;
pub mod dm;
mod gpt;
mod kind;
mod lvm;
mod manager;
pub mod map;
mod mbr;
mod md;
#[cfg(test)]
#[path = "../../tests/readers/fixtures.rs"]
#[allow(dead_code, reason = "shared with crates that use the rest of it")]
mod packed;
mod scan;
mod utc;

pub use device::{Device, Identity, Purpose, Volume};
pub use gpt::Gpt;
pub use kind::VolumeKind;
pub use lvm::Lvm;
pub use manager::{Error, Group, Health, Member, MemberState, Membership, Set, VolumeManager, sets_of_one};
pub use mbr::Mbr;
pub use md::{Ddf, Imsm, Md};
pub use scan::{Node, Scan, Table, printable, scan};
