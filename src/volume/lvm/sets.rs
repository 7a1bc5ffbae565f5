//! Which physical volumes belong together.

use super::id::Id;
use super::member::Member;
use super::metadata::VolumeGroup;
use crate::Set;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Sorts physical volumes by group. One without a description of its group belongs to the one that names it; one that
/// nobody names stands alone.
pub(super) fn sort(members: &[Member]) -> Vec<Set> {
    let mut by_group: BTreeMap<&Id, Vec<&Member>> = BTreeMap::new();
    for member in members {
        if let Some(group) = &member.group {
            by_group.entry(&group.id).or_default().push(member);
        }
    }
    let newest: BTreeMap<&Id, Arc<VolumeGroup>> =
        by_group.iter().filter_map(|(id, members)| Some((*id, newest(members)?))).collect();
    let mut named: HashMap<&Id, Vec<&Id>> = HashMap::new();
    for (id, group) in &newest {
        for volume in &group.physical {
            named.entry(&volume.id).or_default().push(id);
        }
    }
    let mut sets = Vec::new();
    for member in members.iter().filter(|member| member.group.is_none()) {
        match member.id.as_ref().and_then(|id| named.get(id)).map(Vec::as_slice) {
            Some([group]) => by_group.entry(group).or_default().push(member),
            _ => sets.push(Set { id: format!("alone {}", member.name), members: vec![member.device], complete: false }),
        }
    }
    for (id, members) in &by_group {
        sets.extend(newest.get(id).map(|group| split(group, members)).unwrap_or_default());
    }
    sets
}

/// The newest description of a group that any of these has.
pub(super) fn newest(members: &[&Member]) -> Option<Arc<VolumeGroup>> {
    members.iter().filter_map(|member| member.group.as_ref()).max_by_key(|group| group.seqno).cloned()
}

/// Physical volumes that are there more than once.
pub(super) fn copies<'a>(members: &[&'a Member]) -> BTreeMap<&'a Id, Vec<&'a Member>> {
    let mut by_id: BTreeMap<&Id, Vec<&Member>> = BTreeMap::new();
    for member in members {
        if let Some(id) = &member.id {
            by_id.entry(id).or_default().push(member);
        }
    }
    by_id.retain(|_, members| members.len() > 1);
    by_id
}

/// The sets that the members of one group make: one, unless disks were copied. Then two, where the copies can be told
/// apart without guessing: one physical volume is all of a group; copies are of different times, or lie on one disk
/// each.
fn split(group: &VolumeGroup, members: &[&Member]) -> Vec<Set> {
    if group.physical.len() == 1 && members.iter().all(|member| is_named(group, member)) {
        return members.iter().map(|member| set(&format!("{} {}", group.id, member.name), group, &[*member])).collect();
    }
    if copies(members).is_empty() {
        return vec![set(&group.id.to_string(), group, members)];
    }
    let by_time = apart(members, |member| Some(member.group.as_ref()?.seqno));
    let by_time = by_time.map(|parts| parts.into_iter().map(|(seqno, members)| (format!("version {seqno}"), members)));
    let by_disk = || {
        let disk = |member: &Member| member.name.split(" partition ").next().map(str::to_owned);
        // Nothing says that disks hold what was there at one time, unless each of them holds everything.
        let mut parts = apart(members, disk)?;
        parts.sort_by_key(|(_, members)| members.iter().map(|member| member.device).min());
        parts.iter().all(|(_, members)| set("", group, members).complete).then_some(parts)
    };
    let parts = match by_time {
        Some(parts) => Some(parts.collect()),
        None => by_disk(),
    };
    let Some(parts) = parts else {
        return vec![Set { complete: false, ..set(&format!("{} copies", group.id), group, members) }];
    };
    let part = |(what, members): (String, Vec<&Member>)| {
        let own = newest(&members);
        set(&format!("{} {what}", group.id), own.as_deref().unwrap_or(group), &members)
    };
    parts.into_iter().map(part).collect()
}

/// The members by something of each, when that leaves no copies in any part, and each part with a description. Parts are
/// in the order of versions, or of disks.
fn apart<'a, T: Ord + Clone>(
    members: &[&'a Member],
    of: impl Fn(&Member) -> Option<T>,
) -> Option<Vec<(T, Vec<&'a Member>)>> {
    let mut parts: BTreeMap<T, Vec<&Member>> = BTreeMap::new();
    for member in members {
        parts.entry(of(member)?).or_default().push(member);
    }
    let fits = |members: &Vec<&Member>| copies(members).is_empty() && newest(members).is_some();
    if parts.len() < 2 || !parts.values().all(fits) {
        return None;
    }
    Some(parts.into_iter().collect())
}

fn set(id: &str, group: &VolumeGroup, members: &[&Member]) -> Set {
    let is_there = |id: &Id| members.iter().any(|member| member.id.as_ref() == Some(id));
    Set {
        id: id.to_owned(),
        members: members.iter().map(|member| member.device).collect(),
        complete: group.physical.iter().all(|volume| is_there(&volume.id)),
    }
}

fn is_named(group: &VolumeGroup, member: &Member) -> bool {
    group.physical.iter().any(|volume| member.id.as_ref() == Some(&volume.id))
}
