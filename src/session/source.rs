//! Where disks come from: the LUNs of iSCSI targets, or image files. What they have in common is a list of disks and
//! an end.

use crate::error::{from_image, from_iscsi, from_tunnel};
use crate::lun_disk::LunDisk;
use crate::open::Progress;
use crate::{Error, ErrorKind, OpenOptions};
use block::{BlockSize, Disk};
use bundle::{IscsiUrl, RecoveryPoint};
use image::RawImage;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tunnel::{Dial, Tunnel};

/// A disk of a recovery point, and what is known of it.
pub(crate) struct SourceDisk {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) location: String,
    pub(crate) model: Option<String>,
    pub(crate) serial: Option<String>,
}

/// What keeps the disks of a recovery point readable.
pub(crate) enum Source {
    /// Sessions with targets, and the runtime that drives them.
    Iscsi { runtime: Runtime, sessions: Vec<iscsi::Session> },
    /// Files of this machine.
    Images,
}

/// A source, its disks, and what to tell the user.
type OpenSource = (Source, Vec<SourceDisk>, Vec<String>);

impl Source {
    pub(crate) fn open(
        point: &RecoveryPoint,
        options: OpenOptions,
        progress: Progress<'_>,
    ) -> Result<OpenSource, Error> {
        match point {
            RecoveryPoint::Images(paths) => images(paths, options.image_block_size),
            RecoveryPoint::Iscsi(url) => targets(url, options, progress),
        }
    }

    /// Has `tell` called for every target that is over for good; image files are not.
    pub(crate) fn when_over(&self, tell: Arc<dyn Fn(Error) + Send + Sync>) {
        let Self::Iscsi { runtime, sessions } = self else { return };
        for session in sessions {
            let (over, tell) = (session.over(), Arc::clone(&tell));
            runtime.spawn(async move {
                if let Some(error) = over.await {
                    tell(from_iscsi(&error));
                }
            });
        }
    }

    /// Logs out of every target, within a few seconds even when nobody answers.
    pub(crate) fn close(self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        let Self::Iscsi { runtime, sessions } = self else { return };
        runtime.block_on(async {
            for session in sessions {
                match tokio::time::timeout(PATIENCE, session.logout()).await {
                    Ok(Ok(())) => tracing::info!("logged out"),
                    Ok(Err(error)) => tracing::warn!("logout: {error}"),
                    Err(_) => tracing::warn!("the target does not answer the logout"),
                }
            }
        });
        runtime.shutdown_timeout(PATIENCE);
    }
}

fn images(paths: &[PathBuf], block_size: BlockSize) -> Result<OpenSource, Error> {
    let mut disks = Vec::new();
    for path in paths {
        let image = RawImage::open(path, block_size).map_err(|error| from_image(&error))?;
        disks.push(SourceDisk {
            disk: Arc::new(image),
            location: path.display().to_string(),
            model: None,
            serial: None,
        });
    }
    Ok((Source::Images, disks, Vec::new()))
}

fn targets(url: &IscsiUrl, options: OpenOptions, progress: Progress<'_>) -> Result<OpenSource, Error> {
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("iscsi").enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(ErrorKind::Internal, format!("cannot start threads: {error}")))?;
    let tunnel = Tunnel::new(options.tunnel).map_err(|error| from_tunnel(&error))?;
    let dial: Arc<dyn Dial> = Arc::new(tunnel);
    let mut sessions = Vec::new();
    let found = runtime.block_on(log_in(url, &dial, &options.iscsi, &mut sessions, progress));
    let source = Source::Iscsi { runtime, sessions };
    match found {
        Ok((disks, notices)) => Ok((source, disks, notices)),
        Err(error) => {
            source.close();
            Err(error)
        }
    }
}

/// Logs in to the target, or to every target that discovery shows, and opens all disks.
async fn log_in(
    url: &IscsiUrl,
    dial: &Arc<dyn Dial>,
    config: &iscsi::SessionConfig,
    sessions: &mut Vec<iscsi::Session>,
    progress: Progress<'_>,
) -> Result<(Vec<SourceDisk>, Vec<String>), Error> {
    let names = target_names(url, dial, config, progress).await?;
    let (mut disks, mut notices) = (Vec::new(), Vec::new());
    for name in &names {
        progress(&format!("logging in to {name}"));
        let session =
            iscsi::Session::login(Arc::clone(dial), config, name).await.map_err(|error| from_iscsi(&error))?;
        sessions.push(session.clone());
        progress(&format!("opening the disks of {name}"));
        let found = session.disks().await.map_err(|error| from_iscsi(&error))?;
        notices.extend(found.failed.iter().map(|(lun, error)| format!("{name} LUN {lun} is left out: {error}")));
        for lun in found.luns {
            add_disk(name, lun, &mut disks, &mut notices);
        }
    }
    if disks.is_empty() {
        let problem = if notices.is_empty() { "it shows no disk".to_owned() } else { notices.join("; ") };
        let message = format!("{url}: {problem}. Its owner has to let this initiator see the disks.");
        return Err(Error::new(ErrorKind::NoTarget, message));
    }
    Ok((disks, notices))
}

async fn target_names(
    url: &IscsiUrl,
    dial: &Arc<dyn Dial>,
    config: &iscsi::SessionConfig,
    progress: Progress<'_>,
) -> Result<Vec<String>, Error> {
    progress(&format!("connecting to {}", url.address));
    if let Some(name) = &url.target {
        return Ok(vec![name.clone()]);
    }
    let targets = iscsi::discover(Arc::clone(dial), config).await.map_err(|error| from_iscsi(&error))?;
    if targets.is_empty() {
        let message = format!("{url}: discovery shows no target to this initiator; name it in the URL if you know it");
        return Err(Error::new(ErrorKind::NoTarget, message));
    }
    Ok(targets.into_iter().map(|target| target.name).collect())
}

fn add_disk(target: &str, lun: iscsi::Lun, disks: &mut Vec<SourceDisk>, notices: &mut Vec<String>) {
    let info = lun.info().clone();
    let location = format!("{target} LUN {}", info.lun);
    let Some(disk) = LunDisk::new(lun) else {
        let shape = format!("{} blocks of {} bytes", info.blocks, info.block_bytes);
        notices.push(format!("{location} is left out: fr-mount does not read disks of {shape}"));
        return;
    };
    let model = format!("{} {}", info.vendor.trim(), info.product.trim());
    disks.push(SourceDisk { disk: Arc::new(disk), location, model: Some(model), serial: info.serial });
}
