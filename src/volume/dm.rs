//! What the targets of Linux' device mapper write on disks: LVM2 puts its volumes together of these.

mod snapshot;

pub use snapshot::Snapshot;
