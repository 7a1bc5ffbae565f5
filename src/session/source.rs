//! Where disks come from: the LUNs of iSCSI targets, or image files. What they have in common is a list of disks and
//! an end.

use crate::error::{from_image, from_iscsi};
use crate::open::Progress;
use crate::targets::{Found, Targets, Wanted};
use crate::{Error, ErrorKind, OpenOptions};
use block::{BlockSize, Disk};
use bundle::RecoveryPoint;
use image::LocalFiles;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

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
            RecoveryPoint::Iscsi(url) => {
                let wanted = url.target.as_deref().map_or(Wanted::All, Wanted::Named);
                targets(&Targets { point, portals: vec![url.address.clone()], wanted }, options, progress)
            }
            RecoveryPoint::Sealed { bundle, .. } => {
                let offer = bundle.offer();
                let wanted = Wanted::Named(&offer.target);
                targets(&Targets { point, portals: offer.portals.clone(), wanted }, options, progress)
            }
            RecoveryPoint::Azure { script, .. } => {
                let wanted = Wanted::Azure(script);
                targets(&Targets { point, portals: vec![script.portal.clone()], wanted }, options, progress)
            }
        }
    }

    /// Has `tell` called for every target that is over for good; image files are not.
    pub(crate) fn when_over(&self, tell: &Arc<dyn Fn(Error) + Send + Sync>) {
        let Self::Iscsi { runtime, sessions } = self else { return };
        for session in sessions {
            let (over, tell) = (session.over(), Arc::clone(tell));
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
    let (mut disks, mut notices) = (Vec::new(), Vec::new());
    let options = image::OpenOptions { format: None, block_size };
    for path in paths {
        let location = path.display().to_string();
        let Some(name) = path.to_str() else {
            let message =
                format!("the name of the disk image '{location}' is not UTF-8; rename it or make a link to it");
            return Err(Error::new(ErrorKind::Image, message));
        };
        let opened = image::open(&LocalFiles, name, &options).map_err(|error| from_image(&error))?;
        // An image says itself which files it builds on: whoever opens it has to know which ones are shown.
        if let Some((_, others @ [_, ..])) = opened.files.split_first() {
            notices.push(format!("{location} ({}) is read together with {}", opened.format, others.join(", ")));
        }
        disks.push(SourceDisk { disk: opened.disk, location, model: None, serial: None });
    }
    Ok((Source::Images, disks, notices))
}

fn targets(targets: &Targets<'_>, options: OpenOptions, progress: Progress<'_>) -> Result<OpenSource, Error> {
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("iscsi").enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(ErrorKind::Internal, format!("cannot start threads: {error}")))?;
    let mut found = Found::default();
    let outcome = targets.open(&runtime, options, &mut found, progress);
    let source = Source::Iscsi { runtime, sessions: found.sessions };
    match outcome {
        Ok(()) => Ok((source, found.disks, [targets.point.notices(), found.notices].concat())),
        Err(error) => {
            source.close();
            Err(error)
        }
    }
}
