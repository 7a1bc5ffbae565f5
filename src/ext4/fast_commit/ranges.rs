//! Block mappings of one inode that were changed.

use crate::mapping::{Place, Run};
use std::collections::BTreeMap;

/// Runs of blocks, without overlap: first block of the file -> block behind the last, and where the first one is.
#[derive(Default)]
pub(crate) struct Ranges(BTreeMap<u64, (u64, Place)>);

impl Ranges {
    /// Maps `count` blocks from `first` on, whatever was there.
    pub(super) fn set(&mut self, first: u64, count: u64, place: Place) {
        let end = first.saturating_add(count);
        if end <= first {
            return;
        }
        let overlapping: Vec<_> = self
            .0
            .range(..end)
            .rev()
            .take_while(|(_, (range_end, _))| *range_end > first)
            .map(|(start, (range_end, place))| (*start, *range_end, *place))
            .collect();
        for (start, range_end, old) in overlapping {
            self.0.remove(&start);
            if start < first {
                self.0.insert(start, (first, old));
            }
            if range_end > end {
                self.0.insert(end, (range_end, moved(old, end.saturating_sub(start))));
            }
        }
        self.0.insert(first, (end, place));
    }

    /// The run at `logical`; else the first block behind it that is mapped here.
    pub(super) fn run(&self, logical: u64) -> Result<Run, Option<u64>> {
        if let Some((start, (end, place))) = self.0.range(..=logical).next_back()
            && *end > logical
        {
            let place = moved(*place, logical.saturating_sub(*start));
            return Ok(Run { count: end.saturating_sub(logical), place });
        }
        Err(self.0.range(logical..).next().map(|(start, _)| *start))
    }
}

/// The place `blocks` further on.
const fn moved(place: Place, blocks: u64) -> Place {
    match place {
        Place::Stored(start) => Place::Stored(start.saturating_add(blocks)),
        Place::Hole | Place::Unwritten => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_last_mapping_of_a_block_holds(sets in proptest::collection::vec((0..40_u64, 0..12_u64, 0..4_u64), 0..20)) {
            let (mut ranges, mut blocks) = (Ranges::default(), vec![None; 64]);
            for (first, count, what) in sets {
                let place = match what { 0 => Place::Hole, 1 => Place::Unwritten, _ => Place::Stored(first * what + 100) };
                ranges.set(first, count, place);
                for offset in 0..count {
                    blocks[(first + offset) as usize] = Some(moved(place, offset));
                }
            }
            for (logical, expected) in blocks.iter().enumerate() {
                match ranges.run(logical as u64) {
                    Ok(run) => prop_assert!(run.count > 0 && Some(run.place) == *expected),
                    Err(next) => {
                        prop_assert!(expected.is_none());
                        let found = blocks.iter().skip(logical).position(Option::is_some);
                        prop_assert_eq!(next, found.map(|offset| (logical + offset) as u64));
                    }
                }
            }
        }
    }
}
