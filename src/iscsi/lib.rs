//! iSCSI initiator (RFC 7143): PDUs, login, CHAP, command window, recovery; the SCSI commands that read.
//!
//! [`discover`] asks a portal for its targets, [`Session::login`] opens a session with one, [`Session::disks`] its
//! disks, [`Lun::submit`] reads. What may go wrong on the way there again is done again inside; what comes out is the
//! disk's bytes, or an error.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

pub mod chap;
mod config;
mod connect;
mod diagnose;
mod discovery;
mod driver;
mod error;
mod full_feature;
mod handle;
mod login;
mod lun;
pub mod pdu;
mod portal;
pub mod scsi;
mod session;
pub mod text;
mod wire;

pub use chap::{ChapAlgorithm, ChapCredentials};
pub use config::{DigestPolicy, SessionConfig};
pub use discovery::{DiscoveredTarget, discover};
pub use error::{Error, ErrorKind};
pub use lun::{Lun, LunInfo};
pub use scsi::LunNumber;
pub use session::{Disks, Session};

#[cfg(test)]
mod tests;
