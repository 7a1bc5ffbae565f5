//! RAID volumes whose layout is being changed: one part lies as before, the rest as it will (Linux,
//! `drivers/md/raid5.c`, `ahead_of_reshape`; `dm-raid.c`, `rs_adjust_data_offsets`).

use super::build::Failure;
use super::geometry::{Geometry, Shape};
use super::raid::Text;
use crate::dm::raid::Reshape;

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
