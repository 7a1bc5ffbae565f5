//! The second and third pass: everything that may be missing on the volume is done again, in order, and what belongs to
//! transactions that did not end is undone, the last first (`log_replay` of Linux `fs/ntfs3/fslog.c`).

use super::Summary;
use super::analysis::State;
use super::dirty::Opening;
use super::lsn::Lsn;
use super::operation::Action;
use super::record::{Kind, Reader, Record};
use super::restart::Checkpoint;
use super::table::OpenAttribute;
use super::target::{Step, Target};
use vfs::Result;
use vfs::reader::corrupt;
use vfs::replay::SECTOR_SHIFT;

/// Clusters of which more is not asked for ahead: only little of a large one is changed.
const HINTED_SHIFT_MAX: u32 = 16;
/// Clusters that are asked for ahead.
const HINTS_MAX: usize = 1 << 16;

/// Does it all.
pub(super) fn replay(
    reader: &Reader<'_>,
    checkpoint: &Checkpoint,
    state: &State,
    target: &mut Target<'_>,
) -> Result<Summary> {
    hint(state, target);
    let mut summary = Summary::default();
    if let Some(oldest) = state.dirty.oldest() {
        let mut take = |record: &Record| {
            let is_ours = record.kind == Kind::Change && record.client == checkpoint.client;
            if is_ours && redo(state, record, target)? {
                summary.redone = summary.redone.saturating_add(1);
            }
            Ok(())
        };
        let end = reader.walk(oldest, &mut take)?;
        if end != state.end {
            return Err(corrupt("the log changed while it was read"));
        }
    }
    for (transaction, last) in state.unfinished() {
        let undone = undo_all(reader, state, target, (transaction, last))?;
        summary.undone = summary.undone.saturating_add(undone);
        summary.unfinished = summary.unfinished.saturating_add(u64::from(undone > 0));
    }
    summary.torn = target.torn;
    Ok(summary)
}

/// Says which clusters will be read.
fn hint(state: &State, target: &Target<'_>) {
    let shift = target.geometry.cluster_shift;
    if shift > HINTED_SHIFT_MAX {
        return;
    }
    let sector = |lcn: u64| lcn.saturating_mul(1 << shift.saturating_sub(SECTOR_SHIFT));
    let wanted: Vec<_> =
        state.dirty.places().take(HINTS_MAX).map(|lcn| sector(lcn)..sector(lcn.saturating_add(1))).collect();
    target.volume.will_need(&wanted);
}

/// Does a record again, if the volume may lack it. Returns whether that changed anything.
fn redo(state: &State, record: &Record, target: &mut Target<'_>) -> Result<bool> {
    let action = Action::parse(record)?;
    if action.lcns.is_empty() {
        return Ok(false);
    }
    let Some((opening, attribute)) = state.openings.at(action.target.into(), record.lsn) else { return Ok(false) };
    let dirty = state.dirty.get(opening, action.vcn);
    if dirty.is_none_or(|dirty| dirty.lcn.is_none() || dirty.oldest > record.lsn) {
        return Ok(false);
    }
    redo_step(state, &action, (opening, attribute), target, Some(record.lsn))
}

/// Does a change again, where the log last saw what it changes; with `lsn`, unless the record or block has it already.
pub(super) fn redo_step(
    state: &State,
    action: &Action<'_>,
    (opening, attribute): (Opening, OpenAttribute),
    target: &mut Target<'_>,
    lsn: Option<Lsn>,
) -> Result<bool> {
    let operation = action.redo()?;
    if !operation.is_on_volume() {
        return Ok(false);
    }
    target.apply(&Step {
        action,
        operation,
        data: action.redo_data,
        other_len: action.undo_data.len(),
        attribute,
        lcn_of: &|vcn| state.dirty.get(opening, vcn)?.lcn,
        lsn,
    })
}

/// Undoes a transaction from its last record on. Returns how many records that took.
fn undo_all(
    reader: &Reader<'_>,
    state: &State,
    target: &mut Target<'_>,
    (transaction, last): (u32, Lsn),
) -> Result<u64> {
    let (mut lsn, mut undone) = (last, 0_u64);
    while lsn != Lsn::NONE {
        let record = reader.read(lsn)?;
        if record.transaction != transaction || record.undo_next >= lsn {
            return Err(corrupt(format!("the log is damaged: what comes before record {:#x} is not clear", lsn.0)));
        }
        if record.kind == Kind::Change && undo(state, &record, target)? {
            undone = undone.saturating_add(1);
        }
        lsn = record.undo_next;
    }
    Ok(undone)
}

/// Undoes a record. What it changed is where the log last saw it, or where the record says if that was before the last
/// checkpoint and its clusters were not freed since.
pub(super) fn undo(state: &State, record: &Record, target: &mut Target<'_>) -> Result<bool> {
    let action = Action::parse(record)?;
    let operation = action.undo()?;
    if !operation.is_on_volume() {
        return Ok(false);
    }
    let index = u32::from(action.target);
    let Some((opening, attribute)) = state.openings.at(index, record.lsn) else {
        return Err(corrupt(format!(
            "record {:#x} of the log changes attribute {index:#x}, which nobody opened",
            record.lsn.0
        )));
    };
    let own = |vcn: u64| {
        let number = usize::try_from(vcn.checked_sub(action.vcn)?).ok()?;
        action.lcns.get(number).copied().filter(|lcn| !state.freed.has(*lcn))
    };
    target.apply(&Step {
        action: &action,
        operation,
        data: action.undo_data,
        other_len: action.redo_data.len(),
        attribute,
        lcn_of: &|vcn| match state.dirty.get(opening, vcn) {
            Some(dirty) => dirty.lcn,
            None => own(vcn),
        },
        lsn: None,
    })
}
