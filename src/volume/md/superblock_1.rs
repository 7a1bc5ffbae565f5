//! Superblocks of version 1: 1.0 near the end of a device, 1.1 at its start, 1.2 a little behind (Linux
//! `include/uapi/linux/raid/md_p.h`, `struct mdp_superblock_1`; checked as `drivers/md/md.c`, `super_1_load` does).

use super::bad_blocks::BadBlockLog;
use super::geometry::{Geometry, Level};
use super::superblock::{Extras, PartialParityLog, Reshape, Role, SUPERBLOCK_BYTES, Superblock, Version, bytes};
use crate::Error;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `MD_SB_MAGIC`.
pub(super) const MAGIC: u32 = 0xa92b_4efc;
/// Roles that a superblock has room for.
const ROLES_MAX: usize = (SUPERBLOCK_BYTES - size_of::<Raw>()) / 2;
/// The same for people who count members (Linux `md.c`, `max_disks`).
const MEMBERS_MAX: u64 = 1920;
/// The roles that are none (`MD_DISK_ROLE_*`).
const ROLE_SPARE: u16 = 0xffff;
const ROLE_FAULTY: u16 = 0xfffe;
const ROLE_JOURNAL: u16 = 0xfffd;
const ROLE_MAX: u16 = 0xff00;
/// `WriteMostly1` of `devflags`.
const WRITE_MOSTLY: u8 = 1;
/// The time is in the lower 40 bits.
const SECONDS: u64 = (1 << 40) - 1;

/// `struct mdp_superblock_1`, without the roles behind it.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    magic: U32,
    major_version: U32,
    feature_map: U32,
    pad0: U32,
    set_uuid: [u8; 16],
    set_name: [u8; 32],
    /// Seconds in the lower 40 bits.
    ctime: U64,
    level: U32,
    layout: U32,
    /// Used of each member, in sectors of 512 bytes, as all that follow.
    size: U64,
    chunksize: U32,
    raid_disks: U32,
    /// Sectors from the superblock on, or with PPL `offset` and `size` of 16 bits each.
    bitmap_offset: [u8; 4],
    new_level: U32,
    /// Sectors of the array.
    reshape_position: U64,
    delta_disks: U32,
    new_layout: U32,
    new_chunk: U32,
    new_offset: U32,
    data_offset: U64,
    data_size: U64,
    super_offset: U64,
    /// On a journal: where its log begins.
    recovery_offset: U64,
    dev_number: U32,
    cnt_corrected_read: U32,
    device_uuid: [u8; 16],
    devflags: u8,
    bblog_shift: u8,
    bblog_size: U16,
    bblog_offset: U32,
    utime: U64,
    events: U64,
    resync_offset: U64,
    sb_csum: U32,
    max_dev: U32,
    pad3: [u8; 32],
}

/// `feature_map`.
mod feature {
    pub(super) const BITMAP_OFFSET: u32 = 1;
    pub(super) const RECOVERY_OFFSET: u32 = 2;
    pub(super) const RESHAPE_ACTIVE: u32 = 4;
    pub(super) const BAD_BLOCKS: u32 = 8;
    pub(super) const REPLACEMENT: u32 = 16;
    pub(super) const RESHAPE_BACKWARDS: u32 = 32;
    pub(super) const NEW_OFFSET: u32 = 64;
    pub(super) const CLUSTERED: u32 = 256;
    pub(super) const JOURNAL: u32 = 512;
    pub(super) const PPL: u32 = 1024;
    pub(super) const MULTIPLE_PPLS: u32 = 2048;
    pub(super) const RAID0_LAYOUT: u32 = 4096;
    /// All that are known; 128 says that a recovery is guided by the bitmap, which changes nothing for who reads.
    pub(super) const ALL: u32 = 8191;
}

/// Where a superblock of version 1.0 is on a device of `size` bytes.
pub(super) fn end(size: u64) -> Option<u64> {
    Some((size >> 9 << 9).checked_sub(8192)? & !4095)
}

