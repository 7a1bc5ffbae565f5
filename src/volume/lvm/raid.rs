//! RAID volumes: images with metadata of the `raid` target (`lib/raid/raid.c`; Linux, `drivers/md/dm-raid.c`).

use super::build::{Builder, Built, Failure, Member, healths, size};
use super::geometry::{Geometry, Shape};
use super::health::{is_complete, of_redundant};
use super::metadata::RaidImage;
use super::reshape::reshaped;
use crate::Health;
use crate::dm::raid::{Reshape, Superblock};
use crate::map::{Excluded, Halves, Layout, Leg, Rotation, Striped, Trusted};
use block::{ReadAt, Slice};
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
    /// Its image was split off, and nothing that it says is of the others any more.
    Apart,
    Superblock(Superblock),
}

/// What of an image can be read.
#[derive(Clone, Copy, Default)]
struct State {
    /// From which byte on data begin.
    data_offset: u64,
    /// The same in the layout that a reshape makes.
    new_data_offset: u64,
    /// Up to which byte of these they are right; `None` when all are.
    rebuilt: Option<u64>,
}

/// How many images of a RAID hold data (`_seg_len` of `lib/activate/dev_manager.c`).
pub(super) fn data_images(level: &str, images: usize) -> u64 {
    let parities = if level == "raid4" { 1 } else { Rotation::from_lvm(level).map_or(0, Rotation::parities) };
    u64::try_from(images).unwrap_or(u64::MAX).saturating_sub(parities)
}

