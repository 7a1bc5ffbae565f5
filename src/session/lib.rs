//! Stands beside the chain: builds it bottom up from a recovery point, decides when it ends, keeps the record of what
//! is mounted, and takes everything down in reverse. FUSE and WinFsp are not known here: whoever mounts carries out
//! the [`Action`]s that the [`Lifecycle`] asks for.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod companion;
mod detect;
mod drive_letters;
mod error;
mod grant;
mod inspect;
mod lifecycle;
mod lifetime;
mod lun_disk;
mod names;
mod open;
mod reading;
mod record;
mod report;
mod source;
mod state_dir;
mod sys;
mod targets;
mod tree;

pub use companion::{Companion, Position, Role};
pub use error::{Error, ErrorKind};
pub use inspect::inspect;
pub use lifecycle::{Action, EndReason, Event, Lifecycle};
pub use lifetime::{LIFETIME_MAX, Left, Lifetime, Now};
pub use ntfs::{HostNames, SecurityOptions, UserMapping};
pub use open::{OpenOptions, OpenVolume, Opened, Progress, open, with_causes};
pub use reading::{ReadingOptions, WindowsOptions};
pub use record::{Kept, Record, RecordedVolume};
pub use report::{
    DiskReport, FileSystemReport, GroupReport, MemberReport, PartReport, PartitionReport, Report, VolumeReport,
    VolumeState,
};
pub use state_dir::{Held, Session, StateDir};
pub use volume::printable;
