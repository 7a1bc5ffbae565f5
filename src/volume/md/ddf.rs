//! Containers of RAID controllers that follow SNIA's Common RAID Disk Data Format (mdadm `super-ddf.c`).

use self::records::{Config, Guid, Structure, Virtual};
use crate::map::Faults;
use crate::md::containers::{Array, DIRTY, Part, refused, sha1_uuid};
use crate::md::geometry::{Geometry, Level};
use crate::{Device, Error, Group, Health, Member, MemberState, Membership, Set, Volume, VolumeManager};
use block::BlockSize;
use std::collections::BTreeMap;
use std::sync::Arc;

mod records;

/// The manager of DDF containers.
pub struct Ddf;

/// What is known of a volume that cannot be read is its name and size.
const WHAT: &str = "DDF volume";

impl VolumeManager for Ddf {
    fn name(&self) -> &'static str {
        "DDF"
    }

    fn probe(&self, device: &Device) -> Result<Option<Membership>, Error> {
        // The partition table of a volume lies at the beginning of a disk and covers what is not on it: the metadata is never a
        // partition's.
        Ok(Structure::read(device)?.map(|structure| Membership { set: sha1_uuid(&[&structure.guid]), at: 0 }))
    }

    fn sets(&self, members: &[&Device]) -> Vec<Set> {
        let mut found: BTreeMap<Guid, Vec<(usize, Structure)>> = BTreeMap::new();
        for (position, device) in members.iter().enumerate() {
            if let Ok(Some(structure)) = Structure::read(device) {
                found.entry(structure.guid).or_default().push((position, structure));
            }
        }
        let set = |(guid, found): (Guid, Vec<(usize, Structure)>)| {
            let newest = found.iter().map(|(_, structure)| structure).max_by_key(|structure| structure.sequence);
            let is_there = |refnum| found.iter().any(|(_, structure)| structure.refnum == refnum);
            let complete = newest.is_some_and(|newest| newest.physical.iter().all(|disk| is_there(disk.refnum)));
            let members = found.iter().map(|(position, _)| *position).collect();
            Set { id: sha1_uuid(&[&guid]), members, complete }
        };
        found.into_iter().map(set).collect()
    }

    fn assemble(&self, members: &[&Device], faults: &Arc<Faults>) -> Result<Group, Error> {
        Container::new(members)?.group(faults)
    }
}

/// The disks of a container.
struct Container<'a> {
    devices: &'a [&'a Device],
    /// By position in `devices`.
    structures: Vec<Option<Structure>>,
    /// The structure that is in force: the one with the highest sequence number.
    newest: Structure,
}

/// A volume: all its parts, each as the newest record of it says.
struct Parts<'a> {
    record: &'a Virtual,
    parts: BTreeMap<u8, &'a Config>,
}

