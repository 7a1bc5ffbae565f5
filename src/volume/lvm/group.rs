//! A volume group as the rest of the program sees it.

use super::build::Builder;
use super::health::of_pieces;
use super::member::Member;
use super::metadata::{Physical, SegmentKind, VolumeGroup};
use super::roles::roles;
use super::sets::{copies, newest};
use crate::map::Faults;
use crate::{Device, Error, Group, Health, Member as GroupMember, MemberState, Purpose, Volume, VolumeKind};
use block::{BlockSize, ReadAt};
use std::sync::Arc;

/// A physical volume of a group with the device that it is on.
pub(super) struct Disk {
    /// What messages call it.
    pub(super) name: String,
    /// The whole device; `None` when it is not there.
    pub(super) data: Option<Arc<dyn ReadAt>>,
    /// Whether the group was changed while it was away, so that others may hold what is newer.
    pub(super) is_stale: bool,
}

/// Puts a set together.
pub(super) fn assemble(devices: &[&Device], members: &[Member], faults: &Arc<Faults>) -> Result<Group, Error> {
    let all: Vec<_> = members.iter().collect();
    let Some(group) = newest(&all) else { return Ok(alone(members)) };
    if let Some((id, copies)) = copies(&all).into_iter().next() {
        let names: Vec<_> = copies.iter().map(|member| member.name.as_str()).collect();
        return Err(Error::Damaged(format!(
            "{} are copies of one physical volume ({id}), and nothing says which of them belongs to the other disks of \
             volume group {}; open only one copy of each disk",
            names.join(" and "),
            group.name
        )));
    }
    let mut notices = group.notices.clone();
    let disks: Vec<_> = group.physical.iter().map(|physical| disk(physical, &all, devices)).collect();
    let mut listed: Vec<_> =
        group.physical.iter().zip(&disks).map(|(physical, disk)| listed(physical, disk, &all)).collect();
    for member in members {
        notices.extend(member_notices(&group, member));
        if !group.physical.iter().any(|physical| member.id.as_ref() == Some(&physical.id)) {
            listed.push(outsider(member));
        }
    }
    notices.extend(cut_short(&group, &disks));
    let volumes = volumes(&group, devices, &disks, faults);
    Ok(Group {
        kind: "LVM2 volume group".to_owned(),
        name: Some(group.name.clone()),
        uuid: Some(group.id.to_string()),
        health: health(&listed, &volumes),
        members: listed,
        volumes,
        notices,
    })
}

/// Physical volumes that no group is known of.
fn alone(members: &[Member]) -> Group {
    let notices = members.iter().flat_map(|member| member.notices.clone());
    let nothing = "it is a physical volume of LVM2, and belongs to no volume group that is known here".to_owned();
    Group {
        kind: "LVM2 physical volume".to_owned(),
        uuid: members.first().and_then(|member| member.id.as_ref()).map(ToString::to_string),
        members: members.iter().map(outsider).collect(),
        notices: notices.chain([nothing]).collect(),
        ..Group::default()
    }
}

/// A member that the group does not, or no longer, have.
fn outsider(member: &Member) -> GroupMember {
    GroupMember {
        device: Some(member.device),
        uuid: member.id.as_ref().map(ToString::to_string),
        role: String::new(),
        state: if member.group.is_some() { MemberState::Stale } else { MemberState::Spare },
    }
}

fn find<'a>(physical: &Physical, members: &[&'a Member]) -> Option<&'a Member> {
    members.iter().find(|member| member.id.as_ref() == Some(&physical.id)).copied()
}

fn disk(physical: &Physical, members: &[&Member], devices: &[&Device]) -> Disk {
    let member = find(physical, members);
    let device = member.and_then(|member| devices.get(member.device));
    let was = physical.hint.as_ref().map_or_else(String::new, |hint| format!(" (was {hint})"));
    Disk {
        name: device.map_or_else(|| format!("physical volume {}{was}", physical.id), |device| device.name.clone()),
        data: device.map(|device| Arc::clone(&device.data)),
        is_stale: physical.is_missing,
    }
}

