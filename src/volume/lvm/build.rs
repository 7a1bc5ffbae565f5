//! Logical volumes, put together of physical ones and of one another.

use super::group::Disk;
use super::health::{of_pieces, of_redundant};
use super::metadata::{Logical, Part, PartOf, Segment as LvmSegment, SegmentKind, VolumeGroup};
use super::pool::{self, Opened, Thin};
use super::raid::{Text, data_images};
use super::snapshot::{self, Snapshot};
use crate::Health;
use crate::map::{Faults, Layout, Leg, Linear, Map, Place, Segment, Source, Striped};
use block::{ReadAt, Slice};
use std::collections::HashMap;
use std::sync::Arc;

/// How deep volumes may lie over one another; LVM2 itself goes down to about six.
const DEPTH_MAX: usize = 16;

/// A logical volume, or a part of one.
#[derive(Clone)]
pub(super) struct Built {
    pub(super) data: Arc<dyn ReadAt>,
    pub(super) health: Health,
    /// Whether some of it is on a disk that may be out of date.
    pub(super) is_stale: bool,
    /// How it is laid out.
    pub(super) words: String,
    /// Why users cannot read it as a whole.
    pub(super) refused: Option<String>,
    pub(super) notices: Vec<String>,
}

/// Why there is no volume.
#[derive(Clone)]
pub(super) struct Failure {
    why: String,
    /// Whether it is made of itself: then nothing that leads there is anything either.
    is_loop: bool,
}

/// How far a volume is.
#[derive(Clone)]
enum State {
    Untouched,
    /// It is being put together: who needs it now is a part of it.
    Begun,
    Done(Result<Built, Failure>),
}

/// Something that a segment is made of.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) leg: Leg,
    pub(super) health: Health,
    /// Whether some of it is on a disk that may be out of date.
    pub(super) is_stale: bool,
}

impl Member {
    /// Nothing of it can be read.
    pub(super) const fn away(name: String) -> Self {
        Self { leg: Leg { name, data: None }, health: Health::Unreadable, is_stale: false }
    }
}

