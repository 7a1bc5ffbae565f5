//! LVM2 volume groups.

use crate::map::Faults;
use crate::{Device, Error, Group, Membership, Set, VolumeManager};
use std::sync::Arc;

/// The manager of LVM2 volume groups.
pub struct Lvm;

impl VolumeManager for Lvm {
    fn name(&self) -> &'static str {
        "LVM2"
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
