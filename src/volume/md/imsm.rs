//! Containers of Intel's RAID firmware (Matrix Storage, Rapid Storage, VROC; mdadm `super-intel.c`).
//!
//! The metadata is alike on all disks of a container and knows them by their serial numbers, which a copy of a disk does not
//! have. Which disk is which is found by what lies on them (`arrange.rs`).

use self::mpb::{Migration, Mpb, RaidVolume};
use crate::map::Faults;
use crate::md::containers::{Array, DIRTY, Part, refused, sha1_uuid};
use crate::md::geometry::{Geometry, Level};
use crate::md::ppl::PartialParity;
use crate::{Device, Error, Group, Health, Member, MemberState, Membership, Set, Volume, VolumeManager};
use block::BlockSize;
use std::collections::BTreeMap;
use std::sync::Arc;

mod arrange;
mod bad_blocks;
mod landmarks;
mod mpb;

/// The manager of containers of Intel's RAID firmware.
pub struct Imsm;

const UNKNOWN_ORDER: &str = "its metadata knows disks by serial numbers, which copies of disks do not have, and what is on \
                             them does not tell which is which";
/// md's numbers of these layouts (mdadm `imsm_level_to_layout`).
const LEFT_ASYMMETRIC: u32 = 0;
const NEAR_2: u32 = 0x102;
const FINISH: &str = "let the system that it belongs to finish that, or take a recovery point from before";
/// The disks of a container, told apart.
struct Container<'a> {
    devices: &'a [&'a Device],
    mpb: Mpb,
    /// Devices whose metadata is in force, as positions in `devices`.
    current: Vec<usize>,
    /// Devices that the others went on without.
    stale: Vec<usize>,
    notices: Vec<String>,
}

impl VolumeManager for Imsm {
    fn name(&self) -> &'static str {
        "Intel RAID"
    }

    fn probe(&self, device: &Device) -> Result<Option<Membership>, Error> {
        let Some(mpb) = Mpb::read(device)? else { return Ok(None) };
        // The partition table of a volume lies at the beginning of a disk and covers what is not on it. A spare has none.
        let at = if mpb.volumes.is_empty() { mpb.at } else { 0 };
        Ok(Some(Membership { set: format!("{:08x}", mpb.original_family), at }))
    }

    fn sets(&self, members: &[&Device]) -> Vec<Set> {
        let mut families: BTreeMap<u32, Vec<(usize, Mpb)>> = BTreeMap::new();
        let mut sets = Vec::new();
        for (position, device) in members.iter().enumerate() {
            let Ok(Some(mpb)) = Mpb::read(device) else { continue };
            if mpb.volumes.is_empty() {
                sets.push(Set { id: format!("spare {}", device.name), members: vec![position], complete: true });
            } else {
                families.entry(mpb.original_family).or_default().push((position, mpb));
            }
        }
        for (family, found) in families {
            let positions = found.iter().map(|(position, _)| *position).collect();
            let newest = found.iter().map(|(_, mpb)| mpb).max_by_key(|mpb| mpb.generation);
            let wanted = newest.map_or(0, |mpb| mpb.disks.iter().filter(|disk| !disk.has_failed).count());
            let complete = found.len() >= wanted;
            sets.push(Set { id: format!("{family:08x}"), members: positions, complete });
        }
        sets
    }

    fn assemble(&self, members: &[&Device], faults: &Arc<Faults>) -> Result<Group, Error> {
        Container::new(members)?.group(faults)
    }
}

