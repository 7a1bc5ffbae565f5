//! What the tests of several modules need: certificates, servers on loopback, and a deadline that is never reached.

use crate::{Address, Dial, Error, ProxyChoice, Security, Stream, TlsConfig, Trust, Tunnel, TunnelConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// A file with this text in a directory that goes with the test.
pub(crate) fn write(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Long enough for the slowest machine.
pub(crate) fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Short, for what never answers.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_millis(400)
}

/// An authority of our own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these DNS names and addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Leaf {
        self.issue_with(names, |_| {})
    }

    pub(crate) fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

/// A certificate and its key.
pub(crate) struct Leaf {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

impl Leaf {
    pub(crate) fn self_signed(names: &[&str], is_ca: IsCa) -> Self {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// A server that shows this certificate.
    pub(crate) fn server(&self) -> ServerConfig {
        self.server_of(rustls::ALL_VERSIONS, None)
    }

    /// The same with only these versions, and with clients from this authority only.
    pub(crate) fn server_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Authority>,
    ) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let roots = Arc::new(authority.roots());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        builder.with_single_cert(vec![self.certificate.clone()], self.private_key()).unwrap()
    }
}

/// What a server saw of one client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) server_name: Option<String>,
    pub(crate) version: rustls::ProtocolVersion,
    pub(crate) has_client_certificate: bool,
}

/// A server on loopback that goes with the test.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    /// Where to dial it under its address.
    pub(crate) fn address(&self) -> Address {
        Address::new(self.address.ip().to_string(), self.address.port())
    }
}

/// A server that does this with every connection.
pub(crate) async fn serve<F, Fut>(answer: F) -> Served
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    serve_at("127.0.0.1:0", answer).await.unwrap()
}

pub(crate) async fn serve_at<F, Fut>(address: &str, answer: F) -> std::io::Result<Served>
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(answer(stream));
        }
    });
    Ok(Served { address, seen: Arc::default(), task })
}

/// A server that sends back what it gets.
pub(crate) async fn serve_echo() -> Served {
    serve(|mut stream| async move {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await
}

/// A server that sends back what it gets, in TLS.
pub(crate) async fn serve_tls(config: ServerConfig) -> Served {
    serve_tls_at("127.0.0.1:0", config).await.unwrap()
}

pub(crate) async fn serve_tls_at(address: &str, config: ServerConfig) -> std::io::Result<Served> {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let mut served = serve_at(address, move |stream| {
        let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let connection = stream.get_ref().1;
            log.lock().unwrap().push(Seen {
                server_name: connection.server_name().map(str::to_owned),
                version: connection.protocol_version().unwrap(),
                has_client_certificate: connection.peer_certificates().is_some(),
            });
            let (mut reader, mut writer) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        }
    })
    .await?;
    served.seen = seen;
    Ok(served)
}

/// TLS with this trust and nothing else.
pub(crate) fn trusting(trust: Trust) -> TlsConfig {
    TlsConfig { trust, server_name: None, client: None }
}

pub(crate) fn tls_tunnel(config: TlsConfig) -> Result<Tunnel, Error> {
    Tunnel::new(TunnelConfig { security: Security::Tls(config), proxy: ProxyChoice::None })
}

/// The bytes come back from an echoing server.
pub(crate) async fn assert_echoes(stream: &mut (impl Stream + ?Sized)) {
    stream.write_all(b"ping").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
}

/// Dials and echoes.
pub(crate) async fn assert_works(tunnel: &Tunnel, address: &Address) {
    let mut stream = tunnel.dial(address, far()).await.unwrap();
    assert_echoes(&mut *stream).await;
}

/// Dials and expects it to fail.
pub(crate) async fn error_of(tunnel: &Tunnel, address: &Address, deadline: Instant) -> Error {
    let error = tunnel.dial(address, deadline).await.err().expect("this must not connect");
    let text = error.to_string();
    // To be read by people now and then: cargo test -- --nocapture.
    println!("{text}");
    assert!(!text.contains(char::is_control), "{text}");
    assert!(text.starts_with(&error.place.clone().unwrap_or_default()), "{text}");
    assert!(!text.contains("os error") && !text.contains("Error") && !text.contains('{'), "{text}");
    error
}
