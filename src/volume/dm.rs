//! What the targets of Linux' device mapper write on disks: LVM2 puts its volumes together of these.

pub(crate) mod cache;
pub(crate) mod mirror_log;
mod persistent;
pub(crate) mod raid;
mod snapshot;
pub(crate) mod thin;
pub(crate) mod writecache;

pub use snapshot::Snapshot;

#[cfg(test)]
use crate::packed as fixtures;
