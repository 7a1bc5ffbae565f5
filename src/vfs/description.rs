//! What a file system says of itself, whether its files can be read or not.

use crate::Timestamp;

/// A file system's own description and history, as `fr-mount volumes` shows it: as it lies on the disk, before any
/// journal is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The label, lossily as text; `None` when there is none.
    pub label: Option<String>,
    /// The UUID or serial number, in the notation that `blkid` uses.
    pub uuid: Option<String>,
    /// Size of a block in bytes.
    pub block_size: u32,
    /// Size of an inode in bytes.
    pub inode_size: u32,
    /// The optional features that it uses, by the names that its own tools give them.
    pub features: Vec<String>,
    /// The state that it was left in: [`State::Clean`], or everything that speaks against that; empty when it is not known.
    pub state: Vec<State>,
    /// Its past, where the format records it.
    pub history: Option<History>,
}

/// What a superblock remembers of the use of its file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Where it was mounted last, lossily as text.
    pub last_mount_path: Option<String>,
    /// When it was mounted last.
    pub last_mount: Option<Timestamp>,
    /// When its superblock was written last.
    pub last_write: Option<Timestamp>,
}

/// What the system that used it last left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Unmounted as it should be.
    Clean,
    /// In use, without anything that could make it whole again.
    NotClean,
    /// Its system found damage in it.
    ErrorsRecorded,
    /// In use: what was written last is in the journal only.
    JournalToBeReplayed,
    /// In use, and its journal cannot be replayed: it is shown as it lies on the disk.
    JournalNotReplayable,
    /// The system that used it sleeps (Windows, hibernated or shut down for a fast start), and has kept part of it in memory.
    Hibernated,
    /// Files that were deleted or cut short while they were open, which has to be finished.
    Orphans,
}

impl State {
    /// The name for scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::NotClean => "not-clean",
            Self::ErrorsRecorded => "errors-recorded",
            Self::JournalToBeReplayed => "journal-to-be-replayed",
            Self::JournalNotReplayable => "journal-not-replayable",
            Self::Hibernated => "hibernated",
            Self::Orphans => "orphans",
        }
    }
}
