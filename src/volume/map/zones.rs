//! RAID 0 of members that are not equally large: zones, each striped over those members that reach so far.

use super::{Layout, Piece, Place, Source};
use block::ReadError;
use std::num::NonZeroU64;

/// With which member a zone behind the first begins. Kernels differ, and nothing but the superblock can tell: Linux 3.14
/// changed it by mistake. Source: Linux, `drivers/md/raid0.h` (`enum r0layout`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZoneOrder {
    /// With the one whose turn it is when chunks are counted from the start of the volume: before 3.14, layout 1.
    Original,
    /// With the zone's first: since 3.14, layout 2.
    Alternate,
}

impl ZoneOrder {
    /// What md's superblocks call so; `None` for others: 0 says that the one who made the array did not know.
    #[must_use]
    pub const fn from_md(layout: u32) -> Option<Self> {
        match layout {
            1 => Some(Self::Original),
            2 => Some(Self::Alternate),
            _ => None,
        }
    }
}

/// A part of the volume that is striped over the same members.
struct Zone {
    /// Its first byte, and the one behind its last.
    start: u64,
    end: u64,
    /// Where it begins on each of its members.
    member_start: u64,
    members: Vec<usize>,
    /// How many those are.
    count: NonZeroU64,
}

/// RAID 0. Source: Linux, `create_strip_zones`, `find_zone` and `map_sector` of `drivers/md/raid0.c`.
pub struct Zones {
    zones: Vec<Zone>,
    chunk: NonZeroU64,
    order: ZoneOrder,
    size: u64,
}

impl Zones {
    /// More members than md takes.
    const MEMBERS_MAX: usize = 4096;

    /// A volume over members of these many bytes, which chunks of `chunk` bytes, a multiple of 512, fill as far as they
    /// go. `None` when there is no such volume.
    #[must_use]
    pub fn new(member_bytes: &[u64], chunk: u64, order: ZoneOrder) -> Option<Self> {
        let chunk = NonZeroU64::new(chunk).filter(|chunk| chunk.get().is_multiple_of(512))?;
        if member_bytes.len() > Self::MEMBERS_MAX {
            return None;
        }
        let whole: Vec<u64> = member_bytes.iter().map(|bytes| bytes.saturating_sub(*bytes % chunk)).collect();
        let (mut zones, mut start, mut member_start) = (Vec::new(), 0_u64, 0_u64);
        while let Some(member_end) = whole.iter().copied().filter(|end| *end > member_start).min() {
            let members: Vec<usize> =
                whole.iter().enumerate().filter(|(_, end)| **end > member_start).map(|(member, _)| member).collect();
            let count = NonZeroU64::new(u64::try_from(members.len()).ok()?)?;
            let end = start.checked_add(member_end.checked_sub(member_start)?.checked_mul(count.get())?)?;
            zones.push(Zone { start, end, member_start, members, count });
            (start, member_start) = (end, member_end);
        }
        Some(Self { zones, chunk, order, size: start })
    }

    /// Whether the order of zones makes a difference, so that it has to be known: there is a second zone of several
    /// members.
    #[must_use]
    pub fn order_matters(&self) -> bool {
        self.zones.iter().skip(1).any(|zone| zone.count.get() > 1)
    }

    fn place(&self, offset: u64) -> Option<Place> {
        let zone = self.zones.get(self.zones.partition_point(|zone| zone.end <= offset))?;
        let inside = offset.checked_sub(zone.start)?;
        let counted = match self.order {
            ZoneOrder::Original => offset,
            ZoneOrder::Alternate => inside,
        };
        let turn = usize::try_from(counted / self.chunk % zone.count).ok()?;
        let row = inside / self.chunk / zone.count;
        let at = zone.member_start.checked_add(row.checked_mul(self.chunk.get())?)?;
        Some(Place { member: *zone.members.get(turn)?, offset: at.checked_add(inside % self.chunk)? })
    }
}

impl Layout for Zones {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        // Zones begin and end with chunks.
        let left = self.chunk.get().saturating_sub(offset % self.chunk).min(self.size.saturating_sub(offset));
        let Some(place) = self.place(offset) else { return Ok(Piece { length: 0, source: Source::Zeros }) };
        Ok(Piece { length: left, source: Source::Copies(vec![place]) })
    }
}

#[cfg(test)]
mod tests;
