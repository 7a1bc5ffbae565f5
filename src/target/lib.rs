//! iSCSI target side (RFC 7143): serves disks, read-only.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod scsi;
