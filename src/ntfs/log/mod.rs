//! `$LogFile`: what NTFS had changed in memory and not written yet when the source stopped is found here and laid over
//! the volume in memory. Nothing is written.
//!
//! The log is a ring of pages ([`pages`]) after two restart pages ([`restart`]). Its records ([`record`]) are numbered
//! by their places ([`lsn`]). A record of NTFS holds two operations ([`operation`]): one does a change again, the other
//! undoes it. From time to time a checkpoint notes what is open, changed in memory and unfinished ([`table`]). The
//! replay takes three passes, as Windows does it (ARIES): the analysis brings these tables to the end of the log
//! ([`analysis`], [`dirty`]); then all changes that may be missing are done again, and those of transactions that did
//! not end are undone ([`passes`]). What is changed ([`target`]) are records of the MFT ([`file`]), blocks of indexes
//! ([`index_block`], [`node`]) and plain bytes; records and blocks carry the number of the last log record that they
//! have.
//!
//! A log that cannot be replayed to its end changes nothing at all: the volume opens as it lies, and says so. An
//! operation that does not fit what it is to change is such a case. A record or block that is torn on the volume, and
//! that the log does not write anew, is none: nobody can read it before or after, and it concerns nothing else.
//!
//! Sources: Linux `fs/ntfs3/fslog.c`, `ntfsprogs/playlog.c` of ntfs-3g, `LogFile.py` of dfir_ntfs, and logs of Windows
//! 10.

mod analysis;
mod dirty;
mod edit;
mod file;
mod index_block;
mod lsn;
mod node;
mod operation;
mod pages;
mod passes;
mod record;
mod restart;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod trial;

pub use trial::try_all;

use crate::boot::Geometry;
use block::ReadAt;
use pages::Pages;
use record::Reader;
use restart::Restart;
use std::sync::Arc;
use target::Target;
use vfs::replay::{BYTES_MAX, Memory, SECTOR_SHIFT, Sectors, Volume};
use vfs::{ErrorKind, Result};

/// log2 of the size of a sector of [`Replayed::patches`].
pub(crate) const PATCH_SHIFT: u32 = SECTOR_SHIFT;

/// What became of a log.
pub(crate) enum Outcome {
    /// Nothing was to be done.
    Clean,
    Replayed(Replayed),
    /// It holds changes, which were not to be done; some or all of them may be on the volume already.
    NotReplayed,
    /// It holds changes, or may hold some, that could not be done. The volume is as it lies.
    NotReplayable {
        reason: String,
    },
}

/// What a replay changed.
pub(crate) struct Replayed {
    /// Sectors to be laid over the volume in an `Overlay` with blocks of `1 << `[`PATCH_SHIFT`] bytes.
    pub(crate) patches: Arc<Sectors>,
    /// Memory that they take.
    pub(crate) memory_bytes: usize,
    pub(crate) summary: Summary,
}

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Records whose changes the volume lacked.
    pub(crate) redone: u64,
    /// Records that were undone.
    pub(crate) undone: u64,
    /// The transactions that those belonged to.
    pub(crate) unfinished: u64,
    /// Records that could not be done because what they change is torn on the volume.
    pub(crate) torn: u64,
}

/// The bytes of the log.
struct Source<'a> {
    read: &'a dyn Fn(u64, &mut [u8]) -> Result<()>,
    bytes: u64,
}

impl Source<'_> {
    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        (self.read)(offset, buf)
    }
}

/// Replays the log of `volume` in memory, or with `is_wanted` unset only says whether there is anything to replay;
/// `log_file` reads bytes of it, and `log_bytes` is how many it has.
///
/// # Errors
/// What kept the volume from being read. Whatever is wrong with the log itself is [`Outcome::NotReplayable`].
pub(crate) fn replay(
    volume: &Arc<dyn ReadAt>,
    geometry: &Geometry,
    log_file: &dyn Fn(u64, &mut [u8]) -> Result<()>,
    log_bytes: u64,
    is_wanted: bool,
) -> Result<Outcome> {
    let log = Source { read: log_file, bytes: log_bytes };
    match replay_within(volume, geometry, &log, BYTES_MAX, is_wanted) {
        Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported) => {
            Ok(Outcome::NotReplayable { reason: error.to_string() })
        }
        outcome => outcome,
    }
}

fn replay_within(
    volume: &Arc<dyn ReadAt>,
    geometry: &Geometry,
    log: &Source<'_>,
    memory_bytes: usize,
    is_wanted: bool,
) -> Result<Outcome> {
    let Restart::InUse(checkpoint) = Restart::read(log)? else { return Ok(Outcome::Clean) };
    let mut memory = Memory::new(memory_bytes);
    let reader = Reader::new(Pages::new(log, checkpoint.layout)?, checkpoint.layout);
    let state = match analysis::analyze(&reader, &checkpoint, &mut memory)? {
        Some(state) if !state.is_clean() => state,
        _ => return Ok(Outcome::Clean),
    };
    if !is_wanted {
        return Ok(Outcome::NotReplayed);
    }
    let volume = Volume::new(Arc::clone(volume));
    let mut target = Target { volume, memory: &mut memory, geometry, torn: 0 };
    let summary = passes::replay(&reader, &checkpoint, &state, &mut target)?;
    let changed = target.volume.into_changed();
    // The volume had everything already.
    if changed.memory_bytes() == 0 && summary == Summary::default() {
        return Ok(Outcome::Clean);
    }
    Ok(Outcome::Replayed(Replayed { memory_bytes: changed.memory_bytes(), patches: Arc::new(changed), summary }))
}
