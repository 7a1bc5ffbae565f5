//! The steps that share one deadline.

use crate::{Error, ErrorKind};
use std::future::Future;
use tokio::time::{Instant, timeout_at};

/// A step of opening a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// From name to addresses.
    Resolve,
    /// From addresses to a TCP connection.
    Connect,
    /// CONNECT and the proxy's answer.
    Proxy,
    /// From ClientHello to Finished.
    Handshake,
}

impl Phase {
    const fn text(self) -> &'static str {
        match self {
            Self::Resolve => "while resolving the name",
            Self::Connect => "while connecting",
            Self::Proxy => "while waiting for the proxy to connect",
            Self::Handshake => "during the TLS handshake",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Resolve => "Check the name server of this computer, or give an IP address",
            Self::Connect => "Check that the host is up and that no firewall drops connections to this port",
            Self::Proxy => "Check that the proxy can reach the host",
            Self::Handshake => "Check that this port speaks TLS; a busy server needs a longer time-out",
        }
    }

    /// The deadline passed during this step.
    pub(crate) fn timed_out(self) -> Error {
        Error::new(ErrorKind::TimedOut, self.text()).with_advice(self.advice())
    }

    /// The answer of `step`, or that it did not come before the deadline.
    pub(crate) async fn within<T>(
        self,
        deadline: Instant,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        timeout_at(deadline, step).await.unwrap_or_else(|_elapsed| Err(self.timed_out()))
    }
}
