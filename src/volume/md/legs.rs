//! The members of an array as what its map reads: each from where its data begins, without what is not to be read.

use super::cut_short::CutShort;
use super::members::{Candidate, Seat};
use super::superblock::Superblock;
use crate::map::{Excluded, Faults, Layout, Leg, Linear, Map, Place, Segment, Source};
use block::{ReadAt, Slice};
use std::ops::Range;
use std::sync::Arc;

/// Which of its two places for data is meant, while a member is being reshaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// That from before, and the only one when nothing is being reshaped.
    Before,
    /// That to which a reshape moves.
    After,
}

/// Makes legs, and collects what users should know of them.
pub(super) struct Legs<'a> {
    faults: &'a Arc<Faults>,
    /// Bytes that the array uses of each member; `None` when it is all.
    component: Option<u64>,
    pub(super) notices: Vec<String>,
}

impl<'a> Legs<'a> {
    pub(super) fn new(freshest: &Superblock, faults: &'a Arc<Faults>) -> Self {
        let geometry = &freshest.geometry;
        let component = (!geometry.level.uses_all_of_each_member()).then_some(geometry.component);
        Self { faults, component, notices: Vec::new() }
    }

    /// What holds this role: a member, the one that is to replace it, or both in turn.
    pub(super) fn leg(&mut self, role: usize, seat: Seat<'_>, side: Side) -> Leg {
        let mut legs: Vec<_> = [seat.holder, seat.replacement]
            .into_iter()
            .flatten()
            .map(|candidate| Leg { name: candidate.device.name.clone(), data: self.data(candidate, side) })
            .filter(|leg| leg.data.is_some())
            .collect();
        match (legs.pop(), legs.pop()) {
            (None, _) => Leg { name: format!("device {role}"), data: None },
            (Some(only), None) => only,
            (Some(replacement), Some(holder)) => self.either(holder, replacement),
        }
    }

    /// Reads the second where the first errs.
    fn either(&self, first: Leg, second: Leg) -> Leg {
        let size = |leg: &Leg| leg.data.as_ref().map_or(0, |data| data.size());
        let bytes = size(&first).min(size(&second));
        let name = first.name.clone();
        let places = vec![Place { member: 0, offset: 0 }, Place { member: 1, offset: 0 }];
        let layout: Box<dyn Layout> = Box::new(Linear::new(vec![Segment { bytes, source: Source::Copies(places) }]));
        let data: Arc<dyn ReadAt> = Arc::new(Map::new(layout, vec![first, second], self.faults));
        Leg { name, data: Some(data) }
    }

    /// The data of a member; `None` where none of it is to be read.
    fn data(&mut self, candidate: &Candidate<'_>, side: Side) -> Option<Arc<dyn ReadAt>> {
        let (superblock, name) = (&candidate.superblock, &candidate.device.name);
        let bad = match superblock.bad_blocks.map(|log| log.read(candidate.device)) {
            None => Vec::new(),
            Some(Ok(bad)) => bad,
            Some(Err(error)) => {
                self.notices.push(format!("{name} is not read, since its list of bad blocks cannot be: {error}"));
                return None;
            }
        };
        if side == Side::Before && !bad.is_empty() {
            self.notices.push(format!("{name} has bad blocks on record ({}); they are read from others", said(&bad)));
        }
        let mut device = Arc::clone(&candidate.device.data);
        if !bad.is_empty() {
            device = Arc::new(Excluded::bad_blocks(device, bad));
        }
        let start = match side {
            Side::Before => superblock.data_offset,
            Side::After => superblock.new_data_offset,
        };
        let wanted = self.component.unwrap_or(superblock.data_bytes);
        let length = wanted.min(device.size().saturating_sub(start));
        if length < wanted && side == Side::Before {
            self.notices.push(format!("{name} is cut short: it has {length} bytes for data, and had {wanted}"));
        }
        let start = start.min(device.size());
        let mut data: Arc<dyn ReadAt> = Arc::new(Slice::new(device, start, length).ok()?);
        if length < wanted {
            data = Arc::new(CutShort { left: data, size: wanted });
        }
        let Some(recovered) = superblock.recovered_to else { return Some(data) };
        let rest: Vec<Range<u64>> = std::iter::once(recovered.min(wanted)..wanted).collect();
        Some(Arc::new(Excluded::not_rebuilt(data, rest)))
    }
}

/// How much that is.
fn said(ranges: &[Range<u64>]) -> String {
    let bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start)).fold(0, u64::saturating_add);
    format!("{bytes} bytes in {} places", ranges.len())
}
