//! Superblocks of version 0.90, in the byte order of the machine that wrote them (Linux
//! `include/uapi/linux/raid/md_p.h`, `struct mdp_superblock_s`; checked as `drivers/md/md.c`, `super_90_load` does).

use super::geometry::{Geometry, Level};
use super::superblock::{Extras, Reshape, Role, SUPERBLOCK_BYTES, Superblock, Version, bytes};
use super::superblock_1::{MAGIC, members};
use crate::Error;
use zerocopy::byteorder::{BE, ByteOrder, LE, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `MD_RESERVED_BYTES`: superblocks are at a multiple of this, and have so much room.
pub(super) const RESERVED: u64 = 64 * 1024;
/// `MD_SB_DISKS`.
const DISKS: usize = 27;
/// Bits of a device's `state` (`MD_DISK_*`).
const FAULTY: u32 = 1;
const ACTIVE: u32 = 2;
const SYNC: u32 = 4;
const WRITE_MOSTLY: u32 = 1 << 9;
/// Bits of an array's `state` (`MD_SB_*`).
const CLEAN: u32 = 1;
const BITMAP_PRESENT: u32 = 1 << 8;
/// The version that a superblock has while the array is being reshaped.
const RESHAPING: u32 = 91;

/// `mdp_disk_t`: what a device is to the array.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawDisk<O: ByteOrder> {
    number: U32<O>,
    major: U32<O>,
    minor: U32<O>,
    raid_disk: U32<O>,
    state: U32<O>,
    reserved: [U32<O>; 27],
}

/// `mdp_super_t`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw<O: ByteOrder> {
    md_magic: U32<O>,
    major_version: U32<O>,
    minor_version: U32<O>,
    patch_version: U32<O>,
    gvalid_words: U32<O>,
    set_uuid0: U32<O>,
    ctime: U32<O>,
    level: U32<O>,
    /// Used of each member, in KiB.
    size: U32<O>,
    nr_disks: U32<O>,
    raid_disks: U32<O>,
    md_minor: U32<O>,
    not_persistent: U32<O>,
    set_uuid1: U32<O>,
    set_uuid2: U32<O>,
    set_uuid3: U32<O>,
    gstate_creserved: [U32<O>; 16],
    utime: U32<O>,
    state: U32<O>,
    active_disks: U32<O>,
    working_disks: U32<O>,
    failed_disks: U32<O>,
    spare_disks: U32<O>,
    sb_csum: U32<O>,
    /// Two words, of which the more significant comes first in big-endian order.
    events: U64<O>,
    cp_events: U64<O>,
    /// Sectors.
    recovery_cp: U32<O>,
    /// Sectors of the array.
    reshape_position: U64<O>,
    new_level: U32<O>,
    delta_disks: U32<O>,
    new_layout: U32<O>,
    new_chunk: U32<O>,
    gstate_sreserved: [U32<O>; 14],
    layout: U32<O>,
    /// Bytes.
    chunk_size: U32<O>,
    root_pv: U32<O>,
    root_block: U32<O>,
    pstate_reserved: [U32<O>; 60],
    disks: [RawDisk<O>; DISKS],
    this_disk: RawDisk<O>,
}

/// Where the superblock is on a device of `size` bytes (`MD_NEW_SIZE_SECTORS`).
pub(super) fn place(size: u64) -> Option<u64> {
    (size & !(RESERVED - 1)).checked_sub(RESERVED)
}

/// The superblock in `block`, which was read from byte `at`; `None` when there is none.
pub(super) fn parse(block: &[u8; SUPERBLOCK_BYTES], at: u64) -> Result<Option<Superblock>, Error> {
    if let Some(found) = parse_in_order::<LE>(block, Version::V090, at)? {
        return Ok(Some(found));
    }
    parse_in_order::<BE>(block, Version::V090BigEndian, at)
}

fn parse_in_order<O: ByteOrder>(
    block: &[u8; SUPERBLOCK_BYTES],
    version: Version,
    at: u64,
) -> Result<Option<Superblock>, Error> {
    let Ok(raw) = Raw::<O>::ref_from_bytes(block) else { return Ok(None) };
    let minor = raw.minor_version.get();
    // Version 1 has the same magic number.
    if raw.md_magic.get() != MAGIC || raw.major_version.get() != 0 {
        return Ok(None);
    }
    if !(90..=RESHAPING).contains(&minor) {
        return Err(Error::Damaged(format!(
            "its superblock at byte {at} is of version 0.{minor}, which is not known here"
        )));
    }
    if fold(checksum::<O>(block)) != fold(raw.sb_csum.get()) {
        return Err(Error::Damaged(format!("its superblock (version {version}, at byte {at}) fails its checksum")));
    }
    raw.checked(version, at).map(Some)
}

/// Whether its checksum is right, in either byte order.
pub(super) fn is_signed(block: &[u8; SUPERBLOCK_BYTES]) -> bool {
    fn is_right<O: ByteOrder>(block: &[u8; SUPERBLOCK_BYTES]) -> bool {
        Raw::<O>::ref_from_bytes(block).is_ok_and(|raw| fold(checksum::<O>(block)) == fold(raw.sb_csum.get()))
    }
    is_right::<LE>(block) || is_right::<BE>(block)
}

