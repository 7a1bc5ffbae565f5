//! A portal that listens: the accept loop, and the handle on it.

use crate::connection::{self, Peer};
use crate::exports::Single;
use crate::shared::Shared;
use crate::{Error, Exports, PortalConfig, TargetConfig};
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long to wait when the system has no resources for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves exports on one socket.
pub struct Portal {
    config: PortalConfig,
    exports: Arc<dyn Exports>,
}

impl Portal {
    /// A portal as it is configured; nothing happens before [`Portal::serve`].
    #[must_use]
    pub fn new(config: PortalConfig, exports: Arc<dyn Exports>) -> Self {
        Self { config, exports }
    }

    /// Serves on `listener`, inside TLS when a server configuration is given, until the handle is shut down or dropped.
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the configuration makes no sense, or the socket has no address.
    pub fn serve(self, listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> Result<Handle, Error> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(self.config, self.exports, tls)?);
        let (orders, received) = watch::channel(Orders::default());
        let connections = Arc::new(AtomicUsize::new(0));
        let server = Server { shared, orders: received, connections: Arc::clone(&connections) };
        let task = tokio::spawn(server.run(listener));
        Ok(Handle { address, orders, connections, task })
    }

    /// Serves one initiator on a stream that was opened elsewhere, between `local` and `peer`, until it ends.
    ///
    /// # Errors
    /// When the configuration makes no sense. How the connection ends is no error.
    pub async fn serve_stream<S>(self, stream: S, local: SocketAddr, peer: SocketAddr) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shared = Arc::new(Shared::new(self.config, self.exports, None)?);
        let Some(pass) = shared.gate.arrive(peer.ip()) else { return Ok(()) };
        let deadline = connection::after(shared.config.login_timeout);
        if let Err(end) = connection::run(&shared, stream, (local, Peer { address: peer, pass }), deadline).await {
            tracing::debug!(%end, %peer, "a connection ended");
        }
        Ok(())
    }
}

/// An iSCSI target with its disks: a portal with one export.
pub struct Target {
    config: TargetConfig,
}

impl Target {
    /// A target as it is configured; nothing happens before [`Target::serve`].
    #[must_use]
    pub const fn new(config: TargetConfig) -> Self {
        Self { config }
    }

    /// As [`Portal::serve`].
    ///
    /// # Errors
    /// When the configuration makes no sense, or the socket has no address.
    pub fn serve(self, listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> Result<Handle, Error> {
        let (export, portal) = self.config.split();
        Portal::new(portal, Arc::new(Single(export?))).serve(listener, tls)
    }
}

/// What the handle wants of the server.
#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    /// Counts how often all connections had to be dropped.
    drops: u64,
    deaf: bool,
    stop: bool,
}

/// A portal that is being served. It stops when this is dropped; [`Handle::shutdown`] also waits for that.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Closes every connection without a farewell. New ones are accepted.
    pub fn drop_connections(&self) {
        self.orders.send_modify(|orders| orders.drops = orders.drops.wrapping_add(1));
    }

    /// Closes the listening socket, for good. Connections that are open go on.
    pub fn stop_listening(&self) {
        self.orders.send_modify(|orders| orders.deaf = true);
    }

    /// Stops listening, closes every connection, and returns when all of that is done.
    pub async fn shutdown(self) {
        self.orders.send_modify(|orders| orders.stop = true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the target did not end by itself");
        }
    }
}

struct Server {
    shared: Arc<Shared>,
    orders: watch::Receiver<Orders>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn run(mut self, listener: TcpListener) {
        let mut listener = Some(listener);
        let mut tasks = JoinSet::new();
        let mut accepted = 0_u64;
        loop {
            let total_max = self.shared.config.faults.connections_total.unwrap_or(u64::MAX);
            if accepted >= total_max || self.orders.borrow().deaf {
                listener = None;
            }
            tokio::select! {
                changed = self.orders.changed() => {
                    if changed.is_err() || self.orders.borrow().stop {
                        break;
                    }
                }
                stream = accept(listener.as_ref()) => {
                    accepted = accepted.saturating_add(1);
                    self.admit(stream, &mut tasks);
                }
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a connection ended badly");
                    }
                }
            }
        }
        drop(listener);
        tasks.shutdown().await;
    }

    fn admit(&self, (stream, peer): (TcpStream, SocketAddr), tasks: &mut JoinSet<()>) {
        let Some(pass) = self.shared.gate.arrive(peer.ip()) else {
            tracing::debug!(%peer, "refused a connection: too many of this peer have not logged in");
            return;
        };
        let guard = CountGuard::new(&self.connections);
        let shared = Arc::clone(&self.shared);
        let mut orders = self.orders.clone();
        let drops = orders.borrow().drops;
        let evicted = pass.evicted();
        tasks.spawn(async move {
            let _guard = guard;
            tokio::select! {
                () = connection::serve(shared, stream, Peer { address: peer, pass }) => {}
                () = evicted.notified() => tracing::debug!(%peer, "closed a connection that has not logged in, for others"),
                // An error means that the server is gone.
                _ = orders.wait_for(|orders| orders.drops != drops) => {}
            }
        });
    }
}

/// The next connection; never, once the portal has stopped listening.
async fn accept(listener: Option<&TcpListener>) -> (TcpStream, SocketAddr) {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Counts a connection for as long as it lives.
struct CountGuard(Arc<AtomicUsize>);

impl CountGuard {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for CountGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
