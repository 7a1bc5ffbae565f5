//! The metadata parameter block that Intel's firmware and drivers keep at the end of each disk (mdadm `super-intel.c`).

use super::bad_blocks;
use crate::{Device, Error};
use std::ops::Range;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct imsm_super`, without the disks and volumes that follow it.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawSuper {
    sig: [u8; 32],
    check_sum: U32,
    mpb_size: U32,
    family_num: U32,
    generation_num: U32,
    error_log_size: U32,
    attributes: U32,
    num_disks: u8,
    num_raid_devs: u8,
    error_log_pos: u8,
    fill: u8,
    cache_size: U32,
    orig_family_num: U32,
    pwr_cycle_count: U32,
    bbm_log_size: U32,
    num_raid_devs_created: U16,
    filler1: U16,
    creation_time: U64,
    filler: [U32; 32],
}

/// `struct imsm_disk`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawDisk {
    serial: [u8; 16],
    total_blocks_lo: U32,
    scsi_id: U32,
    status: U32,
    owner_cfg_num: U32,
    total_blocks_hi: U32,
    filler: [U32; 3],
}

/// `struct imsm_dev` with its `struct imsm_vol`, without the maps that follow.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawDev {
    volume: [u8; 16],
    size_low: U32,
    size_high: U32,
    status: U32,
    reserved_blocks: U32,
    migr_priority: u8,
    num_sub_vols: u8,
    tid: u8,
    cng_master_disk: u8,
    cache_policy: U16,
    cng_state: u8,
    cng_sub_state: u8,
    my_vol_raid_dev_num: U16,
    nv_cache_mode: u8,
    nv_cache_flags: u8,
    nvc_vol_orig_family_num: U32,
    nvc_vol_raid_dev_num: U16,
    rwh_policy: u8,
    jd_serial: [u8; 16],
    filler1: u8,
    filler: [U32; 3],
    curr_migr_unit_lo: U32,
    checkpoint_id: U32,
    migr_state: u8,
    migr_type: u8,
    dirty: u8,
    fs_state: u8,
    verify_errors: U16,
    bad_blocks: U16,
    curr_migr_unit_hi: U32,
    vol_filler: [U32; 3],
}

/// `struct imsm_map`, without the table of disks that follows.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawMap {
    pba_of_lba0_lo: U32,
    blocks_per_member_lo: U32,
    num_data_stripes_lo: U32,
    blocks_per_strip: U16,
    map_state: u8,
    raid_level: u8,
    num_members: u8,
    num_domains: u8,
    failed_disk_num: u8,
    ddf: u8,
    pba_of_lba0_hi: U32,
    blocks_per_member_hi: U32,
    num_data_stripes_hi: U32,
    filler: [U32; 4],
}

pub(super) const SIGNATURE: &[u8] = b"Intel Raid ISM Cfg Sig. ";
/// Sizes of sectors that there are; the block lies as many sectors before the end of the disk.
const SECTOR_BYTES: [u64; 2] = [512, 4096];
/// Position of the anchor, in sectors before the end of the disk (mdadm `load_imsm_mpb`).
const ANCHOR_SECTORS: u64 = 2;
/// Sectors that are reserved for the whole block (mdadm `MPB_SECTOR_CNT`).
const SECTORS_MAX: u64 = 2210;
/// Attributes that change nothing in what is read (mdadm `MPB_ATTRIB_SUPPORTED` and `MPB_ATTRIB_IGNORED`).
const ATTRIBUTES_KNOWN: u32 = 0xEC00_00D7;
const ATTRIBUTE_2TB_DISK: u32 = 0x0400_0000;
const ORD_REBUILD: u32 = 1 << 24;

/// A parameter block whose checksum is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mpb {
    /// First byte of the anchor on the disk.
    pub(super) at: u64,
    pub(super) check_sum: u32,
    pub(super) family: u32,
    /// The family that the disks were of first; they are told apart by it.
    pub(super) original_family: u32,
    pub(super) generation: u32,
    /// Attributes that are not known here; 0 where all are.
    pub(super) unknown_attributes: u32,
    pub(super) disks: Vec<Disk>,
    pub(super) volumes: Vec<RaidVolume>,
    /// Which disk, and which of its bytes.
    pub(super) bad_blocks: Vec<(usize, Range<u64>)>,
}

/// An entry of the table of disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) serial: String,
    pub(super) bytes: u64,
    pub(super) is_spare: bool,
    pub(super) is_configured: bool,
    pub(super) has_failed: bool,
}

/// A RAID volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RaidVolume {
    pub(super) name: String,
    /// The name as it is stored.
    pub(super) raw_name: [u8; 16],
    pub(super) bytes: u64,
    pub(super) is_dirty: bool,
    pub(super) migration: Option<Migration>,
    /// How far the migration went, in units of its own.
    migrated_units: u64,
    pub(super) has_ppl: bool,
    /// How it is, or shall be after the migration.
    pub(super) map: Map,
    /// How it was before the migration.
    pub(super) previous: Option<Map>,
}

/// What a volume is being changed by (`migr_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Migration {
    /// Copies and parity are made for the first time.
    Initialize,
    /// A disk is filled.
    Rebuild,
    /// Copies and parity are compared.
    Verify,
    /// Copies and parity are made again.
    Repair,
    /// To another level, number of disks or chunk size.
    General,
    /// Of the state alone.
    StateChange,
    /// One that is not known here.
    Other(u8),
}

