//! What clients that mean harm can make a portal hold.

use super::disks::content;
use super::initiator::{Initiator, pairs, stage};
use super::vault::{Visitor, credentials, iqn, log_in, secret, visit};
use super::{PATIENCE, vault};
use crate::{Export, ExportConfig, PortalConfig};
use block::{BlockRange, BlockSize, Completion, Disk, Geometry};
use iscsi::pdu::Stage;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

const MIB: usize = 1 << 20;
const READ_BYTES_MAX: usize = MIB;
const CONNECTIONS_MAX: usize = 64;
const SHARED_READ_BYTES_MAX: usize = 32 * MIB;
const HALF_OPEN_MAX: usize = 256;
/// What else a connection may hold: what is being received and sent.
const PER_CONNECTION: usize = MIB / 2;
const PER_HALF_OPEN: usize = 64 << 10;
/// What an allocator keeps back and the runtime needs.
const SLACK: usize = 32 * MIB;
const LOGINS: usize = 10_000;
/// Set for the process that serves.
const SERVE: &str = "FR_TARGET_TEST_SERVES";

/// A disk that makes its bytes anew for every read, so that they are held as long as the read.
struct FreshDisk;

impl Disk for FreshDisk {
    fn geometry(&self) -> Geometry {
        Geometry::new(BlockSize::B512, 1 << 20).unwrap()
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        done(Ok(content(1, blocks.count as usize * 512)));
    }
}

/// Not a test: what the other test runs as a process of its own, whose memory is nobody else's.
#[test]
#[ignore = "is run by another test"]
fn serves_until_nobody_listens() {
    if std::env::var_os(SERVE).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let config = ExportConfig {
            chap: Some(credentials("a")),
            read_bytes_max: READ_BYTES_MAX as u32,
            ..ExportConfig::new(iqn("a"), vec![Arc::new(FreshDisk)])
        };
        let vault = vault::Vault { exports: vec![Arc::new(Export::new(config).unwrap())], ..Default::default() };
        let limits = PortalConfig {
            connections_max: CONNECTIONS_MAX,
            half_open_max: HALF_OPEN_MAX,
            shared_read_bytes_max: SHARED_READ_BYTES_MAX,
            // Nobody is to be rescued by them.
            login_timeout: Duration::from_secs(3600),
            silence_max: Duration::from_secs(3600),
            ..PortalConfig::default()
        };
        let portal = vault::serve(&Arc::new(vault), limits).await;
        println!("serving {}", portal.address());
        tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]).unwrap()).await.unwrap();
    });
}

/// The process that serves.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let name = "tests::limits::serves_until_nobody_listens";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", name, "--nocapture"])
            .env(SERVE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut addresses = lines.filter_map(|line| Some(line.split_once("serving ")?.1.to_owned()));
        let address = addresses.next().expect("it serves").parse().unwrap();
        Self { child, address }
    }

    /// The most memory that the process ever had.
    fn peak_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection from one of many addresses of this machine.
async fn connect_from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // What the kernel takes for a reader that reads nothing is not what is measured here.
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// Begins a login with a text that it does not finish.
async fn half_open(last: u8, to: SocketAddr) -> TcpStream {
    let mut stream = connect_from(last, to).await;
    let text = pairs(&[("InitiatorName", "iqn.2024-01.test.invalid:slow"), ("X-padding", &"x".repeat(2000))]).encode();
    let mut pdu = bytes::BytesMut::new();
    let request = Initiator::new(tokio::io::empty()).login_request(stage(Stage::Security, None), text);
    iscsi::pdu::encode(&request.into_pdu(), iscsi::pdu::Digests::default(), &mut pdu);
    // The portal may have closed it already.
    let _ = stream.write_all(&pdu[..pdu.len() - 8]).await;
    stream
}

/// Asks for as much as the window allows and takes nothing of it.
async fn slow_reader(isid: u8, server: &Server) -> Initiator {
    let mut initiator = Initiator::new(connect_from(100, server.address).await);
    initiator.isid[5] = isid;
    let visitor = Visitor { user: "a", secret: &secret("a"), target: Some(&iqn("a")) };
    assert_eq!(visit(&mut initiator, &visitor).await.status_class, 0);
    for _ in 0..100 {
        initiator.begin_read(0, 0, 2048).await;
    }
    initiator
}

async fn good_client(isid: u8, server: &Server) -> Initiator {
    let mut initiator = Initiator::new(TcpStream::connect(server.address).await.unwrap());
    initiator.isid[5] = isid;
    let visitor = Visitor { user: "a", secret: &secret("a"), target: Some(&iqn("a")) };
    assert_eq!(visit(&mut initiator, &visitor).await.status_class, 0);
    initiator
}

async fn reads_well(initiator: &mut Initiator) {
    for _ in 0..8 {
        assert_eq!(initiator.read(0, 0, 2048).await, content(1, MIB));
    }
}

/// Lets this process have as many open files as it may; says how many.
fn raise_open_files() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.map_or(usize::MAX, |maximum| maximum as usize)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_half_open_logins_and_many_slow_readers_do_not_raise_memory_past_its_bound() {
    let at_a_time = (raise_open_files() - 500).min(LOGINS);
    let server = Server::start();
    let idle = server.peak_bytes();
    let mut early = good_client(1, &server).await;
    let all = async {
        let mut logins = Vec::new();
        for number in 0..LOGINS {
            if logins.len() >= at_a_time {
                logins.clear();
            }
            logins.push(half_open(100 + (number % 100) as u8, server.address).await);
        }
        let mut late = good_client(2, &server).await;
        reads_well(&mut late).await;
        reads_well(&mut early).await;
        let bound = idle + HALF_OPEN_MAX * PER_HALF_OPEN + SLACK;
        assert!(server.peak_bytes() < bound, "{} of {bound} bytes with half-open logins", server.peak_bytes());

        let mut readers = Vec::new();
        for number in 0..CONNECTIONS_MAX - 4 {
            readers.push(slow_reader(10 + number as u8, &server).await);
        }
        let mut last = good_client(3, &server).await;
        for client in [&mut early, &mut late, &mut last] {
            reads_well(client).await;
        }
        let reads = CONNECTIONS_MAX * READ_BYTES_MAX + SHARED_READ_BYTES_MAX;
        let bound = bound + reads + CONNECTIONS_MAX * PER_CONNECTION;
        assert!(server.peak_bytes() < bound, "{} of {bound} bytes with slow readers", server.peak_bytes());
        // The test is worth something: without bounds it would have been more.
        assert!(readers.len() * 32 * MIB > 4 * bound);
        if std::env::var_os("FR_TARGET_TEST_TELLS").is_some() {
            eprintln!("idle {idle}, peak {}, bound {bound}", server.peak_bytes());
        }
        drop(logins);
    };
    tokio::time::timeout(PATIENCE * 2, all).await.expect("good clients are served");
}

#[tokio::test]
async fn a_slow_reader_is_served_in_the_end() {
    let vault = Arc::new(vault::Vault::of_two());
    let limits = PortalConfig { bytes_in_flight_max: 2 * MIB, shared_read_bytes_max: 2 * MIB, ..vault::config() };
    let portal = vault::serve(&vault, limits).await;
    let mut initiator = log_in(&portal, 1, "a").await;
    for _ in 0..50 {
        initiator.begin_read(0, 0, 2048).await;
    }
    for _ in 0..50 {
        assert_eq!(initiator.outcome().await.1.good(), content(1, MIB));
    }
    portal.shutdown().await;
}
