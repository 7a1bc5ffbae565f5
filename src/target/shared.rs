//! What all connections of a target share.

use crate::scsi::{LUNS_MAX, LogicalUnits};
use crate::sessions::Sessions;
use crate::{Error, Misdeed, Redirect, Refusal, TargetConfig};
use iscsi::chap::same_secret;
use rustls::ServerConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tokio_rustls::TlsAcceptor;

/// Commands that a session may have under way at most; the window is a number that must not wrap.
const COMMANDS_MAX: u32 = 1 << 16;

/// What all connections of a target share.
pub(crate) struct Shared {
    /// Without the disks, which are in `units`.
    pub(crate) config: TargetConfig,
    pub(crate) units: LogicalUnits,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) tls: Option<TlsAcceptor>,
    redirections_left: AtomicU32,
    logins: AtomicU32,
    reads: AtomicU64,
}

impl Shared {
    pub(crate) fn new(mut config: TargetConfig, tls: Option<Arc<ServerConfig>>) -> Result<Self, Error> {
        check(&config).map_err(Error::Config)?;
        let disks = std::mem::take(&mut config.disks);
        Ok(Self {
            units: LogicalUnits::new(&config.iqn, disks, config.read_bytes_max),
            sessions: Arc::default(),
            tls: tls.map(TlsAcceptor::from),
            redirections_left: AtomicU32::new(config.faults.redirect.as_ref().map_or(0, |redirect| redirect.times)),
            logins: AtomicU32::new(0),
            reads: AtomicU64::new(0),
            config,
        })
    }

    /// Where this login is sent instead, when it is one of those that are.
    pub(crate) fn take_redirection(&self) -> Option<&Redirect> {
        let redirect = self.config.faults.redirect.as_ref()?;
        let left = &self.redirections_left;
        left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok()?;
        Some(redirect)
    }

    /// How this login is refused, when it is one of those that are.
    pub(crate) fn take_refusal(&self) -> Option<Refusal> {
        let refusal = self.config.faults.refusal?;
        let before = self.logins.fetch_add(1, Ordering::Relaxed);
        let refused_before = before.checked_sub(refusal.after)?;
        (refused_before < refusal.times).then_some(refusal)
    }

    /// What is done to this read, when it is one of those that go wrong.
    pub(crate) fn take_misdeed(&self) -> Option<Misdeed> {
        let bad_reads = self.config.faults.bad_reads?;
        let read = self.reads.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        read.is_multiple_of(bad_reads.every.get()).then_some(bad_reads.how)
    }
}

fn check(config: &TargetConfig) -> Result<(), &'static str> {
    if config.iqn.is_empty() || config.iqn.len() > 223 {
        return Err("its name must have 1 to 223 bytes");
    }
    if config.disks.len() > LUNS_MAX {
        return Err("it has more disks than there are logical unit numbers");
    }
    if !(1..=COMMANDS_MAX).contains(&config.commands_max) {
        return Err("the number of commands under way must be 1 to 65536");
    }
    if config.read_bytes_max < 4096 {
        return Err("a read must be able to take one block of 4096 bytes");
    }
    if config.ping_interval.is_zero() {
        return Err("the interval of pings must not be zero");
    }
    check_chap(config)
}

/// One secret for both directions would let an initiator have its own challenge answered (RFC 7143 section 9.2.1).
fn check_chap(config: &TargetConfig) -> Result<(), &'static str> {
    let Some(chap) = &config.chap else {
        let one_way = "reverse CHAP needs CHAP: an initiator that need not prove itself cannot ask for a proof";
        return if config.reverse.is_none() { Ok(()) } else { Err(one_way) };
    };
    if config.chap_algorithms.is_empty() {
        return Err("CHAP needs at least one algorithm");
    }
    if config.reverse.as_ref().is_some_and(|reverse| same_secret(&chap.secret, &reverse.secret)) {
        return Err("the two directions of CHAP must have different secrets");
    }
    Ok(())
}
