//! A service on a vault with recovery points, a client that speaks HTTP as it is written, and answers taken apart.

use super::super::server::serve_within;
use super::super::times::Times;
use super::super::{Limits, Listener};
use crate::{Config, Consistency, Manifest, Service, UnixTime};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// May restore web-1 and web-2.
pub(super) const ANN: &str = "the token of ann";
/// May restore web-1, and end what others were given for it.
pub(super) const BOB: &str = "the token of bob";
/// Newest first.
pub(super) const POINTS: [&str; 3] = ["20261128T100000Z", "20261127T100000Z", "20261126T100000Z"];
/// A test that waits for longer than this has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A vault with its key, certificate and configuration.
pub(super) struct Place {
    directory: tempfile::TempDir,
    tls: Arc<rustls::ServerConfig>,
    certificate: CertificateDer<'static>,
}

impl Place {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("certificate.pem"), made.cert.pem()).unwrap();
        fs::write(at("certificate.key"), made.signing_key.serialize_pem()).unwrap();
        let service_key = bundle::sealed::SigningKey::generate().unwrap().to_pkcs8_pem();
        private_file(&at("service.key"), service_key.expose_secret());
        fs::write(at("fr-serve.toml"), configuration()).unwrap();
        for (place, point) in POINTS.iter().enumerate() {
            for vm in ["web-1", "web-2", "secret-db"] {
                add_point(&at("vault"), vm, point, place);
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        Self { directory, tls: Arc::new(tls), certificate }
    }

    /// One of the processes that serve this vault.
    pub(super) async fn serve(&self, limits: Limits, times: Times) -> Running {
        let config = Config::read(&self.directory.path().join("fr-serve.toml")).unwrap();
        let service = Service::open(config).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = Listener { listener, tls: Arc::clone(&self.tls), limits };
        let task = tokio::spawn(serve_within(service, listener, times, async {
            let _ = stopped.await;
        }));
        Running { address, certificate: self.certificate.clone(), stop, task }
    }
}

/// A key is refused when others can read it.
fn private_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    assert!(std::process::Command::new("chmod").arg("600").arg(path).status().unwrap().success());
}

fn configuration() -> String {
    let hash = |token: &str| hex::encode(Sha256::digest(token));
    format!(
        r#"
vault = "vault"
key = "service.key"
maximum_lifetime = "12h"
audit = "audit.jsonl"
[iscsi]
listen = ["127.0.0.1:0"]
portals = ["localhost:3260"]
[https]
listen = ["127.0.0.1:0"]
[tls]
certificate = "certificate.pem"
key = "certificate.key"
trust = "pin"
[roles.operator]
vms = ["web-*"]
[roles.helper]
vms = ["web-1"]
revoke_others = true
[[users]]
name = "ann"
roles = ["operator"]
token_sha256 = "{}"
[[users]]
name = "bob"
roles = ["helper"]
token_sha256 = "{}"
"#,
        hash(ANN),
        hash(BOB)
    )
}

/// Puts a recovery point with one disk of zeros into the vault, as an import would. The older they are, the larger is
/// `place`.
fn add_point(vault: &Path, vm: &str, point: &str, place: usize) {
    let directory = vault.join("points").join(vm).join(point);
    fs::create_dir_all(&directory).unwrap();
    let image = vec![0; 1 << 20];
    fs::write(directory.join("0-disk0.img"), &image).unwrap();
    let taken_at = UnixTime::from_seconds(1_795_860_000 - 86_400 * place as u64);
    let manifest = Manifest {
        version: 1,
        vm: vm.parse().unwrap(),
        point: point.parse().unwrap(),
        os: Some("Debian GNU/Linux 12".into()),
        taken_at,
        imported_at: taken_at,
        consistency: Consistency::FileSystem,
        disks: vec![crate::DiskEntry {
            lun: 0,
            format: image::Format::Raw,
            block_size: 512,
            bytes: image.len() as u64,
            files: vec![crate::FileEntry {
                name: "disk0.img".into(),
                object: "0-disk0.img".into(),
                bytes: image.len() as u64,
                sha256: hex::encode(Sha256::digest(&image)),
            }],
        }],
        layout: layout(),
    };
    fs::write(directory.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
}

/// What `fr-mount volumes --json` says of a server with two mirrored disks, LVM on them, and a disk that lost its
/// partner.
fn layout() -> session::Report {
    serde_json::from_str(include_str!("layout.json")).unwrap()
}

/// A service that runs.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    certificate: CertificateDer<'static>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) async fn start() -> Self {
        Self::start_with(Limits::default(), Times::default()).await
    }

    pub(super) async fn start_with(limits: Limits, times: Times) -> Self {
        Place::new().serve_and_keep(limits, times).await
    }

    /// Where the page thinks it is from.
    pub(super) fn origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub(super) async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// Sends bytes as they are, and takes apart what comes until the server closes.
    pub(super) async fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // The server may have answered, and closed, before it read everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.flush().await;
        Answer::parse(&read_to_end(&mut stream).await)
    }

    pub(super) async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\n", self.address.port());
        text.push_str("Connection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.send(format!("{text}\r\n{body}").as_bytes()).await
    }

    /// As a script asks: with a token.
    pub(super) async fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
        self.request(method, &format!("/api/v1/{path}"), headers, body).await
    }

    /// As the page signs in; gives the cookie.
    pub(super) async fn sign_in(&self, token: &str) -> String {
        let answer = self.try_to_sign_in(token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    pub(super) async fn try_to_sign_in(&self, token: &str) -> Answer {
        let origin = self.origin();
        let headers = [("Origin", origin.as_str()), ("Content-Type", "application/json")];
        let body = serde_json::json!({ "token": token }).to_string();
        self.request("POST", "/api/v1/session", &headers, &body).await
    }

    /// As the page asks: with a cookie, and with the origin where browsers send it.
    pub(super) async fn ask_as_page(&self, cookie: &str, method: &str, path: &str, body: &str) -> Answer {
        let origin = self.origin();
        let mut headers = vec![("Cookie", cookie)];
        if method != "GET" {
            headers.push(("Origin", &origin));
        }
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json"));
        }
        self.request(method, &format!("/api/v1/{path}"), &headers, body).await
    }

    pub(super) async fn stop(self) {
        drop(self.stop);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

impl Place {
    /// For tests with one process: the vault goes when the test's process does, as it is in a temporary directory that
    /// it owns.
    async fn serve_and_keep(self, limits: Limits, times: Times) -> Running {
        let mut running = self.serve(limits, times).await;
        let task = running.task;
        running.task = tokio::spawn(async move {
            let _ = task.await;
            drop(self);
        });
        running
    }
}

pub(super) async fn read_to_end(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A connection that was cut ends in an error; what came before it counts.
    let _ = read.expect("the server neither answers nor closes");
    bytes
}

/// An answer taken apart.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    /// What is no answer has the status 0.
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { status: status.unwrap_or(0), headers, body: body.to_owned() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The kind of a refusal, which also has to be one in form.
    pub(super) fn kind(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.') || detail.len() > 20),
            "{problem}"
        );
        problem["kind"].as_str().unwrap().to_owned()
    }
}