/// How a volume lies on its disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Map {
    /// First byte of the volume on each disk.
    pub(super) start: u64,
    /// Bytes of each disk that data stripes fill.
    pub(super) data_bytes: u64,
    /// Size of a strip in bytes; never 0.
    pub(super) chunk: u64,
    pub(super) level: Level,
    pub(super) is_uninitialized: bool,
    pub(super) domains: u64,
    /// By slot: which disk, and whether it is out of date.
    pub(super) slots: Vec<Slot>,
}

/// A place in a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Position in the table of disks.
    pub(super) disk: usize,
    /// Whether the disk was failed or has to be filled.
    pub(super) is_out_of_date: bool,
}

/// The level of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Raid0,
    Raid1,
    Raid5,
    Raid10,
    /// One that is not known here.
    Other(u8),
}

impl Level {
    /// mdadm `get_imsm_raid_level`: in the past RAID 10 was written as RAID 1 of more than two disks.
    const fn new(raw: u8, members: u8) -> Self {
        match (raw, members) {
            (0, _) => Self::Raid0,
            (1, 2) => Self::Raid1,
            (1 | 10, _) => Self::Raid10,
            (5, _) => Self::Raid5,
            (other, _) => Self::Other(other),
        }
    }
}

impl RaidVolume {
    /// The map that is in force while there are two.
    pub(super) fn in_force(&self) -> &Map {
        self.previous.as_ref().unwrap_or(&self.map)
    }

    /// What it uses of each disk, in bytes (mdadm `calc_component_size`).
    pub(super) fn component(&self) -> u64 {
        /// Component sizes are rounded to this.
        const ROUNDING: u64 = 1 << 20;
        let members = self.map.data_members();
        let counted = self.map.data_bytes.saturating_mul(members);
        // After the volume was made larger, the number of stripes may still be the old one.
        match counted.abs_diff(self.bytes) > ROUNDING.saturating_mul(members) {
            true => self.bytes.checked_div(members).unwrap_or(0),
            false => self.map.data_bytes,
        }
    }

    /// How far the disk in a slot was filled, in bytes of the volume's part of it; `None` when it is whole.
    pub(super) fn filled(&self, slot: usize) -> Option<u64> {
        let slots = &self.in_force().slots;
        slots.get(slot).filter(|slot| slot.is_out_of_date)?;
        let is_only = slots.iter().filter(|slot| slot.is_out_of_date).count() == 1;
        let unit = if self.migration == Some(Migration::Rebuild) && is_only { self.rebuild_unit() } else { 0 };
        Some(self.migrated_units.saturating_mul(unit))
    }

    /// What a unit of a rebuild is, in bytes of each disk (mdadm `blocks_per_migr_unit`).
    fn rebuild_unit(&self) -> u64 {
        const MIRROR_UNIT: u64 = 128 << 10;
        const PARITY_UNIT: u64 = 64 << 10;
        let before = self.in_force();
        match self.map.level {
            Level::Raid1 | Level::Raid10 => {
                let members = u64::try_from(before.slots.len()).unwrap_or(0);
                let is_even = members.checked_rem(before.domains) == Some(0);
                let strip = if is_even { MIRROR_UNIT } else { before.chunk };
                strip.saturating_mul(before.domains)
            }
            Level::Raid5 => {
                let stripes = before.chunk.checked_div(self.map.chunk).unwrap_or(0).max(1);
                before.chunk.max(PARITY_UNIT).saturating_mul(stripes)
            }
            Level::Raid0 | Level::Other(_) => 0,
        }
    }

    /// The byte of each disk up to which parity was made; `None` when all of it was.
    pub(super) fn parity_from(&self) -> Option<u64> {
        let unit = || self.map.chunk.saturating_mul(u64::try_from(self.map.slots.len()).unwrap_or(0));
        match self.migration {
            Some(Migration::Initialize | Migration::Repair) => Some(self.migrated_units.saturating_mul(unit())),
            _ => self.in_force().is_uninitialized.then_some(0),
        }
    }
}

