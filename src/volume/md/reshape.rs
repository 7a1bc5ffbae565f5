//! An array whose geometry is being changed: a part of it lies as before, the rest as it will (Linux
//! `drivers/md/raid5.c`, `ahead_of_reshape` and `raid5_run`; `raid10.c`, `raid10_find_phys` and `raid10_run`).

use super::geometry::{Geometry, Level};
use super::members::Seat;
use super::superblock::{Reshape, Superblock};
use crate::Error;
use crate::map::{Halves, Layout};

/// The array that `superblock` describes, of these two layouts of it.
///
/// # Errors
/// When there is no such array.
pub(super) fn halves(
    superblock: &Superblock,
    reshape: &Reshape,
    before: Box<dyn Layout>,
    after: Box<dyn Layout>,
) -> Result<Halves, Error> {
    let size = size(&superblock.geometry, &reshape.geometry)?.min(before.size()).min(after.size());
    let members_before = usize::try_from(superblock.geometry.members).unwrap_or(usize::MAX);
    let (position, is_backwards) = (reshape.position, reshape.is_backwards);
    Ok(Halves { before, after, members_before, position, is_backwards, readable: size, size })
}

/// The array is as large as that with fewer members until the reshape is done (`raid5_size`, `raid10_size`).
fn size(before: &Geometry, after: &Geometry) -> Result<u64, Error> {
    let members = before.members.min(after.members);
    let whole = |bytes: u64, chunk: u64| bytes.saturating_sub(bytes.checked_rem(chunk).unwrap_or(0));
    let component = match after.level {
        Level::Raid10 => after.component,
        _ => whole(whole(after.component, after.chunk), before.chunk),
    };
    let smaller = Geometry { members, component, ..*after };
    let data = usize::try_from(members).map(|members| vec![component; members]).unwrap_or_default();
    Ok(smaller.layout(&data)?.size())
}

/// Refuses what Linux cannot go on with either: what is being moved was overwritten where it was, and a copy of it is
/// in a file that `mdadm` made (`--backup-file`), which is elsewhere.
///
/// # Errors
/// When it is so.
pub(super) fn check(superblock: &Superblock, reshape: &Reshape, seats: &[Seat<'_>]) -> Result<(), Error> {
    let before = &superblock.geometry;
    match before.level {
        Level::Raid4 | Level::Raid5 | Level::Raid6 => check_parity(before, reshape, seats),
        Level::Raid10 => check_copies(before, reshape, seats),
        level => Err(Error::Damaged(format!("{} cannot be reshaped, and says that it is", level.name()))),
    }
}

/// How far the data of each member moves, in bytes.
fn moves(seats: &[Seat<'_>]) -> impl Iterator<Item = i128> {
    let candidates = seats.iter().flat_map(|seat| [seat.holder, seat.replacement]).flatten();
    candidates.map(|candidate| {
        let superblock = &candidate.superblock;
        i128::from(superblock.new_data_offset).saturating_sub(i128::from(superblock.data_offset))
    })
}

fn backup_is_needed() -> Error {
    Error::Damaged(
        "it is being reshaped in place, and the part that was being moved is whole only in the backup file that mdadm \
         made on another disk: go on with the reshape there (mdadm --assemble --backup-file), or take an earlier \
         recovery point"
            .to_owned(),
    )
}

fn check_parity(before: &Geometry, reshape: &Reshape, seats: &[Seat<'_>]) -> Result<(), Error> {
    let after = &reshape.geometry;
    let wrong =
        || Error::Damaged(format!("a reshape of {} cannot be at byte {}", before.description(), reshape.position));
    let chunk = before.chunk.max(after.chunk);
    let stripe = |geometry: &Geometry| geometry.members.checked_sub(geometry.level.parities())?.checked_mul(chunk);
    let (new, old) = (stripe(after).ok_or_else(wrong)?, stripe(before).ok_or_else(wrong)?);
    if reshape.position.checked_rem(new) != Some(0) {
        return Err(wrong());
    }
    let row = |stripe: u64| reshape.position.checked_div(stripe).and_then(|rows| rows.checked_mul(chunk));
    let (new, old) = (i128::from(row(new).ok_or_else(wrong)?), i128::from(row(old).ok_or_else(wrong)?));
    let moved = if reshape.is_backwards { moves(seats).min() } else { moves(seats).max() }.unwrap_or(0);
    let is_overwritten = match (before.members == after.members, reshape.is_backwards) {
        (true, _) => moved.unsigned_abs() < u128::from(chunk),
        (false, true) => new.saturating_add(moved) <= old,
        (false, false) => new >= old.saturating_sub(moved),
    };
    if is_overwritten { Err(backup_is_needed()) } else { Ok(()) }
}

fn check_copies(before: &Geometry, reshape: &Reshape, seats: &[Seat<'_>]) -> Result<(), Error> {
    let far = |geometry: &Geometry| {
        let layout = geometry.layout.unwrap_or_default();
        ((layout >> 8) & 0xff, layout & (1 << 16) != 0)
    };
    let length = |geometry: &Geometry| u128::from(geometry.chunk).saturating_mul(u128::from(far(geometry).0));
    if [before, &reshape.geometry].iter().any(|geometry| matches!(far(geometry), (2.., false))) {
        return Err(Error::Damaged("RAID 10 with far copies cannot be reshaped, and says that it is".to_owned()));
    }
    let forwards = |moved: i128| if reshape.is_backwards { moved } else { moved.saturating_neg() };
    let moved = moves(seats).map(|moved| u128::try_from(forwards(moved)).unwrap_or(0)).min().unwrap_or(0);
    if length(before).max(length(&reshape.geometry)) > moved { Err(backup_is_needed()) } else { Ok(()) }
}
