//! Linux md arrays.

use crate::map::Faults;
use crate::md::members::Candidate;
use crate::md::superblock::{Role, Superblock, Unusable};
use crate::{Device, Error, Group, Membership, Set, VolumeManager};
use std::collections::BTreeMap;
use std::sync::Arc;

mod array;
mod bad_blocks;
#[cfg(test)]
mod container_fixtures;
mod containers;
mod cut_short;
mod ddf;
mod geometry;
mod imsm;
mod journal;
mod legs;
mod logs;
mod members;
mod ppl;
mod reshape;
mod superblock;
mod superblock_090;
mod superblock_1;

pub use ddf::Ddf;
pub use imsm::Imsm;

/// The manager of Linux md arrays.
pub struct Md;

impl VolumeManager for Md {
    fn name(&self) -> &'static str {
        "md"
    }

    fn probe(&self, device: &Device) -> Result<Option<Membership>, Error> {
        match superblock::find(device) {
            Ok(found) => Ok(found.map(|superblock| Membership { set: superblock.uuid(), at: superblock.at })),
            Err(Unusable { error: error @ Error::Read(_), .. }) => Err(error),
            // A left-over, which nobody would assemble: what the disk was used for since then is in its partitions.
            Err(Unusable { fails_checksum: true, .. }) if crate::scan::partition_table(device).is_some() => Ok(None),
            // Where it is says whether it is this device's at all; what is wrong with it is told when nothing comes of
            // it.
            Err(Unusable { at, .. }) => Ok(Some(Membership { set: String::new(), at })),
        }
    }

    fn sets(&self, members: &[&Device]) -> Vec<Set> {
        let mut sets: BTreeMap<String, Vec<(usize, Superblock)>> = BTreeMap::new();
        let mut alone = Vec::new();
        for (position, device) in members.iter().enumerate() {
            match superblock::find(device) {
                Ok(Some(superblock)) => sets.entry(superblock.uuid()).or_default().push((position, superblock)),
                Ok(None) | Err(_) => {
                    alone.push(Set { id: format!("alone: {}", device.name), members: vec![position], complete: true });
                }
            }
        }
        let set = |(id, members): (String, Vec<(usize, Superblock)>)| Set {
            id,
            complete: is_complete(&members),
            members: members.into_iter().map(|(position, _)| position).collect(),
        };
        sets.into_iter().map(set).chain(alone).collect()
    }

    fn assemble(&self, members: &[&Device], faults: &Arc<Faults>) -> Result<Group, Error> {
        let mut candidates = Vec::new();
        let mut notices = Vec::new();
        for (position, device) in members.iter().enumerate() {
            match superblock::find(device) {
                Ok(Some(superblock)) => candidates.push(Candidate { position, device, superblock }),
                Ok(None) => {}
                Err(Unusable { error, .. }) if members.len() == 1 => return Err(error),
                Err(Unusable { error, .. }) => notices.push(format!("{} is not read: {error}", device.name)),
            }
        }
        let mut group = array::assemble(&candidates, faults)?;
        group.notices.append(&mut notices);
        Ok(group)
    }
}

/// Whether everybody is there whom the youngest superblock speaks of.
fn is_complete(members: &[(usize, Superblock)]) -> bool {
    let Some((_, youngest)) = members.iter().max_by_key(|(_, superblock)| superblock.events) else { return false };
    let is_there = |role: &Role| members.iter().any(|(_, superblock)| superblock.role() == *role);
    youngest.roles.iter().filter(|role| matches!(role, Role::Active(_) | Role::Journal)).all(is_there)
}

#[cfg(test)]
mod tests;
