//! Everything that is on a list of disks: whatever managers make is looked at again, until nothing new appears.

use crate::lvm::Lvm;
use crate::map::Faults;
use crate::md::{Ddf, Imsm, Md};
use crate::{
    Device, Gpt, Group, Health, Mbr, Member, MemberState, Membership, Purpose, Set, Volume, VolumeKind, VolumeManager,
};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// What partition table a disk has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// None: the disk is one volume, or belongs to something larger as a whole.
    None,
    /// One of this manager.
    Managed(&'static str),
    /// One that cannot be used.
    Damaged,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no table",
            Self::Managed(name) => name,
            Self::Damaged => "damaged table",
        })
    }
}

/// A disk, or what managers made.
pub struct Node {
    /// It.
    pub volume: Volume,
    /// The group that it is a volume of, as a position in [`Scan::groups`]; `None` for a disk.
    pub made_by: Option<usize>,
    /// The group that it is a member of, or whose partition table it carries.
    pub member_of: Option<usize>,
    /// The manager that says that it is a member, also where no group came of it.
    pub claimed_by: Option<&'static str>,
    /// The one disk that it lies on; `None` when there may be several.
    pub disk: Option<usize>,
    /// Where it is, unique and always the same: `0` is a disk, `0:2` a partition of it, `vg0/home` a logical volume,
    /// `md/data` an array, `md/data:1` a partition of that.
    pub position: String,
    /// How many groups it lies on.
    depth: usize,
    /// What messages call it while it is not known what else there is.
    device: Device,
}

impl Node {
    /// Whether it may hold files: it is nothing's member, has no partitions, and is no inner part of anything.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.member_of.is_none() && self.claimed_by.is_none() && !matches!(self.volume.purpose, Purpose::Internal(_))
    }
}

/// What is on a list of disks.
#[derive(Default)]
pub struct Scan {
    /// The disks in their order, and behind them everything that was made of them, in the order in which it was found.
    pub nodes: Vec<Node>,
    /// Partition tables, arrays and volume groups; their members are positions in `nodes`.
    pub groups: Vec<Group>,
    /// The partition table of each disk, in the order of the disks.
    pub tables: Vec<Table>,
    /// What the user should know.
    pub notices: Vec<String>,
    /// What goes wrong on members from now on.
    pub faults: Arc<Faults>,
}

impl Scan {
    /// What a file system can be in, by position.
    pub fn volumes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_leaf())
    }
}

/// In the order in which they are asked: a member of a mirror looks like what is in it, and a logical volume manager does not
/// touch disks with partitions.
const MANAGERS: [&dyn VolumeManager; 6] = [&Md, &Imsm, &Ddf, &Gpt, &Mbr, &Lvm];
/// How many groups lie over one another at most.
const DEPTH_MAX: usize = 8;
/// How many disks and volumes are looked at, at most.
const NODES_MAX: usize = 16_384;

/// Finds everything on `disks`. A disk that cannot be read or whose metadata is damaged holds nothing, and a notice says so.
#[must_use]
pub fn scan(disks: &[Device]) -> Scan {
    let mut scanner = Scanner::default();
    for (number, device) in disks.iter().enumerate() {
        let volume = Volume::new("", VolumeKind::WholeDisk, device.block_size, Arc::clone(&device.data));
        let node = Node {
            volume,
            made_by: None,
            member_of: None,
            claimed_by: None,
            disk: Some(number),
            position: number.to_string(),
            depth: 0,
            device: Device { name: format!("disk {number}"), ..device.clone() },
        };
        scanner.scan.nodes.push(node);
        scanner.scan.tables.push(Table::None);
    }
    scanner.run();
    scanner.finish()
}

#[derive(Default)]
struct Scanner {
    scan: Scan,
    /// Nodes that were looked at already.
    looked_at: usize,
    /// Members, by the manager's position in the list of them.
    members: BTreeMap<usize, Vec<usize>>,
    /// Sets that were put together, by manager.
    done: HashSet<(usize, String)>,
}

impl Scanner {
    /// Looks at what is new, and puts together what is complete; what is not complete only when nothing else brings
    /// anything new, one set at a time.
    fn run(&mut self) {
        loop {
            while self.looked_at < self.scan.nodes.len() {
                self.look_at(self.looked_at);
                self.looked_at = self.looked_at.saturating_add(1);
            }
            let mut sets = self.sets();
            if sets.iter().any(|(_, set)| set.complete) {
                sets.retain(|(_, set)| set.complete);
            } else {
                sets.truncate(1);
            }
            if sets.is_empty() {
                return;
            }
            for (manager, set) in sets {
                self.assemble(manager, &set);
            }
        }
    }

