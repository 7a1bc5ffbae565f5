//! Throw-away certificates: an authority and a server that it vouches for.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;

/// The name in the server's certificate; it cannot be resolved, so that only `--server-name` can bring it up.
pub(crate) const SERVER_NAME: &str = "recovery.test.invalid";

/// A server certificate and what clients may trust it by.
pub(crate) struct Certificates {
    directory: tempfile::TempDir,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    pin: String,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(directory.path().join("server.pem"), format!("{}{}", key.serialize_pem(), server.pem()))
            .unwrap();
        Self {
            directory,
            certificate: server.der().clone(),
            pin: format!("sha256:{}", hex::encode(Sha256::digest(key.subject_public_key_info()))),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        }
    }

    /// The authority's certificate (PEM).
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The server's key and certificate (PEM), as stunnel wants them.
    pub(crate) fn server_file(&self) -> PathBuf {
        self.directory.path().join("server.pem")
    }

    /// The SHA-256 of the server's public key, as `--pin` takes it.
    pub(crate) fn pin(&self) -> &str {
        &self.pin
    }

    /// The serving side for our own target.
    pub(crate) fn server_config(&self) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::from(self.key.clone_key());
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![self.certificate.clone()], key).unwrap())
    }
}

/// The certificate of an authority in a file, for a server whose key comes from elsewhere.
pub(crate) struct AuthorityFile(tempfile::NamedTempFile);

impl AuthorityFile {
    /// An authority, and the certificate (DER) that it gave to the server of this name and key.
    pub(crate) fn make(name: &str, key: &KeyPair) -> (Self, Vec<u8>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let server = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(key, &authority).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), authority.pem()).unwrap();
        (Self(file), server.der().to_vec())
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}
