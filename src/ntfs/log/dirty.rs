//! Which clusters of which attributes the log changed and the volume may lack, and where they are.
//!
//! The table of a checkpoint counts pages of memory, which may be smaller or larger than clusters; here it is clusters,
//! so that all that follows need not know. A cluster of several pages has the oldest record of all of them: what is
//! done once more for it than had to be, is followed by everything that came after it.

use super::lsn::Lsn;
use std::collections::{BTreeMap, BTreeSet};
use vfs::Result;
use vfs::replay::Memory;

/// An attribute as it was opened once: indexes of the table of open attributes are used again.
pub(super) type Opening = u32;

/// A cluster that was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dirty {
    /// Where it is; `None` when it was freed.
    pub(super) lcn: Option<u64>,
    /// The first record whose change may be missing.
    pub(super) oldest: Lsn,
}

/// All of them.
#[derive(Default)]
pub(super) struct DirtyClusters {
    clusters: BTreeMap<(Opening, u64), Dirty>,
    /// The same by LCN.
    places: BTreeSet<(u64, Opening, u64)>,
}

/// What one takes, in bytes, in both maps.
const CLUSTER_MEMORY: usize = 120;

impl DirtyClusters {
    pub(super) fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    pub(super) fn get(&self, opening: Opening, vcn: u64) -> Option<Dirty> {
        self.clusters.get(&(opening, vcn)).copied()
    }

    /// The first record whose change may be missing.
    pub(super) fn oldest(&self) -> Option<Lsn> {
        self.clusters.values().map(|dirty| dirty.oldest).min()
    }

    /// Where they are, in the order of their places.
    pub(super) fn places(&self) -> impl Iterator<Item = u64> {
        self.places.iter().map(|(lcn, _, _)| *lcn)
    }

    /// Record `lsn` changed this cluster, which was at `lcn`.
    pub(super) fn add(&mut self, key: (Opening, u64), lcn: u64, lsn: Lsn, memory: &mut Memory) -> Result<()> {
        let oldest = match self.clusters.get(&key) {
            Some(known) => known.oldest.min(lsn),
            None => {
                memory.take(CLUSTER_MEMORY)?;
                lsn
            }
        };
        self.put(key, Dirty { lcn: Some(lcn), oldest });
        Ok(())
    }

    fn put(&mut self, key: (Opening, u64), dirty: Dirty) {
        if let Some(lcn) = dirty.lcn {
            self.places.insert((lcn, key.0, key.1));
        }
        if let Some(Dirty { lcn: Some(old), .. }) = self.clusters.insert(key, dirty)
            && dirty.lcn != Some(old)
        {
            self.places.remove(&(old, key.0, key.1));
        }
    }

    /// These clusters were freed: whatever they are now, nothing is to be written to them.
    pub(super) fn free(&mut self, first: u64, count: u64) {
        let end = first.saturating_add(count);
        let freed: Vec<_> = self.places.range((first, 0, 0)..(end, 0, 0)).copied().collect();
        for (_, opening, vcn) in freed {
            if let Some(dirty) = self.get(opening, vcn) {
                self.put((opening, vcn), Dirty { lcn: None, ..dirty });
            }
        }
    }

    /// A bad cluster was replaced by the one at `lcn`.
    pub(super) fn moved(&mut self, key: (Opening, u64), lcn: u64) {
        if let Some(dirty @ Dirty { lcn: Some(_), .. }) = self.get(key.0, key.1) {
            self.put(key, Dirty { lcn: Some(lcn), ..dirty });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_record_and_the_last_place_count() {
        let (mut dirty, mut memory) = (DirtyClusters::default(), Memory::new(1 << 20));
        dirty.add((1, 5), 100, Lsn(50), &mut memory).unwrap();
        dirty.add((1, 5), 200, Lsn(60), &mut memory).unwrap();
        dirty.add((1, 6), 201, Lsn(40), &mut memory).unwrap();
        assert_eq!(dirty.get(1, 5), Some(Dirty { lcn: Some(200), oldest: Lsn(50) }));
        assert_eq!((dirty.oldest(), dirty.places().collect::<Vec<_>>()), (Some(Lsn(40)), vec![200, 201]));
        dirty.free(100, 100);
        assert_eq!(dirty.get(1, 5).unwrap().lcn, Some(200), "where it was before is nobody's business");
        dirty.moved((1, 5), 300);
        dirty.free(201, 99);
        dirty.moved((1, 6), 400);
        assert_eq!((dirty.get(1, 5).unwrap().lcn, dirty.get(1, 6).unwrap().lcn), (Some(300), None));
        dirty.add((1, 6), 70, Lsn(80), &mut memory).unwrap();
        assert_eq!(dirty.get(1, 6), Some(Dirty { lcn: Some(70), oldest: Lsn(40) }));
    }
}
