//! What a recovery point is made of, as a tree: disk, partition, member, group, volume, file system.

use crate::output::{files, is_table, notices, size};
use session::{GroupReport, PartReport, Report, VolumeReport, printable};
use std::collections::HashSet;

/// How deep a tree is drawn; nothing real is deeper.
const DEPTH_MAX: usize = 24;

/// A line and what is below it.
struct Branch {
    text: String,
    below: Vec<Self>,
}

/// The tree, and what the user should know.
pub(crate) fn text(report: &Report) -> String {
    let mut drawing = Drawing { report, drawn: HashSet::new() };
    let mut text = String::new();
    for disk in &report.disks {
        let position = disk.disk.to_string();
        let volume = drawing.volume(&position).map_or_else(String::new, |volume| format!("  {}", content(volume)));
        let line =
            format!("disk {position}  {}  {}{volume}  {}", size(disk.bytes), disk.table, printable(&disk.location));
        draw(&Branch { text: line, below: drawing.groups_on(&position, 0) }, "", "", &mut text);
    }
    format!("{}{}", text.trim_end(), notices(report))
}

/// Writes a branch: `first` stands before its line, `rest` before the lines below it.
fn draw(branch: &Branch, first: &str, rest: &str, out: &mut String) {
    out.push_str(first);
    out.push_str(branch.text.trim_end());
    out.push('\n');
    let last = branch.below.len().saturating_sub(1);
    for (number, below) in branch.below.iter().enumerate() {
        let (corner, line) = if number == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        draw(below, &format!("{rest}{corner}"), &format!("{rest}{line}"), out);
    }
}

struct Drawing<'a> {
    report: &'a Report,
    /// Groups that are in the tree already: they stand below the first of their members.
    drawn: HashSet<usize>,
}

impl<'a> Drawing<'a> {
    fn volume(&self, position: &str) -> Option<&'a VolumeReport> {
        self.report.volumes.iter().find(|volume| volume.position == position)
    }

    /// What lies on the device at `position`: the partitions of its table, or the group that it is a member of.
    fn groups_on(&mut self, position: &str, depth: usize) -> Vec<Branch> {
        if depth > DEPTH_MAX {
            return vec![Branch { text: "…".to_owned(), below: Vec::new() }];
        }
        let mut branches = Vec::new();
        for (number, group) in self.report.groups.iter().enumerate() {
            let Some(member) = group.members.iter().find(|member| member.position.as_deref() == Some(position)) else {
                continue;
            };
            if is_table(&group.kind) {
                branches.extend(self.parts(number, depth));
                continue;
            }
            let role = if member.role.is_empty() { String::new() } else { format!(" ({})", printable(&member.role)) };
            let text = format!("{}{role} in {}", member.state, title(group));
            let is_first = self.drawn.insert(number);
            let below = if is_first { self.group(number, group, depth) } else { Vec::new() };
            let text = if is_first { text } else { format!("{text} (see above)") };
            branches.push(Branch { text, below });
        }
        branches
    }

    /// A group's members that are not there, and its volumes.
    fn group(&mut self, number: usize, group: &GroupReport, depth: usize) -> Vec<Branch> {
        let missing = group.members.iter().filter(|member| member.position.is_none());
        let missing = missing.map(|member| Branch {
            text: format!("missing: {}  {}", printable(&member.role), member.uuid.as_deref().unwrap_or_default()),
            below: Vec::new(),
        });
        let mut branches: Vec<_> = missing.collect();
        branches.extend(self.parts(number, depth));
        branches
    }

    fn parts(&mut self, group: usize, depth: usize) -> Vec<Branch> {
        let parts = self.report.parts.iter().filter(|part| part.group == group);
        parts.map(|part| self.part(part, depth)).collect()
    }

    fn part(&mut self, part: &PartReport, depth: usize) -> Branch {
        let volume = self.volume(&part.position).map_or_else(String::new, |volume| format!("  {}", content(volume)));
        let role = part.role.as_ref().map_or_else(String::new, |role| format!("  ({role})"));
        let health = if part.health == "whole" { String::new() } else { format!("  [{}]", part.health) };
        let uuid =
            part.uuid.as_ref().filter(|_| part.role.is_none()).map(|uuid| format!("  {uuid}")).unwrap_or_default();
        let position = printable(&part.position);
        let text = format!("{position}  {}  {}{role}{health}{volume}{uuid}", size(part.bytes), part.kind);
        Branch { text, below: self.groups_on(&part.position, depth.saturating_add(1)) }
    }
}

