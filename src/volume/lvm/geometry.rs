//! How the bytes of a RAID volume lie on its images.

use super::build::{Failure, size};
use super::health::{is_complete, of_pieces, of_redundant};
use super::raid::Text;
use crate::Health;
use crate::map::{Copies, Layout, Mirror, Parity, Piece, Raid10, Rotation, Source};

/// How images are put together.
pub(super) enum Shape {
    Mirror,
    Parity(Rotation),
    Copies(Raid10),
}

/// A shape with its numbers.
pub(super) struct Geometry {
    pub(super) shape: Shape,
    /// The level as users know it.
    level: u64,
    /// In bytes; 0 in mirrors.
    pub(super) chunk: u64,
    pub(super) members: u64,
}

impl Geometry {
    /// What superblocks say, in md's numbers.
    pub(super) fn new(level: u32, layout: u32, chunk: u64, images: usize) -> Result<Self, Failure> {
        let shape = match level {
            1 => Some(Shape::Mirror),
            10 => Raid10::from_md(layout).map(Shape::Copies),
            level => Rotation::from_md(level, layout).map(Shape::Parity),
        };
        let shape = shape.ok_or_else(|| format!("its superblocks say RAID {level} in layout {layout:#x}"))?;
        Ok(Self { shape, level: level.into(), chunk, members: u64::try_from(images).unwrap_or(u64::MAX) })
    }

    /// What the metadata say, where there are no superblocks.
    pub(super) fn of_text(text: &Text<'_>) -> Result<Self, Failure> {
        let level = text.level;
        let (level, shape) = match (level, Rotation::from_lvm(level)) {
            ("raid1", _) => (1, Shape::Mirror),
            // Where P was before Linux 4.9 only a superblock could tell.
            ("raid4", _) | (_, None) => {
                return Err(format!("it is of type {level}, and none of its images has a superblock").into());
            }
            (_, Some(rotation)) => (rotation.parities().saturating_add(4), Shape::Parity(rotation)),
        };
        Ok(Self { shape, level, chunk: text.chunk, members: u64::try_from(text.images.len()).unwrap_or(u64::MAX) })
    }

    /// Whether superblocks and metadata mean the same volume; they do not while it is being converted.
    pub(super) fn check(&self, text: &Text<'_>, devices: u32) -> Result<(), Failure> {
        let level = text.level;
        let is_same = match &self.shape {
            Shape::Mirror => level == "raid1",
            Shape::Copies(_) => level.starts_with("raid10"),
            Shape::Parity(rotation) if rotation.parities() == 1 => level.starts_with("raid5") || level == "raid4",
            Shape::Parity(_) => level.starts_with("raid6"),
        };
        if !is_same {
            let what =
                format!("its superblocks say RAID {}, and the metadata {level}: it was being converted", self.level);
            return Err(what.into());
        }
        if u64::from(devices) != self.members && !matches!(self.shape, Shape::Mirror) {
            let what = format!(
                "its superblocks say {devices} images, and the metadata {}: it was being converted",
                self.members
            );
            return Err(what.into());
        }
        Ok(())
    }

    /// The same over so many images.
    pub(super) fn over(self, members: u32) -> Self {
        Self { members: members.into(), ..self }
    }

    /// A volume of so many bytes.
    pub(super) fn layout(&self, bytes: u64) -> Result<Box<dyn Layout>, Failure> {
        let (members, chunk) = (self.members, self.chunk);
        let layout: Option<Box<dyn Layout>> = match &self.shape {
            Shape::Mirror => usize::try_from(members).ok().map(|members| boxed(Mirror::new(members, bytes))),
            Shape::Parity(rotation) => Parity::new(*rotation, members, chunk, bytes).map(boxed),
            Shape::Copies(raid10) => copies(*raid10, members, chunk, bytes).map(boxed),
        };
        layout.ok_or_else(|| format!("there is no {} of {bytes} bytes", self.words()).into())
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        let (level, members) = (self.level, self.members);
        match &self.shape {
            Shape::Mirror => format!("RAID 1 of {members}"),
            Shape::Parity(rotation) => format!("RAID {level} {} of {members}, {}", rotation.name(), size(self.chunk)),
            Shape::Copies(raid10) => format!("RAID 10 of {members}, {} copies, {}", raid10.copies(), size(self.chunk)),
        }
    }

    /// What can be read of it when its images are like this.
    pub(super) fn health(&self, members: &[Health]) -> Health {
        let raid10 = match &self.shape {
            Shape::Mirror => return of_redundant(members, members.len().saturating_sub(1)),
            Shape::Parity(rotation) => return of_redundant(members, usize::try_from(rotation.parities()).unwrap_or(0)),
            Shape::Copies(raid10) => raid10,
        };
        // All ways in which copies lie are there in the first chunks, as many as there are members.
        let probe =
            self.chunk.checked_mul(self.members).and_then(|bytes| copies(*raid10, self.members, self.chunk, bytes));
        let is_lost = |chunk: u64| {
            let piece = probe.as_ref().map(|probe| probe.piece(chunk.saturating_mul(self.chunk)));
            let Some(Ok(Piece { source: Source::Copies(places), .. })) = piece else { return false };
            places.iter().all(|place| members.get(place.member).is_none_or(|member| !is_complete(*member)))
        };
        match of_pieces(members) {
            Health::Whole => Health::Whole,
            Health::Unreadable => Health::Unreadable,
            _ if (0..self.members).any(is_lost) => Health::Partial,
            _ => Health::Degraded,
        }
    }
}

fn boxed(layout: impl Layout + 'static) -> Box<dyn Layout> {
    Box::new(layout)
}

/// RAID 10 of so many bytes, which says how much of each image is used.
fn copies(raid10: Raid10, members: u64, chunk: u64, bytes: u64) -> Option<Copies> {
    let rows = bytes.checked_mul(raid10.near)?.div_ceil(members.max(1)).checked_next_multiple_of(chunk)?;
    let (stride, _) = raid10.stride_and_size(members, chunk, rows.checked_mul(raid10.far)?)?;
    Copies::new(raid10, members, chunk, stride, bytes)
}