/// The superblock in `sector`, which was read from byte `at`; `None` when there is none that belongs there.
pub(super) fn parse(
    sector: &[u8; SUPERBLOCK_BYTES],
    version: Version,
    at: u64,
    size: u64,
) -> Result<Option<Superblock>, Error> {
    let Ok((raw, roles)) = Raw::ref_from_prefix(sector) else { return Ok(None) };
    // One that says it is elsewhere is that of another device, which begins or ends elsewhere.
    if raw.magic.get() != MAGIC || raw.major_version.get() != 1 || raw.super_offset.get().checked_mul(512) != Some(at) {
        return Ok(None);
    }
    let damaged = |what: String| Error::Damaged(format!("its superblock (version {version}, at byte {at}) {what}"));
    let count = usize::try_from(raw.max_dev.get()).unwrap_or(usize::MAX);
    if count > ROLES_MAX {
        return Err(damaged(format!("has {count} devices; there is room for {ROLES_MAX}")));
    }
    if checksum(sector, count) != raw.sb_csum.get() {
        return Err(damaged("fails its checksum".to_owned()));
    }
    let unknown = raw.feature_map.get() & !feature::ALL;
    if unknown != 0 {
        return Err(damaged(format!("has the features {unknown:#x}, which are not known here")));
    }
    if raw.pad0.get() != 0 || raw.pad3.iter().any(|byte| *byte != 0) {
        return Err(damaged(
            "has something in places that are not used yet: a feature that is not known here".to_owned(),
        ));
    }
    let roles = roles.chunks_exact(2).take(count).map(role).collect();
    let superblock = raw.checked(version, at, roles)?;
    if let Version::V1_1 | Version::V1_2 = version
        && superblock.data_offset.min(superblock.new_data_offset) <= at
    {
        return Err(damaged("lies in what it has for data".to_owned()));
    }
    if superblock.data_offset > size {
        return Err(damaged(format!("has its data behind the end of the device, at byte {}", superblock.data_offset)));
    }
    Ok(Some(superblock))
}

/// Whether its checksum is right.
pub(super) fn is_signed(sector: &[u8; SUPERBLOCK_BYTES]) -> bool {
    let Ok((raw, _)) = Raw::ref_from_prefix(sector) else { return false };
    let count = usize::try_from(raw.max_dev.get()).unwrap_or(usize::MAX);
    count <= ROLES_MAX && checksum(sector, count) == raw.sb_csum.get()
}

fn role(bytes: &[u8]) -> Role {
    match bytes.try_into().map(u16::from_le_bytes) {
        Ok(ROLE_FAULTY) => Role::Faulty,
        Ok(ROLE_JOURNAL) => Role::Journal,
        Ok(number) if number < ROLE_MAX => Role::Active(u64::from(number)),
        Ok(ROLE_SPARE | _) | Err(_) => Role::Spare,
    }
}

/// Linux `md.c`, `calc_sb_1_csum`: the sum of its words, with the sum itself as 0, folded once.
pub(super) fn checksum(sector: &[u8; SUPERBLOCK_BYTES], roles: usize) -> u32 {
    const AT: usize = std::mem::offset_of!(Raw, sb_csum);
    let length = roles.saturating_mul(2).saturating_add(size_of::<Raw>());
    let words = sector.get(..length).unwrap_or_default().chunks(4).enumerate();
    let word = |(number, bytes): (usize, &[u8])| {
        let is_sum = number == AT / 4;
        let value = bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        if is_sum { 0 } else { value }
    };
    // 1024 words of 32 bits do not overflow 64.
    let sum = words.map(word).fold(0_u64, u64::saturating_add);
    let folded = (sum & 0xffff_ffff).saturating_add(sum >> 32);
    u32::try_from(folded & 0xffff_ffff).unwrap_or_default()
}

impl Raw {
    const fn has(&self, feature: u32) -> bool {
        self.feature_map.get() & feature != 0
    }

    fn checked(&self, version: Version, at: u64, roles: Vec<Role>) -> Result<Superblock, Error> {
        let data_offset = bytes(self.data_offset.get(), "the start of its data")?;
        let number = usize::try_from(self.dev_number.get()).unwrap_or(usize::MAX);
        let is_journal = roles.get(number) == Some(&Role::Journal);
        let is_partial = self.has(feature::RECOVERY_OFFSET) && !is_journal;
        let recovered = is_partial.then(|| bytes(self.recovery_offset.get(), "what was rebuilt of it")).transpose()?;
        let level = Level::from_number(self.level.get().cast_signed())?;
        let reshape = self.has(feature::RESHAPE_ACTIVE).then(|| self.reshape(level)).transpose()?;
        Ok(Superblock {
            version,
            at,
            set: self.set_uuid,
            name: text(&self.set_name),
            created: self.ctime.get() & SECONDS,
            updated: self.utime.get() & SECONDS,
            events: self.events.get(),
            geometry: self.geometry(level)?,
            reshape,
            in_sync_to: self.in_sync_to()?,
            number,
            roles,
            device: Some(self.device_uuid),
            data_offset,
            new_data_offset: self.new_data_offset(data_offset)?,
            data_bytes: bytes(self.data_size.get(), "the size of its data")?,
            recovered_to: recovered,
            is_replacement: self.has(feature::REPLACEMENT),
            is_write_mostly: self.devflags & WRITE_MOSTLY != 0,
            bad_blocks: self.bad_blocks(at)?,
            extras: self.extras(at, is_journal)?,
        })
    }

