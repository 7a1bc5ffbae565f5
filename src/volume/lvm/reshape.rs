//! RAID volumes whose layout is being changed: one part lies as before, the rest as it will (Linux,
//! `drivers/md/raid5.c`, `ahead_of_reshape`; `dm-raid.c`, `rs_adjust_data_offsets`).

use super::build::Failure;
use super::geometry::{Geometry, Shape};
use super::raid::Text;
use crate::dm::raid::Reshape;
use crate::map::{Layout, Piece, Place, Source};
use block::ReadError;
use std::sync::Arc;

/// Both layouts with their numbers of images, when what lies between them is not lost: data have to move by more than
/// the chunk that is being written when the power is cut.
///
/// # Errors
/// When it is lost, or superblocks and metadata disagree.
pub(super) fn reshaped(
    text: &Text<'_>,
    before: Geometry,
    after: Geometry,
    reshape: &Reshape,
    mut moved: impl Iterator<Item = u64>,
) -> Result<(Geometry, Geometry), Failure> {
    let devices = before.members.max(after.members);
    let (before, after) = (before.over(reshape.devices_before), after.over(reshape.devices_after));
    if before.members.max(after.members) != devices {
        let what = format!(
            "its superblocks say a reshape from {} images to {}, and the metadata have {devices}",
            before.members, after.members
        );
        return Err(what.into());
    }
    if matches!(before.shape, Shape::Mirror) || matches!(after.shape, Shape::Mirror) {
        return Err(Failure::from(format!("it is of type {}, and cannot be reshaped", text.level)));
    }
    let chunk = before.chunk.max(after.chunk);
    if moved.any(|moved| moved < chunk) {
        let what = "its layout was being changed in place: what was being moved is lost where it was; take an earlier \
                    recovery point, or let Linux go on with it";
        return Err(what.to_owned().into());
    }
    Ok((before, after))
}

/// A layout in two parts.
pub(super) struct Halves {
    /// Over the first members.
    pub(super) before: Box<dyn Layout>,
    /// Over the members behind these.
    pub(super) after: Box<dyn Layout>,
    pub(super) members_before: usize,
    /// The byte that the change has come to.
    pub(super) position: u64,
    pub(super) is_backwards: bool,
    /// How much there is until it is done.
    pub(super) readable: u64,
    pub(super) size: u64,
}

impl Layout for Halves {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        if offset >= self.readable {
            let why = Arc::from("the volume is longer only when the change of its layout is done");
            return Ok(Piece { length: self.size.saturating_sub(offset), source: Source::Lost(why) });
        }
        let is_first = offset < self.position;
        let end = if is_first { self.position.min(self.readable) } else { self.readable };
        let is_done = is_first != self.is_backwards;
        let (layout, shift) = if is_done { (&self.after, self.members_before) } else { (&self.before, 0) };
        let mut piece = layout.piece(offset)?;
        piece.length = piece.length.min(end.saturating_sub(offset));
        shift_members(&mut piece.source, shift);
        Ok(piece)
    }
}

fn shift_members(source: &mut Source, by: usize) {
    let shift = |place: &mut Place| place.member = place.member.saturating_add(by);
    match source {
        Source::Copies(places) => places.iter_mut().for_each(shift),
        Source::Stripe(stripe) => {
            stripe.data.iter_mut().for_each(|unit| shift(&mut unit.place));
            stripe.p.iter_mut().chain(stripe.q.iter_mut()).for_each(shift);
        }
        Source::Zeros | Source::Lost(_) => {}
    }
}
