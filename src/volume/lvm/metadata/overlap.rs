//! Extents that two volumes claim: what is in them is one's or the other's, and nobody knows whose.

use super::{Logical, PartOf, Physical, SegmentKind};

/// Extents of a physical volume that are a part of a logical one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    physical: usize,
    start: u64,
    end: u64,
    logical: usize,
}

/// Takes the segments from volumes that claim the same.
pub(super) fn refuse(physical: &[Physical], logical: &mut [Logical]) {
    let mut claims: Vec<_> = logical.iter().enumerate().flat_map(|(number, volume)| claims(number, volume)).collect();
    claims.sort_unstable();
    let mut furthest: Option<Claim> = None;
    for claim in claims {
        let Some(before) = furthest.filter(|before| before.physical == claim.physical) else {
            furthest = Some(claim);
            continue;
        };
        if claim.start < before.end {
            let id = physical.get(claim.physical).map(|volume| volume.id.to_string()).unwrap_or_default();
            let what = format!("extent {} of physical volume {id}", claim.start);
            refuse_one(logical, before.logical, claim.logical, &what);
            refuse_one(logical, claim.logical, before.logical, &what);
        }
        if claim.end > before.end {
            furthest = Some(claim);
        }
    }
}

fn refuse_one(logical: &mut [Logical], number: usize, other: usize, what: &str) {
    let name = logical.get(other).map(|volume| volume.name.clone()).unwrap_or_default();
    if let Some(volume) = logical.get_mut(number) {
        volume.segments = Err(format!("{what} is a part of {name} too"));
    }
}

fn claims(number: usize, volume: &Logical) -> Vec<Claim> {
    let mut claims = Vec::new();
    for segment in volume.segments.iter().flatten() {
        let (parts, extents) = match &segment.kind {
            SegmentKind::Striped { parts, part_extents, .. } => (parts, *part_extents),
            SegmentKind::Mirror { parts, .. } => (parts, segment.extents),
            _ => continue,
        };
        for part in parts {
            let PartOf::Physical(physical) = part.of else { continue };
            let end = part.extent.saturating_add(extents);
            claims.push(Claim { physical, start: part.extent, end, logical: number });
        }
    }
    claims
}
