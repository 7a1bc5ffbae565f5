//! What hidden logical volumes are there for.

use super::metadata::{Part, PartOf, RaidImage, SegmentKind, VolumeGroup};
use super::pool::Thin;

/// For every logical volume the part that it plays in others; `None` for those that users see.
pub(super) fn roles(group: &VolumeGroup) -> Vec<Option<&'static str>> {
    let mut roles = vec![None; group.logical.len()];
    let mut snapshots = Vec::new();
    let segments = || group.logical.iter().flat_map(|volume| volume.segments.iter().flatten());
    for segment in segments() {
        let mut is = |volume: usize, role| {
            if let Some(place) = roles.get_mut(volume) {
                *place = Some(role);
            }
        };
        match &segment.kind {
            SegmentKind::Mirror { log, parts, .. } => {
                parts.iter().filter_map(logical).for_each(|leg| is(leg, "mirror leg"));
                log.iter().for_each(|log| is(*log, "mirror log"));
            }
            SegmentKind::Raid { images, .. } => {
                // One that was split off, and follows the changes of the others, is a volume of its own for that time.
                let is_hidden = |image: &&RaidImage| group.logical.get(image.data).is_some_and(|it| !it.is_visible);
                images.iter().filter(is_hidden).for_each(|image| is(image.data, "RAID image"));
                images.iter().filter_map(|image| image.metadata).for_each(|volume| is(volume, "RAID metadata"));
            }
            SegmentKind::ThinPool { metadata, data, .. } => {
                is(*metadata, "thin metadata");
                is(*data, "thin data");
            }
            SegmentKind::CachePool { data, metadata, .. } => {
                is(*metadata, "cache metadata");
                is(*data, "cache data");
            }
            SegmentKind::Cache(cache) => {
                is(cache.pool, if cache.single.is_some() { "cache volume" } else { "cache pool" });
                is(cache.origin, "cache origin");
            }
            SegmentKind::Writecache { cache, origin, .. } => {
                is(*cache, "writecache");
                is(*origin, "writecache origin");
            }
            // What it is merged from is no device of its own.
            SegmentKind::Snapshot { store, is_merging: true, .. } => is(*store, "snapshot being merged"),
            SegmentKind::Snapshot { store, .. } => snapshots.push(*store),
            SegmentKind::Striped { .. } | SegmentKind::Thin(_) | SegmentKind::Virtual(_) | SegmentKind::Unknown(_) => {}
        }
    }
    for (role, volume) in roles.iter_mut().zip(&group.logical) {
        let first = volume.segments.iter().flatten().next().map(|segment| &segment.kind);
        if let Some(SegmentKind::Thin(Thin { merge: Some(_), .. })) = first {
            *role = Some("snapshot being merged");
        }
    }
    for (number, (role, volume)) in roles.iter_mut().zip(&group.logical).enumerate() {
        let first = volume.segments.iter().flatten().next().map(|segment| &segment.kind);
        let own = match first {
            Some(SegmentKind::ThinPool { .. }) => Some("thin pool"),
            Some(SegmentKind::CachePool { .. }) => Some("cache pool"),
            _ if volume.is_visible || snapshots.contains(&number) => None,
            _ if volume.name.ends_with("_pmspare") => Some("pool spare"),
            _ if volume.name.starts_with("pvmove") => Some("move of extents"),
            _ if volume.name == "lvmlock" => Some("locks"),
            _ => Some("inner part"),
        };
        *role = role.or(own);
    }
    roles
}

fn logical(part: &Part) -> Option<usize> {
    match part.of {
        PartOf::Logical(volume) => Some(volume),
        PartOf::Physical(_) => None,
    }
}
