//! Parts of a fork that are mapped otherwise than the disk says.

use crate::mapping::{BLOCKS_END, Place, Run};
use std::collections::BTreeMap;

/// Runs of blocks, by the first block of the fork that they hold; none over another.
#[derive(Debug, Default)]
pub(crate) struct Pieces(BTreeMap<u64, Run>);

impl Pieces {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rest of the piece that holds block `logical`, from there on.
    pub(crate) fn run(&self, logical: u64) -> Option<Run> {
        let (start, run) = self.0.range(..=logical).next_back()?;
        let before = logical.saturating_sub(*start);
        (before < run.count).then(|| behind(*run, before))
    }

    /// Where the first piece behind block `logical` begins.
    pub(crate) fn next(&self, logical: u64) -> u64 {
        self.0.range(logical..).next().map_or(BLOCKS_END, |(start, _)| *start)
    }

    /// Maps the blocks from `start` on as `run` says, whatever was there.
    pub(crate) fn put(&mut self, start: u64, run: Run) {
        let end = start.saturating_add(run.count);
        if let Some(rest) = self.run(end) {
            self.0.insert(end, rest);
        }
        if let Some((first, before)) = self.0.range_mut(..start).next_back() {
            before.count = before.count.min(start.saturating_sub(*first));
        }
        let covered: Vec<u64> = self.0.range(start..end).map(|(first, _)| *first).collect();
        for first in covered {
            self.0.remove(&first);
        }
        self.0.insert(start, run);
    }
}

/// What is left of a run behind its first `before` blocks.
fn behind(run: Run, before: u64) -> Run {
    let place = match run.place {
        Place::Stored(block) => Place::Stored(block.saturating_add(before)),
        Place::Unwritten(block) => Place::Unwritten(block.saturating_add(before)),
        Place::Hole => Place::Hole,
    };
    Run { count: run.count.saturating_sub(before), place }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> impl Strategy<Value = Place> {
        prop_oneof![(0..1000_u64).prop_map(Place::Stored), (0..1000_u64).prop_map(Place::Unwritten), Just(Place::Hole)]
    }

    proptest! {
        #[test]
        fn the_last_piece_put_over_a_block_says_where_it_is(
            puts in proptest::collection::vec((0..60_u64, 1..20_u64, place()), 0..20),
        ) {
            let mut pieces = Pieces::default();
            let mut expected: Vec<Option<Place>> = vec![None; 100];
            for (start, count, place) in puts {
                pieces.put(start, Run { count, place });
                for block in 0..count {
                    expected[(start + block) as usize] = Some(behind(Run { count, place }, block).place);
                }
            }
            for (block, place) in (0..).zip(&expected) {
                prop_assert_eq!(pieces.run(block).map(|run| run.place), *place);
                let next = (block..100).find(|at| expected[*at as usize].is_some());
                if place.is_none() {
                    prop_assert_eq!(pieces.next(block), next.unwrap_or(BLOCKS_END));
                } else if let Some(run) = pieces.run(block) {
                    let last = block + run.count - 1;
                    prop_assert_eq!(pieces.run(last).map(|run| run.count), Some(1));
                }
            }
        }
    }
}
