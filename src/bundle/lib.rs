//! How a recovery point is described to a client: the URL of an iSCSI target, disk image files, a sealed bundle of the
//! recovery service, or a script of Azure Backup. The result is always a [`RecoveryPoint`], whatever it was written as.
//! How it is mounted is not known here.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

pub mod azure;
mod description;
mod name;
pub mod password;
pub mod sealed;
mod source;
mod url;

pub use description::read_description;
pub use source::{RecoveryPoint, SourceError};
pub use url::IscsiUrl;