impl<'a> Container<'a> {
    fn new(devices: &'a [&'a Device]) -> Result<Self, Error> {
        let structures: Vec<_> = devices.iter().map(|device| Structure::read(device)).collect::<Result<_, _>>()?;
        let newest = structures.iter().flatten().rev().max_by_key(|structure| structure.sequence);
        let newest = newest.cloned().ok_or_else(|| Error::Damaged("none of it is left".to_owned()))?;
        Ok(Self { devices, structures, newest })
    }

    fn group(&self, faults: &Arc<Faults>) -> Result<Group, Error> {
        let uuid = Some(sha1_uuid(&[&self.newest.guid]));
        let mut group = Group { kind: "DDF container".to_owned(), uuid, members: self.members(), ..Group::default() };
        for (device, structure) in self.devices.iter().zip(&self.structures) {
            let notices = structure.iter().flat_map(|structure| &structure.notices);
            group.notices.extend(notices.map(|notice| format!("{}: {notice}", device.name)));
        }
        for member in group.members.iter().filter(|member| member.state == MemberState::Stale) {
            let name =
                member.device.and_then(|device| self.devices.get(device)).map_or("", |device| device.name.as_str());
            group.notices.push(format!("{name} is left out: the container went on without it"));
        }
        for parts in self.volumes() {
            let volume = self.volume(&parts, faults)?;
            group.health = group.health.max(volume.health);
            group.volumes.push(volume);
        }
        Ok(group)
    }

    /// What each disk is to the container; those that the newest table does not know are strangers by now.
    fn members(&self) -> Vec<Member> {
        let mut members = Vec::new();
        for (number, disk) in self.newest.physical.iter().enumerate() {
            let device = self.device(disk.refnum);
            let state = match device {
                None => MemberState::Missing,
                Some(_) if disk.is_rebuilding => MemberState::Rebuilding,
                Some(_) if !disk.is_in_use => MemberState::Stale,
                Some(_) if disk.is_spare => MemberState::Spare,
                Some(_) => MemberState::Active,
            };
            let uuid = Some(guid_text(&disk.guid));
            members.push(Member { device, uuid, role: format!("disk {number}"), state });
        }
        for position in 0..self.devices.len() {
            if !members.iter().any(|member| member.device == Some(position)) {
                let (device, state) = (Some(position), MemberState::Stale);
                members.push(Member { device, uuid: None, role: String::new(), state });
            }
        }
        members
    }

    /// The device that is the disk with this number; the newest where there are several.
    fn device(&self, refnum: u32) -> Option<usize> {
        let known = self.structures.iter().enumerate().rev();
        let of_it = known.filter_map(|(position, structure)| Some((position, structure.as_ref()?)));
        let of_it = of_it.filter(|(_, structure)| structure.refnum == refnum);
        of_it.max_by_key(|(_, structure)| structure.sequence).map(|(position, _)| position)
    }

    /// The volumes that the newest table knows, with the newest configuration of each part that any disk has.
    fn volumes(&self) -> Vec<Parts<'_>> {
        let configs: Vec<_> = self.structures.iter().flatten().flat_map(|structure| &structure.configs).collect();
        let mut volumes = Vec::new();
        for record in &self.newest.virtuals {
            let mut parts: BTreeMap<u8, &Config> = BTreeMap::new();
            for config in configs.iter().filter(|config| config.guid == record.guid) {
                let newest = parts.entry(config.part).or_insert(config);
                if newest.sequence < config.sequence {
                    *newest = config;
                }
            }
            volumes.push(Parts { record, parts });
        }
        volumes
    }

    fn volume(&self, parts: &Parts<'_>, faults: &Arc<Faults>) -> Result<Volume, Error> {
        let (name, bytes) = (&parts.record.name, parts.parts.values().map(|config| config.volume_bytes).max());
        let array = parts.array().and_then(|(array, slots)| self.with_sizes(array, slots));
        let volume = match array {
            Ok((array, slots)) => {
                let mut volume = array.volume(name, self.slots(&slots, parts), self.block_size(), faults)?;
                let has_parity = array.geometry.level.parities() > 0;
                if !parts.record.is_consistent && volume.health != Health::Whole && has_parity {
                    volume.notices.push(DIRTY.to_owned());
                }
                volume
            }
            Err(why) => refused(name, WHAT, bytes.unwrap_or(0), self.block_size(), &why),
        };
        Ok(Volume { uuid: Some(sha1_uuid(&[&parts.record.guid])), ..volume })
    }

    /// Takes the sizes of members that differ from what each disk says of itself.
    fn with_sizes(&self, mut array: Array, slots: Vec<(u32, u64)>) -> Result<(Array, Vec<(u32, u64)>), String> {
        if array.geometry.level != Level::Linear {
            return Ok((array, slots));
        }
        let size = |(refnum, _): &(u32, u64)| {
            let structure = self.structures.get(self.device(*refnum)?)?.as_ref()?;
            let mine =
                structure.configs.iter().filter(|config| config.disks.iter().any(|(number, _)| number == refnum));
            Some(mine.max_by_key(|config| config.sequence)?.bytes)
        };
        let sizes: Vec<_> = slots.iter().map(size).collect();
        let known: u64 = sizes.iter().flatten().fold(0, |sum, bytes| sum.saturating_add(*bytes));
        // One that is missing has the rest; of several, nobody knows.
        let rest = match sizes.iter().filter(|size| size.is_none()).count() {
            0 | 1 => array.size.saturating_sub(known),
            _ => return Err("several disks are missing, and nothing says how large their parts were".to_owned()),
        };
        array.data = sizes.into_iter().map(|size| size.unwrap_or(rest)).collect();
        Ok((array, slots))
    }

    /// What each disk gives to a volume, and what messages call it.
    fn slots(&self, slots: &[(u32, u64)], parts: &Parts<'_>) -> Vec<(String, Option<Part>)> {
        let slot = |(number, (refnum, start)): (usize, &(u32, u64))| {
            let missing = format!("the disk in slot {number} of {}", parts.record.name);
            let is_in_use = self.newest.physical.iter().any(|disk| disk.refnum == *refnum && disk.is_in_use);
            let position = self.device(*refnum).filter(|_| is_in_use);
            let Some((position, device)) = position.and_then(|at| Some((at, self.devices.get(at)?))) else {
                return (missing, None);
            };
            let structure = self.structures.get(position).and_then(Option::as_ref);
            let bad = structure.map(|structure| structure.bad_blocks.clone()).unwrap_or_default();
            (device.name.clone(), Some(Part { data: Arc::clone(&device.data), start: *start, bad, filled: None }))
        };
        slots.iter().enumerate().map(slot).collect()
    }

    fn block_size(&self) -> BlockSize {
        self.devices.first().map_or(BlockSize::B512, |device| device.block_size)
    }
}

