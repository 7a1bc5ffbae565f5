//! Candidates for one place of an array.

use super::{Candidate, Verdict};
use crate::md::superblock::Role;
use std::cmp::Ordering;

/// Where one place is taken twice, that which was written later counts, and of two that are the same in every byte of
/// their superblocks the first; of others neither.
pub(super) fn settle(candidates: &[Candidate<'_>], verdicts: &mut [Verdict]) {
    let before = verdicts.to_vec();
    let place = |position: usize| match before.get(position) {
        Some(Verdict::Accepted(role @ (Role::Active(_) | Role::Journal))) => {
            let candidate = candidates.get(position)?;
            Some(((*role, candidate.superblock.is_replacement), candidate))
        }
        _ => None,
    };
    for (position, verdict) in verdicts.iter_mut().enumerate() {
        let Some((own_place, own)) = place(position) else { continue };
        let rivals = (0..before.len()).filter(|other| *other != position);
        let rivals = rivals.filter_map(|other| Some((other, place(other)?)));
        let rivals = rivals.filter(|(_, (taken, _))| *taken == own_place);
        let answers = rivals.filter_map(|(other, (_, rival))| against(position, own, other, rival));
        *verdict = answers.max_by_key(weight).unwrap_or(*verdict);
    }
}

/// What becomes of a candidate for the sake of this rival, if anything.
fn against(position: usize, own: &Candidate<'_>, other: usize, rival: &Candidate<'_>) -> Option<Verdict> {
    let (own_superblock, superblock) = (&own.superblock, &rival.superblock);
    let is_same = own_superblock == superblock && own.device.data.size() == rival.device.data.size();
    let events = own_superblock.events.cmp(&superblock.events);
    match (events, own_superblock.updated.cmp(&superblock.updated)) {
        (Ordering::Less, _) => Some(Verdict::Behind),
        (Ordering::Greater, _) | (_, Ordering::Greater) => None,
        (_, Ordering::Less) => Some(Verdict::Older(other)),
        (_, Ordering::Equal) if !is_same => Some(Verdict::Twice(other)),
        _ => (other < position).then_some(Verdict::Same(other)),
    }
}

/// What says most of a candidate: that it is older than one rival counts before that it is like another.
fn weight(verdict: &Verdict) -> (u8, std::cmp::Reverse<usize>) {
    match verdict {
        Verdict::Behind => (4, std::cmp::Reverse(0)),
        Verdict::Older(other) => (3, std::cmp::Reverse(*other)),
        Verdict::Twice(other) => (2, std::cmp::Reverse(*other)),
        Verdict::Same(other) => (1, std::cmp::Reverse(*other)),
        _ => (0, std::cmp::Reverse(0)),
    }
}
