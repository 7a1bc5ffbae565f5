//! One byte stream to a peer: TCP, TLS, proxies, peer identity, deadlines. What flows through is not known here.
//!
//! [`Dial`] is the seam: [`Tunnel`] opens real connections, [`MemoryDial`] hands out in-memory ones for tests. Name
//! resolution, TCP connect, the proxy's CONNECT and the TLS handshake share one deadline; the [`Error`] says which of
//! them failed and what to do about it.
//!
//! A server that does not accept our client certificate shows it in TLS 1.3 only when the connection is first used. The
//! `io::Error` of that read or write then carries an [`Error`]: see [`Error::inside`].

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod address;
mod alert_stream;
mod client_identity;
mod config;
mod connect;
mod dial;
mod error;
mod handshake_error;
mod in_turn;
mod memory;
mod no_proxy;
mod pem_file;
mod phase;
mod pin;
mod proxy;
mod proxy_choice;
mod resolver;
#[cfg(test)]
mod test_support;
mod tls;
mod tunnel;

pub use address::Address;
pub use config::{ClientIdentity, ProxyChoice, Security, TlsConfig, Trust, TunnelConfig};
pub use dial::{Dial, Dialing, Stream};
pub use error::{Error, ErrorKind};
pub use in_turn::InTurn;
pub use memory::{MemoryDial, MemoryListener};
pub use pin::{format_pin, parse_pin, spki_sha256};
pub use tls::parse_server_name;
pub use tunnel::Tunnel;
