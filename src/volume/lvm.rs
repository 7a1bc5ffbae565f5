//! LVM2 volume groups.
//!
//! A physical volume has a label ([`label`]) that says where its metadata areas are ([`area`]); in these is a text ([`text`])
//! that describes the whole group ([`metadata`]). Who belongs together is found out by UUIDs ([`sets`]), and logical
//! volumes are put together of physical ones and of one another ([`build`]).

use crate::lvm::label::Label;
use crate::map::Faults;
use crate::{Device, Error, Group, Membership, Set, VolumeManager};
use std::sync::Arc;

mod area;
mod build;
mod cache;
mod crc;
mod geometry;
mod group;
mod health;
mod id;
mod label;
mod member;
mod metadata;
mod mirror;
mod pool;
mod raid;
mod reshape;
mod roles;
mod sets;
mod snapshot;
mod text;

/// The manager of LVM2 volume groups.
pub struct Lvm;

impl VolumeManager for Lvm {
    fn name(&self) -> &'static str {
        "LVM2"
    }

    fn probe(&self, device: &Device) -> Result<Option<Membership>, Error> {
        let Some(label) = Label::read(device)? else { return Ok(None) };
        let at = label.at;
        let member = member::Reader::default().read(device, label);
        let set = member.group.map_or_else(String::new, |group| group.id.to_string());
        Ok(Some(Membership { set, at }))
    }

    fn version(&self, members: &[&Device]) -> Option<String> {
        let members = member::read_all(members);
        let group = sets::newest(&members.iter().collect::<Vec<_>>())?;
        let written = group
            .written
            .and_then(crate::utc::to_the_minute)
            .map_or_else(String::new, |date| format!(", written {date}"));
        Some(format!("version {}{written}", group.seqno))
    }

    fn sets(&self, members: &[&Device]) -> Vec<Set> {
        sets::sort(&member::read_all(members))
    }

    fn assemble(&self, members: &[&Device], faults: &Arc<Faults>) -> Result<Group, Error> {
        group::assemble(members, &member::read_all(members), faults)
    }
}

#[cfg(test)]
mod tests;
