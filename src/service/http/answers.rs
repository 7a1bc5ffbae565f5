//! What the API answers. The names of the fields are the interface: `openapi.json` describes them, and a test holds it
//! against real answers.

use super::launcher::{Commands, Launchers};
use crate::{
    Consistency, Grant, GrantState, GrantStatus, Manifest, PointId, PointSummary, SessionStatus, UnixTime, User,
    VmName, VmSummary,
};
use serde::{Deserialize, Serialize};

/// What a browser sends to sign in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInRequest {
    pub(crate) token: zeroize::Zeroizing<String>,
}

/// Who is signed in.
#[derive(Serialize)]
pub(crate) struct SessionAnswer {
    pub(crate) user: String,
    pub(crate) seconds_left: Option<u64>,
    pub(crate) lifetime_max_seconds: u64,
}

#[derive(Serialize)]
pub(crate) struct VmsAnswer {
    pub(crate) vms: Vec<VmSummary>,
}

#[derive(Serialize)]
pub(crate) struct PointsAnswer {
    pub(crate) points: Vec<PointSummary>,
}

/// A recovery point with what is on its disks. Where its files lie in the vault is nobody's business.
#[derive(Serialize)]
pub(crate) struct PointAnswer<'a> {
    vm: &'a VmName,
    point: &'a PointId,
    os: Option<&'a str>,
    taken_at: UnixTime,
    imported_at: UnixTime,
    consistency: Consistency,
    disks: Vec<DiskAnswer>,
    layout: &'a session::Report,
}

#[derive(Serialize)]
struct DiskAnswer {
    lun: u16,
    format: image::Format,
    block_size: u32,
    bytes: u64,
}

impl<'a> PointAnswer<'a> {
    pub(crate) fn new(manifest: &'a Manifest) -> Self {
        let disks = manifest.disks.iter().map(|disk| DiskAnswer {
            lun: disk.lun,
            format: disk.format,
            block_size: disk.block_size,
            bytes: disk.bytes,
        });
        Self {
            vm: &manifest.vm,
            point: &manifest.point,
            os: manifest.os.as_deref(),
            taken_at: manifest.taken_at,
            imported_at: manifest.imported_at,
            consistency: manifest.consistency,
            disks: disks.collect(),
            layout: &manifest.layout,
        }
    }
}

/// What somebody sends who wants access.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantAsked {
    pub(crate) vm: VmName,
    pub(crate) point: PointId,
    pub(crate) lifetime_seconds: Option<u64>,
}

/// Access, and what its holder needs: sent once, and kept nowhere.
#[derive(Serialize)]
pub(crate) struct GrantedAnswer<'a> {
    pub(crate) grant: &'a Grant,
    pub(crate) file_name: &'a str,
    pub(crate) bundle: &'a str,
    pub(crate) password: &'a str,
    pub(crate) commands: Commands,
    pub(crate) launchers: Launchers,
}

#[derive(Serialize)]
pub(crate) struct GrantsAnswer {
    pub(crate) grants: Vec<GrantAnswer>,
}

/// A grant, who uses it, and whether whoever asks may end it.
#[derive(Serialize)]
pub(crate) struct GrantAnswer {
    grant: Grant,
    state: &'static str,
    revoked_by: Option<String>,
    revoked_at: Option<UnixTime>,
    sessions: Vec<SessionStatus>,
    bytes_read: u64,
    seconds_left: u64,
    may_revoke: bool,
}

impl GrantAnswer {
    pub(crate) fn new(status: GrantStatus, user: &User) -> Self {
        let (state, revoked_by, revoked_at) = match status.state {
            GrantState::Active => ("active", None, None),
            GrantState::Expired => ("expired", None, None),
            GrantState::Revoked { by, at } => ("revoked", Some(by), Some(at)),
        };
        let may_revoke = user.may_revoke(&status.grant);
        let GrantStatus { grant, sessions, bytes_read, seconds_left, .. } = status;
        Self { grant, state, revoked_by, revoked_at, sessions, bytes_read, seconds_left, may_revoke }
    }
}
