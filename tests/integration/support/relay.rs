//! A wire between two programs that can be cut: passes bytes on, counts connections, ends them on purpose.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A port that leads to another one; closed when dropped, connections that are open live on.
pub(crate) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    /// Every connection is ended once so many bytes came from `to`.
    cut_after_bytes: Option<u64>,
    connections: AtomicUsize,
    closed: AtomicBool,
}

impl Relay {
    pub(crate) fn start(to: SocketAddr, cut_after_bytes: Option<u64>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = AtomicUsize::new(0);
        let shared = Arc::new(Shared { to, cut_after_bytes, connections, closed: AtomicBool::new(false) });
        let inside = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if inside.closed.load(Ordering::SeqCst) {
                    return;
                }
                inside.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&inside);
                // How a connection ends is what the programs at its ends are tested with; here it does not matter.
                std::thread::spawn(move || drop(shared.pass_on(&client)));
            }
        });
        Self { address, shared }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn pass_on(&self, client: &TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.to)?;
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let limit = self.cut_after_bytes.unwrap_or(u64::MAX);
        let passed = io::copy(&mut (&server).take(limit), &mut &*client);
        let _ = (&mut &*client).flush();
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        passed.map(drop)
    }
}
