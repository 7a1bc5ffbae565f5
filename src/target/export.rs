//! An export: disks under one iSCSI name, who may read them, and who does.

use crate::Error;
use crate::scsi::{LUNS_MAX, LogicalUnits};
use crate::sessions::Sessions;
use block::Disk;
use iscsi::chap::{ChapCredentials, same_secret};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::watch;

/// What is served under one iSCSI name. [`ExportConfig::new`] gives the usual bounds.
#[derive(Clone)]
pub struct ExportConfig {
    /// The iSCSI name (`iqn.`, `eui.` or `naa.`). The identity of the units (serial numbers and designators) depends on it
    /// and on their numbers only, so that they are the same disks whichever process serves them.
    pub iqn: String,
    /// The disks; their place in the list is their logical unit number.
    pub disks: Vec<Arc<dyn Disk>>,
    /// Who may log in, for discovery too. `None`: everybody, without authentication.
    pub chap: Option<ChapCredentials>,
    /// What the export proves itself with to an initiator that asks (mutual CHAP).
    pub reverse: Option<ChapCredentials>,
    /// The longest read that one command may ask for, in bytes (block limits page). Every connection may hold as much.
    pub read_bytes_max: u32,
    /// So many sessions there may be at a time; further logins are refused with "out of resources".
    pub sessions_max: usize,
}

impl ExportConfig {
    /// An export of these disks without authentication and with the usual bounds.
    #[must_use]
    pub fn new(iqn: impl Into<String>, disks: Vec<Arc<dyn Disk>>) -> Self {
        Self { iqn: iqn.into(), disks, chap: None, reverse: None, read_bytes_max: 1 << 20, sessions_max: 64 }
    }
}

/// Disks under one iSCSI name. It may be served by several portals at a time.
pub struct Export {
    iqn: String,
    chap: Option<ChapCredentials>,
    reverse: Option<ChapCredentials>,
    pub(crate) units: LogicalUnits,
    pub(crate) sessions: Arc<Sessions>,
    withdrawn: watch::Sender<bool>,
}

impl Export {
    /// An export that is served from now on wherever [`crate::Exports`] give it.
    ///
    /// # Errors
    /// [`Error::Config`] when the configuration makes no sense.
    pub fn new(config: ExportConfig) -> Result<Self, Error> {
        check(&config).map_err(Error::Config)?;
        Ok(Self {
            units: LogicalUnits::new(&config.iqn, config.disks, config.read_bytes_max),
            iqn: config.iqn,
            chap: config.chap,
            reverse: config.reverse,
            sessions: Arc::new(Sessions::new(config.sessions_max)),
            withdrawn: watch::Sender::new(false),
        })
    }

    /// What remains of an export that was withdrawn elsewhere or expired: nothing but the means to tell whoever proves
    /// the secret that it is gone.
    ///
    /// # Errors
    /// As with [`Self::new`].
    pub fn gone(
        iqn: impl Into<String>,
        chap: ChapCredentials,
        reverse: Option<ChapCredentials>,
    ) -> Result<Self, Error> {
        let config = ExportConfig { chap: Some(chap), reverse, ..ExportConfig::new(iqn, Vec::new()) };
        let export = Self::new(config)?;
        export.withdraw();
        Ok(export)
    }

    /// The iSCSI name.
    #[must_use]
    pub fn iqn(&self) -> &str {
        &self.iqn
    }

    /// Ends every session at once: initiators are told with an asynchronous message, and the connection is closed.
    /// Whoever logs in later and proves the secret is told that the target was removed (status 0204h). For good.
    pub fn withdraw(&self) {
        self.withdrawn.send_replace(true);
    }

    /// Whether [`Self::withdraw`] was called.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        *self.withdrawn.borrow()
    }

    /// Who reads now, and how much was read.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.sessions.usage()
    }

    pub(crate) const fn chap(&self) -> Option<&ChapCredentials> {
        self.chap.as_ref()
    }

    pub(crate) const fn reverse(&self) -> Option<&ChapCredentials> {
        self.reverse.as_ref()
    }

    /// Whether a TargetName means this one. Names have no upper case (RFC 7143 section 4.2.7.1); initiators do.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.iqn.eq_ignore_ascii_case(name)
    }

    /// Returns once it is withdrawn.
    pub(crate) async fn until_withdrawn(&self) {
        // An error means that the sender is gone, which `self` holds.
        let _ = self.withdrawn.subscribe().wait_for(|withdrawn| *withdrawn).await;
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Export").field("iqn", &self.iqn).finish_non_exhaustive()
    }
}

/// How an export is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The sessions there are, in the order in which they began.
    pub sessions: Vec<SessionUsage>,
    /// Bytes of disks sent to initiators since the export was made, over all sessions, ended ones too.
    pub bytes_read: u64,
}

/// How a session is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUsage {
    /// InitiatorName, in lower case.
    pub initiator: String,
    /// Where its connection comes from, as the portal sees it.
    pub peer: SocketAddr,
    /// When it logged in.
    pub since: SystemTime,
    /// Bytes of disks sent to it.
    pub bytes_read: u64,
}

fn check(config: &ExportConfig) -> Result<(), &'static str> {
    if config.iqn.is_empty() || config.iqn.len() > 223 {
        return Err("its name must have 1 to 223 bytes");
    }
    if config.disks.len() > LUNS_MAX {
        return Err("it has more disks than there are logical unit numbers");
    }
    if config.read_bytes_max < 4096 {
        return Err("a read must be able to take one block of 4096 bytes");
    }
    check_chap(config)
}

/// One secret for both directions would let an initiator have its own challenge answered (RFC 7143 section 9.2.1).
fn check_chap(config: &ExportConfig) -> Result<(), &'static str> {
    match (&config.chap, &config.reverse) {
        (None, Some(_)) => {
            Err("reverse CHAP needs CHAP: an initiator that need not prove itself cannot ask for a proof")
        }
        (Some(chap), Some(reverse)) if same_secret(&chap.secret, &reverse.secret) => {
            Err("the two directions of CHAP must have different secrets")
        }
        _ => Ok(()),
    }
}
