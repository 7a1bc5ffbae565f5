//! Removing recovery points that are not wanted any more, and what is left over from others.

use crate::ledger::Ledger;
use crate::points::Points;
use crate::usage::UsageBoard;
use crate::vault::{Vault, manifest_path};
use crate::{Error, PointId, PointSummary, UnixTime, VmName};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Files without a manifest that are older than this are of an import that was killed.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(48 * 60 * 60);

/// Which points are removed: those that every given rule lets go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// So many of each VM's newest points stay.
    pub(crate) keep_last: Option<usize>,
    /// Points taken after this stay.
    pub(crate) older_than: Option<UnixTime>,
    /// Nothing is removed: what would be is told.
    pub(crate) dry_run: bool,
}

impl Rules {
    /// Of a VM's points, newest first, those that are not wanted any more.
    fn unwanted(self, points: Vec<PointSummary>) -> Vec<PointSummary> {
        if self.keep_last.is_none() && self.older_than.is_none() {
            return Vec::new();
        }
        let rest = points.into_iter().skip(self.keep_last.unwrap_or(0));
        rest.filter(|point| self.older_than.is_none_or(|time| point.taken_at < time)).collect()
    }
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pruned {
    pub(crate) points: Vec<PointName>,
    /// Points that would have been removed, and that somebody may read now.
    pub(crate) in_use: Vec<PointName>,
    /// Files of imports that were killed.
    pub(crate) left_over: usize,
    /// Grants that ended long ago.
    pub(crate) grants: usize,
}

/// A point and its VM.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct PointName {
    pub(crate) vm: VmName,
    pub(crate) point: PointId,
}

/// Prunes the vault.
pub(crate) async fn prune(vault: &Vault, rules: Rules) -> Result<Pruned, Error> {
    let (ledger, points) = (Ledger::new(vault.clone()), Points::new(vault.clone()));
    let mut pruned = Pruned::default();
    for vm in points.vms().await? {
        for point in rules.unwanted(points.of(&vm.vm).await?) {
            let name = PointName { vm: point.vm, point: point.point };
            let removed = rules.dry_run && !granted(&ledger).await?.contains(&name);
            if removed || (!rules.dry_run && remove(vault, &ledger, &name).await?) {
                pruned.points.push(name);
            } else {
                pruned.in_use.push(name);
            }
        }
    }
    pruned.left_over = remove_left_over(vault, rules.dry_run).await?;
    pruned.grants = ledger.tidy(rules.dry_run).await?;
    UsageBoard::new(vault.clone()).tidy(rules.dry_run).await?;
    Ok(pruned)
}

/// The points that somebody may read now.
async fn granted(ledger: &Ledger) -> Result<HashSet<PointName>, Error> {
    let revoked = ledger.revoked_ids().await?;
    let all = ledger.all().await?;
    let active = all.iter().filter(|known| !known.deadline.is_over() && !revoked.contains(&known.grant.id));
    Ok(active.map(|known| PointName { vm: known.grant.vm.clone(), point: known.grant.point.clone() }).collect())
}

/// Removes a point; `false` when somebody may read it now.
async fn remove(vault: &Vault, ledger: &Ledger, name: &PointName) -> Result<bool, Error> {
    if granted(ledger).await?.contains(name) {
        return Ok(false);
    }
    let path = manifest_path(&name.vm, &name.point);
    let Some(manifest) = vault.manifest(&name.vm, &name.point).await? else { return Ok(true) };
    // The manifest first: without it nobody can be granted the point any more. Who was meanwhile gets it back.
    vault.remove(&path).await?;
    if granted(ledger).await?.contains(name) {
        vault.create(&path, &manifest).await?;
        return Ok(false);
    }
    for file in manifest.disks.iter().flat_map(|disk| &disk.files) {
        vault.remove(&file.path(&manifest)?).await?;
    }
    Ok(true)
}

/// Removes files that no manifest tells of, and that nobody is writing beside any more.
async fn remove_left_over(vault: &Vault, dry_run: bool) -> Result<usize, Error> {
    let mut directories = BTreeMap::<String, Vec<crate::vault::Listed>>::new();
    for listed in vault.list("points").await? {
        if let Some((directory, _)) = listed.path.rsplit_once('/') {
            directories.entry(directory.to_owned()).or_default().push(listed);
        }
    }
    let now = UnixTime::now();
    let mut removed: usize = 0;
    for (directory, files) in directories {
        let has_manifest = files.iter().any(|file| file.path == format!("{directory}/manifest.json"));
        let is_old = files.iter().all(|file| file.modified_at.until(now) > LEFT_OVER_AFTER);
        if has_manifest || !is_old {
            continue;
        }
        for file in files {
            removed = removed.saturating_add(1);
            if !dry_run {
                vault.remove(&file.path).await?;
            }
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests;