impl Map {
    /// How many of the disks hold data that the others do not hold (mdadm `imsm_num_data_members`).
    pub(super) fn data_members(&self) -> u64 {
        let members = u64::try_from(self.slots.len()).unwrap_or(0);
        match self.level {
            Level::Raid0 => members,
            Level::Raid1 | Level::Raid10 => members >> 1,
            Level::Raid5 => members.saturating_sub(1),
            Level::Other(_) => 0,
        }
    }
}

impl Mpb {
    /// The block at the end of a disk; `None` when there is none.
    ///
    /// # Errors
    /// When the disk cannot be read, or the block is there and damaged.
    pub(super) fn read(device: &Device) -> Result<Option<Self>, Error> {
        for sector in SECTOR_BYTES {
            let Some(at) = device.data.size().checked_sub(sector.saturating_mul(ANCHOR_SECTORS)) else { continue };
            let mut anchor = vec![0; usize::try_from(sector).unwrap_or_default()];
            device.data.read_exact_at(at, &mut anchor)?;
            if anchor.starts_with(SIGNATURE) {
                let mpb = Self::read_rest(device, anchor, at, sector)?;
                return Ok(Some(mpb));
            }
        }
        Ok(None)
    }

    /// Reads what does not fit into the anchor, which lies before it.
    fn read_rest(device: &Device, mut bytes: Vec<u8>, at: u64, sector: u64) -> Result<Self, Error> {
        let damaged = |what: &str| Error::Damaged(format!("the Intel RAID metadata at byte {at}: {what}"));
        let (raw, _) = RawSuper::ref_from_prefix(&bytes).map_err(|_| damaged("it is cut short"))?;
        let size = u64::from(raw.mpb_size.get());
        let sectors = size.div_ceil(sector);
        let rest = sectors.saturating_sub(1).saturating_mul(sector);
        if sectors == 0 || sectors > SECTORS_MAX || rest > at {
            return Err(damaged(&format!("a size of {size} bytes")));
        }
        let mut extended = vec![0; usize::try_from(rest).map_err(|_| damaged("it is too large"))?];
        device.data.read_exact_at(at.saturating_sub(rest), &mut extended)?;
        bytes.append(&mut extended);
        bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        let mpb = Self::parse(&bytes, sector).map_err(|what| damaged(&what))?;
        Ok(Self { at, ..mpb })
    }

    /// Takes the block apart; `sector` is the unit that it counts in, in bytes.
    fn parse(bytes: &[u8], sector: u64) -> Result<Self, String> {
        let (raw, rest) = RawSuper::ref_from_prefix(bytes).map_err(|_| "it is cut short".to_owned())?;
        let (expected, found) = (raw.check_sum.get(), checksum(bytes).wrapping_sub(raw.check_sum.get()));
        if expected != found {
            return Err(format!("its checksum is {found:#010x}, not {expected:#010x}"));
        }
        // Disks of more than 2 TB use words that older drivers left with anything in them (mdadm `clear_hi`).
        let units = Units { sector, has_high: raw.attributes.get() & ATTRIBUTE_2TB_DISK != 0 };
        let (raw_disks, mut rest) = <[RawDisk]>::ref_from_prefix_with_elems(rest, raw.num_disks.into())
            .map_err(|_| format!("{} disks do not fit into it", raw.num_disks))?;
        let disks: Vec<_> = raw_disks.iter().map(|disk| Disk::new(disk, units)).collect();
        let mut volumes = Vec::with_capacity(raw.num_raid_devs.into());
        for number in 0..raw.num_raid_devs {
            let (volume, after) =
                RaidVolume::parse(rest, units, disks.len()).map_err(|what| format!("volume {number}: {what}"))?;
            volumes.push(volume);
            rest = after;
        }
        let original_family = Some(raw.orig_family_num.get()).filter(|family| *family != 0);
        Ok(Self {
            at: 0,
            check_sum: expected,
            family: raw.family_num.get(),
            original_family: original_family.unwrap_or(raw.family_num.get()),
            generation: raw.generation_num.get(),
            unknown_attributes: raw.attributes.get() & !ATTRIBUTES_KNOWN,
            disks,
            volumes,
            bad_blocks: bad_blocks::read(bytes, raw.bbm_log_size.get(), sector)?,
        })
    }
}

/// The sum of all words (mdadm `__gen_imsm_checksum`), with the checksum itself.
fn checksum(bytes: &[u8]) -> u32 {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().fold(0, |sum: u32, word| sum.wrapping_add(u32::from_le_bytes(*word)))
}

