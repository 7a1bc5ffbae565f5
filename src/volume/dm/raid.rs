//! The superblock that the `raid` target keeps on the metadata device of each member (Linux, `drivers/md/dm-raid.c`).

use block::{ReadAt, ReadError};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct dm_raid_superblock`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawSuperblock {
    magic: U32,
    compat_features: U32,
    num_devices: U32,
    array_position: U32,
    /// Incremented when superblocks are written.
    events: U64,
    /// Bits of devices that failed.
    failed_devices: U64,
    /// How far this device was rebuilt, in sectors.
    disk_recovery_offset: U64,
    /// How far the array was brought in sync, in sectors of each device.
    array_resync_offset: U64,
    /// As md numbers them.
    level: U32,
    layout: U32,
    stripe_sectors: U32,
    // What follows is there with `FEATURE_FLAG_SUPPORTS_V190` only.
    flags: U32,
    /// In sectors of the array.
    reshape_position: U64,
    new_level: U32,
    new_layout: U32,
    new_stripe_sectors: U32,
    delta_disks: U32,
    array_sectors: U64,
    /// Where data begin on this device, in sectors.
    data_offset: U64,
    new_data_offset: U64,
    /// The part of this device that is used, in sectors.
    sectors: U64,
    extended_failed_devices: [U64; 3],
    incompat_features: U32,
}

/// `DM_RAID_MAGIC`: `DmRd`.
const MAGIC: u32 = 0x6452_6D44;
/// `FEATURE_FLAG_SUPPORTS_V190`.
const SUPPORTS_V190: u32 = 1;
/// `SB_FLAG_RESHAPE_ACTIVE`.
const RESHAPE_ACTIVE: u32 = 1;
/// `SB_FLAG_RESHAPE_BACKWARDS`.
const RESHAPE_BACKWARDS: u32 = 2;
/// `MaxSector`: nothing is left to do.
const MAX_SECTOR: u64 = u64::MAX;
const SECTOR: u64 = 512;

/// What a member says of itself and of its array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// How many members the array has.
    pub(crate) devices: u32,
    /// Which of them this is, from 0.
    pub(crate) position: u32,
    /// Counts the changes of the array's state.
    pub(crate) events: u64,
    failed: [u64; 4],
    /// Up to which byte this member was rebuilt; `None` when all of it was.
    pub(crate) rebuilt: Option<u64>,
    /// Up to which byte of each member parity and copies are right; `None` when everywhere.
    pub(crate) synced: Option<u64>,
    /// The RAID level and the layout within it, as md numbers them.
    pub(crate) level: u32,
    pub(crate) layout: u32,
    /// In bytes; 0 in RAID 1.
    pub(crate) chunk: u64,
    /// A change of the layout that is half done.
    pub(crate) reshape: Option<Reshape>,
    /// Where data begin on the member, in bytes.
    pub(crate) data_offset: u64,
}

/// A change of an array's layout that is half done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reshape {
    /// The byte of the array that it has come to.
    pub(crate) position: u64,
    /// Whether it goes from the end to the start.
    pub(crate) is_backwards: bool,
    /// How many members there were before.
    pub(crate) devices_before: u32,
    /// How many there will be.
    pub(crate) devices_after: u32,
    /// What it makes of the array, as the fields of the superblock say what it was.
    pub(crate) level: u32,
    pub(crate) layout: u32,
    /// In bytes.
    pub(crate) chunk: u64,
    /// Where data will begin on the member, in bytes.
    pub(crate) data_offset: u64,
    /// The size of the array until it is done, in bytes.
    pub(crate) array_bytes: u64,
}

impl Superblock {
    /// Reads the superblock of a metadata device; `None` when it has none, as it is new.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(device: &dyn ReadAt) -> Result<Result<Option<Self>, String>, ReadError> {
        let mut bytes = [0; size_of::<RawSuperblock>()];
        device.read_exact_at(0, &mut bytes)?;
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Result<Option<Self>, String> {
        let (raw, _) = RawSuperblock::ref_from_prefix(bytes).map_err(|_| "it is cut short".to_owned())?;
        if raw.magic.get() != MAGIC {
            return Ok(None);
        }
        let features = raw.compat_features.get();
        if features & !SUPPORTS_V190 != 0 {
            return Err(format!("its features are {features:#x}, and {SUPPORTS_V190:#x} is known"));
        }
        let is_extended = features != 0;
        let incompatible = raw.incompat_features.get();
        if is_extended && incompatible != 0 {
            return Err(format!("it has features ({incompatible:#x}) that nothing here knows"));
        }
        let [second, third, fourth] = raw.extended_failed_devices.map(|bits| if is_extended { bits.get() } else { 0 });
        let offset = if is_extended { raw.data_offset.get() } else { 0 };
        Ok(Some(Self {
            devices: raw.num_devices.get(),
            position: raw.array_position.get(),
            events: raw.events.get(),
            failed: [raw.failed_devices.get(), second, third, fourth],
            rebuilt: progress(raw.disk_recovery_offset.get()),
            synced: progress(raw.array_resync_offset.get()),
            level: raw.level.get(),
            layout: raw.layout.get(),
            chunk: u64::from(raw.stripe_sectors.get()).saturating_mul(SECTOR),
            reshape: if is_extended { Reshape::parse(raw)? } else { None },
            data_offset: offset.checked_mul(SECTOR).ok_or_else(|| "its data_offset is absurd".to_owned())?,
        }))
    }

    /// Whether the array went on without a member because it failed.
    pub(crate) fn has_failed(&self, position: u32) -> bool {
        let (word, bit) = (position >> 6, position & 63);
        let word = usize::try_from(word).ok().and_then(|word| self.failed.get(word));
        word.is_some_and(|word| (word >> bit) & 1 == 1)
    }
}

impl Reshape {
    fn parse(raw: &RawSuperblock) -> Result<Option<Self>, String> {
        let flags = raw.flags.get();
        if flags & RESHAPE_ACTIVE == 0 {
            return Ok(None);
        }
        let bytes =
            |sectors: u64, what: &str| sectors.checked_mul(SECTOR).ok_or_else(|| format!("its {what} is absurd"));
        let delta = raw.delta_disks.get().cast_signed();
        let before = i64::from(raw.num_devices.get()).checked_sub(i64::from(delta));
        let before = before.and_then(|before| u32::try_from(before).ok());
        Ok(Some(Self {
            position: bytes(raw.reshape_position.get(), "reshape_position")?,
            is_backwards: delta < 0 || delta == 0 && flags & RESHAPE_BACKWARDS != 0,
            devices_before: before.ok_or_else(|| format!("its delta_disks is {delta}"))?,
            devices_after: raw.num_devices.get(),
            level: raw.new_level.get(),
            layout: raw.new_layout.get(),
            chunk: u64::from(raw.new_stripe_sectors.get()).saturating_mul(SECTOR),
            data_offset: bytes(raw.new_data_offset.get(), "new_data_offset")?,
            array_bytes: bytes(raw.array_sectors.get(), "array_sectors")?,
        }))
    }
}

/// A place in sectors in bytes; `None` for the end.
fn progress(sectors: u64) -> Option<u64> {
    (sectors != MAX_SECTOR).then(|| sectors.saturating_mul(SECTOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Vec<u8> {
        let mut bytes = vec![0; 512];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, b"DmRd");
        put(4, &1_u32.to_le_bytes());
        put(8, &70_u32.to_le_bytes());
        put(12, &2_u32.to_le_bytes());
        put(16, &9_u64.to_le_bytes());
        put(24, &(1_u64 << 63 | 4).to_le_bytes());
        put(32, &8_u64.to_le_bytes());
        put(40, &u64::MAX.to_le_bytes());
        put(48, &5_u32.to_le_bytes());
        put(52, &2_u32.to_le_bytes());
        put(56, &128_u32.to_le_bytes());
        put(60, &1_u32.to_le_bytes());
        put(64, &100_u64.to_le_bytes());
        put(72, &6_u32.to_le_bytes());
        put(76, &8_u32.to_le_bytes());
        put(80, &64_u32.to_le_bytes());
        put(84, &2_i32.to_le_bytes());
        put(88, &1000_u64.to_le_bytes());
        put(96, &16_u64.to_le_bytes());
        put(104, &32_u64.to_le_bytes());
        put(120, &2_u64.to_le_bytes());
        bytes
    }

    #[test]
    fn every_field_is_where_the_kernel_has_it() {
        let superblock = Superblock::parse(&bytes()).unwrap().unwrap();
        let expected = Superblock {
            devices: 70,
            position: 2,
            events: 9,
            failed: [1 << 63 | 4, 2, 0, 0],
            rebuilt: Some(4096),
            synced: None,
            level: 5,
            layout: 2,
            chunk: 65536,
            reshape: Some(Reshape {
                position: 51200,
                is_backwards: false,
                devices_before: 68,
                devices_after: 70,
                level: 6,
                layout: 8,
                chunk: 32768,
                data_offset: 16384,
                array_bytes: 512_000,
            }),
            data_offset: 8192,
        };
        assert_eq!(superblock, expected);
        let failed: Vec<_> = (0..300).filter(|position| superblock.has_failed(*position)).collect();
        assert_eq!(failed, [2, 63, 65]);
    }

    #[test]
    fn what_is_unknown_is_refused_and_what_is_new_has_none() {
        assert_eq!(Superblock::parse(&[0; 512]), Ok(None));
        for (at, value) in [(4, 3), (144, 1)] {
            let mut bytes = bytes();
            bytes[at] = value;
            assert!(Superblock::parse(&bytes).is_err(), "{at}");
        }
        // Older superblocks have nothing there.
        let mut bytes = bytes();
        bytes[4] = 0;
        bytes[144] = 1;
        let superblock = Superblock::parse(&bytes).unwrap().unwrap();
        assert!(superblock.reshape.is_none() && superblock.data_offset == 0 && !superblock.has_failed(65));
    }
}
