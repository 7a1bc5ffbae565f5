//! How long clients may take. Whoever is slower is cut, so that slow or silent clients cannot hold connections.

use std::time::Duration;

/// How long each part of a connection's life may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// The TLS handshake.
    pub(crate) handshake: Duration,
    /// A request's header, from the end of the request before; so it also ends connections that nobody uses.
    pub(crate) header: Duration,
    /// A request from its header to its answer, its body included. Sealing a bundle alone takes seconds, by design.
    pub(crate) request: Duration,
    /// A connection: it then ends with the request that is under way. This is what bounds who does not read answers.
    pub(crate) connection: Duration,
    /// What that request may still take, also when the service stops.
    pub(crate) farewell: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(15),
            request: Duration::from_secs(60),
            connection: Duration::from_secs(120),
            farewell: Duration::from_secs(5),
        }
    }
}
