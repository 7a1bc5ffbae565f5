//! `fr-serve serve`: a process that serves the vault until it is told to end.

use crate::audit::{Event, Line};
use crate::config::Config;
use crate::usage::Usage;
use crate::{Error, Service, http, sys};
use sd_notify::NotifyState;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use target::{Exports, Portal, PortalConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

/// How often it is looked for grants that ended.
const TEND_EVERY: Duration = Duration::from_secs(2);
/// How often it is told who reads.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// What has not changed is told again only every so many times.
const TOLD_AGAIN_AFTER: u32 = 3;
/// How often what ended long ago is removed.
const TIDY_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long the end may take.
const FAREWELL: Duration = Duration::from_secs(15);

pub(crate) async fn run(path: &Path) -> Result<(), Error> {
    sys::raise_file_limit();
    let failed = |error: std::io::Error| Error::internal(format!("signals: {}", block::io_reason(&error)));
    let mut signals = sys::Signals::watch().map_err(failed)?;
    let config = Config::read(path)?;
    let (iscsi, https) = (bind(&config.iscsi.listen).await?, bind(&config.https.listen).await?);
    let service = Service::open(config).await?;
    let portals = serve_iscsi(&service, iscsi)?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    serve_https(&service, https, &stopped, &mut tasks)?;
    let mut background = JoinSet::new();
    background.spawn(tend(Arc::clone(&service)));
    background.spawn(tell(Arc::clone(&service)));
    background.spawn(tidy(Arc::clone(&service)));
    service.audit.record(Line::new(Event::ServiceStarted)).await?;
    notify(&[NotifyState::Ready]);
    tracing::info!("serving the vault '{}'", service.vault);
    until_stopped(&service, &mut signals).await;
    notify(&[NotifyState::Stopping]);
    tracing::info!("ending");
    stop.send_replace(true);
    let ended = async {
        let mut portals: JoinSet<()> = portals.into_iter().map(target::Handle::shutdown).collect();
        while portals.join_next().await.is_some() {}
        while tasks.join_next().await.is_some() {}
        background.shutdown().await;
        if let Err(error) = service.usage.withdraw().await {
            tracing::warn!("what this process told of its use stays in the vault for a while: {error}");
        }
        service.audit.record(Line::new(Event::ServiceEnded)).await
    };
    match tokio::time::timeout(FAREWELL, ended).await {
        Ok(recorded) => recorded,
        Err(_) => Err(Error::unavailable("not everything could be ended in time")),
    }
}

async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Error> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| Error::invalid(format!("cannot listen at {address}: {}", block::io_reason(&error))))?;
        listeners.push(listener);
    }
    if listeners.is_empty() {
        return Err(Error::invalid("iscsi.listen and https.listen need an address each"));
    }
    Ok(listeners)
}

fn serve_iscsi(service: &Arc<Service>, listeners: Vec<TcpListener>) -> Result<Vec<target::Handle>, Error> {
    let iscsi = &service.config().iscsi;
    let tls = service.certificate().server_config()?;
    let serve = |listener| {
        let config = PortalConfig {
            addresses: iscsi.portals.iter().map(ToString::to_string).collect(),
            connections_max: iscsi.limits.connections,
            connections_per_peer_max: iscsi.limits.connections_per_client,
            ..PortalConfig::default()
        };
        let exports: Arc<dyn Exports> = Arc::<crate::exports::LiveExports>::clone(service.exports());
        let handle = Portal::new(config, exports).serve(listener, Some(Arc::clone(&tls)));
        handle.map_err(|error| Error::internal(error.to_string()))
    };
    listeners.into_iter().map(serve).collect()
}

fn serve_https(
    service: &Arc<Service>,
    listeners: Vec<TcpListener>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<(), Error> {
    let https = &service.config().https;
    let limits = http::Limits {
        connections: https.connections_max,
        connections_per_client: https.connections_per_client_max,
        hsts: https.hsts,
    };
    let tls = service.certificate().server_config()?;
    for listener in listeners {
        let listener = http::Listener { listener, tls: Arc::clone(&tls), limits };
        let stopped = stopped.clone();
        tasks.spawn(http::serve(Arc::clone(service), listener, until(stopped)));
    }
    Ok(())
}

/// Returns once the service is to end.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone: the end, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Waits for a signal to end; carries out those to open files anew, and tells systemd that the process is alive.
async fn until_stopped(service: &Arc<Service>, signals: &mut sys::Signals) {
    let watchdog = sd_notify::watchdog_enabled();
    let time = watchdog.and_then(|time| time.checked_div(3)).unwrap_or(TIDY_EVERY);
    let mut alive = every(time.max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = alive.tick() => {
                if watchdog.is_some() {
                    notify(&[NotifyState::Watchdog]);
                }
            }
            is_reload = signals.is_reload() => {
                if !is_reload {
                    return;
                }
                service.audit.reopen();
                match service.certificate().reload() {
                    Ok(()) => tracing::info!("the audit log was opened anew, the certificate was read again"),
                    Err(error) => tracing::error!("the certificate stays as it is: {error}"),
                }
            }
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell systemd: {}", block::io_reason(&error));
    }
}

/// Ticks, at once and then in these intervals.
fn every(time: Duration) -> Interval {
    let mut ticks = tokio::time::interval(time);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn warn(what: &str, done: Result<(), Error>) {
    if let Err(error) = done {
        tracing::warn!("{what}: {error}");
    }
}

async fn tend(service: Arc<Service>) {
    let mut ticks = every(TEND_EVERY);
    loop {
        ticks.tick().await;
        warn("looking for ended grants", service.exports().tend().await);
    }
}

async fn tell(service: Arc<Service>) {
    let mut ticks = every(TELL_EVERY);
    let (mut told, mut same) = (Usage::new(), 0_u32);
    loop {
        ticks.tick().await;
        let usage = service.exports().usage();
        same = if usage == told { same.saturating_add(1) } else { 0 };
        if same % TOLD_AGAIN_AFTER != 0 || (usage.is_empty() && same > 0) {
            continue;
        }
        let done =
            if usage.is_empty() { service.usage.withdraw().await } else { service.usage.tell(usage.clone()).await };
        if done.is_ok() {
            told = usage;
        }
        warn("telling who reads", done);
    }
}

async fn tidy(service: Arc<Service>) {
    let mut ticks = every(TIDY_EVERY);
    loop {
        ticks.tick().await;
        warn("removing grants that ended long ago", service.ledger.tidy(false).await.map(drop));
        warn("removing what processes left behind", service.usage.tidy(false).await.map(drop));
    }
}
