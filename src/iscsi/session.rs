//! A session with one target.

use crate::connect::Connector;
use crate::diagnose::diagnose;
use crate::driver::Driver;
use crate::handle::Handle;
use crate::lun::{Lun, inspect};
use crate::scsi::{Command, LunList};
use crate::{Error, LunNumber, SessionConfig};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tunnel::Dial;

/// A session with one target, driven by a task of the runtime it was opened in. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    handle: Handle,
    over: watch::Receiver<Option<Error>>,
}

/// The disks of a target.
#[derive(Default)]
pub struct Disks {
    /// The disks that can be read, in the order in which the target tells them.
    pub luns: Vec<Lun>,
    /// Those that do not say what they are, and why.
    pub failed: Vec<(LunNumber, Error)>,
}

impl Session {
    /// Connects to the portal of `config` and logs in to the target of that name.
    ///
    /// # Errors
    /// When there is no connection, the target refuses, or does not prove who it is; nothing is tried twice here.
    pub async fn login(dial: Arc<dyn Dial>, config: &SessionConfig, target: &str) -> Result<Self, Error> {
        const FIRST_CMD_SN: u32 = 1;
        let mut connector = Connector::new(dial, config, Some(target))?;
        let connected = match connector.connect(FIRST_CMD_SN).await {
            Ok(connected) => connected,
            Err(error) => return Err(diagnose(&connector, error).await),
        };
        let digests = connected.logged_in.parameters.digests;
        tracing::info!("logged in to {target}; header digest {}, data digest {}", digests.header, digests.data);
        let (handle, requests) = Handle::new();
        let (tell_over, over) = watch::channel(None);
        tokio::spawn(Driver::new(connector, requests, tell_over).run(connected));
        Ok(Self { handle, over })
    }

    /// Opens every disk of the target. Logical units that are no disks are left out.
    ///
    /// # Errors
    /// When the target does not tell its logical units.
    pub async fn disks(&self) -> Result<Disks, Error> {
        let luns = self.report_luns().await?;
        let mut inspections = JoinSet::new();
        for (index, lun) in luns.into_iter().enumerate() {
            let handle = self.handle.clone();
            inspections.spawn(async move { (index, lun, inspect(&handle, lun).await) });
        }
        let mut found = inspections.join_all().await;
        found.sort_unstable_by_key(|(index, ..)| *index);
        let mut disks = Disks::default();
        for (_, lun, inspected) in found {
            match inspected {
                Ok(Some(info)) => {
                    self.handle.watch(info.clone());
                    disks.luns.push(Lun::new(self.handle.clone(), info));
                }
                Ok(None) => tracing::info!("LUN {lun} is no disk"),
                Err(error) => disks.failed.push((lun, error)),
            }
        }
        Ok(disks)
    }

    async fn report_luns(&self) -> Result<Vec<LunNumber>, Error> {
        let broken = || Error::protocol("the answer to REPORT LUNS cannot be used");
        let ask = async |allocation_bytes| {
            let data = self.handle.run(LunNumber::default(), Command::ReportLuns { allocation_bytes }).await?;
            LunList::parse(&data).ok_or_else(broken)
        };
        let mut list = ask(LunList::FIRST_ALLOCATION_BYTES).await?;
        if list.needed_bytes > LunList::FIRST_ALLOCATION_BYTES {
            list = ask(list.needed_bytes.min(LunList::ALLOCATION_BYTES_MAX)).await?;
        }
        list.luns.retain(|lun| !lun.is_well_known());
        Ok(list.luns)
    }

    /// Waits until nothing can ever be read again, whether or not somebody reads, and gives why: the target withdrew the access
    /// ([`crate::ErrorKind::Revoked`]), another disk is in its place, or another server. `None` when the session is logged out.
    /// A target that cannot be reached does not end a session.
    pub fn over(&self) -> impl Future<Output = Option<Error>> + Send + use<> {
        let mut over = self.over.clone();
        // An error means that the driver has ended.
        async move { over.wait_for(Option::is_some).await.ok()?.clone() }
    }

    /// Logs out. Reads that are not answered yet, and all later ones, end with [`crate::ErrorKind::Closed`].
    ///
    /// # Errors
    /// When the target does not confirm it; the session is over all the same.
    pub async fn logout(&self) -> Result<(), Error> {
        self.handle.log_out().await
    }
}