impl<'a> Container<'a> {
    /// Sorts the disks by whether their metadata is in force (mdadm `imsm_thunderdome`).
    fn new(devices: &'a [&'a Device]) -> Result<Self, Error> {
        let mut found = Vec::new();
        for (position, device) in devices.iter().enumerate() {
            if let Some(mpb) = Mpb::read(device)? {
                found.push((position, mpb));
            }
        }
        // Of several that are as new the first is taken: they went on without each other, and none is more right.
        let newest = found.iter().rev().max_by_key(|(_, mpb)| (!mpb.volumes.is_empty(), mpb.generation));
        let Some((_, newest)) = newest else { return Err(Error::Damaged("none of it is left".to_owned())) };
        let newest = newest.clone();
        let (mut current, mut stale, mut notices) = (Vec::new(), Vec::new(), Vec::new());
        for (position, mpb) in &found {
            let name = devices.get(*position).map_or("", |device| device.name.as_str());
            // A write of the metadata that was cut off by a loss of power changes no disk's state.
            if mpb.family == newest.family && mpb.disks == newest.disks && mpb.volumes.len() == newest.volumes.len() {
                current.push(*position);
                continue;
            }
            stale.push(*position);
            notices.push(if mpb.generation == newest.generation {
                format!("{name} is left out: it and the others were in use without each other")
            } else {
                format!("{name} is left out: its generation is {}, the others' {}", mpb.generation, newest.generation)
            });
        }
        Ok(Self { devices, mpb: newest, current, stale, notices })
    }

    /// Everything that the container holds.
    fn group(mut self, faults: &Arc<Faults>) -> Result<Group, Error> {
        let arrays: Vec<_> = self.mpb.volumes.iter().map(array).collect();
        let arranged = arrange::arrange(&self, &arrays);
        let mut group = Group {
            kind: "Intel RAID container".to_owned(),
            uuid: Some(self.uuid(None)),
            notices: std::mem::take(&mut self.notices),
            ..Group::default()
        };
        for (number, volume) in self.mpb.volumes.iter().enumerate() {
            let slots = arranged.volumes.get(number).cloned().flatten();
            let what = format!("Intel RAID volume on {} disks", volume.map.slots.len());
            let refused = |why: &str| refused(&volume.name, &what, volume.bytes, self.block_size(), why);
            let made = match (arrays.get(number), slots) {
                (Some(Ok(array)), Some(slots)) => self.volume(volume, array, &slots, faults)?,
                (Some(Err(why)), _) => refused(why),
                _ => refused(UNKNOWN_ORDER),
            };
            let made = Volume { uuid: Some(self.uuid(Some(number))), ..made };
            group.health = group.health.max(made.health);
            group.volumes.push(made);
        }
        group.members = self.members(&arranged.disks);
        Ok(group)
    }

    /// What each device, and each disk that is missing, is to the container.
    fn members(&self, disks: &[Option<usize>]) -> Vec<Member> {
        let member = |device, state| Member { device, uuid: None, role: String::new(), state };
        let (mut placed, mut missing) = (Vec::new(), Vec::new());
        for (number, disk) in self.mpb.disks.iter().enumerate() {
            let uuid = Some(disk.serial.clone()).filter(|serial| !serial.is_empty());
            let role = format!("disk {number}");
            match disks.get(number).copied().flatten() {
                Some(device) => placed.push(Member { uuid, role, ..member(Some(device), self.state(number)) }),
                None => missing.push(Member { uuid, role, ..member(None, MemberState::Missing) }),
            }
        }
        let has_place = |device: &usize| placed.iter().any(|member: &Member| member.device == Some(*device));
        let unplaced: Vec<_> = self.current.iter().copied().filter(|device| !has_place(device)).collect();
        if !unplaced.is_empty() {
            // Nothing says which of the disks these are, and so which are missing.
            missing.truncate(missing.len().saturating_sub(unplaced.len()));
            missing.fill(member(None, MemberState::Missing));
        }
        let state = if self.mpb.volumes.is_empty() { MemberState::Spare } else { MemberState::Active };
        placed.extend(unplaced.iter().map(|device| member(Some(*device), state)));
        placed.extend(missing);
        placed.extend(self.stale.iter().map(|device| member(Some(*device), MemberState::Stale)));
        placed
    }

    /// What the disk with this number is to the volumes.
    fn state(&self, number: usize) -> MemberState {
        let slots = self.mpb.volumes.iter().flat_map(|volume| &volume.in_force().slots);
        let mut state = MemberState::Spare;
        for slot in slots.filter(|slot| slot.disk == number) {
            if slot.is_out_of_date {
                return MemberState::Rebuilding;
            }
            state = MemberState::Active;
        }
        state
    }

    /// A volume, of the devices in these slots.
    fn volume(
        &self,
        record: &RaidVolume,
        array: &Array,
        slots: &[Option<usize>],
        faults: &Arc<Faults>,
    ) -> Result<Volume, Error> {
        let member = |(slot, device): (usize, &Option<usize>)| {
            let name = device.and_then(|device| self.devices.get(device)).map(|device| device.name.clone());
            let name = name.unwrap_or_else(|| format!("the disk in slot {slot} of {}", record.name));
            (name, self.part(record, slot, *device))
        };
        let mut members: Vec<_> = slots.iter().enumerate().map(member).collect();
        let is_open = record.is_dirty && array.geometry.level == Level::Raid5;
        let mut damaged = 0;
        if is_open && record.has_ppl {
            damaged = self.recover(record, array, &mut members)?;
        }
        let mut volume = array.volume(&record.name, members, self.block_size(), faults)?;
        if is_open && volume.health != Health::Whole && (!record.has_ppl || damaged > 0) {
            volume.notices.push(DIRTY.to_owned());
        }
        Ok(volume)
    }

    /// Puts the parity of a volume right that has a partial parity log and was not shut down; gives how much of the log is
    /// damaged (mdadm `get_ppl_sector`).
    fn recover(
        &self,
        record: &RaidVolume,
        array: &Array,
        members: &mut [(String, Option<Part>)],
    ) -> Result<usize, Error> {
        /// `MULTIPLE_PPL_AREA_SIZE_IMSM`; where there is one log alone, nothing behind it looks like another.
        const AREA: u64 = 1 << 20;
        let component = array.geometry.component;
        let (mut data, mut logs) = (Vec::new(), Vec::new());
        for (_, part) in members.iter() {
            data.push(part.as_ref().map(|part| part.slice(component)).transpose()?);
            let start = record.map.start.saturating_add(record.map.data_bytes);
            let log =
                part.as_ref().map(|part| Part { start, bad: Vec::new(), filled: None, ..part.clone() }.slice(AREA));
            logs.push(log.transpose()?);
        }
        let layout = array.layout()?;
        let log = PartialParity {
            layout: layout.as_ref(),
            chunk: array.geometry.chunk,
            data_members: array.geometry.members.saturating_sub(1),
            members: &data,
            logs: &logs,
            signature: Some(self.mpb.original_family),
            block: self.block_size().bytes().into(),
        };
        let recovered = log.recover()?;
        for ((_, part), data) in members.iter_mut().zip(recovered.members) {
            if let (Some(part), Some(data)) = (part, data) {
                (part.data, part.start, part.bad) = (data, 0, Vec::new());
            }
        }
        Ok(recovered.damaged)
    }

    /// What the device in a slot gives to a volume; `None` when it is missing.
    fn part(&self, record: &RaidVolume, slot: usize, device: Option<usize>) -> Option<Part> {
        let device = self.devices.get(device?)?;
        let place = record.map.slots.get(slot)?;
        let on_disk = self.mpb.bad_blocks.iter().filter(|(disk, _)| *disk == place.disk);
        Some(Part {
            data: Arc::clone(&device.data),
            start: record.map.start,
            bad: on_disk.map(|(_, range)| range.clone()).collect(),
            filled: record.filled(slot),
        })
    }

    fn block_size(&self) -> BlockSize {
        self.devices.first().map_or(BlockSize::B512, |device| device.block_size)
    }

    /// The UUID that mdadm makes up for the container, or a volume of it (`uuid_from_super_imsm`).
    fn uuid(&self, volume: Option<usize>) -> String {
        let family = self.mpb.original_family.to_le_bytes();
        let record = volume.and_then(|number| Some((u32::try_from(number).ok()?, self.mpb.volumes.get(number)?)));
        match record {
            Some((number, record)) => sha1_uuid(&[mpb::SIGNATURE, &family, &number.to_le_bytes(), &record.raw_name]),
            None => sha1_uuid(&[mpb::SIGNATURE, &family]),
        }
    }
}

