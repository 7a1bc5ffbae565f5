//! Linux md arrays.

use crate::map::Faults;
use crate::{Device, Error, Group, Membership, Set, VolumeManager};
use std::sync::Arc;

mod containers;
mod ddf;
mod geometry;
mod imsm;

pub use ddf::Ddf;
pub use imsm::Imsm;

/// The manager of Linux md arrays.
pub struct Md;

impl VolumeManager for Md {
    fn name(&self) -> &'static str {
        "md"
    }

    fn probe(&self, _device: &Device) -> Result<Option<Membership>, Error> {
        Ok(None)
    }

    fn sets(&self, _members: &[&Device]) -> Vec<Set> {
        Vec::new()
    }

    fn assemble(&self, _members: &[&Device], _faults: &Arc<Faults>) -> Result<Group, Error> {
        Ok(Group::default())
    }
}
