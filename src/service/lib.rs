//! The recovery service: a vault of recovery points, grants to read one of them for at most twelve hours, sealed
//! bundles, revocation, the HTTPS API and its page.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod audit;
mod clock;
mod command;
mod config;
mod crypto;
mod error;
mod exports;
mod grant;
pub mod http;
mod import;
mod key;
mod ledger;
mod manifest;
mod name;
mod points;
mod prune;
mod service;
mod sign_in;
mod sys;
#[cfg(test)]
mod testing;
mod time;
mod tls;
mod usage;
mod user;
mod vault;
mod verify;

pub use command::main;
pub use config::Config;
pub use error::{Error, ErrorKind};
pub use grant::{Grant, GrantRequest, GrantState, GrantStatus, Granted, LIFETIME_MAX, SessionStatus};
pub use manifest::{Consistency, DiskEntry, FileEntry, Manifest, PointSummary, VmSummary};
pub use name::{GrantId, PointId, VmName};
pub use service::Service;
pub use time::UnixTime;
pub use user::User;
