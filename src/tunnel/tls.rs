//! The client's side of TLS 1.2 and 1.3.

use crate::address::Host;
use crate::alert_stream::AlertStream;
use crate::error::printable;
use crate::handshake_error::{Circumstances, explain};
use crate::phase::Phase;
use crate::pin::PinVerifier;
use crate::{Error, ErrorKind, TlsConfig, Trust, client_identity, pem_file};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

/// The name that a certificate has to carry: a DNS name or an IP address.
///
/// # Errors
/// [`ErrorKind::BadConfig`] when it is neither.
pub fn parse_server_name(text: &str) -> Result<ServerName<'static>, Error> {
    name_of(&Host::parse(text)?)
}

fn name_of(host: &Host) -> Result<ServerName<'static>, Error> {
    match host {
        Host::Ip(ip) => Ok(ServerName::from(*ip)),
        Host::Zoned(ip, _zone) => Ok(ServerName::from(*ip)),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| {
            Error::new(ErrorKind::BadConfig, format!("`{}` cannot be the name in a certificate", printable(name, 253)))
                .with_advice("Say with --server-name which name the server's certificate has")
        }),
    }
}

/// Makes TLS connections. Session tickets are not kept: who the server is gets verified every time.
#[derive(Debug)]
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    trust: Trust,
    has_client_certificate: bool,
}

impl TlsClient {
    pub(crate) fn new(config: TlsConfig) -> Result<Self, Error> {
        let server_name = config.server_name.as_deref().map(parse_server_name).transpose()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = verifier(&config.trust, &provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| Error::new(ErrorKind::BadConfig, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut tls = match &config.client {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_cert_resolver(Arc::new(client_identity::load(identity)?)),
        };
        tls.resumption = Resumption::disabled();
        Ok(Self {
            config: Arc::new(tls),
            server_name,
            trust: config.trust,
            has_client_certificate: config.client.is_some(),
        })
    }

    /// Makes TLS on a connection to `host`.
    pub(crate) async fn handshake(&self, tcp: TcpStream, host: &Host, deadline: Instant) -> Result<AlertStream, Error> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => name_of(host)?,
        };
        let circumstances = Circumstances {
            name: name.to_str().into_owned(),
            trust: self.trust.clone(),
            has_client_certificate: self.has_client_certificate,
        };
        let connecting = TlsConnector::from(Arc::clone(&self.config)).connect(name, tcp);
        let connected = async { connecting.await.map_err(|error| explain(&error, &circumstances)) };
        let stream = Phase::Handshake.within(deadline, connected).await?;
        Ok(AlertStream::new(stream, circumstances))
    }
}

fn verifier(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    match trust {
        Trust::SystemRoots => {
            let roots = rustls_platform_verifier::Verifier::new(Arc::clone(provider)).map_err(|error| {
                Error::new(ErrorKind::BadConfig, format!("this computer has no trusted authorities: {error}")).with_advice(
                    "Install them (package ca-certificates), or name the server's authority with --ca or its key with --pin",
                )
            })?;
            Ok(Arc::new(roots))
        }
        Trust::CaFile(path) => {
            let file = |number: u32| pem_file::bad_file(path, &unreadable(number));
            chain_to(&pem_file::certificates(path)?, file, provider)
        }
        Trust::CaPem(text) => {
            let text_of = |number: u32| Error::new(ErrorKind::BadConfig, format!("the CA {}", unreadable(number)));
            chain_to(&pem_file::certificates_in(text)?, text_of, provider)
        }
        Trust::Pin(pin) => Ok(Arc::new(PinVerifier::new(*pin, provider))),
    }
}

fn unreadable(number: u32) -> String {
    format!("has a certificate that cannot be read (number {number} in it)")
}

/// Accepts what one of these authorities vouches for.
fn chain_to(
    authorities: &[CertificateDer<'static>],
    unreadable: impl Fn(u32) -> Error,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for (certificate, number) in authorities.iter().zip(1_u32..) {
        roots.add(certificate.clone()).map_err(|_| unreadable(number))?;
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(built.map_err(|error| Error::new(ErrorKind::BadConfig, error.to_string()))?)
}
