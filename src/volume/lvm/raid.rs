//! RAID volumes: images with metadata of the `raid` target (`lib/raid/raid.c`; Linux, `drivers/md/dm-raid.c`).

use super::build::{Builder, Built, Failure, Member, healths, size};
use super::health::{is_complete, of_pieces, of_redundant};
use super::metadata::RaidImage;
use crate::Health;
use crate::dm::raid::Superblock;
use crate::map::{Copies, Excluded, Layout, Leg, Mirror, Parity, Piece, Raid10, Rotation, Source, Striped};
use block::{ReadAt, ReadError, Slice};
use std::sync::Arc;

/// A segment of a RAID type as the metadata has it.
pub(super) struct Text<'a> {
    /// The name of the type.
    pub(super) level: &'a str,
    /// In bytes.
    pub(super) chunk: u64,
    pub(super) images: &'a [RaidImage],
    /// The size of the volume.
    pub(super) bytes: u64,
}

/// What is known of an image from its metadata volume.
enum Knowledge {
    /// It never had any.
    None,
    /// It cannot be read.
    Lost(String),
    /// It is new: nothing was written to it yet.
    New,
    Superblock(Superblock),
}

/// How all of them are put together.
enum Shape {
    Mirror,
    Parity(Rotation),
    Copies(Raid10),
}

impl Builder<'_> {
    pub(super) fn raid(&mut self, text: &Text<'_>) -> Result<Built, Failure> {
        let mut members = Vec::new();
        for image in text.images {
            members.push(self.logical_member(image.data)?);
        }
        if matches!(text.level, "raid0" | "raid0_meta") {
            let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
            let layout = Striped::new(count, text.chunk, text.bytes).ok_or_else(|| "stripes of no size".to_owned())?;
            let health = of_redundant(&healths(&members), 0);
            return Ok(self.mapped(layout, members, health, format!("RAID 0 of {count}, {}", size(text.chunk))));
        }
        let mut known = Vec::new();
        for image in text.images {
            known.push(self.knowledge(*image)?);
        }
        let newest = newest(&known).cloned();
        let is_some_lost = known.iter().any(|known| matches!(known, Knowledge::Lost(_)));
        let shape = shape(text, newest.as_ref())?;
        let chunk = newest.as_ref().map_or(text.chunk, |newest| newest.chunk);
        for ((member, known), image) in members.iter_mut().zip(&known).zip(text.images) {
            let is_to_be_rebuilt = self.group.logical.get(image.data).is_some_and(|volume| volume.is_to_be_rebuilt);
            let state = if is_to_be_rebuilt {
                Err("to be rebuilt".to_owned())
            } else if newest.is_none() && is_some_lost {
                Err("nothing says whether it was filled".to_owned())
            } else {
                state(known, newest.as_ref())
            };
            restrict(member, state);
        }
        // A set that was never started is not in sync; what is in sync everywhere has no end.
        let synced = newest.as_ref().map_or(Some(0), |newest| newest.synced);
        self.put_together(text, &shape, chunk, (members, synced))
    }

    fn put_together(
        &mut self,
        text: &Text<'_>,
        shape: &Shape,
        chunk: u64,
        (mut members, synced): (Vec<Member>, Option<u64>),
    ) -> Result<Built, Failure> {
        let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
        let impossible =
            || Failure::from(format!("there is no {} of {count} with chunks of {chunk} bytes", text.level));
        let health = health(shape, &healths(&members));
        let state = if health == Health::Degraded { ", degraded" } else { "" };
        let built = match shape {
            Shape::Mirror => {
                let mut order: Vec<_> = members.into_iter().zip(text.images).collect();
                order.sort_by_key(|(_, image)| self.is_write_mostly(image.data));
                members = order.into_iter().map(|(member, _)| member).collect();
                let layout = Mirror::new(members.len(), text.bytes);
                self.mapped(layout, members, health, format!("RAID 1 of {count}{state}"))
            }
            Shape::Parity(rotation) => {
                let level = if text.level == "raid4" { 4 } else { rotation.parities().saturating_add(4) };
                let words = format!("RAID {level} {} of {count}, {}{state}", rotation.name(), size(chunk));
                let layout = Parity::new(*rotation, count, chunk, text.bytes).ok_or_else(impossible)?;
                self.mapped(Trusted { layout, synced: synced.unwrap_or(u64::MAX) }, members, health, words)
            }
            Shape::Copies(layout) => {
                let words = format!("RAID 10 of {count}, {} copies, {}{state}", layout.copies(), size(chunk));
                let rows = text.bytes.checked_mul(layout.near).and_then(|bytes| bytes.checked_div(count));
                let device = rows.and_then(|bytes| bytes.checked_next_multiple_of(chunk)).ok_or_else(impossible)?;
                let device = device.checked_mul(layout.far).ok_or_else(impossible)?;
                let (stride, _) = layout.stride_and_size(count, chunk, device).ok_or_else(impossible)?;
                let layout = Copies::new(*layout, count, chunk, stride, text.bytes).ok_or_else(impossible)?;
                self.mapped(layout, members, health, words)
            }
        };
        let is_doubtful = synced.is_some() && matches!(shape, Shape::Parity(_)) && health != Health::Whole;
        let notice = "its parity was not complete when it was left, and cannot stand in for missing images everywhere";
        Ok(Built { notices: is_doubtful.then(|| notice.to_owned()).into_iter().collect(), ..built })
    }

    fn is_write_mostly(&self, volume: usize) -> bool {
        self.group.logical.get(volume).is_some_and(|volume| volume.is_write_mostly)
    }

    fn knowledge(&mut self, image: RaidImage) -> Result<Knowledge, Failure> {
        let Some(metadata) = image.metadata else { return Ok(Knowledge::None) };
        let member = self.logical_member(metadata)?;
        let Some(data) = &member.leg.data else { return Ok(Knowledge::Lost("it is missing".to_owned())) };
        Ok(match Superblock::read(data.as_ref()) {
            Err(error) => Knowledge::Lost(error.to_string()),
            Ok(Err(what)) => return Err(format!("{}: the superblock cannot be used: {what}", member.leg.name).into()),
            Ok(Ok(None)) => Knowledge::New,
            Ok(Ok(Some(superblock))) => Knowledge::Superblock(superblock),
        })
    }
}

