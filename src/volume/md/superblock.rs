//! What a member says of itself and of its array, whichever way it was written down, and which superblock of a device
//! counts when there are several.

use super::bad_blocks::BadBlockLog;
use super::geometry::Geometry;
use super::{superblock_1, superblock_090};
use crate::{Device, Error};
use block::ReadErrorKind;
use std::fmt;

pub(crate) const SECTOR: u64 = 512;
/// `MD_SB_BYTES`: what is read of a superblock.
pub(super) const SUPERBLOCK_BYTES: usize = 4096;

/// How a superblock was written, which says where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// 0.90, in the last 64 to 128 KiB, little-endian.
    V090,
    /// The same, written by a big-endian machine.
    V090BigEndian,
    /// 1.0, in the last 8 to 12 KiB.
    V1_0,
    /// 1.1, at the start.
    V1_1,
    /// 1.2, 4 KiB from the start.
    V1_2,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V090 => "0.90",
            Self::V090BigEndian => "0.90 (big-endian)",
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        })
    }
}

/// What a member is to its array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It holds the array's data, as the member with this number.
    Active(u64),
    /// Nothing yet.
    Spare,
    /// It failed.
    Faulty,
    /// It is the journal.
    Journal,
}

/// A change of the geometry that was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reshape {
    /// Byte of the array that it got to.
    pub(crate) position: u64,
    /// Whether it goes from the end to the start.
    pub(crate) is_backwards: bool,
    /// What the array is to become.
    pub(crate) geometry: Geometry,
}

/// A checked superblock. All sizes and places are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) version: Version,
    /// Byte of the device that it is at.
    pub(crate) at: u64,
    /// The UUID of the array.
    pub(crate) set: [u8; 16],
    /// The array's name, with the host that made it (`host:name`); empty when there is none.
    pub(crate) name: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) updated: u64,
    /// How often superblocks of the array were written: what is greater is younger.
    pub(crate) events: u64,
    /// How the array lies on its members; during a reshape, how it lay before.
    pub(crate) geometry: Geometry,
    pub(crate) reshape: Option<Reshape>,
    /// Where members are not known to agree with one another: from this byte of each member on; `None` when they do.
    pub(crate) in_sync_to: Option<u64>,
    /// Its number among all devices that the array has or had.
    pub(crate) number: usize,
    /// What the devices are to the array, by their number.
    pub(crate) roles: Vec<Role>,
    /// The device's own UUID.
    pub(crate) device: Option<[u8; 16]>,
    /// First byte for data.
    pub(crate) data_offset: u64,
    /// First byte for data of what a reshape makes.
    pub(crate) new_data_offset: u64,
    /// How many bytes there are for data.
    pub(crate) data_bytes: u64,
    /// How far it is filled, from `data_offset` on; `None` when it is.
    pub(crate) recovered_to: Option<u64>,
    /// Whether it is to take the place of another member, which is still there.
    pub(crate) is_replacement: bool,
    /// Whether it is slow, and read last.
    pub(crate) is_write_mostly: bool,
    /// Where bad blocks are recorded.
    pub(crate) bad_blocks: Option<BadBlockLog>,
    /// What is beside the superblock or on devices of its own.
    pub(crate) extras: Extras,
}

/// Aids against lost writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    /// Whether a bitmap of what may be out of step is kept on the members.
    pub(crate) has_bitmap: bool,
    /// Whether the array is shared by a cluster.
    pub(crate) is_clustered: bool,
    /// Whether writes go through a journal on a device of its own.
    pub(crate) has_journal: bool,
    /// On the journal: the sector of its data where the log begins.
    pub(crate) journal_tail: u64,
    /// Where the partial parity log is on this device.
    pub(crate) ppl: Option<PartialParityLog>,
}

/// The place of a partial parity log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartialParityLog {
    /// First byte of the device.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    /// Whether there are several, one behind the other.
    pub(crate) is_multiple: bool,
}

impl Superblock {
    /// What the device itself says that it is.
    pub(crate) fn role(&self) -> Role {
        self.role_of(self.number)
    }

    /// What it says of the device with this number.
    pub(crate) fn role_of(&self, number: usize) -> Role {
        self.roles.get(number).copied().unwrap_or(Role::Spare)
    }

    /// Whether it says that there is a member with this role.
    pub(crate) fn knows(&self, role: u64) -> bool {
        self.roles.contains(&Role::Active(role))
    }

    /// How many members there are when none is missing, before or after a reshape, whichever are more.
    pub(crate) fn members(&self) -> u64 {
        let after = self.reshape.map_or(0, |reshape| reshape.geometry.members);
        self.geometry.members.max(after)
    }

    /// The UUID of the array as `mdadm` prints it.
    pub(crate) fn uuid(&self) -> String {
        uuid_text(&self.set)
    }

    /// The UUID of the device.
    pub(crate) fn device_uuid(&self) -> Option<String> {
        self.device.as_ref().map(uuid_text)
    }

    /// First byte behind the data.
    fn data_end(&self) -> u64 {
        self.data_offset.saturating_add(self.data_bytes)
    }

