//! MBR partition tables with extended and logical partitions (Linux `block/partitions/msdos.c`).

use crate::device::BlockRange;
use crate::map::Faults;
use crate::{Device, Error, Group, Identity, Membership, Set, Volume, VolumeKind, VolumeManager, sets_of_one};
use std::collections::HashSet;
use std::sync::Arc;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The manager of MBR partition tables.
pub struct Mbr;

/// The sizes that logical blocks can have.
pub(crate) const OTHER_BLOCK_BYTES: [u32; 2] = [512, 4096];

/// The first sector of a disk, or of a link of the chain of logical partitions.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawBootSector {
    code: [u8; 440],
    disk_signature: U32,
    reserved: U16,
    entries: [RawEntry; 4],
    magic: [u8; 2],
}

/// A partition entry; the addresses by cylinder are not used.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawEntry {
    boot_indicator: u8,
    first_chs: [u8; 3],
    kind: u8,
    last_chs: [u8; 3],
    first: U32,
    count: U32,
}

const MAGIC: [u8; 2] = [0x55, 0xAA];
const KIND_EXTENDED: [u8; 3] = [0x05, 0x0F, 0x85];
const KIND_PROTECTIVE: u8 = 0xEE;
/// Links of a chain of logical partitions that are followed.
const LINKS_MAX: usize = 512;
/// Logical partitions are counted from here.
const FIRST_LOGICAL: u32 = 5;

/// An entry that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    kind: u8,
    /// In logical blocks, from the start of the disk or of a chain.
    first: u64,
    count: u64,
}

impl Entry {
    fn parse(raw: &RawEntry) -> Option<Self> {
        let entry = Self { kind: raw.kind, first: raw.first.get().into(), count: raw.count.get().into() };
        (entry.kind != 0 && entry.count != 0).then_some(entry)
    }

    fn is_extended(self) -> bool {
        KIND_EXTENDED.contains(&self.kind)
    }
}

/// A boot sector with a partition table.
pub(crate) struct BootSector {
    disk_signature: u32,
    entries: [Option<Entry>; 4],
}

impl BootSector {
    /// The table in the first block; `None` when there is none, or when the block begins a file system, whose boot
    /// code can look like a table.
    pub(crate) fn read(device: &Device) -> Result<Option<Self>, Error> {
        if device.blocks() == 0 {
            return Ok(None);
        }
        let block = device.read_blocks(0, 1)?;
        let Ok((raw, _)) = RawBootSector::ref_from_prefix(&block) else { return Ok(None) };
        let plausible = raw.entries.iter().all(|entry| matches!(entry.boot_indicator, 0 | 0x80));
        if raw.magic != MAGIC || !plausible || begins_file_system(&block) {
            return Ok(None);
        }
        Ok(Some(Self { disk_signature: raw.disk_signature.get(), entries: raw.entries.each_ref().map(Entry::parse) }))
    }

    fn used(&self) -> impl Iterator<Item = (u32, Entry)> + '_ {
        (1..).zip(&self.entries).filter_map(|(number, entry)| Some((number, (*entry)?)))
    }

    /// Whether it stands in front of a GPT.
    pub(crate) fn is_protective(&self) -> bool {
        self.used().any(|(_, entry)| entry.kind == KIND_PROTECTIVE)
    }

    /// Whether it stands in front of a GPT and lists partitions of its own.
    pub(crate) fn is_hybrid(&self) -> bool {
        self.is_protective() && self.used().any(|(_, entry)| entry.kind != KIND_PROTECTIVE)
    }
}

/// Whether a first block is that of a FAT, NTFS or exFAT file system (Linux `fat_valid_media`; libblkid).
fn begins_file_system(block: &[u8]) -> bool {
    let at = |offset: usize, text: &[u8]| block.get(offset..).is_some_and(|rest| rest.starts_with(text));
    at(3, b"NTFS    ") || at(3, b"EXFAT   ") || at(3, b"ReFS\0") || at(54, b"FAT1") || at(82, b"FAT32   ")
}

/// Collects partitions.
struct Collector<'a> {
    device: &'a Device,
    disk_signature: u32,
    group: Group,
}

