//! iSCSI target side (RFC 7143): serves [`block::Disk`]s, read-only.
//!
//! A [`Target`] listens and gives a [`Handle`]. Each connection is one task: login, then commands, of which many are
//! under way at a time; disks answer in any order, and so does the target. Nothing a connection does takes more memory
//! than [`TargetConfig`] allows. What the wire looks like is in `iscsi::pdu`, shared with the initiator.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod config;
mod connection;
mod error;
mod faults;
mod full_feature;
mod login;
mod outgoing;
mod scsi;
mod server;
mod sessions;
mod shared;
mod transmit;

pub use config::TargetConfig;
pub use error::Error;
pub use faults::{BadReads, Faults, Misdeed, Redirect, Refusal};
pub use server::{Handle, Target};

#[cfg(test)]
mod tests;
