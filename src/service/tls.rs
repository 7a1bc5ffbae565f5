//! The certificate that the service shows, on both of its sides.

use crate::config::{TlsConfig, Trust};
use crate::{Error, crypto};
use bundle::sealed::TrustAnchor;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// The certificate and its key. Connections that begin after [`Certificate::reload`] are shown the new one.
pub(crate) struct Certificate {
    config: TlsConfig,
    shown: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

impl Certificate {
    pub(crate) fn read(config: &TlsConfig) -> Result<Arc<Self>, Error> {
        let shown = RwLock::new(Arc::new(read(config)?));
        Ok(Arc::new(Self { config: config.clone(), shown }))
    }

    /// Reads the files again. When they make no sense the old certificate stays.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let new = Arc::new(read(&self.config)?);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// How servers use it.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, Error> {
        let versions = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal(format!("TLS: {error}")))?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        Ok(Arc::new(versions.with_no_client_auth().with_cert_resolver(resolver)))
    }

    /// What bundles tell clients to trust.
    pub(crate) fn trust_anchor(&self) -> Result<TrustAnchor, Error> {
        match &self.config.trust {
            Trust::System => Ok(TrustAnchor::System),
            Trust::Ca(path) => Ok(TrustAnchor::CaPem(text(path)?)),
            Trust::Pin => {
                let shown = self.shown();
                let leaf = shown.cert.first().ok_or_else(|| Error::internal("there is no certificate"))?;
                let pin = tunnel::spki_sha256(leaf).map_err(|error| Error::invalid(error.to_string()))?;
                Ok(TrustAnchor::Pin(pin))
            }
        }
    }

    fn shown(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }
}

fn read(config: &TlsConfig) -> Result<CertifiedKey, Error> {
    crypto::install();
    let wrong = |path: &Path, why: &dyn fmt::Display| Error::invalid(format!("'{}': {why}", path.display()));
    let path = &config.certificate;
    let chain = text(path)?;
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = chain.map_err(|error| wrong(path, &format!("the certificate is damaged: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(path, &"there is no certificate in it; it has to be in PEM"));
    }
    let path = &config.key;
    let key = zeroize::Zeroizing::new(text(path)?);
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| wrong(path, &"there is no private key in it; it has to be in PEM"))?;
    CertifiedKey::from_der(chain, key, &default_provider())
        .map_err(|error| wrong(path, &format!("the key does not go with the certificate: {error}")))
}

fn text(path: &Path) -> Result<String, Error> {
    let unreadable =
        |error| Error::invalid(format!("'{}' cannot be read: {}", path.display(), block::io_reason(&error)));
    std::fs::read_to_string(path).map_err(unreadable)
}
