//! iSCSI target side (RFC 7143): serves [`block::Disk`]s, read-only.
//!
//! A [`Portal`] listens, serves the [`Export`]s that its [`Exports`] find, and gives a [`Handle`]; a [`Target`] is a portal
//! with one export. Each connection is one task: login, then commands, of which many are under way at a time; disks answer
//! in any order, and so does the target. Nothing that connections do takes more memory than [`PortalConfig`] allows. What
//! the wire looks like is in `iscsi::pdu`, shared with the initiator.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod audit;
mod config;
mod connection;
mod error;
mod export;
mod exports;
mod faults;
mod full_feature;
mod gate;
mod login;
mod memory;
mod outgoing;
mod scsi;
mod server;
mod sessions;
mod shared;
mod transmit;

pub use config::{PortalConfig, TargetConfig};
pub use error::Error;
pub use export::{Export, ExportConfig, SessionUsage, Usage};
pub use exports::{Exports, Lookup, SessionEvent, SessionEventKind, Unavailable};
pub use faults::{BadReads, Faults, Misdeed, Redirect, Refusal};
pub use server::{Handle, Portal, Target};

#[cfg(test)]
mod tests;