/// How numbers of blocks are stored.
#[derive(Clone, Copy)]
struct Units {
    /// The block, in bytes.
    sector: u64,
    /// Whether the upper halves are in use.
    has_high: bool,
}

impl Units {
    fn bytes(self, low: U32, high: U32) -> Result<u64, String> {
        let blocks = self.number(low, high);
        blocks.checked_mul(self.sector).ok_or_else(|| format!("{blocks} blocks are more than there can be"))
    }

    fn number(self, low: U32, high: U32) -> u64 {
        let high = if self.has_high { u64::from(high.get()) } else { 0 };
        u64::from(low.get()) | high << 32
    }
}

impl Disk {
    fn new(raw: &RawDisk, units: Units) -> Self {
        let status = raw.status.get();
        Self {
            serial: text(&raw.serial),
            bytes: units.bytes(raw.total_blocks_lo, raw.total_blocks_hi).unwrap_or(u64::MAX),
            is_spare: status & 1 != 0,
            is_configured: status & 2 != 0,
            has_failed: status & 4 != 0,
        }
    }
}

impl RaidVolume {
    fn parse(bytes: &[u8], units: Units, disks: usize) -> Result<(Self, &[u8]), String> {
        let (raw, rest) = RawDev::ref_from_prefix(bytes).map_err(|_| "it is cut short".to_owned())?;
        let (map, rest) = Map::parse(rest, units, disks)?;
        let migration = (raw.migr_state != 0).then(|| Migration::new(raw.migr_type, raw.status.get()));
        let (previous, rest) = match migration {
            Some(_) => Map::parse(rest, units, disks).map(|(map, rest)| (Some(map), rest))?,
            None => (None, rest),
        };
        let full = Units { has_high: true, ..units };
        let volume = Self {
            name: text(&raw.volume),
            raw_name: raw.volume,
            bytes: full.bytes(raw.size_low, raw.size_high)?,
            is_dirty: raw.dirty & 1 != 0,
            migration,
            migrated_units: full.number(raw.curr_migr_unit_lo, raw.curr_migr_unit_hi),
            has_ppl: matches!(raw.rwh_policy, 1 | 3),
            map,
            previous,
        };
        Ok((volume, rest))
    }
}

impl Migration {
    const fn new(raw: u8, status: u32) -> Self {
        const VERIFY_AND_FIX: u32 = 0x80;
        match raw {
            0 => Self::Initialize,
            1 => Self::Rebuild,
            2 if status & VERIFY_AND_FIX != 0 => Self::Repair,
            2 => Self::Verify,
            3 => Self::General,
            4 => Self::StateChange,
            5 => Self::Repair,
            other => Self::Other(other),
        }
    }
}

impl Map {
    fn parse(bytes: &[u8], units: Units, disks: usize) -> Result<(Self, &[u8]), String> {
        let (raw, rest) = RawMap::ref_from_prefix(bytes).map_err(|_| "its map is cut short".to_owned())?;
        let (table, rest) = <[U32]>::ref_from_prefix_with_elems(rest, raw.num_members.into())
            .map_err(|_| format!("a map of {} disks does not fit", raw.num_members))?;
        let chunk = u64::from(raw.blocks_per_strip.get()).saturating_mul(units.sector);
        if chunk == 0 || table.is_empty() {
            return Err(format!("strips of {chunk} bytes on {} disks", table.len()));
        }
        let stripes = units.number(raw.num_data_stripes_lo, raw.num_data_stripes_hi);
        let level = Level::new(raw.raid_level, raw.num_members);
        // mdadm `per_dev_array_size`: stripes of mirrored volumes are counted once for both copies.
        let copies = if matches!(level, Level::Raid1 | Level::Raid10) { 2 } else { 1 };
        let data_bytes = stripes.checked_mul(chunk).and_then(|bytes| bytes.checked_mul(copies));
        let mut slots = Vec::with_capacity(table.len());
        for ord in table {
            let disk = usize::try_from(ord.get() & 0x00FF_FFFF).unwrap_or(usize::MAX);
            if disk >= disks {
                return Err(format!("it lies on disk {disk} of {disks}"));
            }
            slots.push(Slot { disk, is_out_of_date: ord.get() & ORD_REBUILD != 0 });
        }
        let map = Self {
            start: units.bytes(raw.pba_of_lba0_lo, raw.pba_of_lba0_hi)?,
            data_bytes: data_bytes.ok_or_else(|| format!("{stripes} stripes are more than there can be"))?,
            chunk,
            level,
            is_uninitialized: raw.map_state == 1,
            domains: raw.num_domains.into(),
            slots,
        };
        Ok((map, rest))
    }
}

/// Text that is padded with zeros or blanks.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).trim().to_owned()
}
