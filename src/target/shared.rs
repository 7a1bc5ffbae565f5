//! What all connections of a portal share.

use crate::gate::Gate;
use crate::memory::Pool;
use crate::{Error, Exports, Misdeed, PortalConfig, Redirect, Refusal};
use rustls::ServerConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tokio_rustls::TlsAcceptor;

/// Commands that a session may have under way at most; the window is a number that must not wrap.
const COMMANDS_MAX: u32 = 1 << 16;

/// What all connections of a portal share.
pub(crate) struct Shared {
    pub(crate) config: PortalConfig,
    pub(crate) exports: Arc<dyn Exports>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) memory: Arc<Pool>,
    pub(crate) tls: Option<TlsAcceptor>,
    redirections_left: AtomicU32,
    logins: AtomicU32,
    reads: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        config: PortalConfig,
        exports: Arc<dyn Exports>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Self, Error> {
        check(&config).map_err(Error::Config)?;
        Ok(Self {
            exports,
            gate: Arc::new(Gate::new(&config)),
            memory: Arc::new(Pool::new(config.shared_read_bytes_max)),
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

fn check(config: &PortalConfig) -> Result<(), &'static str> {
    if !(1..=COMMANDS_MAX).contains(&config.commands_max) {
        return Err("the number of commands under way must be 1 to 65536");
    }
    if config.ping_interval.is_zero() {
        return Err("the interval of pings must not be zero");
    }
    if config.chap_algorithms.is_empty() {
        return Err("CHAP needs at least one algorithm");
    }
    Ok(())
}
