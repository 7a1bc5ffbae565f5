//! An array, put together of its members.

use super::containers;
use super::geometry::{Geometry, Level};
use super::legs::{Legs, Side};
use super::logs::Logs;
use super::members::{Candidate, Members, Seat};
use super::reshape;
use super::superblock::{Reshape, Superblock};
use crate::map::{Faults, Layout, Leg, Map, Piece, Source, Trusted};
use crate::{Error, Group, Health, Member, MemberState, Volume, VolumeKind};
use block::{BlockSize, ReadAt, ReadError, ReadErrorKind};
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

/// What `candidates`, which all carry the same UUID, make up.
///
/// # Errors
/// When nothing of it can be used.
pub(super) fn assemble(candidates: &[Candidate<'_>], faults: &Arc<Faults>) -> Result<Group, Error> {
    let members = Members::new(candidates)?;
    let superblock = &members.freshest;
    let block_size = candidates.iter().map(|candidate| candidate.device.block_size).max_by_key(|size| size.shift());
    let block_size = block_size.unwrap_or(BlockSize::B512);
    let mut legs = Legs::new(superblock, faults);
    let volume = match volume(&members, &mut legs, block_size, faults) {
        Ok(volume) => volume,
        Err(error) => {
            let kind = superblock.geometry.description();
            let why = match needs(&members) {
                Some(needs) if !error.to_string().contains(&needs) => format!("{error}. {needs}"),
                _ => error.to_string(),
            };
            let mut volume = containers::refused("", &kind, known_size(&members), block_size, &why);
            volume.uuid = Some(superblock.uuid());
            volume
        }
    };
    let mut notices = members.notices;
    notices.append(&mut legs.notices);
    Ok(Group {
        kind: format!("md {}", superblock.geometry.level.name()),
        name: short_name(&superblock.name),
        uuid: Some(superblock.uuid()),
        health: volume.health,
        members: members.list,
        volumes: vec![volume],
        notices,
    })
}

/// The name without the host that made the array.
fn short_name(name: &str) -> Option<String> {
    let name = name.split_once(':').map_or(name, |(_, name)| name);
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

/// The size of an array that cannot be read, where it is known; 0 where it is not.
fn known_size(members: &Members<'_>) -> u64 {
    let geometry = &members.freshest.geometry;
    let known = |seat: &Seat<'_>| seat.holder.map(|candidate| candidate.superblock.data_bytes);
    let data: Option<Vec<u64>> = match geometry.level.uses_all_of_each_member() {
        true => members.seats.iter().map(known).collect(),
        false => usize::try_from(geometry.members).ok().map(|count| vec![geometry.component; count]),
    };
    let Some(data) = data else { return 0 };
    if geometry.level == Level::Raid0 {
        let whole = data.iter().map(|bytes| bytes.saturating_sub(bytes.checked_rem(geometry.chunk).unwrap_or(0)));
        return whole.fold(0, u64::saturating_add);
    }
    geometry.layout(&data).map_or(0, |layout| layout.size())
}

/// What is missing of an array that cannot do without it, and what to do; `None` where no role is empty.
fn needs(members: &Members<'_>) -> Option<String> {
    let superblock = &members.freshest;
    let geometry = &superblock.geometry;
    let role = |number: usize| {
        let role = format!("device {number}");
        let is_stale = |member: &Member| member.role == role && member.state == MemberState::Stale;
        if members.list.iter().any(is_stale) { format!("{role} (out of date)") } else { role }
    };
    let is_empty = |seat: &Seat<'_>| seat.holder.is_none() && seat.replacement.is_none();
    let missing = members.seats.iter().enumerate().filter(|(_, seat)| is_empty(seat));
    let missing: Vec<_> = missing.map(|(number, _)| role(number)).collect();
    if missing.is_empty() {
        return None;
    }
    let all = superblock.members();
    let needed = match geometry.level {
        Level::Linear | Level::Raid0 => format!("all of its {all} devices"),
        Level::Raid1 => format!("one of its {all} devices"),
        Level::Raid4 | Level::Raid5 | Level::Raid6 => {
            format!("{} of its {all} devices", all.saturating_sub(geometry.level.parities()))
        }
        Level::Raid10 => format!("those of its {all} devices that hold a copy of each chunk"),
    };
    let name = short_name(&superblock.name).unwrap_or_else(|| superblock.uuid());
    let (level, missing) = (geometry.level.name(), missing.join(", "));
    Some(format!("{level} '{name}' needs {needed}; missing: {missing}. Add these disks."))
}

/// An array of which some cannot be read for want of members: errors say which.
struct Wanting {
    data: Arc<dyn ReadAt>,
    needs: String,
}

impl ReadAt for Wanting {
    fn size(&self) -> u64 {
        self.data.size()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.data.read_exact_at(offset, buf).map_err(|error| match error.kind {
            ReadErrorKind::Missing => error.with_detail(&self.needs),
            _ => error,
        })
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        self.data.will_need(ranges);
    }
}

fn volume(
    members: &Members<'_>,
    legs: &mut Legs<'_>,
    block_size: BlockSize,
    faults: &Arc<Faults>,
) -> Result<Volume, Error> {
    let superblock = &members.freshest;
    let geometry = &superblock.geometry;
    let (layout, mut all, health) = match superblock.reshape {
        None => at_rest(members, legs)?,
        Some(reshape) => being_reshaped(members, reshape, legs)?,
    };
    let needs = needs(members).filter(|_| health >= Health::Partial);
    if health == Health::Unreadable {
        let none = || "none of its members can be read".to_owned();
        return Err(Error::Damaged(needs.unwrap_or_else(none)));
    }
    let mut logs = Logs { members, layout: layout.as_ref(), notices: Vec::new(), is_parity_recovered: false };
    let replayed = logs.apply(&mut all)?;
    let lacks_journal = superblock.extras.has_journal && replayed.is_none();
    let (mut said, is_parity_recovered) = (logs.notices, logs.is_parity_recovered);
    let layout: Box<dyn Layout> = match parity_known_to(superblock) {
        Some(parity_up_to) => Box::new(Trusted { size: layout.size(), layout, parity_up_to }),
        None => layout,
    };
    let kind = VolumeKind::Layout(geometry.description());
    let map: Arc<dyn ReadAt> = Arc::new(Map::new(layout, all, faults));
    let data = match &replayed {
        Some(replayed) => replayed.volume(map),
        None => map,
    };
    let data = match &needs {
        Some(needs) => Arc::new(Wanting { data, needs: needs.clone() }),
        None => data,
    };
    let mut volume = Volume::new("", kind, block_size, data);
    volume.uuid = Some(superblock.uuid());
    volume.health = if lacks_journal { health.max(Health::Degraded) } else { health };
    volume.notices = notices(superblock, health, is_parity_recovered);
    volume.notices.splice(..0, needs);
    volume.notices.append(&mut said);
    Ok(volume)
}

/// An array, what it is read from, and what of it can be read.
type Put = (Box<dyn Layout>, Vec<Leg>, Health);

fn at_rest(members: &Members<'_>, legs: &mut Legs<'_>) -> Result<Put, Error> {
    let geometry = &members.freshest.geometry;
    let seats = in_reading_order(members);
    let all: Vec<Leg> = seats.iter().map(|(role, seat)| legs.leg(*role, *seat, Side::Before)).collect();
    let mut layout = layout(geometry, &all)?;
    let health = health(layout.as_ref(), geometry, &members.seats, &all);
    if members.is_mixed && geometry.level == Level::Raid10 {
        layout = Box::new(NewestFirst { layout, updated: members.seats.iter().map(updated).collect() });
    }
    Ok((layout, all, health))
}

/// Members are there twice: as they were, and as they will be.
fn being_reshaped(members: &Members<'_>, reshape: Reshape, legs: &mut Legs<'_>) -> Result<Put, Error> {
    let superblock = &members.freshest;
    reshape::check(superblock, &reshape, &members.seats)?;
    let mut half = |geometry: &Geometry, side| {
        let count = usize::try_from(geometry.members).unwrap_or(usize::MAX);
        let seats = members.seats.get(..count).unwrap_or_default();
        let all: Vec<Leg> = seats.iter().enumerate().map(|(role, seat)| legs.leg(role, *seat, side)).collect();
        let layout = layout(geometry, &all)?;
        let health = health(layout.as_ref(), geometry, seats, &all);
        Ok::<Put, Error>((layout, all, health))
    };
    let (before, mut all, health_before) = half(&superblock.geometry, Side::Before)?;
    let (after, mut more, health_after) = half(&reshape.geometry, Side::After)?;
    all.append(&mut more);
    let layout = reshape::halves(superblock, &reshape, before, after)?;
    Ok((Box::new(layout), all, health_before.max(health_after)))
}

/// The byte of each member up to which parity is known to be right, when a resync that was under way says so.
///
/// Of an array that was in use nothing is known, and nearly everything is right: only what was being written at that
/// moment is not. Linux, forced to start such an array without a member, relies on all of its parity.
fn parity_known_to(superblock: &Superblock) -> Option<u64> {
    superblock.in_sync_to.filter(|known| *known > 0 && superblock.geometry.level.parities() > 0)
}

/// What users should know of the array as a whole.
fn notices(superblock: &Superblock, health: Health, is_parity_recovered: bool) -> Vec<String> {
    let mut notices = Vec::new();
    let level = superblock.geometry.level;
    if let Some(reshape) = superblock.reshape {
        let to = reshape.geometry.description();
        notices.push(format!(
            "it is being reshaped to {to}, and is read as it lies, on both sides of byte {}",
            reshape.position
        ));
    }
    match superblock.in_sync_to.filter(|_| level.parities() > 0 && health != Health::Whole) {
        Some(0) if is_parity_recovered => {}
        Some(0) => notices.push(format!(
            "it was in use, and a member is missing: what was being written at that moment may be wrong where it is \
             computed from parity (the write hole of {})",
            level.name()
        )),
        Some(known) => notices.push(format!(
            "its parity was being made anew, and is used only for the first {known} bytes of each member, where that \
             was done"
        )),
        None => {}
    }
    if superblock.geometry.level == Level::Raid0 && superblock.geometry.layout.is_none() && health == Health::Partial {
        notices.push("the member that is missing is taken for as large as the others".to_owned());
    }
    notices
}

/// Roles in the order of the map's members: a mirror is read from the first that is there, and those that its owner
/// wanted to be written only come last (Linux `raid1.c`, `read_balance`). Of members of different times the newest is
/// first.
fn in_reading_order<'a>(members: &Members<'a>) -> Vec<(usize, Seat<'a>)> {
    let mut seats: Vec<_> = members.seats.iter().copied().enumerate().collect();
    let is_last = |(_, seat): &(usize, Seat<'_>)| {
        seat.holder.or(seat.replacement).is_none_or(|candidate| candidate.superblock.is_write_mostly)
    };
    if members.freshest.geometry.level == Level::Raid1 {
        seats.sort_by_key(is_last);
        if members.is_mixed {
            seats.sort_by_key(|(_, seat)| Reverse(updated(seat)));
        }
    }
    seats
}

/// When what is read of this role first was last written.
fn updated(seat: &Seat<'_>) -> u64 {
    seat.holder.or(seat.replacement).map_or(0, |candidate| candidate.superblock.updated)
}

/// A layout whose copies are read from the member that was written last, where it is there.
struct NewestFirst {
    layout: Box<dyn Layout>,
    /// When each member was last written.
    updated: Vec<u64>,
}

impl Layout for NewestFirst {
    fn size(&self) -> u64 {
        self.layout.size()
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let mut piece = self.layout.piece(offset)?;
        if let Source::Copies(places) = &mut piece.source {
            places.sort_by_key(|place| Reverse(self.updated.get(place.member)));
        }
        Ok(piece)
    }
}

/// What the array's bytes are, also where members are missing whose size nobody wrote down.
fn layout(geometry: &Geometry, legs: &[Leg]) -> Result<Box<dyn Layout>, Error> {
    let sizes: Vec<Option<u64>> = legs.iter().map(|leg| leg.data.as_ref().map(|data| data.size())).collect();
    if !geometry.level.uses_all_of_each_member() {
        let data: Vec<_> = sizes.iter().map(|_| geometry.component).collect();
        return geometry.layout(&data);
    }
    let largest = sizes.iter().flatten().copied().max().unwrap_or(0);
    let is_even = sizes.iter().flatten().all(|size| *size == largest);
    let guessed: Vec<_> = sizes.iter().map(|size| size.unwrap_or(largest)).collect();
    match (sizes.iter().position(Option::is_none), geometry.level) {
        (None, _) => geometry.layout(&guessed),
        // What is behind the missing one begins nobody knows where.
        (Some(missing), Level::Linear) => Ok(geometry.linear_without(&guessed, missing)),
        // Members of different sizes would have a layout on record, or else Linux itself could not use them.
        (Some(_), _) if is_even && geometry.layout.is_none() => geometry.layout(&guessed),
        (Some(_), _) => Err(Error::Damaged(
            "its members differ in size, and the size of one that is missing is not known: nobody can tell where its \
             chunks are"
                .to_owned(),
        )),
    }
}

/// What can be read, when these legs are all there is.
fn health(layout: &dyn Layout, geometry: &Geometry, seats: &[Seat<'_>], legs: &[Leg]) -> Health {
    let is_whole = |seat: &Seat<'_>| {
        [seat.holder, seat.replacement].iter().flatten().any(|candidate| candidate.is_whole(geometry))
    };
    let whole = seats.iter().filter(|seat| is_whole(seat)).count();
    let missing = seats.len().saturating_sub(whole);
    if legs.iter().all(|leg| leg.data.is_none()) {
        return Health::Unreadable;
    }
    if missing == 0 {
        return Health::Whole;
    }
    let missing = u64::try_from(missing).unwrap_or(u64::MAX);
    let is_redundant = match geometry.level {
        Level::Linear | Level::Raid0 => false,
        Level::Raid1 => whole > 0,
        Level::Raid4 | Level::Raid5 | Level::Raid6 => missing <= geometry.level.parities(),
        Level::Raid10 => copies_everywhere(layout, geometry, seats, &is_whole),
    };
    if is_redundant { Health::Degraded } else { Health::Partial }
}

/// Whether a whole member has a copy of each chunk; where they are repeats after as many chunks as there are members.
fn copies_everywhere(
    layout: &dyn Layout,
    geometry: &Geometry,
    seats: &[Seat<'_>],
    is_whole: &dyn Fn(&Seat<'_>) -> bool,
) -> bool {
    let has_copy = |chunk: u64| {
        let offset = chunk.saturating_mul(geometry.chunk);
        if offset >= layout.size() {
            return true;
        }
        match layout.piece(offset).map(|piece| piece.source) {
            Ok(Source::Copies(places)) => places.iter().any(|place| seats.get(place.member).is_some_and(is_whole)),
            _ => false,
        }
    };
    (0..geometry.members).all(has_copy)
}