/// The superblock that was written last.
fn newest(known: &[Knowledge]) -> Option<&Superblock> {
    let superblocks = known.iter().filter_map(|known| match known {
        Knowledge::Superblock(superblock) => Some(superblock),
        Knowledge::None | Knowledge::Lost(_) | Knowledge::New => None,
    });
    // Of those that are as new the kernel takes the first.
    superblocks.reduce(|newest, other| if other.events > newest.events { other } else { newest })
}

/// What the superblocks say; where there are none, what the metadata say.
fn shape(text: &Text<'_>, newest: Option<&Superblock>) -> Result<Shape, Failure> {
    let level = text.level;
    let Some(newest) = newest else {
        return match (level, Rotation::from_lvm(level)) {
            ("raid1", _) => Ok(Shape::Mirror),
            // Where P was before Linux 4.9 only a superblock could tell.
            ("raid4", _) | (_, None) => {
                Err(format!("it is of type {level}, and none of its images has a superblock").into())
            }
            (_, Some(rotation)) => Ok(Shape::Parity(rotation)),
        };
    };
    if newest.is_reshaping {
        return Err(Failure::from("its layout is being changed (reshaped), which cannot be read half done".to_owned()));
    }
    let shape = match newest.level {
        1 => Some(Shape::Mirror),
        10 => Raid10::from_md(newest.layout).map(Shape::Copies),
        level => Rotation::from_md(level, newest.layout).map(Shape::Parity),
    };
    let shape =
        shape.ok_or_else(|| format!("its superblocks say RAID {} in layout {}", newest.level, newest.layout))?;
    let is_same = match &shape {
        Shape::Mirror => level == "raid1",
        Shape::Copies(_) => level.starts_with("raid10"),
        Shape::Parity(rotation) if rotation.parities() == 1 => level.starts_with("raid5") || level == "raid4",
        Shape::Parity(_) => level.starts_with("raid6"),
    };
    if !is_same {
        let what =
            format!("its superblocks say RAID {}, and the metadata {level}: it was being converted", newest.level);
        return Err(what.into());
    }
    let count = u32::try_from(text.images.len()).ok();
    if count != Some(newest.devices) && !matches!(shape, Shape::Mirror) {
        return Err(format!(
            "its superblocks say {} images, and the metadata {}: it was being converted",
            newest.devices,
            text.images.len()
        )
        .into());
    }
    Ok(shape)
}

