//! What the targets of Linux' device mapper write on disks: LVM2 puts its volumes together of these.

pub(crate) mod mirror_log;
pub(crate) mod raid;
mod snapshot;

pub use snapshot::Snapshot;