    /// How the array lies now, or before a reshape.
    fn geometry(&self, level: Level) -> Result<Geometry, Error> {
        let raid0 = level == Level::Raid0;
        // Only one that says so records which layout of RAID 0 it has.
        let layout = (!raid0 || self.has(feature::RAID0_LAYOUT)).then_some(self.layout.get());
        let delta = if self.has(feature::RESHAPE_ACTIVE) { self.delta_disks.get().cast_signed() } else { 0 };
        Ok(Geometry {
            level,
            layout,
            chunk: u64::from(self.chunksize.get()) << 9,
            members: members(self.raid_disks.get(), delta)?,
            component: bytes(self.size.get(), "the size of the members")?,
        })
    }

    fn reshape(&self, level: Level) -> Result<Reshape, Error> {
        let new_level = Level::from_number(self.new_level.get().cast_signed())?;
        if new_level != level {
            return Err(Error::Damaged(format!(
                "the array is being changed from {} to {}, which Linux itself does not do in one step",
                level.name(),
                new_level.name()
            )));
        }
        let delta = self.delta_disks.get().cast_signed();
        let geometry = Geometry {
            level,
            layout: Some(self.new_layout.get()),
            chunk: u64::from(self.new_chunk.get()) << 9,
            members: members(self.raid_disks.get(), 0)?,
            component: bytes(self.size.get(), "the size of the members")?,
        };
        let is_backwards = delta < 0 || (delta == 0 && self.has(feature::RESHAPE_BACKWARDS));
        let position = bytes(self.reshape_position.get(), "the position of the reshape")?;
        Ok(Reshape { position, is_backwards, geometry })
    }

    fn in_sync_to(&self) -> Result<Option<u64>, Error> {
        match self.resync_offset.get() {
            u64::MAX => Ok(None),
            sectors => bytes(sectors, "what is in sync").map(Some),
        }
    }

    fn new_data_offset(&self, data_offset: u64) -> Result<u64, Error> {
        if !self.has(feature::NEW_OFFSET) || !self.has(feature::RESHAPE_ACTIVE) {
            return Ok(data_offset);
        }
        let change = i64::from(self.new_offset.get().cast_signed()).saturating_mul(512);
        let moved = data_offset.checked_add_signed(change);
        moved.ok_or_else(|| Error::Damaged("its data would be moved to before its start".to_owned()))
    }

    fn bad_blocks(&self, at: u64) -> Result<Option<BadBlockLog>, Error> {
        if !self.has(feature::BAD_BLOCKS) {
            return Ok(None);
        }
        let log = BadBlockLog::new(at, self.bblog_offset.get().cast_signed(), self.bblog_size.get(), self.bblog_shift);
        log.map(Some)
    }

    fn extras(&self, at: u64, is_journal: bool) -> Result<Extras, Error> {
        let tail = if is_journal { self.recovery_offset.get() } else { 0 };
        let is_multiple = self.has(feature::MULTIPLE_PPLS);
        let has_ppl = is_multiple || self.has(feature::PPL);
        Ok(Extras {
            has_bitmap: self.has(feature::BITMAP_OFFSET),
            is_clustered: self.has(feature::CLUSTERED),
            has_journal: self.has(feature::JOURNAL),
            journal_tail: tail,
            ppl: has_ppl.then(|| self.partial_parity_log(at, is_multiple)).transpose()?,
        })
    }

    /// `bitmap_offset` as `ppl.offset`, in sectors from the superblock on, and `ppl.size`.
    fn partial_parity_log(&self, at: u64, is_multiple: bool) -> Result<PartialParityLog, Error> {
        let [a, b, c, d] = self.bitmap_offset;
        let offset = i64::from(i16::from_le_bytes([a, b])).saturating_mul(512);
        let start = at.checked_add_signed(offset);
        let start = start.ok_or_else(|| Error::Damaged("its partial parity log is before its start".to_owned()))?;
        Ok(PartialParityLog { at: start, bytes: u64::from(u16::from_le_bytes([c, d])) << 9, is_multiple })
    }
}

/// How many members there were before `delta` were added.
pub(super) fn members(now: u32, delta: i32) -> Result<u64, Error> {
    let before = u64::from(now).checked_add_signed(i64::from(delta).saturating_neg());
    let members = before.filter(|members| (1..=MEMBERS_MAX).contains(members));
    members.ok_or_else(|| Error::Damaged(format!("an array of {now} members, {delta} of them new, cannot be")))
}

/// Text up to its end or the first 0.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}