/// What of an image can be read: from which byte on data begin, and up to which of these they are right; or why nothing.
fn state(known: &Knowledge, newest: Option<&Superblock>) -> Result<(u64, Option<u64>), String> {
    let Some(newest) = newest else { return Ok((0, None)) };
    let superblock = match known {
        Knowledge::Superblock(superblock) => superblock,
        Knowledge::None => return Err("without metadata".to_owned()),
        Knowledge::New => return Err("not filled yet".to_owned()),
        Knowledge::Lost(why) => return Err(format!("its metadata cannot be read: {why}")),
    };
    // Superblocks are written one after another: one of the last round may be missing where the power was cut.
    let is_behind = superblock.events.saturating_add(1) < newest.events;
    if newest.has_failed(superblock.position) || is_behind {
        return Err("out of date".to_owned());
    }
    Ok((superblock.data_offset, superblock.rebuilt))
}

/// Keeps what must not be read from being read.
fn restrict(member: &mut Member, state: Result<(u64, Option<u64>), String>) {
    let Some(data) = member.leg.data.take() else { return };
    let (offset, rebuilt) = match state {
        Ok(state) => state,
        Err(why) => {
            *member = away(&member.leg, &why);
            return;
        }
    };
    let length = data.size().saturating_sub(offset);
    let data: Arc<dyn ReadAt> = match Slice::new(data, offset, length) {
        Ok(slice) => Arc::new(slice),
        Err(error) => {
            *member = away(&member.leg, &error.to_string());
            return;
        }
    };
    let Some(rebuilt) = rebuilt.filter(|rebuilt| *rebuilt < length) else {
        member.leg.data = Some(data);
        return;
    };
    member.leg.data = Some(Arc::new(Excluded::not_rebuilt(data, vec![rebuilt..length])));
    member.health = member.health.max(if rebuilt == 0 { Health::Unreadable } else { Health::Partial });
}

fn away(leg: &Leg, why: &str) -> Member {
    Member { leg: Leg { name: format!("{} ({why})", leg.name), data: None }, health: Health::Unreadable }
}

fn health(shape: &Shape, members: &[Health]) -> Health {
    match shape {
        Shape::Mirror => of_redundant(members, members.len().saturating_sub(1)),
        Shape::Parity(rotation) => of_redundant(members, usize::try_from(rotation.parities()).unwrap_or(0)),
        Shape::Copies(layout) => {
            let near = usize::try_from(layout.near).unwrap_or(1).max(1);
            let devices = || members.iter().cycle();
            // The copies of as many chunks as there are devices lie in all ways that there are.
            let mut groups = (0..members.len()).map(|chunk| devices().skip(chunk.saturating_mul(near)).take(near));
            let is_lost = layout.far == 1 && groups.any(|mut copies| copies.all(|copy| !is_complete(*copy)));
            match of_pieces(members) {
                Health::Whole => Health::Whole,
                Health::Unreadable => Health::Unreadable,
                _ if is_lost => Health::Partial,
                _ => Health::Degraded,
            }
        }
    }
}

/// A layout whose parity is right up to some byte of each member: behind that, nothing is computed from it.
struct Trusted {
    layout: Parity,
    synced: u64,
}

impl Layout for Trusted {
    fn size(&self) -> u64 {
        self.layout.size()
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let piece = self.layout.piece(offset)?;
        let Source::Stripe(stripe) = &piece.source else { return Ok(piece) };
        let Some(unit) = stripe.data.get(stripe.wanted) else { return Ok(piece) };
        match self.synced.checked_sub(unit.place.offset) {
            None | Some(0) => Ok(Piece { source: Source::Copies(vec![unit.place]), length: piece.length }),
            Some(left) => Ok(Piece { length: piece.length.min(left), ..piece }),
        }
    }
}
