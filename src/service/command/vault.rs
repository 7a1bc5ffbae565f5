//! `fr-serve import`, `list`, `verify`, `prune`: what is done to the vault itself.

use super::args::{ImportArgs, ListArgs, PruneArgs, VaultArgs, VerifyArgs, size};
use super::output::{self, Output, table};
use crate::config::VaultConfig;
use crate::import::{Import, Watch};
use crate::points::Points;
use crate::prune::{PointName, Rules};
use crate::vault::Vault;
use crate::verify::Verified;
use crate::{Config, Error, PointSummary, VmName};
use block::BlockSize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The vault that is meant.
fn open(config: &Path, args: &VaultArgs) -> Result<Vault, Error> {
    match &args.vault {
        Some(root) => {
            let options: BTreeMap<_, _> = args.vault_option.iter().cloned().collect();
            Vault::open(&VaultConfig { root: root.clone(), options, secret_files: BTreeMap::new() })
        }
        None => Vault::open(&Config::read(config)?.vault),
    }
}

pub(crate) async fn import(config: &Path, args: ImportArgs, output: Output) -> Result<(), Error> {
    let vault = open(config, &args.vault)?;
    let block_size = args.block_size.parse().ok().and_then(BlockSize::from_bytes);
    let import = Import {
        vm: args.vm,
        point: args.point,
        os: args.os,
        taken_at: args.taken_at,
        consistency: args.consistency,
        block_size: block_size.ok_or_else(|| Error::invalid("--block-size is 512 or 4096"))?,
        disks: args.disks,
        files_in: args.files_in,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let watch = Watch { progress: Arc::new(output::progress), stop: Arc::clone(&stop) };
    let mut signals = crate::sys::Signals::watch()
        .map_err(|error| Error::internal(format!("cannot watch signals: {}", block::io_reason(&error))))?;
    tokio::spawn(async move {
        signals.is_reload().await;
        stop.store(true, Ordering::Relaxed);
    });
    let imported = import.run(&vault, &watch).await;
    output::progress_done();
    let manifest = imported?;
    for notice in &manifest.layout.notices {
        output.notice(&session::printable(notice));
    }
    output.result(&manifest, || {
        let (disks, bytes, volumes) = (manifest.disks.len(), size(manifest.bytes()), manifest.layout.volumes.len());
        format!("{} {}: {disks} disks of {bytes}, {volumes} volumes", manifest.vm, manifest.point)
    });
    Ok(())
}

pub(crate) async fn list(config: &Path, args: &ListArgs, output: Output) -> Result<(), Error> {
    let points = Points::new(open(config, &args.vault)?);
    match &args.vm {
        None => {
            let vms = points.vms().await?;
            output.result(&vms, || vms_table(vms.iter().map(|vm| (vm.vm.to_string(), vm.points))));
        }
        Some(vm) => {
            let points = points.of(vm).await?;
            if points.is_empty() {
                return Err(Error::not_found(format!("there is no recovery point of a VM '{vm}'")));
            }
            output.result(&points, || points_table(&points));
        }
    }
    Ok(())
}

pub(super) fn vms_table(vms: impl Iterator<Item = (String, usize)>) -> String {
    table(&["VM", "POINTS"], vms.map(|(vm, points)| vec![vm, points.to_string()]))
}

pub(super) fn points_table(points: &[PointSummary]) -> String {
    let row = |point: &PointSummary| {
        vec![
            point.point.to_string(),
            point.taken_at.to_string(),
            point.consistency.to_string(),
            point.disks.to_string(),
            size(point.bytes),
            session::printable(point.os.as_deref().unwrap_or("-")),
        ]
    };
    table(&["POINT", "TAKEN", "CONSISTENCY", "DISKS", "SIZE", "OS"], points.iter().map(row))
}

pub(crate) async fn verify(config: &Path, args: &VerifyArgs, output: Output) -> Result<ExitCode, Error> {
    let vault = open(config, &args.vault)?;
    let mut wanted = vault.points(args.vm.as_ref()).await?;
    wanted.retain(|place| args.point.as_ref().is_none_or(|point| *point == place.point));
    if wanted.is_empty() {
        return Err(Error::not_found("there is no such recovery point"));
    }
    let mut found = Vec::new();
    for place in &wanted {
        let verified = crate::verify::verify(&vault, &place.vm, &place.point, &output::progress).await;
        output::progress_done();
        found.push(verified?);
    }
    let is_damaged = found.iter().any(|verified| !verified.problems.is_empty());
    output.result(&found, || found.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(if is_damaged { ExitCode::from(super::DAMAGED) } else { ExitCode::SUCCESS })
}

fn line(verified: &Verified) -> String {
    let name = format!("{} {}", verified.vm, verified.point);
    match verified.problems.as_slice() {
        [] => format!("{name}: {} read, all well", size(verified.bytes)),
        problems => format!("{name}: DAMAGED: {}", problems.join("; ")),
    }
}

pub(crate) async fn prune(config: &Path, args: &PruneArgs, output: Output) -> Result<(), Error> {
    let vault = open(config, &args.vault)?;
    let rules = Rules { keep_last: args.keep_last, older_than: args.older_than, dry_run: args.dry_run };
    let pruned = crate::prune::prune(&vault, rules).await?;
    output.result(&pruned, || {
        let done = if args.dry_run { "would be removed" } else { "removed" };
        let name = |name: &PointName| format!("{} {}", name.vm, name.point);
        let mut lines: Vec<_> = pruned.points.iter().map(|point| format!("{}: {done}", name(point))).collect();
        lines.extend(pruned.in_use.iter().map(|point| format!("{}: stays, somebody has a grant for it", name(point))));
        lines.push(format!(
            "{done}: {} points, {} left-over files, {} old grants",
            pruned.points.len(),
            pruned.left_over,
            pruned.grants
        ));
        lines.join("\n")
    });
    Ok(())
}

/// The VM's newest point.
pub(super) fn newest(points: &[PointSummary], vm: &VmName) -> Result<crate::PointId, Error> {
    let newest = points.first().map(|point| point.point.clone());
    newest.ok_or_else(|| Error::not_found(format!("there is no recovery point of a VM '{vm}'")))
}
