//! The disks of iSCSI targets: which targets they are, logging in to them, and what is told when that fails.

use crate::error::{from_iscsi, from_tunnel};
use crate::grant;
use crate::lun_disk::LunDisk;
use crate::open::Progress;
use crate::source::SourceDisk;
use crate::{Error, ErrorKind, OpenOptions};
use bundle::RecoveryPoint;
use bundle::azure::{AzureScript, Discovered};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::sleep;
use tunnel::{Address, Dial, InTurn, Tunnel};

/// How often a target that is being prepared is looked at again.
const LOOKS: u32 = 4;

/// Where targets are, and which of them are wanted.
pub(crate) struct Targets<'a> {
    pub(crate) point: &'a RecoveryPoint,
    /// The addresses of the portal; the first one is in the configuration of the sessions too.
    pub(crate) portals: Vec<Address>,
    pub(crate) wanted: Wanted<'a>,
}

/// Which targets are wanted.
pub(crate) enum Wanted<'a> {
    /// The one of this name.
    Named(&'a str),
    /// All that discovery shows.
    All,
    /// Those of a script, once they are ready.
    Azure(&'a AzureScript),
}

/// What logging in made.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) sessions: Vec<iscsi::Session>,
    pub(crate) disks: Vec<SourceDisk>,
    pub(crate) notices: Vec<String>,
}

impl Targets<'_> {
    /// Logs in to the targets and opens all disks. Sessions that were made are in `found` also when that fails.
    pub(crate) fn open(
        &self,
        runtime: &Runtime,
        options: OpenOptions,
        found: &mut Found,
        progress: Progress<'_>,
    ) -> Result<(), Error> {
        let tunnel = Tunnel::new(options.tunnel).map_err(|error| from_tunnel(&error))?;
        let login = LogIn {
            dial: InTurn::new(Arc::new(tunnel), &self.portals),
            config: options.iscsi,
            ready_timeout: options.ready_timeout,
            progress,
        };
        runtime.block_on(login.run(self, found))
    }

    /// An error of the protocol in the words of this recovery point.
    fn explain(&self, error: &iscsi::Error) -> Error {
        match self.point {
            RecoveryPoint::Sealed { bundle, .. } => grant::sealed(bundle.offer(), error),
            RecoveryPoint::Azure { script, .. } => grant::azure(script, error),
            RecoveryPoint::Iscsi(_) | RecoveryPoint::Images(_) => from_iscsi(error),
        }
    }
}

/// What it takes to log in.
struct LogIn<'a> {
    dial: InTurn,
    config: iscsi::SessionConfig,
    ready_timeout: Duration,
    progress: Progress<'a>,
}

impl LogIn<'_> {
    /// A dialler for one session, or for a discovery.
    fn dial(&self) -> Arc<dyn Dial> {
        Arc::new(self.dial.share())
    }

    async fn run(&self, targets: &Targets<'_>, found: &mut Found) -> Result<(), Error> {
        for name in self.names(targets).await? {
            (self.progress)(&format!("logging in to {name}"));
            let session = self.session(targets, &name).await.map_err(|error| targets.explain(&error))?;
            found.sessions.push(session.clone());
            (self.progress)(&format!("opening the disks of {name}"));
            let disks = session.disks().await.map_err(|error| targets.explain(&error))?;
            let left_out = |(lun, error)| format!("{name} LUN {lun} is left out: {error}");
            found.notices.extend(disks.failed.into_iter().map(left_out));
            disks.luns.into_iter().for_each(|lun| add_disk(&name, lun, found));
        }
        if found.disks.is_empty() {
            let notices = &found.notices;
            let problem = if notices.is_empty() { "it shows no disk".to_owned() } else { notices.join("; ") };
            let advice = match targets.wanted {
                Wanted::Azure(_) => "The login went well, but nothing is attached: make a new script in the portal",
                Wanted::Named(_) | Wanted::All => "Its owner has to let this initiator see the disks",
            };
            return Err(Error::new(ErrorKind::NoTarget, format!("{}: {problem}. {advice}.", targets.point)));
        }
        Ok(())
    }

    /// A session with the target of this name. A portal that is reached and cannot serve now is no reason to give up while there
    /// are others: dialling again so soon begins at the next one.
    async fn session(&self, targets: &Targets<'_>, name: &str) -> Result<iscsi::Session, iscsi::Error> {
        use iscsi::ErrorKind as Iscsi;
        let dial = self.dial();
        for _other in targets.portals.iter().skip(1) {
            match iscsi::Session::login(Arc::clone(&dial), &self.config, name).await {
                Err(error) if matches!(error.kind, Iscsi::Unavailable | Iscsi::Disconnected | Iscsi::TimedOut) => {
                    tracing::info!("{error}; trying the next portal");
                }
                outcome => return outcome,
            }
        }
        iscsi::Session::login(dial, &self.config, name).await
    }

    async fn names(&self, targets: &Targets<'_>) -> Result<Vec<String>, Error> {
        let portals: Vec<_> = targets.portals.iter().map(ToString::to_string).collect();
        (self.progress)(&format!("connecting to {}", portals.join(", ")));
        match targets.wanted {
            Wanted::Named(name) => Ok(vec![name.to_owned()]),
            Wanted::Azure(script) => self.azure(targets, script).await,
            Wanted::All => {
                let names = self.discover(targets).await?;
                if names.is_empty() {
                    let message = format!(
                        "{}: discovery shows no target to this initiator; name it in the URL if you know it",
                        targets.point
                    );
                    return Err(Error::new(ErrorKind::NoTarget, message));
                }
                Ok(names)
            }
        }
    }

    async fn discover(&self, targets: &Targets<'_>) -> Result<Vec<String>, Error> {
        let shown = iscsi::discover(self.dial(), &self.config).await.map_err(|error| targets.explain(&error))?;
        Ok(shown.into_iter().map(|target| target.name).collect())
    }

    /// The targets of a script, waited for as long as they are being prepared.
    async fn azure(&self, targets: &Targets<'_>, script: &AzureScript) -> Result<Vec<String>, Error> {
        let pause = self.ready_timeout.checked_div(LOOKS).unwrap_or_default();
        for look in 0..=LOOKS {
            match script.discovered(&self.discover(targets).await?) {
                Discovered::Ready(names) => return Ok(names),
                Discovered::Blocked => return Err(grant::blocked(script)),
                Discovered::Gone => return Err(grant::gone(script)),
                Discovered::NotReady => {}
            }
            if look < LOOKS {
                let seconds = pause.as_secs_f32().ceil();
                (self.progress)(&format!(
                    "Azure is still preparing the disks, as it does for large ones; looking again in {seconds} s ({} of {LOOKS})",
                    look.saturating_add(1)
                ));
                sleep(pause).await;
            }
        }
        Err(grant::not_ready(self.ready_timeout))
    }
}

fn add_disk(target: &str, lun: iscsi::Lun, found: &mut Found) {
    let info = lun.info().clone();
    let location = format!("{target} LUN {}", info.lun);
    let Some(disk) = LunDisk::new(lun) else {
        let shape = format!("{} blocks of {} bytes", info.blocks, info.block_bytes);
        found.notices.push(format!("{location} is left out: fr-mount does not read disks of {shape}"));
        return;
    };
    let model = format!("{} {}", info.vendor.trim(), info.product.trim());
    found.disks.push(SourceDisk { disk: Arc::new(disk), location, model: Some(model), serial: info.serial });
}
