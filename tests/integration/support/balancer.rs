//! A TCP load balancer: one address, several servers behind it, of which some may be gone.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Passes each connection on to a server that answers, taking turns. Ends when dropped; connections that are open live on.
pub(crate) struct Balancer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    servers: Vec<Server>,
    turn: AtomicUsize,
    accepted: AtomicUsize,
    /// Connections that came before this one are held up.
    held_before: AtomicUsize,
    closed: AtomicBool,
}

struct Server {
    address: SocketAddr,
    connections: AtomicUsize,
}

impl Balancer {
    /// Listens at an address that is known before its servers are: they may want to tell it to others.
    pub(crate) fn listener() -> TcpListener {
        TcpListener::bind(("127.0.0.1", 0)).unwrap()
    }

    pub(crate) fn start(listener: TcpListener, servers: &[SocketAddr]) -> Self {
        let address = listener.local_addr().unwrap();
        let servers = servers.iter().map(|address| Server { address: *address, connections: AtomicUsize::new(0) });
        let [turn, accepted, held_before] = [(); 3].map(|()| AtomicUsize::new(0));
        let closed = AtomicBool::new(false);
        let shared = Arc::new(Shared { servers: servers.collect(), turn, accepted, held_before, closed });
        let inside = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if inside.closed.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&inside);
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || shared.pass_on(&client, number));
            }
        });
        Self { address, shared }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on reads nothing more from the servers for the connections that are open: their clients seem not to read.
    pub(crate) fn hold_up(&self) {
        self.shared.held_before.store(self.shared.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// How many connections each server has now.
    pub(crate) fn connections(&self) -> Vec<usize> {
        self.shared.servers.iter().map(|server| server.connections.load(Ordering::SeqCst)).collect()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// Passes bytes both ways until one side ends; a client whom no server takes is turned away.
    fn pass_on(&self, client: &TcpStream, number: usize) {
        let Some((server, stream)) = self.server() else {
            let _ = client.shutdown(Shutdown::Both);
            return;
        };
        server.connections.fetch_add(1, Ordering::SeqCst);
        // How a connection ends is what the programs at its ends are tested with; here it does not matter.
        let _ = self.pass_both_ways(client, &stream, number);
        server.connections.fetch_sub(1, Ordering::SeqCst);
    }

    /// The next server in turn that can be reached.
    fn server(&self) -> Option<(&Server, TcpStream)> {
        let first = self.turn.fetch_add(1, Ordering::SeqCst);
        (0..self.servers.len()).find_map(|step| {
            let server = &self.servers[(first + step) % self.servers.len()];
            let stream = TcpStream::connect_timeout(&server.address, Duration::from_secs(2)).ok()?;
            Some((server, stream))
        })
    }

    fn pass_both_ways(&self, client: &TcpStream, server: &TcpStream, number: usize) -> io::Result<()> {
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        let up = std::thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let passed = self.pass_down(client, server, number);
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        let _ = up.join();
        passed
    }

    fn pass_down(&self, mut client: &TcpStream, mut server: &TcpStream, number: usize) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = server.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            while number < self.held_before.load(Ordering::SeqCst) && !self.closed.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            client.write_all(&buffer[..length])?;
        }
    }
}

#[test]
fn connections_go_to_the_servers_that_live() {
    let servers: Vec<_> = (0..2).map(|_| Balancer::listener()).collect();
    let addresses: Vec<_> = servers.iter().map(|server| server.local_addr().unwrap()).collect();
    let mut living = Vec::new();
    for (number, server) in servers.into_iter().enumerate() {
        let stop = Arc::new(AtomicBool::new(false));
        living.push(Arc::clone(&stop));
        std::thread::spawn(move || {
            for mut stream in server.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                stream.write_all(&[number as u8]).unwrap();
            }
        });
    }
    let balancer = Balancer::start(Balancer::listener(), &addresses);
    let ask = || {
        let mut answer = Vec::new();
        TcpStream::connect(balancer.address()).unwrap().read_to_end(&mut answer).unwrap();
        answer
    };
    assert_eq!([ask(), ask(), ask()].concat().iter().map(|n| usize::from(*n)).sum::<usize>(), 1);
    living[0].store(true, Ordering::SeqCst);
    let _ = TcpStream::connect(addresses[0]);
    super::process::wait_until("the first server is gone", || TcpStream::connect(addresses[0]).is_err());
    assert_eq!([ask(), ask(), ask()].concat(), [1, 1, 1]);
    super::process::wait_until("all connections ended", || balancer.connections() == [0, 0]);
}