    /// The sets that were not put together yet.
    fn sets(&self) -> Vec<(usize, Set)> {
        let mut all = Vec::new();
        for (number, manager) in MANAGERS.iter().enumerate() {
            let nodes = self.members.get(&number).map(Vec::as_slice).unwrap_or_default();
            let devices: Vec<_> = nodes.iter().filter_map(|node| Some(&self.scan.nodes.get(*node)?.device)).collect();
            for mut set in manager.sets(&devices) {
                set.members = set.members.iter().filter_map(|member| nodes.get(*member).copied()).collect();
                if !self.done.contains(&(number, set.id.clone())) {
                    all.push((number, set));
                }
            }
        }
        all
    }

    /// Asks every manager whether a node is its member.
    fn look_at(&mut self, position: usize) {
        let Some(node) = self.scan.nodes.get(position) else { return };
        if node.volume.purpose != Purpose::Data || node.volume.health == Health::Unreadable {
            return;
        }
        let (device, depth, disk) = (node.device.clone(), node.depth, node.disk.filter(|_| node.depth == 0));
        if depth >= DEPTH_MAX {
            self.scan.notices.push(format!("{}: it lies on {depth} others, and is not looked into", device.name));
            return;
        }
        // As Linux: what looks like a table at the start of a partition is boot code or a left-over.
        let is_partition = node.volume.partition.is_some();
        let asked = MANAGERS.iter().enumerate().filter(|(number, _)| !is_partition || !is_table(*number));
        for (number, manager) in asked {
            match manager.probe(&device) {
                Ok(None) => continue,
                Ok(Some(membership)) if in_partition(&device, &membership, number) => continue,
                Ok(Some(_)) => self.claim(position, number, disk),
                Err(error) => {
                    self.scan.notices.push(format!("{}: its {} cannot be used: {error}", device.name, what(*manager)));
                    if let (Some(table), true) =
                        (disk.and_then(|disk| self.scan.tables.get_mut(disk)), is_table(number))
                    {
                        *table = Table::Damaged;
                    }
                    if let Some(node) = self.scan.nodes.get_mut(position) {
                        node.claimed_by = Some(manager.name());
                    }
                }
            }
            return;
        }
    }

    fn claim(&mut self, position: usize, number: usize, disk: Option<usize>) {
        let name = MANAGERS.get(number).map_or("", |manager| manager.name());
        if let Some(node) = self.scan.nodes.get_mut(position) {
            node.claimed_by = Some(name);
        }
        self.members.entry(number).or_default().push(position);
        if let (Some(table), true) = (disk.and_then(|disk| self.scan.tables.get_mut(disk)), is_table(number)) {
            *table = Table::Managed(name);
        }
    }

    /// Makes the volumes of a set; they are looked at next.
    fn assemble(&mut self, number: usize, set: &Set) {
        self.done.insert((number, set.id.clone()));
        let Some(manager) = MANAGERS.get(number) else { return };
        let nodes = || set.members.iter().filter_map(|member| self.scan.nodes.get(*member));
        let devices: Vec<_> = nodes().map(|node| &node.device).collect();
        let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
        let names = names.join(", ");
        let disks: HashSet<_> = nodes().map(|node| node.disk).collect();
        let disk = if disks.len() == 1 { disks.into_iter().next().flatten() } else { None };
        let depth = nodes().map(|node| node.depth).max().unwrap_or(0).saturating_add(1);
        let mut group = match manager.assemble(&devices, &self.scan.faults) {
            Ok(group) => group,
            Err(error) => {
                self.scan.notices.push(format!("{names}: the {} cannot be used: {error}", what(*manager)));
                return;
            }
        };
        let position = self.scan.groups.len();
        for member in &mut group.members {
            member.device = member.device.and_then(|device| set.members.get(device).copied());
        }
        if group.members.is_empty() {
            let member = |node: &usize| Member {
                device: Some(*node),
                uuid: None,
                role: String::new(),
                state: MemberState::Active,
            };
            group.members = set.members.iter().map(member).collect();
        }
        for member in &set.members {
            if let Some(node) = self.scan.nodes.get_mut(*member) {
                node.member_of = Some(position);
            }
        }
        let whose = if is_table(number) { names } else { group.name.clone().unwrap_or(names) };
        let notices = group.notices.iter().map(|notice| format!("{whose}: {notice}"));
        self.scan.notices.extend(notices);
        let mut volumes = std::mem::take(&mut group.volumes);
        if is_table(number) {
            volumes.sort_by_key(|volume| volume.partition);
        }
        for volume in volumes {
            self.add(volume, position, &whose, (disk, depth));
        }
        self.scan.groups.push(group);
    }

