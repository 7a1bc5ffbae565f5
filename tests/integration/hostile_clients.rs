//! Clients that mean harm, or only hang: they cost a service neither its memory nor its other clients.

use crate::support::balancer::Balancer;
use crate::support::fr_mount::{FrMount, Place, shell};
use crate::support::fr_serve::{FrServe, Granted, Installation, Setup};
use crate::support::process::wait_until;
use crate::support::{Background, Ext4Image, Need, skip_unless};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::process::{Command, Stdio};

const MIB: u64 = 1 << 20;
const CONNECTIONS: usize = 10_000;
/// What a service may take beyond what it takes for ordinary clients.
const MORE_BYTES_MAX: u64 = 64 * MIB;
/// Connections that come from one address.
const OF_ONE_ADDRESS: usize = 50;

/// How a client begins that does not go on: it says nothing, or half of what opens TLS, or something that is not TLS.
const BEGINNINGS: [&[u8]; 3] = [
    b"",
    // A ClientHello of 512 bytes of which little more than its random number comes.
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefghijklmnopqrstuvwxyz012345\x20",
    // A login request whose text never comes (RFC 7143 section 11.12).
    b"\x43\x87\x00\x00\x00\x00\xff\xff\x80\x12\x34\x56\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x00",
];

/// Connects from an address of its own, of the many that the loopback interface has.
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let SocketAddr::V4(to) = to else { panic!("{to} is not of IPv4") };
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrV4::new(from, 0)).unwrap();
    connect(&socket, &to).unwrap();
    socket.into()
}

/// So many connections that never log in, from many addresses, to both of a service's ports.
fn half_open(server: &FrServe) -> Vec<TcpStream> {
    (0..CONNECTIONS)
        .map(|number| {
            let from = u8::try_from(number / OF_ONE_ADDRESS % 200).unwrap();
            let to = if number % 5 == 4 { server.https() } else { server.iscsi() };
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 1, from + 1), to);
            // A service that has had enough of them may have closed it.
            let _ = stream.write_all(BEGINNINGS[number % BEGINNINGS.len()]);
            stream
        })
        .collect()
}

/// So many files may be open in this process and in those that it starts.
fn allow_open_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
}

fn mount(granted: &Granted) -> FrMount {
    let place = Place::new();
    let bundle = place.path().join("of-the-grant.fr-bundle");
    fs::write(&bundle, &granted.bundle).unwrap();
    place.mount_bundle(&bundle, &granted.password)
}

/// A program that reads all of the large file, and is held up.
fn reader(mount: &FrMount) -> Background {
    let file = mount.volume("data").join("large");
    Background::start(Command::new("cat").arg(file).stdout(Stdio::null()))
}

#[test]
fn ten_thousand_half_open_logins_and_slow_readers_cost_neither_memory_nor_other_clients() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS]) {
        return;
    }
    allow_open_files(CONNECTIONS as u64 + 4096);
    let from = tempfile::tempdir().unwrap();
    shell("head -c 48M /dev/urandom > large", from.path());
    let image = Ext4Image::copied_from(from.path(), 64, &["-L", "data"]);
    let listener = Balancer::listener();
    let installation = Installation::new(&Setup { portal: listener.local_addr().ok(), ..Setup::default() });
    installation.import("db-1", "now", &[], &[image.path()]);
    let server = installation.serve();
    let balancer = Balancer::start(listener, &[server.iscsi()]);
    let granted = server.api().grant("db-1", "now");
    let expected = fs::read(from.path().join("large")).unwrap();

    let good = mount(&granted);
    assert!(fs::read(good.volume("data").join("large")).unwrap() == expected, "the bytes are wrong");
    good.stop();
    let before = server.peak_resident_bytes();

    let slow: Vec<_> = (0..4).map(|_| mount(&granted)).collect();
    balancer.hold_up();
    let readers: Vec<_> = slow.iter().map(reader).collect();
    let strangers = half_open(&server);
    let good = mount(&granted);
    assert!(fs::read(good.volume("data").join("large")).unwrap() == expected, "the bytes are wrong");
    // Here who comes may have to wait, but no longer than those are let wait who do not go on with TLS.
    wait_until("the page answers", || server.api().answers());
    let after = server.peak_resident_bytes();
    assert!(after < before + MORE_BYTES_MAX, "it took {} MiB before, and {} MiB now", before / MIB, after / MIB);
    drop(strangers);
    good.stop();
    // They get what they wait for no more: the wire to them is cut.
    drop((readers, balancer));
    drop(slow);
}
