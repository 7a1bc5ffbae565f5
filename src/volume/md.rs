//! Linux md arrays.

use crate::map::Faults;
use crate::md::members::Candidate;
use crate::md::superblock::{Role, Superblock};
use crate::{Device, Error, Group, Member, MemberState, Membership, Set, VolumeManager};
use std::collections::BTreeMap;
use std::sync::Arc;

mod array;
mod bad_blocks;
#[cfg(test)]
mod container_fixtures;
mod containers;
mod ddf;
mod geometry;
mod imsm;
mod legs;
mod members;
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
        let membership = |superblock: &Superblock| Membership { set: superblock.uuid(), at: superblock.at };
        Ok(superblock::find(device)?.as_ref().map(membership))
    }

    fn sets(&self, members: &[&Device]) -> Vec<Set> {
        let mut sets: BTreeMap<String, Vec<(usize, Superblock)>> = BTreeMap::new();
        for (position, device) in members.iter().enumerate() {
            // Nothing else can be said of what cannot be read any more than that it was a member.
            if let Ok(Some(superblock)) = superblock::find(device) {
                sets.entry(superblock.uuid()).or_default().push((position, superblock));
            }
        }
        let set = |(id, members): (String, Vec<(usize, Superblock)>)| Set {
            id,
            complete: is_complete(&members),
            members: members.into_iter().map(|(position, _)| position).collect(),
        };
        sets.into_iter().map(set).collect()
    }

    fn assemble(&self, members: &[&Device], faults: &Arc<Faults>) -> Result<Group, Error> {
        let mut candidates = Vec::new();
        let mut damaged = Vec::new();
        let mut problem = None;
        for (position, device) in members.iter().enumerate() {
            match superblock::find(device) {
                Ok(Some(superblock)) => candidates.push(Candidate { position, device, superblock }),
                Ok(None) => {}
                Err(error) => {
                    damaged.push((position, format!("{} is not read: {error}", device.name)));
                    problem = Some(error);
                }
            }
        }
        if let (true, Some(problem)) = (candidates.is_empty(), problem) {
            return Err(problem);
        }
        let mut group = array::assemble(&candidates, faults)?;
        for (position, notice) in damaged {
            let (role, state) = (String::new(), MemberState::Stale);
            group.members.push(Member { device: Some(position), uuid: None, role, state });
            group.notices.push(notice);
        }
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
