//! What a SCSI status means for a command: done, to be sent again, or failed.

use crate::scsi::{Command, Sense, SenseKey, status};
use crate::{Error, ErrorKind};
use bytes::Bytes;

/// What became of a command.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The data.
    Good(Bytes),
    /// Nothing is wrong: send it again at once.
    Again(Error),
    /// Nothing is wrong: send it again a little later.
    Later(Error),
    /// It may be another disk now: look, before anything more is read.
    Suspicious(Error),
    /// The connection cannot be trusted any more.
    Broken(Error),
    /// It failed, and would again.
    Failed(Error),
}

/// Whether the data is good: nothing happened, or something that was made up for.
pub(super) fn is_good(code: u8, sense: &[u8]) -> bool {
    let recovered = |sense: Sense| sense.key == SenseKey::RecoveredError && !sense.deferred;
    code == status::GOOD || code == status::CHECK_CONDITION && Sense::parse(sense).is_some_and(recovered)
}

/// The verdict on a status that is not good.
pub(super) fn of_status(command: &Command, code: u8, sense: Option<&[u8]>) -> Verdict {
    let what = status::name(code).map_or_else(|| format!("status {code:02x}h"), str::to_owned);
    let plain = || Error::new(ErrorKind::Scsi, format!("{} failed: {what}", command.name()));
    match code {
        status::BUSY | status::TASK_SET_FULL | status::ACA_ACTIVE => Verdict::Later(plain()),
        status::TASK_ABORTED => Verdict::Again(plain()),
        status::CHECK_CONDITION => match sense.and_then(Sense::parse) {
            Some(sense) => of_sense(command, &sense),
            None => Verdict::Failed(plain()),
        },
        _ => Verdict::Failed(plain()),
    }
}

fn of_sense(command: &Command, sense: &Sense) -> Verdict {
    let error = Error::new(ErrorKind::Scsi, format!("{} failed: {sense}", command.name()));
    match sense.key {
        // About an earlier command: this one was not carried out.
        _ if sense.deferred => Verdict::Again(error),
        SenseKey::UnitAttention if may_be_another_disk(sense) => Verdict::Suspicious(error),
        SenseKey::UnitAttention | SenseKey::AbortedCommand => Verdict::Again(error),
        SenseKey::NotReady if is_passing(sense) => Verdict::Later(error),
        _ => Verdict::Failed(error),
    }
}

/// Unit attentions after which the disk may not be what it was (SPC-4 annex F).
const fn may_be_another_disk(sense: &Sense) -> bool {
    matches!(
        (sense.code, sense.qualifier),
        // Medium may have changed; capacity changed; inquiry data, reported LUNs changed.
        (0x28, _) | (0x2a, 0x09) | (0x3f, 0x03 | 0x0e)
    )
}

/// Not ready, but becoming so, or the path is about to change its state.
const fn is_passing(sense: &Sense) -> bool {
    matches!((sense.code, sense.qualifier), (0x04, 0x00 | 0x01 | 0x0a))
}
