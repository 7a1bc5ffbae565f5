//! Who reads through which process: `usage/PROCESS.json`, written anew every few seconds while there is something to tell.

use crate::vault::Vault;
use crate::{Error, GrantId, SessionStatus, UnixTime};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// What was not written anew for so long is of a process that is gone.
const STALE: Duration = Duration::from_secs(30);
/// Processes that are read at a time.
const READS_IN_FLIGHT: usize = 16;
const USAGE: &str = "usage";

/// How a grant is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrantUsage {
    pub(crate) sessions: Vec<SessionStatus>,
    /// Bytes read by these sessions and by earlier ones.
    pub(crate) bytes_read: u64,
}

impl GrantUsage {
    fn add(&mut self, other: Self) {
        self.sessions.extend(other.sessions);
        self.bytes_read = self.bytes_read.saturating_add(other.bytes_read);
    }
}

/// How all grants are used, by their ids.
pub(crate) type Usage = HashMap<GrantId, GrantUsage>;

/// What one process tells.
#[derive(Debug, Serialize, Deserialize)]
struct Heartbeat {
    at: UnixTime,
    grants: Usage,
}

/// What this process tells, and what all processes do.
pub(crate) struct UsageBoard {
    vault: Vault,
    process: Uuid,
}

impl UsageBoard {
    pub(crate) fn new(vault: Vault) -> Self {
        Self { vault, process: Uuid::new_v4() }
    }

    /// Tells how this process is used.
    pub(crate) async fn tell(&self, grants: Usage) -> Result<(), Error> {
        self.vault.replace(&self.path(), &Heartbeat { at: UnixTime::now(), grants }).await
    }

    /// This process is not used any more.
    pub(crate) async fn withdraw(&self) -> Result<(), Error> {
        self.vault.remove(&self.path()).await
    }

    /// How all processes together are used.
    pub(crate) async fn all(&self) -> Result<Usage, Error> {
        let listed = self.vault.list(USAGE).await?;
        let read = |path: String| async move { self.vault.read::<Heartbeat>(&path).await };
        let paths = listed.into_iter().map(|listed| listed.path);
        let beats = futures_util::stream::iter(paths).map(read).buffer_unordered(READS_IN_FLIGHT);
        let beats: Vec<Option<Heartbeat>> = beats.try_collect().await?;
        let mut all = Usage::new();
        let now = UnixTime::now();
        for beat in beats.into_iter().flatten().filter(|beat| beat.at.until(now) <= STALE) {
            for (grant, usage) in beat.grants {
                all.entry(grant).or_default().add(usage);
            }
        }
        Ok(all)
    }

    /// Removes what processes that are gone left behind.
    pub(crate) async fn tidy(&self, dry_run: bool) -> Result<usize, Error> {
        const LONG_AGO: Duration = Duration::from_secs(60 * 60);
        let listed = self.vault.list(USAGE).await?;
        let now = UnixTime::now();
        let mut removed: usize = 0;
        for old in listed.iter().filter(|listed| listed.modified_at.until(now) > LONG_AGO) {
            removed = removed.saturating_add(1);
            if !dry_run {
                self.vault.remove(&old.path).await?;
            }
        }
        Ok(removed)
    }

    fn path(&self) -> String {
        format!("{USAGE}/{}.json", self.process)
    }
}
