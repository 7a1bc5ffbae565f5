//! Layouts with copies: mirrors, RAID 10.

use super::{Layout, Piece, Place, Source};
use block::ReadError;
use std::num::NonZeroU64;

/// The same on every member.
pub struct Mirror {
    legs: usize,
    size: u64,
}

impl Mirror {
    /// A volume of `size` bytes, all of it on each of members `0..legs`, of which those that come first are read first.
    #[must_use]
    pub const fn new(legs: usize, size: u64) -> Self {
        Self { legs, size }
    }
}

impl Layout for Mirror {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let places = (0..self.legs).map(|member| Place { member, offset }).collect();
        Ok(Piece { length: self.size.saturating_sub(offset), source: Source::Copies(places) })
    }
}

/// Among which devices the far copies of a chunk go round. Source: Linux, `setup_geo` of `drivers/md/raid10.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FarSets {
    /// Among all.
    Whole,
    /// Among as many as there are devices for each far copy: what md called improved for a while.
    Divided,
    /// Among as many as there are copies.
    Improved,
}

/// How RAID 10 of md lays out copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Raid10 {
    /// How many copies of a chunk lie on devices beside one another, at the same place.
    pub near: u64,
    /// How many copies of that lie further on.
    pub far: u64,
    /// Whether further on means in the next stripe, and not in the next part of each device.
    pub offset: bool,
    /// Among which devices the far copies go round.
    pub far_sets: FarSets,
}

impl Raid10 {
    /// What md's superblocks call so. `None` for a layout that no kernel knows. Source: Linux, `setup_geo` of
    /// `drivers/md/raid10.c`.
    #[must_use]
    pub fn from_md(layout: u32) -> Option<Self> {
        let far_sets = match layout >> 17 {
            0 => FarSets::Whole,
            1 => FarSets::Divided,
            2 => FarSets::Improved,
            _ => return None,
        };
        let (near, far) = (u64::from(layout & 0xff), u64::from((layout >> 8) & 0xff));
        (near > 0 && far > 0).then_some(Self { near, far, offset: layout & (1 << 16) != 0, far_sets })
    }

    /// How many copies of each chunk there are.
    #[must_use]
    pub const fn copies(self) -> u64 {
        self.near.saturating_mul(self.far)
    }

    /// How far a far copy is from the one before, and how large the volume is, in bytes, when this much of each device
    /// is used. `None` when there is no such volume. Source: Linux, `calc_sectors` and `raid10_size` of
    /// `drivers/md/raid10.c`.
    #[must_use]
    pub fn stride_and_size(self, devices: u64, chunk: u64, device_bytes: u64) -> Option<(u64, u64)> {
        let (near, far) = (NonZeroU64::new(self.near)?, NonZeroU64::new(self.far)?);
        let chunks = (device_bytes.checked_div(chunk)? / far).checked_mul(devices)? / near;
        let used = chunks.checked_mul(self.copies())?.div_ceil(NonZeroU64::new(devices)?.get());
        let stride = if self.offset { chunk } else { (used / far).checked_mul(chunk)? };
        Some((stride, chunks.checked_mul(chunk)?))
    }

    /// Of how many devices a set is, among which far copies go round.
    fn set(self, devices: u64) -> Option<NonZeroU64> {
        NonZeroU64::new(match self.far_sets {
            FarSets::Whole => devices,
            FarSets::Divided => devices.checked_div(self.far)?,
            FarSets::Improved => self.copies(),
        })
    }
}

/// RAID 10 of md. Source: Linux, `__raid10_find_phys` of `drivers/md/raid10.c`.
pub struct Copies {
    layout: Raid10,
    devices: NonZeroU64,
    /// Of how many devices a set is, among which far copies go round; the last set is larger when they do not divide.
    set: NonZeroU64,
    chunk: NonZeroU64,
    stride: u64,
    size: u64,
}

impl Copies {
    /// More devices than md takes.
    const DEVICES_MAX: u64 = 4096;

    /// A volume of `size` bytes over members `0..devices`, in chunks of `chunk` bytes, a multiple of 512; `stride` bytes
    /// are between a far copy and the one before, see [`Raid10::stride_and_size`]. `None` when there is no such volume.
    #[must_use]
    pub fn new(layout: Raid10, devices: u64, chunk: u64, stride: u64, size: u64) -> Option<Self> {
        let set = layout.set(devices).filter(|set| set.get() <= devices)?;
        let possible = layout.near > 0 && layout.far > 0 && layout.copies() <= devices && devices <= Self::DEVICES_MAX;
        let chunk = NonZeroU64::new(chunk).filter(|chunk| possible && chunk.get().is_multiple_of(512))?;
        Some(Self { layout, devices: NonZeroU64::new(devices)?, set, chunk, stride, size })
    }

    /// Where the copies of byte `offset` are, those with the lowest addresses first.
    fn places(&self, offset: u64) -> Option<Vec<Place>> {
        let first = (offset / self.chunk).checked_mul(self.layout.near)?;
        let rows = if self.layout.offset { self.layout.far } else { 1 };
        let row = (first / self.devices).checked_mul(rows)?;
        let at = row.checked_mul(self.chunk.get())?.checked_add(offset % self.chunk)?;
        let mut places = Vec::new();
        for copy in 0..self.layout.far {
            let further = self.stride.checked_mul(copy)?;
            for near in 0..self.layout.near {
                let device = (first % self.devices).checked_add(near)?;
                // Copies beside one another go on in the next row where the devices end.
                let next_row = if device >= self.devices.get() { self.chunk.get() } else { 0 };
                let device = (0..copy).try_fold(device % self.devices, |device, _| self.next_far(device))?;
                let offset = at.checked_add(next_row)?.checked_add(further)?;
                places.push(Place { member: usize::try_from(device).ok()?, offset });
            }
        }
        Some(places)
    }

    /// The device of the next far copy of what is on this one.
    fn next_far(&self, device: u64) -> Option<u64> {
        let next = device.checked_add(self.layout.near)?;
        let over = self.devices.get() % self.set;
        let last_set = (self.devices.get() / self.set).checked_sub(1)?.checked_mul(self.set.get())?;
        if over > 0 && next > last_set {
            next.checked_sub(last_set)?.checked_rem(self.set.get().checked_add(over)?)?.checked_add(last_set)
        } else {
            (device / self.set).checked_mul(self.set.get())?.checked_add(next % self.set)
        }
    }
}

impl Layout for Copies {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let left = self.chunk.get().saturating_sub(offset % self.chunk).min(self.size.saturating_sub(offset));
        let Some(places) = self.places(offset) else { return Ok(Piece { length: 0, source: Source::Zeros }) };
        Ok(Piece { length: left, source: Source::Copies(places) })
    }
}

#[cfg(test)]
mod tests;
