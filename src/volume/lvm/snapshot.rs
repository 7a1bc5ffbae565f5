//! Snapshots of the old kind: what was saved before it was overwritten lies in a volume of its own
//! (`lib/snapshot/snapshot.c`).

use super::build::{Builder, Built, Failure, Member, healths};
use super::health::of_pieces;
use super::metadata::{SegmentKind, VolumeGroup};
use crate::dm::Snapshot as Store;
use crate::map::{Layout, Linear, Place, Segment};
use std::collections::HashMap;

/// What a snapshot is of.
#[derive(Clone, Copy)]
pub(super) struct Snapshot {
    pub(super) origin: usize,
    store: usize,
    pub(super) is_merging: bool,
    /// The size of the origin when it was made: the origin may have been extended since.
    pub(super) extents: u64,
}

/// The snapshots of a group by what they are seen as: the volume with what was saved, or the origin when they are being
/// merged into it.
pub(super) fn all(group: &VolumeGroup) -> HashMap<usize, Snapshot> {
    let mut snapshots = HashMap::new();
    for segment in group.logical.iter().flat_map(|logical| logical.segments.iter().flatten()) {
        if let SegmentKind::Snapshot { origin, store, is_merging } = &segment.kind {
            let snapshot =
                Snapshot { origin: *origin, store: *store, is_merging: *is_merging, extents: segment.extents };
            snapshots.insert(if *is_merging { *origin } else { *store }, snapshot);
        }
    }
    snapshots
}

impl Builder<'_> {
    /// A snapshot, or an origin that one is being merged into.
    pub(super) fn snapshot(&mut self, snapshot: Snapshot) -> Result<Built, Failure> {
        let origin = self.logical_member(snapshot.origin)?;
        let store = self.logical_member(snapshot.store)?;
        let (Some(origin_bytes), Some(data)) = (origin.leg.data.as_ref().map(|data| data.size()), &store.leg.data)
        else {
            let missing = if origin.leg.data.is_none() { &origin } else { &store };
            return Err(format!("it is made of {}, which cannot be had", missing.leg.name).into());
        };
        let bytes = if snapshot.is_merging { origin_bytes } else { self.bytes(snapshot.extents)? };
        if snapshot.is_merging && Store::is_lost(data.as_ref()).map_err(|error| error.to_string())? {
            return Ok(self.unmerged(origin, bytes));
        }
        let layout = Store::open(data.as_ref(), bytes).map_err(|error| error.to_string())?;
        let name = self.group.logical.get(snapshot.origin).map_or("", |origin| origin.name.as_str());
        let words =
            if snapshot.is_merging { "a snapshot is being merged".to_owned() } else { format!("snapshot of {name}") };
        debug_assert_eq!(layout.size(), bytes, "a snapshot is as large as its origin was");
        let members = vec![origin, store];
        let health = of_pieces(&healths(&members));
        Ok(self.mapped(Box::new(layout), members, health, words))
    }

    /// An origin whose snapshot was lost before all of it was merged: as Linux, it is shown as it is (`snapshot_merge_map`).
    fn unmerged(&self, origin: Member, bytes: u64) -> Built {
        let layout = Linear::new(vec![Segment::of(Place::default(), bytes)]);
        let health = of_pieces(&healths(std::slice::from_ref(&origin)));
        let built = self.mapped(Box::new(layout), vec![origin], health, "linear".to_owned());
        let notice = "a snapshot was being merged into it and is lost (its space ran out, or it could not be written): \
                      parts of the volume are as in the snapshot, the others as they were before";
        Built { notices: vec![notice.to_owned()], ..built }
    }
}
