//! GUID partition tables (UEFI 2.10, chapter 5.3).

use crate::device::BlockRange;
use crate::map::Faults;
use crate::mbr::{self, BootSector};
use crate::{Device, Error, Group, Identity, Membership, Set, Volume, VolumeKind, VolumeManager, sets_of_one};
use std::ops::RangeInclusive;
use std::sync::Arc;
use uuid::Uuid;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The manager of GUID partition tables.
pub struct Gpt;

/// The header, as it lies in the second and in the last block of a disk.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    signature: [u8; 8],
    revision: U32,
    header_size: U32,
    header_crc32: U32,
    reserved: U32,
    my_lba: U64,
    alternate_lba: U64,
    first_usable_lba: U64,
    last_usable_lba: U64,
    disk_guid: [u8; 16],
    partition_entry_lba: U64,
    number_of_partition_entries: U32,
    size_of_partition_entry: U32,
    partition_entry_array_crc32: U32,
}

/// The defined part of an entry; entries can be larger.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawEntry {
    partition_type_guid: [u8; 16],
    unique_partition_guid: [u8; 16],
    starting_lba: U64,
    ending_lba: U64,
    attributes: U64,
    partition_name: [U16; 36],
}

const SIGNATURE: &[u8; 8] = b"EFI PART";
const PRIMARY_LBA: u64 = 1;
const ENTRY_BYTES_MIN: u32 = 128;
/// The largest array that is read: 128 entries of 128 bytes are usual, some tools make larger ones.
const ARRAY_BYTES_MAX: u64 = 4 << 20;

/// A header whose checksum and fields are right.
struct Header {
    disk_guid: Uuid,
    alternate_lba: u64,
    usable: RangeInclusive<u64>,
    array_lba: u64,
    entries: u32,
    entry_bytes: u32,
    array_crc32: u32,
}

/// A used entry.
struct Entry {
    number: u32,
    kind: Uuid,
    unique: Uuid,
    first: u64,
    last: u64,
    name: Option<String>,
}

/// A header with its entries.
struct Table {
    header: Header,
    entries: Vec<Entry>,
    notices: Vec<String>,
}

impl Header {
    /// Reads the header in block `lba`.
    fn read(device: &Device, lba: u64) -> Result<Self, Error> {
        let block = device.read_blocks(lba, 1)?;
        let damaged = |what: &str| Error::Damaged(format!("the GPT header in block {lba}: {what}"));
        let (raw, _) = RawHeader::ref_from_prefix(&block).map_err(|_| damaged("it is cut short"))?;
        if raw.signature != *SIGNATURE {
            return Err(damaged("there is none"));
        }
        let size = usize::try_from(raw.header_size.get()).unwrap_or(usize::MAX);
        if size < size_of::<RawHeader>() || size > block.len() {
            return Err(damaged(&format!("a size of {size} bytes")));
        }
        let mut blank = block.get(..size).map(<[u8]>::to_vec).ok_or_else(|| damaged("it is cut short"))?;
        if let Some(field) = blank.get_mut(16..20) {
            field.fill(0);
        }
        let (expected, found) = (raw.header_crc32.get(), crc32fast::hash(&blank));
        if expected != found {
            return Err(damaged(&format!("its checksum is {found:#010x}, not {expected:#010x}")));
        }
        Self::parse(raw, device.blocks(), lba).map_err(|what| damaged(&what))
    }

    fn parse(raw: &RawHeader, blocks: u64, lba: u64) -> Result<Self, String> {
        let (first, last) = (raw.first_usable_lba.get(), raw.last_usable_lba.get());
        if raw.my_lba.get() != lba {
            return Err(format!("it says that it is in block {}", raw.my_lba.get()));
        }
        if first > last || last >= blocks {
            return Err(format!("usable blocks {first} to {last} on a disk of {blocks}"));
        }
        let (entries, entry_bytes) = (raw.number_of_partition_entries.get(), raw.size_of_partition_entry.get());
        if entry_bytes < ENTRY_BYTES_MIN || !entry_bytes.is_power_of_two() {
            return Err(format!("entries of {entry_bytes} bytes"));
        }
        if u64::from(entries).saturating_mul(entry_bytes.into()) > ARRAY_BYTES_MAX {
            return Err(format!("{entries} entries of {entry_bytes} bytes"));
        }
        Ok(Self {
            disk_guid: Uuid::from_bytes_le(raw.disk_guid),
            alternate_lba: raw.alternate_lba.get(),
            usable: first..=last,
            array_lba: raw.partition_entry_lba.get(),
            entries,
            entry_bytes,
            array_crc32: raw.partition_entry_array_crc32.get(),
        })
    }

