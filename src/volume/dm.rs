//! What the targets of Linux' device mapper write on disks: LVM2 puts its volumes together of these.

#[allow(dead_code, reason = "what the volume groups use of it is theirs to say")]
pub(crate) mod cache;
pub(crate) mod mirror_log;
mod persistent;
pub(crate) mod raid;
mod snapshot;
#[allow(dead_code, reason = "what the volume groups use of it is theirs to say")]
pub(crate) mod thin;
#[allow(dead_code, reason = "what the volume groups use of it is theirs to say")]
pub(crate) mod writecache;

pub use snapshot::Snapshot;

#[cfg(test)]
use crate::packed as fixtures;
