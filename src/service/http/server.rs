//! The accept loop and the life of a connection. Whoever is slow is cut: in the TLS handshake, in a request's header,
//! in its body (`guard`), and in reading what is sent, as no connection lives for ever ([`Times`]).

use super::app::App;
use super::connections::{Admission, Connections, Limits};
use super::request::Peer;
use super::routes::router;
use super::times::Times;
use crate::Service;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Bytes of a request's header, and of memory that a connection reads into.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Lines of a request's header.
const HEADERS_MAX: usize = 64;
/// How long to wait when the system has no resources for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the service listens for HTTPS.
pub struct Listener {
    /// The socket.
    pub listener: TcpListener,
    /// How it proves who it is. Application protocols are set here: HTTP/1.1.
    pub tls: Arc<ServerConfig>,
    /// What clients can take.
    pub limits: Limits,
}

/// Serves the API and the page until `stop` is ready; then open connections have a few seconds to end.
pub async fn serve(service: Arc<Service>, listener: Listener, stop: impl Future<Output = ()>) {
    serve_within(service, listener, Times::default(), stop).await;
}

pub(crate) async fn serve_within(
    service: Arc<Service>,
    listener: Listener,
    times: Times,
    stop: impl Future<Output = ()>,
) {
    let Listener { listener, tls, limits } = listener;
    let mut tls = ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (stopping, stopped) = watch::channel(false);
    let server = Server {
        acceptor: TlsAcceptor::from(Arc::new(tls)),
        router: router(App::new(service, limits.hsts, times.request)),
        times,
        connections: Connections::new(limits),
        stopped,
    };
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            (stream, address) = accept(&listener) => server.admit(stream, address, &mut tasks),
            Some(_) = tasks.join_next() => {}
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(times.farewell, ended).await.is_err() {
        tasks.shutdown().await;
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

struct Server {
    acceptor: TlsAcceptor,
    router: Router,
    times: Times,
    connections: Connections,
    stopped: watch::Receiver<bool>,
}

impl Server {
    fn admit(&self, stream: TcpStream, address: SocketAddr, tasks: &mut JoinSet<()>) {
        let Some(admission) = self.connections.admit(address.ip()) else {
            tracing::debug!(%address, "too many connections");
            return;
        };
        let router = self.router.clone().layer(Extension(Peer(address.ip())));
        let acceptor = self.acceptor.clone();
        let conversation = Conversation { times: self.times, stopped: self.stopped.clone(), _admission: admission };
        tasks.spawn(conversation.run(stream, acceptor, router));
    }
}

/// One connection.
struct Conversation {
    times: Times,
    stopped: watch::Receiver<bool>,
    /// Makes room for another one when this ends.
    _admission: Admission,
}

impl Conversation {
    /// From the handshake to the end.
    async fn run(mut self, stream: TcpStream, acceptor: TlsAcceptor, router: Router) {
        let times = self.times;
        // Without it small answers wait for the client's acknowledgement; a socket that cannot do it works all the
        // same.
        let _ = stream.set_nodelay(true);
        let Ok(Ok(stream)) = tokio::time::timeout(times.handshake, acceptor.accept(stream)).await else { return };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(times.header)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let mut connection = pin!(connection);
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an HTTPS connection ended");
                }
                return;
            }
            () = tokio::time::sleep(times.connection) => {}
            _ = self.stopped.wait_for(|stopped| *stopped) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(times.farewell, connection).await;
    }
}