    /// The entries that are in use; those that cannot be are told in `notices`.
    fn entries(&self, device: &Device, notices: &mut Vec<String>) -> Result<Vec<Entry>, Error> {
        let damaged = |what: String| Error::Damaged(format!("the GPT entries in block {}: {what}", self.array_lba));
        let bytes = u64::from(self.entries).saturating_mul(self.entry_bytes.into());
        let blocks = bytes.div_ceil(device.block_size.bytes().into());
        let array = device.read_blocks(self.array_lba, blocks)?;
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        let array = array.get(..length).ok_or_else(|| damaged("they are cut short".to_owned()))?;
        let (expected, found) = (self.array_crc32, crc32fast::hash(array));
        if expected != found {
            return Err(damaged(format!("their checksum is {found:#010x}, not {expected:#010x}")));
        }
        let entry_len = usize::try_from(self.entry_bytes).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        for (number, bytes) in (1..).zip(array.chunks_exact(entry_len)) {
            match Entry::parse(number, bytes, device.blocks()) {
                Ok(None) => {}
                Ok(Some(entry)) => entries.push(entry),
                Err(problem) => notices.push(problem),
            }
        }
        self.check_places(&entries, notices);
        Ok(entries)
    }

    /// Tells of partitions that overlap or lie where none should: they are shown all the same, as by the kernel.
    fn check_places(&self, entries: &[Entry], notices: &mut Vec<String>) {
        for entry in entries {
            if !self.usable.contains(&entry.first) || !self.usable.contains(&entry.last) {
                notices.push(format!("partition {} is not wholly in the usable part of the disk", entry.number));
            }
        }
        let mut by_place: Vec<_> = entries.iter().collect();
        by_place.sort_by_key(|entry| entry.first);
        for pair in by_place.windows(2) {
            if let [before, after] = pair
                && after.first <= before.last
            {
                notices.push(format!("partitions {} and {} overlap", before.number, after.number));
            }
        }
    }
}

impl Entry {
    /// The entry in `bytes`; `None` when it is not in use.
    fn parse(number: u32, bytes: &[u8], blocks: u64) -> Result<Option<Self>, String> {
        let Ok((raw, _)) = RawEntry::ref_from_prefix(bytes) else { return Ok(None) };
        let kind = Uuid::from_bytes_le(raw.partition_type_guid);
        if kind.is_nil() {
            return Ok(None);
        }
        let (first, last) = (raw.starting_lba.get(), raw.ending_lba.get());
        if first > last || last >= blocks {
            let message = format!("partition {number} is left out: blocks {first} to {last} on a disk of {blocks}");
            return Err(message);
        }
        let name = raw.partition_name.iter().map(|unit| unit.get()).take_while(|unit| *unit != 0);
        let name = Some(String::from_utf16_lossy(&name.collect::<Vec<_>>())).filter(|name| !name.is_empty());
        Ok(Some(Self { number, kind, unique: Uuid::from_bytes_le(raw.unique_partition_guid), first, last, name }))
    }
}

impl Table {
    fn read(device: &Device, lba: u64) -> Result<Self, Error> {
        Self::of(device, Header::read(device, lba)?)
    }

    fn of(device: &Device, header: Header) -> Result<Self, Error> {
        let mut notices = Vec::new();
        let entries = header.entries(device, &mut notices)?;
        Ok(Self { header, entries, notices })
    }

