//! A stand-in for the portal of Azure Backup, as docs/BUNDLE.md describes it: plain TLS 1.2 straight on the port, reached through an
//! HTTP proxy that knows its name; one-way CHAP with the prefixed user for discovery and sessions; discovery that tells names
//! and no addresses, of targets that may not be ready or not be for this caller; disks of the vendor `MABILR I`.
//!
//! Our own targets do the work behind it. What they cannot say, the stand-in changes on the way.

use super::certificates::AuthorityFile;
use super::own_target::{OwnTarget, config, credentials};
use block::Disk;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use target::{Faults, Refusal};

/// The names that the portal has, for those outside and inside the network of the vault.
pub(crate) const PUBLIC: &str = "pod01-rec2.test.backup.windowsazure.com";
pub(crate) const PRIVATE: &str = "vault-abc-pod01-rec2.privatelink.test.backup.windowsazure.com";
pub(crate) const USER: &str = "1000000000000000001-00000000-1111-2222-3333-444444444444";
pub(crate) const PASSWORD: &str = "0a1b2c3d4e5f6a7";
pub(crate) const TARGET_SECRET: &str = "00112233445566";
/// What the script of 2024 names, and the second one of the same recovery point.
pub(crate) const FIRST: &str =
    "iqn.2016-01.microsoft.azure.backup:1000000000000000001-100001-200000000000001-300000000000001.638999999999999999";
pub(crate) const SECOND: &str =
    "iqn.2016-01.microsoft.azure.backup:1000000000000000001-100001-200000000000001-300000000000002.638999999999999999";

const LOGIN_REQUEST: u8 = 0x03;
const TEXT_RESPONSE: u8 = 0x24;
const HEADER_BYTES: usize = 48;

/// How the stand-in behaves.
pub(crate) struct Behaviour {
    /// The targets that there are, and their disks.
    pub(crate) targets: Vec<(&'static str, Arc<dyn Disk>)>,
    /// What each discovery shows, one after the other; the last one for ever.
    pub(crate) shown: Vec<Vec<String>>,
    /// What the targets prove themselves with.
    pub(crate) reverse: Option<&'static str>,
    /// With this status (class and detail) every login is refused.
    pub(crate) refusal: Option<(u8, u8)>,
    /// How the CHAP user has to begin.
    pub(crate) prefix: String,
}

/// A running stand-in. It stops accepting when it is dropped.
pub(crate) struct AzurePortal {
    address: SocketAddr,
    shared: Arc<Shared>,
    ca: AuthorityFile,
}

struct Shared {
    targets: Vec<(&'static str, OwnTarget)>,
    shown: Vec<Vec<String>>,
    seen: Mutex<Seen>,
    tls: Arc<ServerConfig>,
}

/// What the stand-in saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Hosts that were asked for by CONNECT.
    pub(crate) dialled: Vec<String>,
    /// Names in TLS (SNI).
    pub(crate) names: Vec<String>,
    /// TLS versions and cipher suites.
    pub(crate) suites: Vec<String>,
    /// How often discovery was done.
    pub(crate) discoveries: usize,
}

impl AzurePortal {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let (ca, chain) = certificates();
        let refusal = behaviour.refusal;
        let targets = behaviour.targets.into_iter().map(|(name, disk)| {
            let mut config = config(vec![disk]);
            config.iqn = name.to_owned();
            config.chap = Some(credentials(&format!("{}{USER}", behaviour.prefix), PASSWORD));
            config.reverse = behaviour.reverse.map(|secret| credentials("iqn.azure.target", secret));
            let refusal = refusal.map(|(class, detail)| Refusal { class, detail, after: 0, times: 99 });
            config.faults = Faults { refusal, ..Faults::default() };
            (name, OwnTarget::plain(config))
        });
        let shared = Shared {
            targets: targets.collect(),
            shown: behaviour.shown,
            seen: Mutex::default(),
            tls: server_config(chain),
        };
        let shared = Arc::new(shared);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), shared) = (client, Arc::clone(&inside)) else { return };
                // How a connection ends is for the program at its other end to say.
                std::thread::spawn(move || shared.serve(client));
            }
        });
        Self { address, shared, ca }
    }

    /// Options that lead `fr-mount` to the stand-in.
    pub(crate) fn options(&self) -> Vec<String> {
        let proxy = format!("http://{}", self.address);
        let ca = self.ca.path().display().to_string();
        ["--proxy", &proxy, "--ca", &ca].map(str::to_owned).to_vec()
    }

    pub(crate) fn seen(&self) -> Seen {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Shared {
    /// One connection, from the proxy's CONNECT on.
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        if !self.connect(&client)? {
            return Ok(());
        }
        let connection = ServerConnection::new(Arc::clone(&self.tls)).map_err(io::Error::other)?;
        let mut tls = StreamOwned::new(connection, client);
        let first = read_pdu(&mut tls)?;
        {
            let mut seen = self.seen.lock().unwrap();
            seen.names.extend(tls.conn.server_name().map(str::to_owned));
            let (version, suite) = (tls.conn.protocol_version(), tls.conn.negotiated_cipher_suite());
            seen.suites.push(format!("{:?} {:?}", version.unwrap(), suite.unwrap().suite()));
        }
        let text = String::from_utf8_lossy(&first).into_owned();
        let named = |target: &&(&str, OwnTarget)| text.contains(&format!("TargetName={}\0", target.0));
        let is_discovery = text.contains("SessionType=Discovery");
        let target = if is_discovery { self.targets.first() } else { self.targets.iter().find(named) };
        let shown = is_discovery.then(|| self.next_names());
        pass_on(tls, &first, target.unwrap_or(&self.targets[0]).1.address(), shown.as_deref())
    }

    /// Answers the CONNECT; whether it leads here.
    fn connect(&self, client: &TcpStream) -> io::Result<bool> {
        let mut lines = BufReader::with_capacity(1, client).lines();
        let request = lines.next().unwrap_or(Ok(String::new()))?;
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let host = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_here = [PUBLIC, PRIVATE].iter().any(|name| host == format!("{name}:3260"));
        self.seen.lock().unwrap().dialled.push(host);
        let status = if is_here { "200 Connection established" } else { "502 Bad Gateway" };
        write!(&mut &*client, "HTTP/1.1 {status}\r\n\r\n")?;
        Ok(is_here)
    }

    fn next_names(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap();
        let index = seen.discoveries.min(self.shown.len() - 1);
        seen.discoveries += 1;
        self.shown[index].clone()
    }
}

