//! Opening a volume: what its log still holds is laid over it first.

use crate::data::Value;
use crate::log::{self, Outcome};
use crate::record::{Kind, Reference};
use crate::store::Store;
use block::{Overlay, ReadAt};
use bytesize::ByteSize;
use std::sync::Arc;
use vfs::reader::{corrupt, missing_is_damage};
use vfs::{ErrorKind, Result, State};

/// The record of `$LogFile`.
const LOG: Reference = Reference { record: 2, sequence: 0 };

/// The records of a volume, and what was found out about its log.
pub(crate) struct Recovered {
    pub(crate) store: Store,
    /// What the log says of the state in which the volume was left; `None` for a log without changes.
    pub(crate) state: Option<State>,
    /// What users are told of it.
    pub(crate) notice: Option<String>,
}

/// Opens `volume`, with what its log holds where that is wanted.
pub(crate) fn recover(volume: &Arc<dyn ReadAt>, replay: bool) -> Result<Recovered> {
    let store = Store::open(Arc::clone(volume))?;
    let outcome = match outcome(volume, &store, replay) {
        Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported) => {
            Outcome::NotReplayable { reason: error.message }
        }
        outcome => outcome?,
    };
    let changes = match outcome {
        Outcome::Clean => return Ok(Recovered { store, state: None, notice: None }),
        Outcome::NotReplayable { reason } => {
            let notice = format!(
                "its log ($LogFile) cannot be replayed ({reason}); the volume is shown as it lies on the disk, and what was \
                 written last may be missing or half done"
            );
            return Ok(Recovered { store, state: Some(State::JournalNotReplayable), notice: Some(notice) });
        }
        Outcome::NotReplayed => {
            let notice = "its log ($LogFile) holds changes that were not replayed, as asked".to_owned();
            return Ok(Recovered { store, state: Some(State::JournalToBeReplayed), notice: Some(notice) });
        }
        Outcome::Replayed(changes) => changes,
    };
    let summary = changes.summary;
    let mut notice = format!(
        "it was in use: its log ($LogFile) was replayed in memory ({} changes done again, {} changes of {} unfinished \
         transactions undone; {})",
        summary.redone,
        summary.undone,
        summary.unfinished,
        ByteSize(u64::try_from(changes.memory_bytes).unwrap_or(u64::MAX))
    );
    if summary.torn > 0 {
        notice.push_str(&format!("; {} changes of records that were written in part could not be done", summary.torn));
    }
    let overlay: Arc<dyn ReadAt> = Arc::new(Overlay::new(Arc::clone(volume), changes.patches, log::PATCH_SHIFT));
    Ok(Recovered { store: Store::open(overlay)?, state: Some(State::JournalToBeReplayed), notice: Some(notice) })
}

fn outcome(volume: &Arc<dyn ReadAt>, store: &Store, replay: bool) -> Result<Outcome> {
    let inode = store.inode(LOG).map_err(missing_is_damage)?;
    let data = Value::find(store, &inode, Kind::DATA, &[])?.ok_or_else(|| corrupt("$LogFile has no data"))?;
    let read = |offset: u64, buf: &mut [u8]| {
        let read = data.read(store, offset, buf)?;
        if read == buf.len() { Ok(()) } else { Err(corrupt("$LogFile is cut short")) }
    };
    log::replay(volume, &store.device.geometry, &read, data.size(), replay)
}
