//! Grants and revocations in the vault: created once, never changed. A process remembers what it has read, as that stays true.

use crate::clock::Deadline;
use crate::vault::Vault;
use crate::{Error, ErrorKind, Grant, GrantId, GrantState, UnixTime};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Objects that are read at a time.
const READS_IN_FLIGHT: usize = 16;
/// For so long after its end a grant stays in the vault: clocks of machines differ, and people look for what just ended.
pub(crate) const KEPT_AFTER_END: Duration = Duration::from_secs(24 * 60 * 60);

const GRANTS: &str = "grants";
const REVOCATIONS: &str = "revocations";

/// The end of a grant before its time: `revocations/ID.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revocation {
    pub(crate) id: GrantId,
    pub(crate) by: String,
    pub(crate) at: UnixTime,
}

/// A grant, and when it ends by the clocks of this process.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) grant: Arc<Grant>,
    pub(crate) deadline: Deadline,
}

impl Known {
    fn new(grant: Grant) -> Self {
        Self { deadline: Deadline::at(grant.expires_at), grant: Arc::new(grant) }
    }
}

#[derive(Default)]
struct Memory {
    grants: HashMap<GrantId, Known>,
    revocations: HashMap<GrantId, Revocation>,
}

/// What was granted and revoked.
pub(crate) struct Ledger {
    vault: Vault,
    memory: Mutex<Memory>,
}

impl Ledger {
    pub(crate) fn new(vault: Vault) -> Self {
        Self { vault, memory: Mutex::default() }
    }

    /// Writes a new grant into the vault.
    pub(crate) async fn add(&self, grant: Grant) -> Result<(), Error> {
        if !self.vault.create(&path(GRANTS, &grant.id), &grant).await? {
            return Err(Error::internal("a grant with the same id is there already"));
        }
        self.remember(Known::new(grant));
        Ok(())
    }

    /// A grant that may have been made by any process a moment ago.
    pub(crate) async fn find(&self, id: &GrantId) -> Result<Option<Known>, Error> {
        if let Some(known) = self.memory().grants.get(id) {
            return Ok(Some(known.clone()));
        }
        let Some(grant) = self.vault.read::<Grant>(&path(GRANTS, id)).await? else { return Ok(None) };
        if grant.id != *id {
            return Err(Error::internal(format!("grant {id} in the vault is the grant of another id")));
        }
        Ok(Some(self.remember(Known::new(grant))))
    }

    /// Every grant in the vault. One that cannot be read is left out, and told in the log.
    pub(crate) async fn all(&self) -> Result<Vec<Known>, Error> {
        let ids = self.ids(GRANTS).await?;
        let there: HashSet<_> = ids.iter().cloned().collect();
        self.memory().grants.retain(|id, _| there.contains(id));
        let read = |id: GrantId| async move {
            self.find(&id).await.or_else(|error| match error.kind() {
                ErrorKind::Internal => {
                    tracing::warn!("a grant is left out: {error}");
                    Ok(None)
                }
                _ => Err(error),
            })
        };
        let found = futures_util::stream::iter(ids).map(read).buffer_unordered(READS_IN_FLIGHT);
        let found: Vec<Option<Known>> = found.try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Ends a grant. The first who does so is who did it.
    pub(crate) async fn revoke(&self, id: &GrantId, by: &str) -> Result<Revocation, Error> {
        let revocation = Revocation { id: id.clone(), by: by.to_owned(), at: UnixTime::now() };
        self.vault.create(&path(REVOCATIONS, id), &revocation).await?;
        let there = self.revocation(id).await?;
        there.ok_or_else(|| Error::unavailable("the vault does not show the revocation that was just written"))
    }

    /// Whether a grant was revoked, by any process.
    pub(crate) async fn revocation(&self, id: &GrantId) -> Result<Option<Revocation>, Error> {
        if let Some(known) = self.memory().revocations.get(id) {
            return Ok(Some(known.clone()));
        }
        let path = path(REVOCATIONS, id);
        let found = match self.vault.read::<Revocation>(&path).await {
            Ok(found) => found,
            // What cannot be read was meant to end the grant all the same.
            Err(error) if error.kind() == ErrorKind::Internal => {
                tracing::error!("{error}; the grant is taken for revoked");
                Some(Revocation { id: id.clone(), by: "unknown".to_owned(), at: UnixTime::now() })
            }
            Err(error) => return Err(error),
        };
        if let Some(revocation) = &found {
            self.memory().revocations.insert(id.clone(), revocation.clone());
        }
        Ok(found)
    }

    /// The revocations of these grants.
    pub(crate) async fn revoked(&self, ids: Vec<GrantId>) -> Result<Vec<Revocation>, Error> {
        let look = |id: GrantId| async move { self.revocation(&id).await };
        let found = futures_util::stream::iter(ids).map(look).buffer_unordered(READS_IN_FLIGHT);
        let found: Vec<Option<Revocation>> = found.try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The ids of all grants that were revoked.
    pub(crate) async fn revoked_ids(&self) -> Result<HashSet<GrantId>, Error> {
        let ids = self.ids(REVOCATIONS).await?;
        let ids: HashSet<_> = ids.into_iter().collect();
        self.memory().revocations.retain(|id, _| ids.contains(id));
        Ok(ids)
    }

    /// What became of a grant.
    pub(crate) async fn state(&self, known: &Known) -> Result<GrantState, Error> {
        Ok(match self.revocation(&known.grant.id).await? {
            Some(revocation) => GrantState::Revoked { by: revocation.by, at: revocation.at },
            None if known.deadline.is_over() => GrantState::Expired,
            None => GrantState::Active,
        })
    }

    /// Removes what ended long ago, and says how many grants that were.
    pub(crate) async fn tidy(&self, dry_run: bool) -> Result<usize, Error> {
        let now = UnixTime::now();
        let grants = self.all().await?;
        let is_old = |known: &&Known| known.grant.expires_at.after(KEPT_AFTER_END) < now;
        let old: Vec<_> = grants.iter().filter(is_old).map(|known| known.grant.id.clone()).collect();
        let left: HashSet<_> = grants.into_iter().map(|known| known.grant.id.clone()).collect();
        let revoked = self.ids(REVOCATIONS).await?;
        if dry_run {
            return Ok(old.len());
        }
        for id in &old {
            // The grant first: a revocation without a grant harms nobody, the other way round it would.
            self.vault.remove(&path(GRANTS, id)).await?;
        }
        for id in revoked.iter().filter(|id| old.contains(id) || !left.contains(*id)) {
            self.vault.remove(&path(REVOCATIONS, id)).await?;
        }
        Ok(old.len())
    }

    async fn ids(&self, directory: &str) -> Result<Vec<GrantId>, Error> {
        let listed = self.vault.list(directory).await?;
        Ok(listed.iter().filter_map(|listed| listed.name_in(directory)?.parse().ok()).collect())
    }

    fn remember(&self, known: Known) -> Known {
        // What is there already has the earlier deadline.
        self.memory().grants.entry(known.grant.id.clone()).or_insert(known).clone()
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path(directory: &str, id: &GrantId) -> String {
    format!("{directory}/{id}.json")
}