/// Carries PDUs between a client and a target. TLS is one object for both directions, so they take turns: every PDU of the client
/// is followed by what the target answers until it is silent.
fn pass_on(
    mut tls: StreamOwned<ServerConnection, TcpStream>,
    first: &[u8],
    target: SocketAddr,
    shown: Option<&[String]>,
) -> io::Result<()> {
    const TURN: std::time::Duration = std::time::Duration::from_millis(2);
    let mut target = TcpStream::connect(target)?;
    target.write_all(first)?;
    tls.sock.set_read_timeout(Some(TURN))?;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let mut from_target = target.try_clone()?;
    from_target.set_read_timeout(Some(TURN))?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let ended = [read_some(&mut from_target, &mut buffer, &mut down)?, read_some(&mut tls, &mut buffer, &mut up)?];
        while let Some(pdu) = take_pdu(&mut down) {
            tls.write_all(&changed(pdu, shown))?;
        }
        tls.flush()?;
        target.write_all(&std::mem::take(&mut up))?;
        if ended.contains(&true) {
            let _ = (tls.sock.shutdown(Shutdown::Both), target.shutdown(Shutdown::Both));
            return Ok(());
        }
    }
}

/// Reads what is there; whether it has ended.
fn read_some(from: &mut impl Read, buffer: &mut [u8], to: &mut Vec<u8>) -> io::Result<bool> {
    match from.read(buffer) {
        Ok(0) => Ok(true),
        Ok(length) => {
            to.extend_from_slice(&buffer[..length]);
            Ok(false)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The length of a PDU without digests, by its header: DataSegmentLength, padded, after the basic header segment.
fn pdu_bytes(header: &[u8]) -> usize {
    let data = u32::from_be_bytes([0, header[5], header[6], header[7]]) as usize;
    HEADER_BYTES + usize::from(header[4]) * 4 + data.next_multiple_of(4)
}

fn take_pdu(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = bytes.get(..HEADER_BYTES).map(pdu_bytes)?;
    (bytes.len() >= length).then(|| bytes.drain(..length).collect())
}

/// The first PDU of a connection, which has to be a login.
fn read_pdu(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut pdu = vec![0; HEADER_BYTES];
    from.read_exact(&mut pdu)?;
    assert_eq!(pdu[0] & 0x3f, LOGIN_REQUEST, "something comes before the login");
    pdu.resize(pdu_bytes(&pdu), 0);
    from.read_exact(&mut pdu[HEADER_BYTES..])?;
    Ok(pdu)
}

/// What Azure says in place of what our target says.
fn changed(mut pdu: Vec<u8>, shown: Option<&[String]>) -> Vec<u8> {
    if let (TEXT_RESPONSE, Some(names)) = (pdu[0] & 0x3f, shown) {
        let text: String = names.iter().map(|name| format!("TargetName={name}\0")).collect();
        pdu.truncate(HEADER_BYTES);
        pdu[5..8].copy_from_slice(&(text.len() as u32).to_be_bytes()[1..]);
        pdu.extend_from_slice(text.as_bytes());
        pdu.resize(pdu.len().next_multiple_of(4), 0);
    }
    // INQUIRY: the vendor has eight characters here as there.
    if pdu.len() < 512
        && let Some(at) = pdu.windows(8).position(|window| window == b"FR-MOUNT")
    {
        pdu[at..at + 8].copy_from_slice(b"MABILR I");
    }
    pdu
}

/// An authority, and the portal's certificate with the key of the fixture.
fn certificates() -> (AuthorityFile, CertifiedKey) {
    let key = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/azure/stand-in-key.pem");
    let pem = std::fs::read_to_string(key).unwrap();
    let (ca, certificate) = AuthorityFile::make(PUBLIC, &rcgen::KeyPair::from_pem(&pem).unwrap());
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    (ca, CertifiedKey::new(vec![CertificateDer::from(certificate)], key))
}

/// The certificate for those who ask for the right name, and a failed handshake for everybody else.
#[derive(Debug)]
struct ForName(Arc<CertifiedKey>);

impl ResolvesServerCert for ForName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        (hello.server_name() == Some(PUBLIC)).then(|| Arc::clone(&self.0))
    }
}

/// TLS 1.2 with one cipher suite, ECDHE-RSA-AES256-GCM-SHA384.
fn server_config(chain: CertifiedKey) -> Arc<ServerConfig> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = vec![rustls::crypto::ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384];
    let builder = ServerConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(ForName(Arc::new(chain)))))
}
