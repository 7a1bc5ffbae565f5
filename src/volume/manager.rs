//! The seam for everything that makes volumes of devices.

use crate::map::Faults;
use crate::{Device, Volume};
use block::ReadError;
use std::fmt;
use std::sync::Arc;

/// Why a device's metadata gave no volumes.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The device cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The metadata is there, but damaged beyond use.
    #[error("{0}")]
    Damaged(String),
}

/// A device that belongs to a manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Which set of devices it is part of: a disk GUID, an array's or a volume group's UUID; empty where the device itself
    /// does not say. A partition table is a set of one.
    pub set: String,
    /// The first byte of the metadata that says so: where a partition covers it, it is the partition's.
    pub at: u64,
}

/// Devices that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// What it is told from others of its manager by, always the same for the same members.
    pub id: String,
    /// Its members, as positions in the list that the manager was given.
    pub members: Vec<usize>,
    /// Whether all members are there. A set that is not waits for those that other sets may bring.
    pub complete: bool,
}

/// Whether all of something is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It is.
    #[default]
    Whole,
    /// A member is missing or out of date, and what it held is read from others.
    Degraded,
    /// Some of it cannot be read.
    Partial,
    /// None of it can be read.
    Unreadable,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Degraded => "degraded",
            Self::Partial => "partial",
            Self::Unreadable => "unreadable",
        })
    }
}

/// What a member is to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It is read.
    Active,
    /// It holds nothing yet: a spare.
    Spare,
    /// It is out of date, and is not read.
    Stale,
    /// It is being filled, and is read as far as that went.
    Rebuilding,
    /// It is a journal or log.
    Journal,
    /// It is not there.
    Missing,
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Spare => "spare",
            Self::Stale => "stale",
            Self::Rebuilding => "rebuilding",
            Self::Journal => "journal",
            Self::Missing => "missing",
        })
    }
}

/// A member of a group, there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its position in the list that the manager was given; `None` when it is missing.
    pub device: Option<usize>,
    /// Its identity.
    pub uuid: Option<String>,
    /// Its place among the others, in words (`device 2`); empty where there is nothing to say.
    pub role: String,
    /// What it is to the group.
    pub state: MemberState,
}

/// What a manager made of a set: a partition table, an array, a volume group.
#[derive(Default)]
pub struct Group {
    /// What it is, in words: `GPT`, `md RAID 5`, `LVM2 volume group`.
    pub kind: String,
    /// The name that its owner gave it.
    pub name: Option<String>,
    /// Its identity.
    pub uuid: Option<String>,
    /// Whether all of it is there.
    pub health: Health,
    /// Its members, also those that are missing; where the manager says nothing, those that it was given.
    pub members: Vec<Member>,
    /// The volumes, in the manager's own order.
    pub volumes: Vec<Volume>,
    /// What the user should know: which copy was used, which entries are unusable and why.
    pub notices: Vec<String>,
}

/// Makes volumes of devices: a partition table format, LVM, md, …
pub trait VolumeManager: Send + Sync {
    /// What users call it.
    fn name(&self) -> &'static str;

    /// Whether its volumes are partitions: parts of one device, which are numbered.
    fn is_partition_table(&self) -> bool {
        false
    }

    /// Whether the device belongs to this manager, and to which set.
    ///
    /// # Errors
    /// When the device cannot be read, or says that it is a member and contradicts itself.
    fn probe(&self, device: &Device) -> Result<Option<Membership>, Error>;

    /// Sorts all devices that belong to this manager into sets. It is asked again when more devices were found.
    fn sets(&self, members: &[&Device]) -> Vec<Set>;

    /// Of which time the members of one set describe their group, in words: what copies of a group are told from one
    /// another by. `None` where nothing says.
    fn version(&self, _members: &[&Device]) -> Option<String> {
        None
    }

    /// What the members of one set make up. What is damaged or missing is left out and told in a notice; the rest stays
    /// usable. Errors of single members go to `faults` when it is read.
    ///
    /// # Errors
    /// When nothing of the set can be used.
    fn assemble(&self, members: &[&Device], faults: &Arc<Faults>) -> Result<Group, Error>;
}

/// The sets of a manager whose every member stands alone.
#[must_use]
pub fn sets_of_one(members: &[&Device]) -> Vec<Set> {
    let set = |(position, device): (usize, &&Device)| Set {
        id: device.name.clone(),
        members: vec![position],
        complete: true,
    };
    members.iter().enumerate().map(set).collect()
}