impl Builder<'_> {
    pub(super) fn raid(&mut self, text: &Text<'_>) -> Result<Built, Failure> {
        let mut images = Vec::new();
        for image in text.images {
            images.push(self.logical_member(image.data)?);
        }
        if let (true, Some(first)) = (images.iter().all(|image| image.leg.data.is_none()), images.first()) {
            return Err(format!("none of its images can be read: {}", first.leg.name).into());
        }
        if matches!(text.level, "raid0" | "raid0_meta") {
            let count = u64::try_from(images.len()).unwrap_or(u64::MAX);
            let layout = Striped::new(count, text.chunk, text.bytes).ok_or_else(|| "stripes of no size".to_owned())?;
            let health = of_redundant(&healths(&images), 0);
            return Ok(self.mapped(
                Box::new(layout),
                images,
                health,
                format!("RAID 0 of {count}, {}", size(text.chunk)),
            ));
        }
        let mut known = Vec::new();
        for image in text.images {
            known.push(self.knowledge(*image)?);
        }
        let newest = newest(&known).cloned();
        let states = self.states(text, &known, newest.as_ref());
        let notices = self.why_not(text, &images, &states);
        let is_usable =
            |(image, state): (&Member, &Result<State, String>)| image.health != Health::Unreadable && state.is_ok();
        if !images.iter().zip(&states).any(is_usable) {
            return Err(format!("none of its images can be read: {}", notices.join("; ")).into());
        }
        let built = self.of_images(text, newest, images, &states)?;
        let notices = built.notices.iter().cloned().chain(notices).collect();
        Ok(Built { notices, ..built })
    }

    fn of_images(
        &self,
        text: &Text<'_>,
        newest: Option<Superblock>,
        images: Vec<Member>,
        states: &[Result<State, String>],
    ) -> Result<Built, Failure> {
        match newest {
            // A set that was never started is not in sync.
            None => self.at_rest(text, &Geometry::of_text(text)?, (images, states), Some(0)),
            Some(Superblock { reshape: Some(reshape), ref level, ref layout, chunk, synced, .. }) => {
                let after = Geometry::new(reshape.level, reshape.layout, reshape.chunk, text.images.len())?;
                let before = Geometry::new(*level, *layout, chunk, text.images.len())?;
                self.being_reshaped(text, (before, after, &reshape), (images, states), synced)
            }
            Some(newest) => {
                let geometry = Geometry::new(newest.level, newest.layout, newest.chunk, text.images.len())?;
                geometry.check(text, newest.devices)?;
                self.at_rest(text, &geometry, (images, states), newest.synced)
            }
        }
    }

    fn at_rest(
        &self,
        text: &Text<'_>,
        geometry: &Geometry,
        (images, states): (Vec<Member>, &[Result<State, String>]),
        synced: Option<u64>,
    ) -> Result<Built, Failure> {
        let images = images.into_iter().zip(states);
        let mut members: Vec<_> =
            images.map(|(member, state)| restricted(member, state, |state| state.data_offset)).collect();
        if matches!(geometry.shape, Shape::Mirror) {
            let mut order: Vec<_> = members.into_iter().zip(text.images).collect();
            order.sort_by_key(|(_, image)| self.is_write_mostly(image.data));
            members = order.into_iter().map(|(member, _)| member).collect();
        }
        let health = geometry.health(&healths(&members));
        let layout = geometry.layout(text.bytes)?;
        Ok(self.finished(geometry, layout, (members, health), synced))
    }

    /// What is done already, and what is as it was: each image is a member twice, as data begin in two places.
    fn being_reshaped(
        &self,
        text: &Text<'_>,
        (before, after, reshape): (Geometry, Geometry, &Reshape),
        (images, states): (Vec<Member>, &[Result<State, String>]),
        synced: Option<u64>,
    ) -> Result<Built, Failure> {
        let (before, after) = reshaped(text, before, after, reshape, states.iter().flatten().map(State::moved))?;
        let side = |geometry: &Geometry, offset: fn(&State) -> u64| -> Vec<_> {
            let count = usize::try_from(geometry.members).unwrap_or(usize::MAX);
            let images = images.iter().zip(states).take(count);
            images.map(|(member, state)| restricted(member.clone(), state, offset)).collect()
        };
        let old = side(&before, |state| state.data_offset);
        let new = side(&after, |state| state.new_data_offset);
        let health = before.health(&healths(&old)).max(after.health(&healths(&new)));
        let readable = if before.members == after.members { text.bytes } else { text.bytes.min(reshape.array_bytes) };
        let layout = Halves {
            before: before.layout(readable)?,
            after: after.layout(readable)?,
            members_before: old.len(),
            position: reshape.position,
            is_backwards: reshape.is_backwards,
            readable,
            size: text.bytes,
        };
        let members = old.into_iter().chain(new).collect();
        let built = self.finished(&after, Box::new(layout), (members, health), synced);
        let words = format!("{}, being reshaped from {}", built.words, before.words());
        Ok(Built { words, ..built })
    }

    fn finished(
        &self,
        geometry: &Geometry,
        layout: Box<dyn Layout>,
        (members, health): (Vec<Member>, Health),
        synced: Option<u64>,
    ) -> Built {
        let words = geometry.words();
        let is_parity = matches!(geometry.shape, Shape::Parity(_));
        let Some(synced) = synced.filter(|_| is_parity) else { return self.mapped(layout, members, health, words) };
        let built = self.mapped(
            Box::new(Trusted { size: layout.size(), layout, parity_up_to: synced }),
            members,
            health,
            words,
        );
        let notice = "its parity was not complete yet, and does not stand in for missing images where it was not";
        Built { notices: (health != Health::Whole).then(|| notice.to_owned()).into_iter().collect(), ..built }
    }

    fn states(&self, text: &Text<'_>, known: &[Knowledge], newest: Option<&Superblock>) -> Vec<Result<State, String>> {
        let is_some_lost = known.iter().any(|known| matches!(known, Knowledge::Lost(_)));
        let state = |(known, image): (&Knowledge, &RaidImage)| {
            if self.group.logical.get(image.data).is_some_and(|volume| volume.is_to_be_rebuilt) {
                return Err("it is to be rebuilt".to_owned());
            }
            match newest {
                None if matches!(known, Knowledge::Apart) => Err(APART.to_owned()),
                Some(newest) => known.state(newest),
                None if is_some_lost => Err("nothing says whether it was filled".to_owned()),
                None => Ok(State::default()),
            }
        };
        known.iter().zip(text.images).map(state).collect()
    }

    fn is_write_mostly(&self, volume: usize) -> bool {
        self.group.logical.get(volume).is_some_and(|volume| volume.is_write_mostly)
    }

    /// Why images are not read, or not all of them.
    fn why_not(&self, text: &Text<'_>, images: &[Member], states: &[Result<State, String>]) -> Vec<String> {
        let mut notices = Vec::new();
        for ((image, member), state) in text.images.iter().zip(images).zip(states) {
            let Some(logical) = self.group.logical.get(image.data) else { continue };
            let missing = self.missing_disks(image.data);
            let why = match state {
                _ if !missing.is_empty() => format!("its {} is missing", missing.join(", and its ")),
                _ if member.leg.data.is_none() => format!("{} cannot be had", member.leg.name),
                Err(why) => why.clone(),
                _ if !is_complete(member.health) => "not all of it can be read".to_owned(),
                Ok(State { rebuilt: Some(rebuilt), .. })
                    if member.leg.data.as_ref().is_some_and(|data| *rebuilt < data.size()) =>
                {
                    format!("it was rebuilt up to byte {rebuilt} only")
                }
                Ok(_) => continue,
            };
            notices.push(format!("image {}: {why}", logical.name));
        }
        notices
    }

    /// Whether LVM2 has taken an image out of its RAID for a time (`lvconvert --splitmirrors --trackchanges`): it shows
    /// what was then (`add_areas_line` of `lib/activate/dev_manager.c` gives the kernel `- -` for it).
    fn is_apart(&self, image: usize) -> bool {
        self.group.logical.get(image).is_some_and(|volume| volume.is_visible || !volume.is_writable)
    }

    fn knowledge(&mut self, image: RaidImage) -> Result<Knowledge, Failure> {
        if self.is_apart(image.data) {
            return Ok(Knowledge::Apart);
        }
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

/// Why an image that is a volume of its own is not read as one of its RAID.
const APART: &str = "it was split off (lvconvert --splitmirrors --trackchanges), and shows what was then";

/// The superblock that was written last.
fn newest(known: &[Knowledge]) -> Option<&Superblock> {
    let superblocks = known.iter().filter_map(|known| match known {
        Knowledge::Superblock(superblock) => Some(superblock),
        Knowledge::None | Knowledge::Lost(_) | Knowledge::New | Knowledge::Apart => None,
    });
    // Of those that are as new the kernel takes the first.
    superblocks.reduce(|newest, other| if other.events > newest.events { other } else { newest })
}

impl Knowledge {
    /// What of an image can be read, or why nothing.
    fn state(&self, newest: &Superblock) -> Result<State, String> {
        let superblock = match self {
            Self::Superblock(superblock) => superblock,
            Self::None => return Err("it has no metadata, and others have".to_owned()),
            Self::New => return Err("it was not filled yet".to_owned()),
            Self::Apart => return Err(APART.to_owned()),
            Self::Lost(why) => return Err(format!("its metadata cannot be read: {why}")),
        };
        // Superblocks are written one after another: one of the last round may be missing where the power was cut.
        if superblock.events.saturating_add(1) < newest.events {
            let (own, newest) = (superblock.events, newest.events);
            return Err(format!("it is out of date: behind in events, of which it has {own}, and others {newest}"));
        }
        if newest.has_failed(superblock.position) {
            return Err("it is out of date: it failed, and others went on without it".to_owned());
        }
        let new_data_offset = superblock.reshape.as_ref().map_or(superblock.data_offset, |reshape| reshape.data_offset);
        Ok(State { data_offset: superblock.data_offset, new_data_offset, rebuilt: superblock.rebuilt })
    }
}

impl State {
    /// How far a reshape moves data.
    const fn moved(&self) -> u64 {
        self.new_data_offset.abs_diff(self.data_offset)
    }
}

/// An image as the RAID sees it: from where data begin, without what must not be read.
fn restricted(mut member: Member, state: &Result<State, String>, offset: impl Fn(&State) -> u64) -> Member {
    // Superblocks know better than the group whether it is out of date.
    member.is_stale = false;
    let Some(data) = member.leg.data.clone() else { return member };
    let state = match state {
        Ok(state) => state,
        Err(why) => return away(&member.leg, why),
    };
    let length = data.size().saturating_sub(offset(state));
    let data: Arc<dyn ReadAt> = match Slice::new(data, offset(state), length) {
        Ok(slice) => Arc::new(slice),
        Err(error) => return away(&member.leg, &error.to_string()),
    };
    let Some(rebuilt) = state.rebuilt.filter(|rebuilt| *rebuilt < length) else {
        return Member { leg: Leg { data: Some(data), ..member.leg }, ..member };
    };
    let data: Arc<dyn ReadAt> =
        Arc::new(Excluded::not_rebuilt(data, std::iter::once(rebuilt..length).collect::<Vec<_>>()));
    let health = member.health.max(if rebuilt == 0 { Health::Unreadable } else { Health::Partial });
    Member { leg: Leg { data: Some(data), ..member.leg }, health, ..member }
}

fn away(leg: &Leg, why: &str) -> Member {
    Member::away(format!("{} ({why})", leg.name))
}