/// A group in one line.
fn title(group: &GroupReport) -> String {
    let name = group.name.as_deref().map(|name| format!(" {}", printable(name))).unwrap_or_default();
    let uuid = group.uuid.as_deref().map(|uuid| format!("  {uuid}")).unwrap_or_default();
    let health = if group.health == "whole" { String::new() } else { format!("  [{}]", group.health) };
    format!("{}{name}{health}{uuid}", group.kind)
}

/// What is in a volume, its name, and whether its files can be read.
fn content(volume: &VolumeReport) -> String {
    let format = volume.format.as_deref().unwrap_or("?");
    let letters: String = volume.drive_letters.iter().map(|letter| format!(" {letter}")).collect();
    format!("{format} '{}'{letters}  {}", printable(&volume.name), files(volume))
}

#[cfg(test)]
mod tests {
    use super::*;
    use session::{DiskReport, MemberReport, PartitionReport, VolumeState};

    fn group(kind: &str, name: Option<&str>, health: &str, members: &[Option<&str>]) -> GroupReport {
        let member = |(number, position): (usize, &Option<&str>)| MemberReport {
            position: position.map(Into::into),
            uuid: Some(format!("uuid-{number}")),
            role: String::new(),
            state: if position.is_some() { "active" } else { "missing" }.into(),
        };
        let members = members.iter().enumerate().map(member).collect();
        GroupReport { kind: kind.into(), name: name.map(Into::into), uuid: None, health: health.into(), members }
    }

    fn part(position: &str, group: usize, kind: &str, role: Option<&str>) -> PartReport {
        PartReport {
            position: position.into(),
            group,
            kind: kind.into(),
            role: role.map(Into::into),
            uuid: None,
            bytes: 1 << 30,
            health: "whole".into(),
        }
    }

    fn report() -> Report {
        let disk = |disk: usize| DiskReport {
            disk,
            location: format!("image{disk}"),
            model: None,
            serial: None,
            bytes: 1 << 40,
            block_size: 512,
            table: "no table".into(),
        };
        let partition = PartitionReport { number: None, kind: "linear".into(), name: None, start: 0 };
        let volume = VolumeReport {
            name: "home".into(),
            position: "vg0/home".into(),
            disk: None,
            partition,
            bytes: 1 << 30,
            health: "whole".into(),
            format: Some("xfs".into()),
            label: None,
            drive_letters: Vec::new(),
            uuid: None,
            file_system: None,
            state: VolumeState::Readable,
            mount_path: None,
            notices: Vec::new(),
        };
        Report {
            disks: vec![disk(0), disk(1)],
            groups: vec![
                group("GPT", None, "whole", &[Some("0")]),
                group("LVM2 volume group", Some("vg0"), "partial", &[Some("0:1"), Some("1"), None]),
            ],
            parts: vec![
                part("0:1", 0, "Linux LVM", None),
                part("vg0/home", 1, "linear", None),
                part("vg0/home_rimage_0", 1, "linear", Some("RAID image")),
            ],
            volumes: vec![volume],
            notices: vec!["one is missing".into()],
            ..Report::default()
        }
    }

    #[test]
    fn a_group_stands_below_its_first_member_and_the_others_lead_to_it() {
        let expected = "\
disk 0  1.0 TiB  no table  image0
└─ 0:1  1.0 GiB  Linux LVM
   └─ active in LVM2 volume group vg0  [partial]
      ├─ missing:   uuid-2
      ├─ vg0/home  1.0 GiB  linear  xfs 'home'  readable
      └─ vg0/home_rimage_0  1.0 GiB  linear  (RAID image)
disk 1  1.0 TiB  no table  image1
└─ active in LVM2 volume group vg0  [partial] (see above)
note: one is missing";
        assert_eq!(text(&report()), expected);
    }

    #[test]
    fn a_report_that_runs_in_circles_ends() {
        let mut report = report();
        report.groups[0].members[0].position = Some("0:1".into());
        report.groups.push(group("GPT", None, "whole", &[Some("0")]));
        report.parts.push(part("0:1", 2, "Linux LVM", None));
        assert!(text(&report).contains('…'));
    }
}