impl Parts<'_> {
    /// How the volume lies on its disks, and for each slot the disk's number and the first byte on it.
    ///
    /// # Errors
    /// In words: why it cannot be read.
    fn array(&self) -> Result<(Array, Vec<(u32, u64)>), String> {
        let Some(first) = self.parts.values().next() else {
            return Err("none of the disks that are there says how it is laid out".to_owned());
        };
        if self.record.is_morphing {
            return Err("it is being changed to another layout; let its controller finish that".to_owned());
        }
        let (level, layout) = self.level(first)?;
        let mut slots = Vec::new();
        for part in 0..first.parts {
            let Some(config) = self.parts.get(&part) else {
                return Err(format!("nothing says how part {part} of its {} is laid out", first.parts));
            };
            if !is_alike(first, config) {
                return Err("its parts are laid out differently, which cannot be read here".to_owned());
            }
            if config.disks.len() != config.members || config.disks.is_empty() {
                let (found, wanted) = (config.disks.len(), config.members);
                return Err(format!("its configuration lists {found} disks of {wanted}"));
            }
            slots.extend_from_slice(&config.disks);
        }
        let members = u64::try_from(slots.len()).unwrap_or(u64::MAX);
        let chunk = if level == Level::Raid1 { 0 } else { first.chunk };
        let geometry = Geometry { level, layout: Some(layout), chunk, members, component: first.bytes };
        let parity_up_to = (!self.record.is_initialized).then_some(0);
        let data = vec![first.bytes; slots.len()];
        let array = Array { geometry, data, size: first.volume_bytes, parity_up_to };
        array.layout().map_err(|error| error.to_string())?;
        Ok((array, slots))
    }

    /// The level and layout as md numbers them (mdadm `layout_ddf2md`).
    fn level(&self, config: &Config) -> Result<(Level, u32), String> {
        /// `ALGORITHM_*` of Linux `drivers/md/raid5.h`.
        const LEFT_ASYMMETRIC: u32 = 0;
        const RIGHT_ASYMMETRIC: u32 = 1;
        const LEFT_SYMMETRIC: u32 = 2;
        const PARITY_0: u32 = 4;
        const ROTATING_ZERO_RESTART: u32 = 8;
        const ROTATING_N_RESTART: u32 = 9;
        const ROTATING_N_CONTINUE: u32 = 10;
        const NEAR_2: u32 = 0x102;
        const FAR_2: u32 = 0x201;
        const OFFSET_2: u32 = 0x1_0201;
        /// Secondary levels that stripe over the parts.
        const STRIPED: [u8; 2] = [0, 3];
        let (primary, qualifier) = config.level;
        if config.parts > 1 {
            let copies = u32::try_from(config.members).unwrap_or(0);
            return match config.level {
                (1, _) if STRIPED.contains(&config.secondary_level) && (2..=255).contains(&copies) => {
                    Ok((Level::Raid10, 0x100 | copies))
                }
                _ => {
                    let second = config.secondary_level;
                    Err(format!("secondary RAID level {second} over primary level {primary} cannot be read here"))
                }
            };
        }
        Ok(match config.level {
            (0, 0) => (Level::Raid0, 0),
            (1, _) => (Level::Raid1, 0),
            (4, 0) => (Level::Raid5, PARITY_0),
            (4, 1) => (Level::Raid4, 0),
            (5, 0) => (Level::Raid5, RIGHT_ASYMMETRIC),
            (5, 2) => (Level::Raid5, LEFT_ASYMMETRIC),
            (5, 3) => (Level::Raid5, LEFT_SYMMETRIC),
            (6, 1) => (Level::Raid6, ROTATING_ZERO_RESTART),
            (6, 2) => (Level::Raid6, ROTATING_N_RESTART),
            (6, 3) => (Level::Raid6, ROTATING_N_CONTINUE),
            (0x11, 0) => (Level::Raid10, NEAR_2),
            // mdadm says "offset" and means "far".
            (0x11, 1) if self.record.guid.starts_with(b"Linux-MD") => (Level::Raid10, FAR_2),
            (0x11, 1) => (Level::Raid10, OFFSET_2),
            (0x1F, _) => (Level::Linear, 0),
            _ => return Err(format!("RAID level {primary:#04x} with qualifier {qualifier} cannot be read here")),
        })
    }
}

/// Whether two parts of a volume are laid out alike (mdadm `check_secondary`).
fn is_alike(one: &Config, other: &Config) -> bool {
    let of = |config: &Config| {
        let size = (config.chunk, config.members, config.volume_bytes, config.bytes);
        (config.level, config.secondary_level, config.parts, size)
    };
    of(one) == of(other)
}

/// A GUID as mdadm shows it: the vendor's text, and the rest as a number.
fn guid_text(guid: &Guid) -> String {
    let (vendor, rest) = guid.split_at(8);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match std::str::from_utf8(vendor) {
        Ok(text) if text.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ') => {
            format!("{}:{}", text.trim(), hex(rest))
        }
        _ => hex(guid),
    }
}

#[cfg(test)]
mod tests;