/// Puts the volumes of a group together, each once.
pub(super) struct Builder<'a> {
    pub(super) group: &'a VolumeGroup,
    disks: &'a [Disk],
    faults: &'a Arc<Faults>,
    states: Vec<State>,
    depth: usize,
    /// Snapshots by the volume that holds what was saved, and by the origin when they are being merged into it.
    snapshots: HashMap<usize, Snapshot>,
    /// Thin pools that were opened.
    pub(super) pools: HashMap<usize, Result<Opened, Failure>>,
    /// Numbers that thin volumes have instead of their own.
    merged: HashMap<usize, u64>,
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self { why, is_loop: false }
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(group: &'a VolumeGroup, disks: &'a [Disk], faults: &'a Arc<Faults>) -> Self {
        let states = vec![State::Untouched; group.logical.len()];
        Self {
            group,
            disks,
            faults,
            states,
            depth: 0,
            snapshots: snapshot::all(group),
            pools: HashMap::new(),
            merged: pool::merged(group),
        }
    }

    /// A volume for the list: one that cannot be had is there, and cannot be read.
    pub(super) fn listed(&mut self, number: usize) -> Built {
        let seen = match self.snapshots.get(&number).copied() {
            Some(snapshot) => self.snapshot(snapshot),
            None => match self.merged.get(&number).copied() {
                Some(device) => self.merged_into(number, device),
                None => self.volume(number),
            },
        };
        let failure = match seen {
            Ok(built) => return built,
            Err(failure) => failure,
        };
        // A snapshot is as large as what it is of was.
        let extents = match self.snapshots.get(&number) {
            Some(snapshot) if !snapshot.is_merging => snapshot.extents,
            _ => self.group.logical.get(number).map_or(0, |logical| logical.extents),
        };
        let bytes = self.group.bytes(extents).unwrap_or(0);
        let kinds = self.group.logical.get(number).and_then(|volume| volume.segments.as_ref().ok());
        let words = kinds.into_iter().flatten().next().map_or("unknown", |segment| segment.kind.word());
        let lost = Linear::new(vec![Segment::lost(bytes, &failure.why)]);
        Built {
            data: Arc::new(Map::new(Box::new(lost), Vec::new(), self.faults)),
            health: Health::Unreadable,
            is_stale: false,
            words: words.to_owned(),
            refused: Some(failure.why),
            notices: Vec::new(),
        }
    }

    fn volume(&mut self, number: usize) -> Result<Built, Failure> {
        let group = self.group;
        let Some(logical) = group.logical.get(number) else {
            return Err(Failure::from("there is no such volume".to_owned()));
        };
        match self.states.get(number) {
            Some(State::Done(done)) => return done.clone(),
            Some(State::Begun) => {
                return Err(Failure { why: format!("{} is made of itself", logical.name), is_loop: true });
            }
            Some(State::Untouched) | None => {}
        }
        if self.depth >= DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} volumes over one another").into());
        }
        self.set(number, State::Begun);
        self.depth = self.depth.saturating_add(1);
        let built = self.logical(logical);
        self.depth = self.depth.saturating_sub(1);
        self.set(number, State::Done(built.clone()));
        built
    }

    fn set(&mut self, number: usize, state: State) {
        if let Some(place) = self.states.get_mut(number) {
            *place = state;
        }
    }

    fn logical(&mut self, logical: &Logical) -> Result<Built, Failure> {
        let segments = logical.segments.as_ref().map_err(|why| Failure::from(why.clone()))?;
        if self.group.bytes(logical.extents).is_none() {
            return Err(format!("{} extents are an absurd size", logical.extents).into());
        }
        if let [LvmSegment { kind, extents, .. }] = segments.as_slice()
            && !kind.is_plain()
        {
            return self.segment(kind, *extents);
        }
        let can_be_many = |kind: &SegmentKind| {
            matches!(kind, SegmentKind::Striped { .. } | SegmentKind::Mirror { .. } | SegmentKind::Virtual(_))
        };
        if let Some(LvmSegment { kind, .. }) = segments.iter().find(|segment| !can_be_many(&segment.kind)) {
            return Err(format!("it has {} segments, one of them of type {}", segments.len(), kind.word()).into());
        }
        let mut pieces = Pieces::default();
        let mut health = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut notices = Vec::new();
        let mut is_stale = false;
        for segment in segments {
            let bytes = self.bytes(segment.extents)?;
            if let SegmentKind::Virtual(kind) = &segment.kind {
                pieces.add_virtual(kind, bytes);
                health.push(if *kind == "zero" { Health::Whole } else { Health::Unreadable });
                words.push((*kind).to_owned());
                continue;
            }
            let member = match &segment.kind {
                SegmentKind::Striped { parts, .. } if parts.len() == 1 => {
                    words.push("linear".to_owned());
                    self.whole(parts.first().copied(), segment.extents)?
                }
                kind => {
                    let built = self.segment(kind, segment.extents)?;
                    words.push(built.words);
                    notices.extend(built.notices);
                    let leg = Leg { name: logical.name.clone(), data: Some(built.data) };
                    (None, 0, Member { leg, health: built.health, is_stale: built.is_stale })
                }
            };
            health.push(member.2.health);
            is_stale |= member.2.is_stale;
            pieces.add(member, bytes);
        }
        let data = Map::new(Box::new(Linear::new(pieces.segments)), pieces.legs, self.faults);
        let only_virtual = segments.iter().all(|segment| matches!(segment.kind, SegmentKind::Virtual(_)));
        let refused = only_virtual.then(|| format!("it is made of {} segments, and holds nothing", joined(&words)));
        let (health, words) = (of_pieces(&health), joined(&words));
        Ok(Built { data: Arc::new(data), health, is_stale, words, refused, notices })
    }

    /// A thin volume that a snapshot is being merged into.
    fn merged_into(&mut self, number: usize, device: u64) -> Result<Built, Failure> {
        let group = self.group;
        let segments = group.logical.get(number).and_then(|volume| volume.segments.as_deref().ok());
        let Some([LvmSegment { kind: SegmentKind::Thin(thin), extents, .. }]) = segments else {
            return Err(Failure::from("a thin snapshot is being merged into it, and it is no thin volume".to_owned()));
        };
        let bytes = self.bytes(*extents)?;
        self.thin(Thin { device, ..*thin }, bytes)
    }

    /// One segment as something of its own.
    fn segment(&mut self, kind: &SegmentKind, extents: u64) -> Result<Built, Failure> {
        let bytes = self.bytes(extents)?;
        match kind {
            SegmentKind::Striped { chunk, part_extents, parts } => {
                let members = self.members(parts, *part_extents)?;
                let columns = u64::try_from(members.len()).unwrap_or(u64::MAX);
                let layout = Striped::new(columns, *chunk, bytes).ok_or_else(|| "stripes of no size".to_owned())?;
                let health = of_redundant(&healths(&members), 0);
                Ok(self.mapped(Box::new(layout), members, health, format!("striped over {columns}, {}", size(*chunk))))
            }
            SegmentKind::Mirror { .. } => self.mirror(kind, extents),
            SegmentKind::Raid { level, chunk, reserve, images } => {
                let reserve = data_images(level, images.len()).checked_mul(*reserve);
                let extents = reserve.and_then(|reserve| extents.checked_sub(reserve));
                let extents = extents.ok_or_else(|| "it is smaller than what is kept free in it".to_owned())?;
                self.raid(&Text { level, chunk: *chunk, images, bytes: self.bytes(extents)? })
            }
            SegmentKind::ThinPool { metadata, data, chunk, .. } => self.thin_pool(*data, *metadata, *chunk),
            SegmentKind::Thin(thin) => self.thin(*thin, bytes),
            SegmentKind::Unknown(name) => Err(Failure::from(unknown(name))),
            SegmentKind::CachePool { data, metadata, .. } => self.cache_pool(*data, *metadata),
            SegmentKind::Cache(cache) => self.cache(cache, bytes),
            SegmentKind::Writecache { cache, origin, block } => self.writecache((*origin, *cache), *block, bytes),
            SegmentKind::Snapshot { .. } => {
                Err(Failure::from("it says what another volume is, and holds nothing".to_owned()))
            }
            SegmentKind::Virtual(name) => {
                Err(Failure::from(format!("it is made of {name} segments, and holds nothing")))
            }
        }
    }

    /// Physical volumes that a volume lies on, and that are not there.
    pub(super) fn missing_disks(&self, number: usize) -> Vec<&str> {
        let mut missing: Vec<&str> = Vec::new();
        let Some(Ok(segments)) = self.group.logical.get(number).map(|logical| &logical.segments) else {
            return missing;
        };
        let parts = segments.iter().flat_map(|segment| match &segment.kind {
            SegmentKind::Striped { parts, .. } | SegmentKind::Mirror { parts, .. } => parts.as_slice(),
            _ => &[],
        });
        for part in parts {
            let PartOf::Physical(disk) = part.of else { continue };
            let Some(disk) = self.disks.get(disk).filter(|disk| disk.data.is_none()) else { continue };
            if !missing.contains(&disk.name.as_str()) {
                missing.push(&disk.name);
            }
        }
        missing
    }

    pub(super) fn mapped(&self, layout: Box<dyn Layout>, members: Vec<Member>, health: Health, words: String) -> Built {
        let is_stale = members.iter().any(|member| member.is_stale);
        let legs = members.into_iter().map(|member| member.leg).collect();
        let data = Map::new(layout, legs, self.faults);
        Built { data: Arc::new(data), health, is_stale, words, refused: None, notices: Vec::new() }
    }

    pub(super) fn bytes(&self, extents: u64) -> Result<u64, Failure> {
        let absurd = || Failure::from(format!("{extents} extents are an absurd size"));
        self.group.bytes(extents).ok_or_else(absurd)
    }

    pub(super) fn members(&mut self, parts: &[Part], extents: u64) -> Result<Vec<Member>, Failure> {
        parts.iter().map(|part| self.member(*part, extents)).collect()
    }

    /// `extents` of something from a part's first one on, and nothing else of it.
    fn member(&mut self, part: Part, extents: u64) -> Result<Member, Failure> {
        let bytes = self.bytes(extents)?;
        let (_, offset, member) = self.whole(Some(part), extents)?;
        let Some(data) = &member.leg.data else { return Ok(member) };
        let slice = Slice::new(Arc::clone(data), offset, bytes);
        let data: Arc<dyn ReadAt> = match slice {
            Ok(slice) => Arc::new(slice),
            // It is cut short: what is there can be read.
            Err(_) => {
                let piece = Linear::new(vec![Segment::of(Place { member: 0, offset }, bytes)]);
                Arc::new(Map::new(Box::new(piece), vec![member.leg.clone()], self.faults))
            }
        };
        Ok(Member { leg: Leg { data: Some(data), ..member.leg }, ..member })
    }

    /// What a part is of, as a whole, and the byte of it at which the part begins.
    fn whole(&mut self, part: Option<Part>, extents: u64) -> Result<(Option<PartOf>, u64, Member), Failure> {
        let Some(part) = part else { return Err(Failure::from("it is made of nothing".to_owned())) };
        let end = part.extent.checked_add(extents);
        let fits = |has: u64| end.is_some_and(|end| end <= has);
        let outside = |has: u64, whose: &str| {
            Failure::from(format!("{extents} extents from {} on of {whose}, which has {has}", part.extent))
        };
        let inside = self.bytes(part.extent)?;
        let (offset, member) = match part.of {
            PartOf::Physical(number) => {
                let (group, disks) = (self.group, self.disks);
                let (Some(physical), Some(disk)) = (group.physical.get(number), disks.get(number)) else {
                    return Err(Failure::from("there is no such physical volume".to_owned()));
                };
                if !fits(physical.extents) {
                    return Err(outside(physical.extents, &format!("physical volume {}", physical.id)));
                }
                let offset = physical.start.saturating_add(inside);
                let end = offset.saturating_add(self.bytes(extents)?);
                let health = match &disk.data {
                    Some(data) if end <= data.size() => Health::Whole,
                    Some(data) if offset < data.size() => Health::Partial,
                    _ => Health::Unreadable,
                };
                let leg = Leg { name: disk.name.clone(), data: disk.data.clone() };
                (offset, Member { leg, health, is_stale: disk.is_stale })
            }
            PartOf::Logical(number) => {
                let member = self.logical_member(number)?;
                let has = self.group.logical.get(number).map_or(0, |logical| logical.extents);
                if !fits(has) {
                    return Err(outside(has, &member.leg.name));
                }
                (inside, member)
            }
        };
        Ok((Some(part.of), offset, member))
    }

    /// A logical volume as a member of another: one that there is none of is missing.
    pub(super) fn logical_member(&mut self, number: usize) -> Result<Member, Failure> {
        let name = self.group.logical.get(number).map_or("", |logical| logical.name.as_str());
        let name = format!("{}/{name}", self.group.name);
        match self.volume(number) {
            Ok(built) => {
                let leg = Leg { name, data: Some(built.data) };
                Ok(Member { leg, health: built.health, is_stale: built.is_stale })
            }
            Err(failure) if failure.is_loop => Err(failure),
            Err(failure) => {
                let name = format!("{name} ({})", failure.why);
                Ok(Member::away(name))
            }
        }
    }
}