/// Linux `md.c`, `calc_sb_csum`: the sum of all words but itself, folded once.
pub(super) fn checksum<O: ByteOrder>(block: &[u8; SUPERBLOCK_BYTES]) -> u32 {
    const AT: usize = std::mem::offset_of!(Raw<LE>, sb_csum) / 4;
    let Ok(words) = <[U32<O>; SUPERBLOCK_BYTES / 4]>::ref_from_bytes(block) else { return 0 };
    let words = words.iter().enumerate().filter(|(number, _)| *number != AT);
    let sum = words.fold(0_u64, |sum, (_, word)| sum.saturating_add(u64::from(word.get())));
    let folded = (sum & 0xffff_ffff).saturating_add(sum >> 32);
    u32::try_from(folded & 0xffff_ffff).unwrap_or_default()
}

/// `md_csum_fold`: machines fold the sum in different ways, and agree on this.
const fn fold(sum: u32) -> u32 {
    let sum = (sum & 0xffff).saturating_add(sum >> 16);
    (sum & 0xffff).saturating_add(sum >> 16)
}

impl<O: ByteOrder> Raw<O> {
    fn checked(&self, version: Version, at: u64) -> Result<Superblock, Error> {
        let level = Level::from_number(self.level.get().cast_signed())?;
        let is_reshaping = self.minor_version.get() == RESHAPING;
        let delta = if is_reshaping { self.delta_disks.get().cast_signed() } else { 0 };
        let component = u64::from(self.size.get()) << 10;
        let geometry = Geometry {
            level,
            // RAID 0 has no place for its layout here.
            layout: (level != Level::Raid0).then_some(self.layout.get()),
            chunk: u64::from(self.chunk_size.get()),
            members: members(self.raid_disks.get(), delta)?,
            component,
        };
        if component > at && !level.uses_all_of_each_member() {
            return Err(Error::Damaged(format!(
                "its superblock at byte {at} says that {component} bytes before it are used: more than there are"
            )));
        }
        let reshape = is_reshaping.then(|| self.reshape(&geometry)).transpose()?;
        let words = [self.set_uuid0.get(), self.set_uuid1.get(), self.set_uuid2.get(), self.set_uuid3.get()];
        let mut set = [0; 16];
        for (to, from) in set.iter_mut().zip(words.iter().flat_map(|word| word.to_be_bytes())) {
            *to = from;
        }
        let number = usize::try_from(self.this_disk.number.get()).unwrap_or(usize::MAX);
        let own = self.disks.get(number);
        let is_write_mostly = own.is_some_and(|disk| disk.state.get() & WRITE_MOSTLY != 0);
        Ok(Superblock {
            version,
            at,
            set,
            name: String::new(),
            created: u64::from(self.ctime.get()),
            updated: u64::from(self.utime.get()),
            events: self.events.get(),
            geometry,
            reshape,
            in_sync_to: self.in_sync_to()?,
            number,
            roles: self.disks.iter().map(|disk| role(disk, is_reshaping)).collect(),
            device: None,
            data_offset: 0,
            new_data_offset: 0,
            data_bytes: at,
            recovered_to: own.and_then(|disk| recovered(disk, reshape)),
            is_replacement: false,
            is_write_mostly,
            bad_blocks: None,
            extras: Extras { has_bitmap: self.state.get() & BITMAP_PRESENT != 0, ..Extras::default() },
        })
    }

    fn reshape(&self, before: &Geometry) -> Result<Reshape, Error> {
        let level = Level::from_number(self.new_level.get().cast_signed())?;
        if level != before.level {
            return Err(Error::Damaged(format!(
                "the array is being changed from {} to {}, which Linux itself does not do in one step",
                before.level.name(),
                level.name()
            )));
        }
        let geometry = Geometry {
            level,
            layout: Some(self.new_layout.get()),
            chunk: u64::from(self.new_chunk.get()),
            members: members(self.raid_disks.get(), 0)?,
            component: before.component,
        };
        let position = bytes(self.reshape_position.get(), "the position of the reshape")?;
        Ok(Reshape { position, is_backwards: self.delta_disks.get().cast_signed() < 0, geometry })
    }

    fn in_sync_to(&self) -> Result<Option<u64>, Error> {
        let checkpoint = u64::from(self.recovery_cp.get());
        let is_known = self.events.get() == self.cp_events.get();
        match (self.state.get() & CLEAN != 0, is_known) {
            (true, _) => Ok(None),
            (false, true) => bytes(checkpoint, "what is in sync").map(Some),
            (false, false) => Ok(Some(0)),
        }
    }
}

/// `super_90_validate`.
fn role<O: ByteOrder>(disk: &RawDisk<O>, is_reshaping: bool) -> Role {
    let state = disk.state.get();
    let is_active = state & SYNC != 0 || (is_reshaping && state & ACTIVE != 0);
    match (state & FAULTY != 0, is_active) {
        (true, _) => Role::Faulty,
        (false, true) => Role::Active(u64::from(disk.raid_disk.get())),
        (false, false) => Role::Spare,
    }
}

/// How far a member that a reshape adds is filled: there is no place for it, and Linux takes the reshape's position
/// (`raid5.c`, `raid5_run`).
fn recovered<O: ByteOrder>(disk: &RawDisk<O>, reshape: Option<Reshape>) -> Option<u64> {
    let reshape = reshape.filter(|_| disk.state.get() & SYNC == 0)?;
    let data = reshape.geometry.members.checked_sub(reshape.geometry.level.parities())?;
    reshape.position.checked_div(data)
}