impl Collector<'_> {
    /// Adds a partition. One that begins behind the end of the disk is left out, one that ends there is cut, as the
    /// kernel does.
    fn add(&mut self, number: u32, kind: u8, first: u64, count: u64) -> Result<(), Error> {
        let blocks = self.device.blocks();
        let left = blocks.saturating_sub(first);
        if left == 0 {
            let notice = format!("partition {number} is left out: it begins at block {first} of a disk of {blocks}");
            self.group.notices.push(notice);
            return Ok(());
        }
        if count > left {
            let notice = format!("partition {number} has {count} blocks, but the disk ends after {left} of them");
            self.group.notices.push(notice);
        }
        let blocks = BlockRange { first, count: count.min(left) };
        let volume = Volume::partition(self.device, VolumeKind::Mbr(kind), number, blocks)?;
        let signature = Some(self.disk_signature).filter(|signature| *signature != 0);
        let uuid = signature.map(|signature| format!("{signature:08x}-{number:02x}"));
        let identity = signature.map(|disk_signature| Identity::Mbr { disk_signature });
        self.group.volumes.push(Volume { uuid, identity, ..volume });
        Ok(())
    }

    /// Follows the chain of logical partitions in an extended partition; gives the next free number.
    fn follow(&mut self, extended: Entry, mut number: u32) -> Result<u32, Error> {
        let mut at = extended.first;
        let mut seen = HashSet::new();
        while seen.insert(at) {
            if seen.len() > LINKS_MAX {
                self.group.notices.push(format!("more than {LINKS_MAX} logical partitions; the rest is left out"));
                break;
            }
            let Some(entries) = self.link(at)? else { break };
            for (slot, entry) in (0_u8..).zip(entries).filter_map(|(slot, entry)| Some((slot, entry?))) {
                if entry.is_extended() || (slot >= 2 && !inside(entry, at, extended)) {
                    continue;
                }
                self.add(number, entry.kind, at.saturating_add(entry.first), entry.count)?;
                number = number.saturating_add(1);
            }
            let Some(next) = entries.into_iter().flatten().find(|entry| entry.is_extended()) else { return Ok(number) };
            at = extended.first.saturating_add(next.first);
        }
        Ok(number)
    }

    /// The entries of the link in block `at`; `None`, with a notice, when there is no link.
    fn link(&mut self, at: u64) -> Result<Option<[Option<Entry>; 4]>, Error> {
        let block = match self.device.read_blocks(at, 1) {
            Err(Error::Damaged(problem)) => {
                self.group.notices.push(format!("the chain of logical partitions is broken: {problem}"));
                return Ok(None);
            }
            block => block?,
        };
        let raw = RawBootSector::ref_from_prefix(&block).ok().filter(|(raw, _)| raw.magic == MAGIC);
        if raw.is_none() {
            self.group.notices.push(format!("the chain of logical partitions is broken at block {at}"));
        }
        Ok(raw.map(|(raw, _)| raw.entries.each_ref().map(Entry::parse)))
    }
}

/// Whether an entry that is not expected to be one lies where logical partitions can (as the kernel checks).
fn inside(entry: Entry, at: u64, extended: Entry) -> bool {
    let first = at.saturating_add(entry.first);
    let end = first.saturating_add(entry.count);
    first >= extended.first && end <= extended.first.saturating_add(extended.count)
}

impl VolumeManager for Mbr {
    fn name(&self) -> &'static str {
        "MBR"
    }

    fn is_partition_table(&self) -> bool {
        true
    }

    fn probe(&self, device: &Device) -> Result<Option<Membership>, Error> {
        let boot_sector = BootSector::read(device)?;
        // Without entries the sector may be a boot sector of anything.
        let boot_sector = boot_sector.filter(|sector| !sector.is_protective() && sector.used().next().is_some());
        Ok(boot_sector.map(|sector| Membership { set: format!("{:08x}", sector.disk_signature), at: 0 }))
    }

    fn sets(&self, members: &[&Device]) -> Vec<Set> {
        sets_of_one(members)
    }

    fn assemble(&self, members: &[&Device], _: &Arc<Faults>) -> Result<Group, Error> {
        let mut all = Group { kind: self.name().to_owned(), ..Group::default() };
        for device in members {
            let Some(sector) = BootSector::read(device)? else { continue };
            let disk_signature = sector.disk_signature;
            all.uuid = Some(format!("{disk_signature:08x}")).filter(|_| disk_signature != 0);
            let mut collector = Collector { device, disk_signature, group: Group::default() };
            let mut logical = FIRST_LOGICAL;
            for (number, entry) in sector.used() {
                if entry.is_extended() {
                    logical = collector.follow(entry, logical)?;
                } else {
                    collector.add(number, entry.kind, entry.first, entry.count)?;
                }
            }
            all.volumes.extend(collector.group.volumes);
            all.notices.extend(collector.group.notices);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
