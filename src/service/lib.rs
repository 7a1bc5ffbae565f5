//! The recovery service: a vault of recovery points, grants to read one of them for at most twelve hours, sealed
//! bundles, revocation, the HTTPS API and its page.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod config;
mod error;
mod grant;
pub mod http;
mod manifest;
mod name;
mod service;
mod time;
mod user;
mod vault;

pub use config::Config;
pub use error::{Error, ErrorKind};
pub use grant::{Grant, GrantRequest, GrantState, GrantStatus, Granted, LIFETIME_MAX, SessionStatus};
pub use manifest::{Consistency, DiskEntry, FileEntry, Manifest, PointSummary, VmSummary};
pub use name::{GrantId, PointId, VmName};
pub use service::Service;
pub use time::UnixTime;
pub use user::User;
