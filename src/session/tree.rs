//! What disks were put together to, for the report.

use crate::{GroupReport, MemberReport, PartReport};
use volume::map::Faults;
use volume::{Group, Member, Node, Purpose, Scan};

/// A partition table, an array or a volume group.
pub(crate) fn group(group: &Group, found: &Scan) -> GroupReport {
    let position = |member: usize| found.nodes.get(member).map(|node| node.position.clone());
    let member = |member: &Member| MemberReport {
        position: member.device.and_then(position),
        uuid: member.uuid.clone(),
        role: member.role.clone(),
        state: member.state.to_string(),
    };
    GroupReport {
        kind: group.kind.clone(),
        name: group.name.clone(),
        uuid: group.uuid.clone(),
        health: group.health.to_string(),
        members: group.members.iter().map(member).collect(),
    }
}

/// What a group holds; `None` for a disk.
pub(crate) fn part(node: &Node) -> Option<PartReport> {
    let role = match &node.volume.purpose {
        Purpose::Internal(role) => Some(role.clone()),
        Purpose::Data | Purpose::Refused(_) => None,
    };
    Some(PartReport {
        position: node.position.clone(),
        group: node.made_by?,
        kind: node.volume.kind.to_string(),
        role,
        uuid: node.volume.uuid.clone(),
        bytes: node.volume.bytes,
        health: node.volume.health.to_string(),
    })
}

/// What members could not give until now.
pub(crate) fn faults(faults: &Faults) -> Vec<String> {
    let told = |(member, fault): (&String, &volume::map::Fault)| {
        format!("{member} cannot be read everywhere ({}); what others have of it is taken from them", fault.first)
    };
    faults.all().iter().map(told).collect()
}
