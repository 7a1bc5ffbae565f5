//! Runs: which clusters of the volume (LCN) the clusters of an attribute (VCN) are. On the disk they are "mapping pairs", a
//! length and the distance to the run before (Linux `fs/ntfs3/run.c`, `run_unpack`).

use crate::bytes::slice;
use vfs::Result;
use vfs::reader::corrupt;

/// A run of clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first cluster in the attribute.
    pub(crate) vcn: u64,
    /// How many there are; not 0.
    pub(crate) clusters: u64,
    /// The first one on the volume; `None` for a hole.
    pub(crate) lcn: Option<u64>,
}

impl Run {
    /// The cluster after the last.
    pub(crate) const fn end(&self) -> u64 {
        self.vcn.saturating_add(self.clusters)
    }
}

/// Runs without gaps, in the order of their VCNs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runlist(Vec<Run>);

impl Runlist {
    /// The runs that `pairs` give for the clusters from `lowest` up to and excluding `end` of an attribute of a volume of
    /// `clusters`; `what` names the attribute for messages.
    pub(crate) fn parse(pairs: &[u8], lowest: u64, end: u64, clusters: u64, what: &dyn Fn() -> String) -> Result<Self> {
        let damaged = |why: String| corrupt(format!("{}: its list of runs is damaged: {why}", what()));
        let (mut runs, mut at, mut vcn, mut lcn) = (Vec::new(), 0, lowest, 0_i64);
        // An attribute without clusters needs no pairs at all.
        while vcn < end || pairs.get(at).is_some_and(|header| *header != 0) {
            let pair = Pair::parse(pairs, at).ok_or_else(|| damaged(format!("it ends before cluster {end}")))?;
            at = at.saturating_add(pair.bytes);
            let (run_end, count) = u64::try_from(pair.length)
                .ok()
                .filter(|count| *count > 0)
                .and_then(|count| Some((vcn.checked_add(count).filter(|run_end| *run_end <= end)?, count)))
                .ok_or_else(|| damaged(format!("a run of {} clusters at cluster {vcn} of {end}", pair.length)))?;
            let mut place = None;
            if let Some(distance) = pair.distance {
                lcn = lcn.checked_add(distance).ok_or_else(|| damaged("a run beyond all volumes".to_owned()))?;
                // A hole as NTFS 1.2 wrote it.
                if lcn != -1 {
                    place = Some(on_volume(lcn, count, clusters).ok_or_else(|| {
                        damaged(format!("a run of {count} clusters at {lcn} of a volume with {clusters}"))
                    })?);
                }
            }
            runs.push(Run { vcn, clusters: count, lcn: place });
            vcn = run_end;
        }
        Ok(Self(runs))
    }

    /// The run that holds this cluster.
    pub(crate) fn run(&self, vcn: u64) -> Option<Run> {
        let after = self.0.partition_point(|run| run.vcn <= vcn);
        self.0.get(after.checked_sub(1)?).copied().filter(|run| vcn < run.end())
    }

    /// All runs.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.0
    }

    /// The runs that come after these.
    pub(crate) fn append(&mut self, after: Self) {
        self.0.extend(after.0);
    }
}

fn on_volume(lcn: i64, count: u64, clusters: u64) -> Option<u64> {
    let lcn = u64::try_from(lcn).ok()?;
    lcn.checked_add(count).filter(|end| *end <= clusters).map(|_| lcn)
}

/// One pair on the disk: a byte with the lengths of the two numbers, which follow, little-endian and signed.
struct Pair {
    length: i64,
    /// From the LCN of the run before; `None` where the number has no bytes: a hole.
    distance: Option<i64>,
    bytes: usize,
}

impl Pair {
    /// The pair at `at`; `None` at the end of the list, or where no pair can be.
    fn parse(pairs: &[u8], at: usize) -> Option<Self> {
        let header = pairs.get(at).copied().filter(|header| *header != 0)?;
        let (length_bytes, distance_bytes) = (usize::from(header & 15), usize::from(header >> 4));
        let length_at = at.checked_add(1)?;
        let distance_at = length_at.checked_add(length_bytes)?;
        let length = signed(slice(pairs, length_at, length_bytes)?)?;
        let distance = match distance_bytes {
            0 => None,
            bytes => Some(signed(slice(pairs, distance_at, bytes)?)?),
        };
        Some(Self { length, distance, bytes: length_bytes.checked_add(distance_bytes)?.checked_add(1)? })
    }
}

/// A little-endian signed number of 1 to 8 bytes.
fn signed(bytes: &[u8]) -> Option<i64> {
    let fill = if bytes.last()? & 0x80 == 0 { 0 } else { 0xFF };
    let mut all = [fill; 8];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(pairs: &[u8], end: u64) -> Result<Vec<Run>> {
        Runlist::parse(pairs, 0, end, 1000, &|| "file".to_owned()).map(|list| list.0)
    }

    #[test]
    fn distances_are_signed_and_lcn_0_is_no_hole() {
        let pairs = [0x11, 4, 100, 0x01, 2, 0x11, 1, 0x9C, 0x11, 3, 50, 0];
        let found = parse(&pairs, 10).unwrap();
        let run = |vcn, clusters, lcn| Run { vcn, clusters, lcn };
        assert_eq!(found, [run(0, 4, Some(100)), run(4, 2, None), run(6, 1, Some(0)), run(7, 3, Some(50))]);
    }

    #[test]
    fn a_hole_of_old_versions_is_one() {
        assert_eq!(
            parse(&[0x11, 2, 0xFF, 0x11, 1, 6, 0], 3).unwrap().iter().map(|run| run.lcn).collect::<Vec<_>>(),
            [None, Some(5)]
        );
    }

    #[test]
    fn lists_that_are_short_long_or_point_outside_are_damaged() {
        assert!(parse(&[], 0).unwrap().is_empty() && parse(&[0], 0).unwrap().is_empty());
        for (pairs, end) in [
            (&[][..], 1),
            (&[0][..], 1),
            (&[0x11, 1, 5, 0][..], 2),
            (&[0x11, 2, 5, 0][..], 1),
            (&[0x11, 1, 5, 0x11, 1, 5, 0][..], 1),
            (&[0x11, 0, 5, 0][..], 1),
            (&[0x11, 0xFF, 5, 0][..], 1),
            (&[0x21, 1, 0xE8, 3, 0][..], 1),
            (&[0x11, 1, 0xFE, 0][..], 1),
            (&[0x11, 1][..], 1),
            (&[0x91, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0][..], 1),
        ] {
            assert!(parse(pairs, end).is_err(), "{pairs:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_lies_on_the_volume_without_gaps(pairs in proptest::collection::vec(any::<u8>(), 0..40), end in 0_u64..300) {
            if let Ok(runs) = parse(&pairs, end) {
                let mut vcn = 0;
                for run in runs {
                    prop_assert_eq!(run.vcn, vcn);
                    prop_assert!(run.clusters > 0 && run.lcn.is_none_or(|lcn| lcn + run.clusters <= 1000));
                    vcn = run.end();
                }
                prop_assert_eq!(vcn, end);
            }
        }
    }
}