    fn add(&mut self, volume: Volume, group: usize, whose: &str, (disk, depth): (Option<usize>, usize)) {
        if self.scan.nodes.len() >= NODES_MAX {
            if !self.scan.notices.iter().any(|notice| notice.contains("are looked at")) {
                self.scan.notices.push(format!("no more than {NODES_MAX} disks and volumes are looked at"));
            }
            return;
        }
        let name = match (volume.partition, volume.name.as_str()) {
            (Some(number), _) => format!("{whose} partition {number}"),
            (None, "") => whose.to_owned(),
            (None, name) => format!("{whose}/{name}"),
        };
        let device = Device { name, data: Arc::clone(&volume.data), block_size: volume.block_size };
        let (made_by, position) = (Some(group), String::new());
        let node = Node { volume, made_by, member_of: None, claimed_by: None, disk, position, depth, device };
        self.scan.nodes.push(node);
    }

    /// Gives everything its position, now that all groups are known.
    fn finish(mut self) -> Scan {
        let labels = self.labels();
        let mut taken = HashSet::new();
        for number in 0..self.scan.nodes.len() {
            let position = self.position(number, &labels);
            // Names come from disks, and may be alike or look like others.
            let mut unique = position.clone();
            let mut count = 1_u32;
            while !taken.insert(unique.clone()) {
                count = count.saturating_add(1);
                unique = format!("{position}~{count}");
            }
            if let Some(node) = self.scan.nodes.get_mut(number) {
                node.position = unique;
            }
        }
        for node in &self.scan.nodes {
            if let (None, Some(manager)) = (node.member_of, node.claimed_by)
                && !self.scan.notices.iter().any(|notice| notice.starts_with(&node.device.name))
            {
                let notice = format!(
                    "{}: it is a member for {manager}, but nothing that it belongs to was found",
                    node.device.name
                );
                self.scan.notices.push(notice);
            }
        }
        self.scan
    }

    /// What the volumes of each group are named by: its name, with the beginning of its UUID where several have that.
    fn labels(&self) -> Vec<String> {
        let own = |group: &Group| {
            let uuid = group.uuid.as_deref().unwrap_or_default();
            let short: String = uuid.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
            // Names of arrays and of volume groups do not stand in each other's way.
            let family = group.kind.split(' ').next().unwrap_or_default().to_owned();
            (family, group.name.clone().unwrap_or_else(|| short.clone()), short)
        };
        let own: Vec<_> = self.scan.groups.iter().map(own).collect();
        let shared = |family: &String, name: &String| {
            own.iter().filter(|(other, of, _)| other == family && of == name).count() > 1
        };
        let label = |(family, name, short): &(String, String, String)| {
            if shared(family, name) { format!("{name}-{short}") } else { name.clone() }
        };
        own.iter().map(label).collect()
    }

    fn position(&self, number: usize, labels: &[String]) -> String {
        let Some(node) = self.scan.nodes.get(number) else { return String::new() };
        let Some(group) = node.made_by else { return node.position.clone() };
        let label = labels.get(group).map(String::as_str).unwrap_or_default();
        match (node.volume.partition, node.volume.name.as_str()) {
            (Some(partition), _) => {
                let carrier = self.scan.nodes.iter().find(|carrier| carrier.member_of == Some(group));
                let carrier = carrier.map(|carrier| carrier.position.as_str()).unwrap_or_default();
                format!("{carrier}:{partition}")
            }
            (None, "") => format!("md/{label}"),
            (None, name) => format!("{label}/{name}"),
        }
    }
}

/// Whether the manager with this number is a partition table's.
fn is_table(number: usize) -> bool {
    MANAGERS.get(number).is_some_and(|manager| manager.is_partition_table())
}

fn what(manager: &dyn VolumeManager) -> String {
    match manager.name() {
        name @ ("GPT" | "MBR") => format!("partition table ({name})"),
        name => format!("{name} metadata"),
    }
}

/// Whether metadata at the end of a device lies in a partition of it: then it is that partition's.
fn in_partition(device: &Device, membership: &Membership, manager: usize) -> bool {
    if is_table(manager) || membership.at == 0 {
        return false;
    }
    let tables: [&dyn VolumeManager; 2] = [&Gpt, &Mbr];
    let Some(table) = tables.iter().find(|table| matches!(table.probe(device), Ok(Some(_)))) else { return false };
    let Ok(group) = table.assemble(&[device], &Arc::default()) else { return false };
    let covers = |volume: &Volume| membership.at.checked_sub(volume.start).is_some_and(|inside| inside < volume.bytes);
    group.volumes.iter().any(covers)
}
