//! A grant: the right to read one recovery point until a certain time. `grants/ID.json` in the vault; it holds no secret.

use crate::{GrantId, PointId, UnixTime, VmName};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// No grant lives longer, whatever anybody configures.
pub const LIFETIME_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// The right to read one recovery point until a certain time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The VM.
    pub vm: VmName,
    /// The recovery point.
    pub point: PointId,
    /// Who made it.
    pub user: String,
    /// When it was made.
    pub made_at: UnixTime,
    /// When it ends by itself.
    pub expires_at: UnixTime,
    /// The iSCSI name of its target.
    pub target: String,
}

/// What is asked for when a grant is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRequest {
    /// The VM.
    pub vm: VmName,
    /// The recovery point.
    pub point: PointId,
    /// How long it is to live; `None` means as long as the configuration allows. What is longer is refused.
    pub lifetime: Option<Duration>,
}

/// A new grant, and what its holder needs. The password is not kept anywhere.
pub struct Granted {
    /// The grant.
    pub grant: Grant,
    /// A name for the file of the bundle: VM, point, `.frbundle`.
    pub file_name: String,
    /// The sealed bundle.
    pub bundle: String,
    /// What opens it.
    pub password: SecretString,
}

/// What became of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum GrantState {
    /// It can be used.
    Active,
    /// Somebody ended it.
    Revoked {
        /// Who.
        by: String,
        /// When.
        at: UnixTime,
    },
    /// Its time is over.
    Expired,
}

/// A grant, who uses it, and how long it will last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantStatus {
    /// The grant.
    pub grant: Grant,
    /// Whether it can be used.
    #[serde(flatten)]
    pub state: GrantState,
    /// Its sessions, of all processes that serve the vault.
    pub sessions: Vec<SessionStatus>,
    /// Bytes read through it: by these sessions, and by those that ended in processes that still run.
    pub bytes_read: u64,
    /// Seconds until it ends by itself; 0 when it has ended.
    pub seconds_left: u64,
}

/// Somebody who uses a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// The initiator's iSCSI name, as it says.
    pub initiator: String,
    /// The address it connected from.
    pub peer: String,
    /// Since when.
    pub since: UnixTime,
    /// Bytes read by it.
    pub bytes_read: u64,
}
