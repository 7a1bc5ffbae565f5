//! What a [`crate::Tunnel`] is made from.

use secrecy::SecretString;
use std::path::PathBuf;

/// How connections are protected and which way they take.
#[derive(Clone, Debug)]
pub struct TunnelConfig {
    /// TLS, or none.
    pub security: Security,
    /// Whether a proxy stands between.
    pub proxy: ProxyChoice,
}

/// Protection of the bytes on the wire.
#[derive(Clone, Debug)]
pub enum Security {
    /// TCP alone: only to loopback addresses, whatever the name says.
    Plain {
        /// Also to other addresses and through proxies, where everybody on the way can read and change the bytes.
        allow_remote: bool,
    },
    /// TLS 1.3 or 1.2.
    Tls(TlsConfig),
}

/// Who the server has to be, and who we are.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// What makes the server's certificate acceptable.
    pub trust: Trust,
    /// The name that is asked for (SNI) and that the certificate has to carry; the dialled host when `None`. An IP
    /// address is checked as such and, as RFC 6066 wants it, not sent.
    pub server_name: Option<String>,
    /// Our own certificate, for servers that want one.
    pub client: Option<ClientIdentity>,
}

/// What makes a server's certificate acceptable.
#[derive(Clone, Debug)]
pub enum Trust {
    /// A chain to an authority that this computer trusts, the right name, valid now.
    SystemRoots,
    /// A chain to one of the certificates in this PEM file, the right name, valid now.
    CaFile(PathBuf),
    /// A chain to one of the certificates in this PEM text, the right name, valid now.
    CaPem(String),
    /// SHA-256 of the SubjectPublicKeyInfo (DER) of the server's own certificate. Chain, name and dates then do not
    /// matter; that the server holds the private key is verified all the same.
    Pin([u8; 32]),
}

/// A client certificate, as files.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// PEM: our certificate first, then the intermediates up to the authority that the server knows.
    pub certificate: PathBuf,
    /// PEM: its private key (PKCS #8, PKCS #1 or SEC 1), not encrypted. May be the same file.
    pub key: PathBuf,
}

/// Whether connections go through an HTTP proxy (method CONNECT).
#[derive(Clone, Debug)]
pub enum ProxyChoice {
    /// As `https_proxy` or `HTTPS_PROXY` says, except for hosts in `no_proxy` or `NO_PROXY` and for loopback hosts.
    FromEnvironment,
    /// Never.
    None,
    /// Always this one, `http://[USER:PASSWORD@]HOST[:PORT]`, user and password percent-encoded. `NO_PROXY` is not
    /// asked.
    Url(SecretString),
}