/// What a volume's metadata says of its layout.
///
/// # Errors
/// In words: why it cannot be read.
fn array(record: &RaidVolume) -> Result<Array, String> {
    match record.migration {
        Some(Migration::General) => {
            return Err(format!("it is being changed to another level or number of disks; {FINISH}"));
        }
        Some(Migration::StateChange | Migration::Other(_)) => return Err(format!("it is being changed; {FINISH}")),
        Some(Migration::Initialize | Migration::Rebuild | Migration::Verify | Migration::Repair) | None => {}
    }
    let map = &record.map;
    let (level, layout) = match map.level {
        mpb::Level::Raid0 => (Level::Raid0, 0),
        mpb::Level::Raid1 => (Level::Raid1, 0),
        mpb::Level::Raid5 => (Level::Raid5, LEFT_ASYMMETRIC),
        mpb::Level::Raid10 => (Level::Raid10, NEAR_2),
        mpb::Level::Other(level) => return Err(format!("nothing is known of its level, {level}")),
    };
    let component = record.component();
    let members = u64::try_from(map.slots.len()).unwrap_or(u64::MAX);
    let chunk = if level == Level::Raid1 { 0 } else { map.chunk };
    let geometry = Geometry { level, layout: Some(layout), chunk, members, component };
    let data = vec![component; map.slots.len()];
    let array = Array { geometry, data, size: record.bytes, parity_up_to: record.parity_from() };
    array.layout().map_err(|error| error.to_string())?;
    Ok(array)
}

#[cfg(test)]
mod tests;