    /// Whether this is the superblock of a member of an array that `outer` is a member of: it lies in what `outer` has
    /// for data, and describes a device of that size.
    fn is_inside(&self, outer: &Self) -> bool {
        match self.version {
            Version::V1_1 | Version::V1_2 => {
                matches!(outer.version, Version::V090 | Version::V090BigEndian | Version::V1_0)
                    && outer.data_offset == 0
                    && self.data_end() <= outer.at
            }
            Version::V090 | Version::V090BigEndian => {
                let fits = self.geometry.component.saturating_add(superblock_090::RESERVED) <= outer.data_bytes;
                let is_known = !self.geometry.level.uses_all_of_each_member();
                outer.data_offset > 0 && is_known && fits && (outer.data_offset..outer.data_end()).contains(&self.at)
            }
            // It says where it is, and that would be another place.
            Version::V1_0 => false,
        }
    }
}

/// A superblock that is there and cannot be used.
#[derive(Debug)]
pub(crate) struct Unusable {
    /// Byte of the device that it is at.
    pub(crate) at: u64,
    pub(crate) error: Error,
    /// Whether its checksum is wrong, so that nothing in it can be relied on, not even that it is one.
    pub(crate) fails_checksum: bool,
}

/// The superblock that makes `device` a member of an array; `None` when there is none. A place that cannot be read
/// holds none: whatever else is on the device, perhaps an array without some of its members, is not lost for that.
///
/// # Errors
/// When it is damaged, or when there are several and nothing tells which counts, and when the device is gone.
pub(crate) fn find(device: &Device) -> Result<Option<Superblock>, Unusable> {
    let size = device.data.size();
    let mut found: Option<Superblock> = None;
    let mut problem = None;
    let version_1 = [(superblock_1::end(size), Version::V1_0), (Some(0), Version::V1_1), (Some(4096), Version::V1_2)];
    let ends = superblock_090::place(size);
    let places = version_1.into_iter().chain([(ends, Version::V090)]);
    for (at, version) in places.filter_map(|(at, version)| Some((at?, version))) {
        let unusable = |error| Unusable { at, error, fails_checksum: false };
        let Some(bytes) = read(device, at).map_err(unusable)? else { continue };
        let parsed = match version {
            Version::V090 | Version::V090BigEndian => superblock_090::parse(&bytes, at),
            Version::V1_0 | Version::V1_1 | Version::V1_2 => superblock_1::parse(&bytes, version, at, size),
        };
        match (parsed, found.take()) {
            (Ok(None), before) => found = before,
            (Ok(Some(superblock)), None) => found = Some(superblock),
            (Ok(Some(superblock)), Some(before)) => found = Some(that_counts(before, superblock).map_err(unusable)?),
            (Err(error), before) => {
                found = before;
                let fails_checksum = match version {
                    Version::V090 | Version::V090BigEndian => !superblock_090::is_signed(&bytes),
                    Version::V1_0 | Version::V1_1 | Version::V1_2 => !superblock_1::is_signed(&bytes),
                };
                problem = Some(Unusable { fails_checksum, ..unusable(error) });
            }
        }
    }
    match (found, problem) {
        (None, Some(problem)) => Err(problem),
        (found, _) => Ok(found),
    }
}

/// Of two superblocks on one device, that which was written for this device last (mdadm `super-*.c`, `guess_super`: the
/// array that was created later), unless it belongs to a device inside the array of the other.
fn that_counts(one: Superblock, other: Superblock) -> Result<Superblock, Error> {
    if one.is_inside(&other) {
        return Ok(other);
    }
    if other.is_inside(&one) || one.created > other.created {
        return Ok(one);
    }
    if other.created > one.created {
        return Ok(other);
    }
    Err(Error::Damaged(format!(
        "it has two superblocks, {} of array {} and {} of array {}, both made at the same time: one is left over, and \
         nothing tells which",
        one.version,
        one.uuid(),
        other.version,
        other.uuid()
    )))
}

/// What may be a superblock; `None` when the device has nothing to read there.
fn read(device: &Device, at: u64) -> Result<Option<[u8; SUPERBLOCK_BYTES]>, Error> {
    let mut bytes = [0; SUPERBLOCK_BYTES];
    match device.data.read_exact_at(at, &mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) => match error.kind {
            ReadErrorKind::OutOfRange | ReadErrorKind::Device | ReadErrorKind::Damaged | ReadErrorKind::Missing => {
                Ok(None)
            }
            ReadErrorKind::Disconnected | ReadErrorKind::TimedOut | ReadErrorKind::Closed => Err(error.into()),
        },
    }
}

/// Sectors as bytes.
///
/// # Errors
/// When no disk has so many.
pub(super) fn bytes(sectors: u64, what: &str) -> Result<u64, Error> {
    let damaged = || Error::Damaged(format!("{what} is {sectors} sectors, more than any disk has"));
    sectors.checked_mul(SECTOR).ok_or_else(damaged)
}

/// Four groups of eight digits.
pub(crate) fn uuid_text(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(35);
    for (number, byte) in uuid.iter().enumerate() {
        if number > 0 && number.is_multiple_of(4) {
            text.push(':');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
