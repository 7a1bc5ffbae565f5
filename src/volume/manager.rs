//! The seam for everything that makes volumes of disks.

use crate::{Device, Volume};
use block::ReadError;

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
    /// Which set of devices it is part of: a disk GUID, an array's or a volume group's UUID. A partition table is a set
    /// of one.
    pub set: String,
}

/// What a manager made of the members of a set.
#[derive(Default)]
pub struct Assembly {
    /// The volumes, in the manager's own order.
    pub volumes: Vec<Volume>,
    /// What the user should know: which copy was used, which entries are unusable and why.
    pub notices: Vec<String>,
}

/// Makes volumes of devices: a partition table format, LVM, md, …
pub trait VolumeManager: Send + Sync {
    /// What users call it.
    fn name(&self) -> &'static str;

    /// Whether the device belongs to this manager, and to which set.
    ///
    /// # Errors
    /// When the device cannot be read, or says that it is a member and contradicts itself.
    fn probe(&self, device: &Device) -> Result<Option<Membership>, Error>;

    /// The volumes on the members of one set, each member with its position in the list of disks. What is damaged is
    /// left out and told in a notice; the rest stays usable.
    ///
    /// # Errors
    /// When nothing of the set can be used.
    fn assemble(&self, members: &[(usize, &Device)]) -> Result<Assembly, Error>;
}