fn listed(physical: &Physical, disk: &Disk, members: &[&Member]) -> GroupMember {
    let member = find(physical, members);
    GroupMember {
        device: member.map(|member| member.device),
        uuid: Some(physical.id.to_string()),
        role: physical.hint.as_ref().map_or_else(String::new, |hint| format!("was {hint}")),
        state: match member {
            None => MemberState::Missing,
            Some(_) if disk.is_stale => MemberState::Stale,
            Some(_) => MemberState::Active,
        },
    }
}

/// What the user should know of one member.
fn member_notices(group: &VolumeGroup, member: &Member) -> Vec<String> {
    let mut notices: Vec<_> = member.notices.iter().map(|what| format!("{}: {what}", member.name)).collect();
    if let Some(own) = member.group.as_ref().filter(|own| own.seqno != group.seqno) {
        notices.push(format!(
            "{}: it describes version {} of the group, and the newest is {}, which is used",
            member.name, own.seqno, group.seqno
        ));
    }
    match group.physical.iter().find(|physical| member.id.as_ref() == Some(&physical.id)) {
        None => notices.push(format!("{}: it was removed from the group, and is not read", member.name)),
        Some(physical) if physical.is_missing => notices.push(format!(
            "{}: the group was changed while it was missing; it is read where nothing else holds the same, and may be \
             out of date there",
            member.name
        )),
        Some(_) => {}
    }
    notices
}

/// Devices that are smaller than what is on them.
fn cut_short(group: &VolumeGroup, disks: &[Disk]) -> Vec<String> {
    let mut notices = Vec::new();
    for (physical, disk) in group.physical.iter().zip(disks) {
        let Some(data) = &disk.data else { continue };
        let end = group.bytes(physical.extents).and_then(|bytes| bytes.checked_add(physical.start));
        if end.is_none_or(|end| end > data.size()) {
            notices.push(format!(
                "{}: it has {} bytes, and its extents would end at {}; what is behind its end cannot be read",
                disk.name,
                data.size(),
                end.map_or_else(|| "no possible place".to_owned(), |end| end.to_string())
            ));
        }
    }
    notices
}

fn volumes(group: &VolumeGroup, devices: &[&Device], disks: &[Disk], faults: &Arc<Faults>) -> Vec<Volume> {
    let largest = devices.iter().map(|device| device.block_size).max_by_key(|size| size.bytes());
    let block_size = largest.unwrap_or(BlockSize::B512);
    let mut builder = Builder::new(group, disks, faults);
    let mut volumes = Vec::new();
    for (number, (logical, role)) in group.logical.iter().zip(roles(group)).enumerate() {
        // That one volume is a snapshot of another is written down as a volume.
        let segments = logical.segments.as_deref().unwrap_or_default();
        if segments.iter().any(|segment| matches!(segment.kind, SegmentKind::Snapshot { .. })) {
            continue;
        }
        let built = builder.listed(number);
        let kind = VolumeKind::Layout(built.words);
        let volume = Volume::new(&logical.name, kind, block_size, built.data);
        let purpose = match (role, built.refused) {
            (Some(role), _) => Purpose::Internal(role.to_owned()),
            (None, Some(why)) => Purpose::Refused(why),
            (None, None) => Purpose::Data,
        };
        volumes.push(Volume {
            purpose,
            uuid: logical.id.as_ref().map(ToString::to_string),
            health: built.health,
            notices: built.notices,
            ..volume
        });
    }
    volumes
}

/// That of a group: of its disks, and of what is made of them.
fn health(members: &[GroupMember], volumes: &[Volume]) -> Health {
    let is_away = |member: &GroupMember| member.state == MemberState::Missing;
    let seen: Vec<_> = volumes
        .iter()
        .filter(|volume| !matches!(volume.purpose, Purpose::Internal(_)))
        .map(|volume| volume.health)
        .collect();
    let health = of_pieces(&seen);
    if health == Health::Whole && members.iter().any(is_away) { Health::Degraded } else { health }
}