    /// The primary table; where that is damaged, the backup at the end of the disk, or where the primary header says
    /// (a disk that has grown has its backup somewhere in the middle).
    fn find(device: &Device) -> Result<Self, Error> {
        let header = Header::read(device, PRIMARY_LBA);
        let alternate = header.as_ref().ok().map(|header| header.alternate_lba);
        let problem = match header.and_then(|header| Self::of(device, header)) {
            Ok(table) => return Ok(table),
            Err(Error::Damaged(problem)) => problem,
            Err(error) => return Err(error),
        };
        let last = device.blocks().checked_sub(1);
        for lba in [last, alternate].into_iter().flatten().filter(|lba| *lba > PRIMARY_LBA) {
            match Self::read(device, lba) {
                Ok(mut table) => {
                    table.notices.insert(0, format!("the backup partition table is used: {problem}"));
                    return Ok(table);
                }
                Err(Error::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Damaged(format!("{problem}; the backup is no better")))
    }
}

/// Whether there is a table: what the boot sector promises, or what is there without one.
fn promised(device: &Device) -> Result<bool, Error> {
    let signed = |lba| device.read_blocks(lba, 1).is_ok_and(|block| block.starts_with(SIGNATURE));
    let last = device.blocks().saturating_sub(1);
    match BootSector::read(device)? {
        // Without any header it promises nothing: something else may begin here.
        Some(boot_sector) => {
            let is_there = || signed(PRIMARY_LBA) || signed(last) || header_for_other_blocks(device).is_some();
            Ok(boot_sector.is_protective() && is_there())
        }
        // Without any boot sector a GPT may still be there; with another one it is a left-over, as is a backup behind
        // something else that begins here.
        None => Ok(Table::read(device, PRIMARY_LBA).is_ok() || (is_wiped(device) && Table::find(device).is_ok())),
    }
}

/// Whether nothing is at the start of a device, where file systems and members of other managers begin.
fn is_wiped(device: &Device) -> bool {
    /// Behind the last place where anything is recognised by: Btrfs at 64 KiB.
    const START: usize = 68 << 10;
    let length = usize::try_from(device.data.size()).map_or(START, |size| size.min(START));
    let mut start = vec![0; length];
    let is_header = |bytes: &[u8]| bytes.starts_with(SIGNATURE);
    device.data.read_exact_at(0, &mut start).is_ok()
        && (start.iter().all(|byte| *byte == 0)
            || device.read_blocks(PRIMARY_LBA, 1).is_ok_and(|block| is_header(&block)))
}

impl VolumeManager for Gpt {
    fn name(&self) -> &'static str {
        "GPT"
    }

    fn is_partition_table(&self) -> bool {
        true
    }

    fn probe(&self, device: &Device) -> Result<Option<Membership>, Error> {
        if !promised(device)? {
            return Ok(None);
        }
        let table = Table::find(device).map_err(|error| advice(device, error))?;
        Ok(Some(Membership { set: table.header.disk_guid.to_string(), at: 0 }))
    }

    fn sets(&self, members: &[&Device]) -> Vec<Set> {
        sets_of_one(members)
    }

    fn assemble(&self, members: &[&Device], _: &Arc<Faults>) -> Result<Group, Error> {
        let mut group = Group { kind: self.name().to_owned(), ..Group::default() };
        for device in members {
            let table = Table::find(device)?;
            group.uuid = Some(table.header.disk_guid.to_string());
            group.notices.extend(table.notices);
            for entry in table.entries {
                let count = entry.last.saturating_sub(entry.first).saturating_add(1);
                let blocks = BlockRange { first: entry.first, count };
                let volume = Volume::partition(device, VolumeKind::Gpt(entry.kind), entry.number, blocks)?;
                let (uuid, identity) = (Some(entry.unique.to_string()), Some(Identity::Gpt(entry.unique)));
                group.volumes.push(Volume { uuid, identity, label: entry.name, ..volume });
            }
            if BootSector::read(device)?.is_some_and(|boot_sector| boot_sector.is_hybrid()) {
                group.notices.push("the MBR lists partitions as well (hybrid); the GPT decides".to_owned());
            }
        }
        Ok(group)
    }
}

/// The size of blocks for which there is a header where it would be with them: the usual mistake with images of disks.
fn header_for_other_blocks(device: &Device) -> Option<u32> {
    let other = mbr::OTHER_BLOCK_BYTES.into_iter().find(|bytes| *bytes != device.block_size.bytes())?;
    let mut signature = [0; 8];
    device.data.read_exact_at(other.into(), &mut signature).ok()?;
    (signature == *SIGNATURE).then_some(other)
}

fn advice(device: &Device, error: Error) -> Error {
    match (error, header_for_other_blocks(device)) {
        (Error::Damaged(problem), Some(other)) => {
            Error::Damaged(format!("{problem}. There is one for blocks of {other} bytes: try --block-size {other}"))
        }
        (error, _) => error,
    }
}

#[cfg(test)]
mod tests;
