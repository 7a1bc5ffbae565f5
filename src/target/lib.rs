//! iSCSI target side: serves disks read-only.
