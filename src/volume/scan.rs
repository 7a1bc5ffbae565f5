//! Everything that is on a list of disks: whatever managers make is looked at again, until nothing new appears.

mod clean;
mod positions;

pub use clean::text as printable;

use crate::lvm::Lvm;
use crate::map::Faults;
use crate::md::{Ddf, Imsm, Md};
use crate::{
    Device, Error, Gpt, Group, Health, Mbr, Member, MemberState, Membership, Purpose, Set, Volume, VolumeKind,
    VolumeManager,
};
use std::collections::{BTreeMap, HashMap, HashSet};
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

/// How often a scan begins anew because a set turned out to be put together too early.
const ATTEMPTS_MAX: usize = 32;

/// Finds everything on `disks`. A disk that cannot be read or whose metadata is damaged holds nothing, and a notice says so.
#[must_use]
pub fn scan(disks: &[Device]) -> Scan {
    let mut later = Later::new();
    for _ in 0..ATTEMPTS_MAX {
        let mut scanner = Scanner::new(disks, &later);
        match scanner.run() {
            Ok(()) => return scanner.finish(),
            // What it lacked then is there now, and it may not have shown what is right.
            Err(early) => {
                let rank = later.entry(early).or_default();
                *rank = rank.saturating_add(1);
            }
        }
    }
    let mut scanner = Scanner::new(disks, &later);
    scanner.is_last = true;
    // The last attempt takes what it finds.
    let _ = scanner.run();
    scanner.finish()
}

/// A set, by its manager's position in the list of them and its identity.
type SetKey = (usize, String);
/// Sets that wait until others were put together, and how long.
type Later = HashMap<SetKey, u32>;

struct Scanner<'a> {
    scan: Scan,
    /// Nodes that were looked at already.
    looked_at: usize,
    /// Members, by the manager's position in the list of them.
    members: BTreeMap<usize, Vec<usize>>,
    /// Nodes that carry a partition table too, by the manager of that.
    tables: HashMap<usize, usize>,
    /// Sets that were put together; of how many members, where some were missing.
    done: HashMap<SetKey, Option<usize>>,
    later: &'a Later,
    /// Whether nothing begins anew any more.
    is_last: bool,
    /// Nodes of which it was told why nothing came of them.
    told: HashSet<usize>,
}

