//! Ports of the loopback interface that nobody uses.

use std::net::TcpListener;

/// A port that is free now. Another program could take it before it is used; whoever uses it has to try again then.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
