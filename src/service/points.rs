//! Lists of VMs and recovery points.

use crate::vault::{PointPlace, Vault};
use crate::{Error, ErrorKind, Manifest, PointSummary, VmName, VmSummary};
use futures_util::{StreamExt, TryStreamExt};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// Manifests that are read at a time.
const READS_IN_FLIGHT: usize = 16;
/// Summaries that are remembered.
const REMEMBERED_MAX: usize = 16_384;

/// What the vault holds, remembered as long as it does not change.
pub(crate) struct Points {
    vault: Vault,
    /// By the path of the manifest: what changes when it does, and its summary.
    remembered: Mutex<HashMap<String, (String, PointSummary)>>,
}

impl Points {
    pub(crate) fn new(vault: Vault) -> Self {
        Self { vault, remembered: Mutex::default() }
    }

    /// All VMs, in the order of their names.
    pub(crate) async fn vms(&self) -> Result<Vec<VmSummary>, Error> {
        let mut counts = BTreeMap::<VmName, usize>::new();
        for place in self.vault.points(None).await? {
            let count = counts.entry(place.vm).or_default();
            *count = count.saturating_add(1);
        }
        Ok(counts.into_iter().map(|(vm, points)| VmSummary { vm, points }).collect())
    }

    /// The points of a VM, newest first. One whose manifest is damaged is left out, and told in the log.
    pub(crate) async fn of(&self, vm: &VmName) -> Result<Vec<PointSummary>, Error> {
        let places = self.vault.points(Some(vm)).await?;
        let found =
            futures_util::stream::iter(places).map(|place| self.summary(place)).buffer_unordered(READS_IN_FLIGHT);
        let found: Vec<Option<PointSummary>> = found.try_collect().await?;
        let mut found: Vec<_> = found.into_iter().flatten().collect();
        found.sort_by(|a, b| b.taken_at.cmp(&a.taken_at).then_with(|| b.point.cmp(&a.point)));
        Ok(found)
    }

    async fn summary(&self, place: PointPlace) -> Result<Option<PointSummary>, Error> {
        let path = crate::vault::manifest_path(&place.vm, &place.point);
        if let Some((tag, summary)) = self.remembered().get(&path)
            && place.tag.as_ref() == Some(tag)
        {
            return Ok(Some(summary.clone()));
        }
        let summary = match self.vault.manifest(&place.vm, &place.point).await {
            Ok(found) => found.as_ref().map(Manifest::summary),
            Err(error) if error.kind() == ErrorKind::Internal => {
                tracing::warn!("a recovery point is left out: {error}");
                None
            }
            Err(error) => return Err(error),
        };
        if let (Some(summary), Some(tag)) = (&summary, place.tag) {
            let mut remembered = self.remembered();
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            remembered.insert(path, (tag, summary.clone()));
        }
        Ok(summary)
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<String, (String, PointSummary)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