/// The pieces of a volume, and what they are of.
#[derive(Default)]
struct Pieces {
    segments: Vec<Segment>,
    legs: Vec<Leg>,
    /// Legs by what they are, so that each is there once.
    known: HashMap<PartOf, usize>,
}

impl Pieces {
    fn add(&mut self, (of, offset, member): (Option<PartOf>, u64, Member), bytes: u64) {
        let next = self.legs.len();
        let number = of.map_or(next, |of| *self.known.entry(of).or_insert(next));
        if number == next {
            self.legs.push(member.leg);
        }
        self.segments.push(Segment::of(Place { member: number, offset }, bytes));
    }

    fn add_virtual(&mut self, kind: &str, bytes: u64) {
        self.segments.push(match kind {
            "zero" => Segment { bytes, source: Source::Zeros },
            _ => Segment::lost(bytes, "the volume group has an error segment there"),
        });
    }
}

/// Why a segment of this type is not read.
fn unknown(name: &str) -> String {
    match name.split('+').next() {
        Some("vdo" | "vdo-pool") => {
            "VDO (deduplication and compression) is not read here; a Linux kernel with dm-vdo reads it"
        }
        Some("integrity") => "dm-integrity is not read here; a Linux kernel with dm-integrity reads it",
        _ => return format!("its type, {name}, is not known here; perhaps a newer version knows it"),
    }
    .to_owned()
}

pub(super) fn healths(members: &[Member]) -> Vec<Health> {
    members.iter().map(|member| member.health).collect()
}

/// The layouts of segments in words, each once.
fn joined(words: &[String]) -> String {
    let mut different: Vec<&String> = Vec::new();
    for word in words {
        if !different.contains(&word) {
            different.push(word);
        }
    }
    let text: Vec<_> = different.iter().map(|word| word.as_str()).collect();
    let text = text.join(", then ");
    if words.len() > 1 { format!("{text} ({} segments)", words.len()) } else { text }
}

/// A size in words.
pub(super) fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match bytes {
        bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes >> 20),
        bytes if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}