impl<'a> Scanner<'a> {
    fn new(disks: &[Device], later: &'a Later) -> Self {
        let mut scan = Scan::default();
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
            scan.nodes.push(node);
            scan.tables.push(Table::None);
        }
        Self {
            scan,
            looked_at: 0,
            members: BTreeMap::new(),
            tables: HashMap::new(),
            done: HashMap::new(),
            later,
            is_last: false,
            told: HashSet::new(),
        }
    }

    /// Looks at what is new, and puts together what is complete; what is not complete only when nothing else brings
    /// anything new.
    ///
    /// # Errors
    /// When a set was put together without a member that appeared afterwards.
    fn run(&mut self) -> Result<(), SetKey> {
        loop {
            while self.looked_at < self.scan.nodes.len() {
                self.look_at(self.looked_at);
                self.looked_at = self.looked_at.saturating_add(1);
            }
            let mut sets = self.sets()?;
            if sets.iter().any(|(_, set)| set.complete) {
                sets.retain(|(_, set)| set.complete);
            } else {
                let rank =
                    |(number, set): &(usize, Set)| self.later.get(&(*number, set.id.clone())).copied().unwrap_or(0);
                let first = sets.iter().map(rank).min();
                sets.retain(|set| Some(rank(set)) == first);
            }
            if sets.is_empty() {
                return Ok(());
            }
            for (manager, set) in sets {
                self.assemble(manager, &set);
            }
        }
    }

    /// The sets that were not put together yet.
    fn sets(&self) -> Result<Vec<(usize, Set)>, SetKey> {
        let mut all = Vec::new();
        for (number, manager) in MANAGERS.iter().enumerate() {
            let nodes = self.members.get(&number).map(Vec::as_slice).unwrap_or_default();
            let devices: Vec<_> = nodes.iter().filter_map(|node| Some(&self.scan.nodes.get(*node)?.device)).collect();
            for mut set in manager.sets(&devices) {
                set.members = set.members.iter().filter_map(|member| nodes.get(*member).copied()).collect();
                let key = (number, set.id.clone());
                match self.done.get(&key) {
                    None => all.push((number, set)),
                    Some(Some(count)) if set.members.len() > *count && !self.is_last => return Err(key),
                    Some(_) => {}
                }
            }
        }
        Ok(all)
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
        let (mut claimed, mut damaged) = (None, None);
        for (number, manager) in asked {
            if claimed.is_some() && !is_table(number) {
                continue;
            }
            match manager.probe(&device) {
                Ok(Some(membership)) if in_partition(&device, &membership, number) => {}
                Ok(Some(_)) if claimed.is_some() => {
                    self.tables.insert(position, number);
                    break;
                }
                Ok(Some(_)) => {
                    claimed = Some(number);
                    if is_table(number) {
                        break;
                    }
                }
                Err(Error::Damaged(why)) if claimed.is_none() => {
                    let why = clean::text(&why);
                    self.scan.notices.push(format!("{}: its {} cannot be used: {why}", device.name, what(*manager)));
                    self.set_table(disk.filter(|_| is_table(number)), Table::Damaged);
                    damaged = damaged.or(Some(manager.name()));
                }
                // What cannot be read is nobody's metadata: a volume that lacks a disk may have files all the same.
                Ok(None) | Err(_) => {}
            }
        }
        match (claimed, damaged) {
            (Some(number), _) => self.claim(position, number),
            // It is a member, or has a table, and nothing else: what else it looks like would be a guess.
            (None, Some(manager)) => {
                self.told.insert(position);
                if let Some(node) = self.scan.nodes.get_mut(position) {
                    node.claimed_by = Some(manager);
                }
            }
            (None, None) => {}
        }
    }

    fn set_table(&mut self, disk: Option<usize>, found: Table) {
        if let Some(table) = disk.and_then(|disk| self.scan.tables.get_mut(disk)) {
            *table = found;
        }
    }

    fn claim(&mut self, position: usize, number: usize) {
        let name = MANAGERS.get(number).map_or("", |manager| manager.name());
        let Some(node) = self.scan.nodes.get_mut(position) else { return };
        node.claimed_by = Some(name);
        let disk = node.disk.filter(|_| node.depth == 0);
        self.members.entry(number).or_default().push(position);
        self.set_table(disk.filter(|_| is_table(number)), Table::Managed(name));
    }

    /// Makes the volumes of a set; they are looked at next.
    fn assemble(&mut self, number: usize, set: &Set) {
        self.done.insert((number, set.id.clone()), (!set.complete).then_some(set.members.len()));
        let Some(manager) = MANAGERS.get(number) else { return };
        let nodes = || set.members.iter().filter_map(|member| self.scan.nodes.get(*member));
        let devices: Vec<_> = nodes().map(|node| &node.device).collect();
        let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
        let names = names.join(", ");
        let disks: HashSet<_> = nodes().map(|node| node.disk).collect();
        let disk = if disks.len() == 1 { disks.into_iter().next().flatten() } else { None };
        let depth = nodes().map(|node| node.depth).max().unwrap_or(0).saturating_add(1);
        let is_degraded = nodes().any(|node| node.volume.health == Health::Degraded);
        let made = manager.assemble(&devices, &self.scan.faults);
        let is_whole = made.as_ref().is_ok_and(|group| group.health <= Health::Degraded);
        if !is_whole && self.use_tables(number, set, manager.name()) {
            return;
        }
        let mut group = match made {
            Ok(group) => clean::group(group),
            Err(error) => {
                self.told.extend(&set.members);
                let why = clean::text(&error.to_string());
                self.scan.notices.push(format!("{names}: the {} cannot be used: {why}", what(*manager)));
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
            let mut volume = clean::volume(volume);
            if is_degraded && volume.health == Health::Whole {
                volume.health = Health::Degraded;
            }
            self.add(volume, position, &whose, (disk, depth));
        }
        self.scan.groups.push(group);
    }

    /// Where members of a set that is not whole carry partition tables, these are used: what says that they are members may be
    /// left over from an earlier life. Whether there were any.
    fn use_tables(&mut self, number: usize, set: &Set, manager: &str) -> bool {
        let tables: Vec<_> = set.members.iter().filter_map(|node| Some((*node, *self.tables.get(node)?))).collect();
        for (node, table) in &tables {
            if let Some(members) = self.members.get_mut(&number) {
                members.retain(|member| member != node);
            }
            let name = self.scan.nodes.get(*node).map(|node| node.device.name.clone()).unwrap_or_default();
            self.scan.notices.push(format!(
                "{name}: its partition table is used; it is a member for {manager} as well, but of something that is not whole"
            ));
            self.claim(*node, *table);
        }
        if !tables.is_empty() {
            // What is left of the set is looked at again.
            self.done.remove(&(number, set.id.clone()));
        }
        !tables.is_empty()
    }

    /// Says of groups that are there more than once which one is which.
    fn tell_copies(&mut self) {
        let same = |one: &Group, other: &Group| one.kind == other.kind && one.uuid == other.uuid;
        let mut told = Vec::new();
        for (number, group) in self.scan.groups.iter().enumerate().filter(|(_, group)| group.uuid.is_some()) {
            let count = self.scan.groups.iter().filter(|other| same(group, other)).count();
            let devices = group.members.iter().filter_map(|member| self.scan.nodes.get(member.device?));
            let devices: Vec<_> = devices.map(|node| (node.claimed_by, &node.device)).collect();
            let manager = devices
                .first()
                .and_then(|(claimed, _)| MANAGERS.iter().find(|manager| *claimed == Some(manager.name())));
            let (Some(manager), 2..) = (manager, count) else { continue };
            let devices: Vec<_> = devices.iter().map(|(_, device)| *device).collect();
            let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
            let version = manager.version(&devices).map_or_else(String::new, |version| format!(", {version}"));
            told.push((
                number,
                format!("there are {count} copies of it: this one is of {}{version}", names.join(", ")),
            ));
        }
        for (number, notice) in told {
            let Some(group) = self.scan.groups.get_mut(number) else { continue };
            self.scan.notices.push(format!("{}: {notice}", group.name.as_deref().unwrap_or_default()));
            group.notices.push(notice);
        }
    }

    /// Tells of members of which nothing came.
    fn finish(mut self) -> Scan {
        self.tell_copies();
        self.scan.give_positions();
        for (number, node) in self.scan.nodes.iter().enumerate() {
            let Some(manager) = node.claimed_by.filter(|_| node.member_of.is_none() && !self.told.contains(&number))
            else {
                continue;
            };
            let what = "but nothing that it belongs to was found: add the other disks";
            self.scan.notices.push(format!("{}: it is a member for {manager}, {what}", node.device.name));
        }
        self.scan
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

/// The manager of the partition table that a device carries.
pub(crate) fn partition_table(device: &Device) -> Option<&'static dyn VolumeManager> {
    let mut tables = MANAGERS.into_iter().filter(|manager| manager.is_partition_table());
    tables.find(|table| matches!(table.probe(device), Ok(Some(_))))
}

/// Whether metadata at the end of a device lies in a partition of it: then it is that partition's.
fn in_partition(device: &Device, membership: &Membership, manager: usize) -> bool {
    if is_table(manager) || membership.at == 0 {
        return false;
    }
    let Some(table) = partition_table(device) else { return false };
    let Ok(group) = table.assemble(&[device], &Arc::default()) else { return false };
    let covers = |volume: &Volume| membership.at.checked_sub(volume.start).is_some_and(|inside| inside < volume.bytes);
    group.volumes.iter().any(covers)
}

#[cfg(test)]
mod tests;
