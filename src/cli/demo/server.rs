//! The serving side of the demonstration: our own target behind real TLS on loopback, with a certificate and secrets
//! that exist only in this process.

use crate::exit::Failure;
use block::Disk;
use rcgen::CertifiedKey;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::sync::Arc;
use target::{Handle, Target, TargetConfig};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

pub(super) const SERVER_NAME: &str = "recovery.demo.invalid";
pub(super) const CHAP_USER: &str = "demo-reader";
pub(super) const TARGET_USER: &str = "demo-target";
const IQN: &str = "iqn.2026-11.invalid.demo:sample-server";

/// A running target.
pub(super) struct DemoServer {
    runtime: Runtime,
    handle: Handle,
    pin: String,
    secret: Zeroizing<String>,
    reverse_secret: Zeroizing<String>,
}

impl DemoServer {
    pub(super) fn start(disks: Vec<Arc<dyn Disk>>) -> Result<Self, Failure> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("target").enable_all().build();
        let runtime = runtime.map_err(|error| Failure::internal("cannot start threads", error))?;
        let (tls, pin) = certificate()?;
        let (secret, reverse_secret) = (random_secret()?, random_secret()?);
        let credentials = |user: &str, secret: &str| iscsi::ChapCredentials {
            user: user.to_owned(),
            secret: SecretString::from(secret),
        };
        let mut config = TargetConfig::new(IQN, disks);
        config.chap = Some(credentials(CHAP_USER, &secret));
        config.reverse = Some(credentials(TARGET_USER, &reverse_secret));
        let handle = runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            Target::new(config).serve(listener, Some(tls))
        });
        let handle = handle.map_err(|error| Failure::internal("cannot serve the sample disks", error))?;
        Ok(Self { runtime, handle, pin, secret, reverse_secret })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    pub(super) fn url(&self) -> String {
        format!("iscsis://{}/{IQN}", self.address())
    }

    pub(super) fn pin(&self) -> &str {
        &self.pin
    }

    pub(super) fn chap_secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn target_secret(&self) -> &str {
        &self.reverse_secret
    }

    pub(super) fn stop(self) {
        self.runtime.block_on(self.handle.shutdown());
        self.runtime.shutdown_background();
    }
}

/// A self-signed certificate, and the pin of its key.
fn certificate() -> Result<(Arc<rustls::ServerConfig>, String), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::internal("cannot make a certificate", error);
    let made = rcgen::generate_simple_self_signed(vec![SERVER_NAME.to_owned()]).map_err(|error| failed(&error))?;
    let CertifiedKey { cert, signing_key } = made;
    let pin = tunnel::spki_sha256(cert.der()).map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key))
        .map_err(|error| failed(&error))?;
    Ok((Arc::new(config), format!("sha256:{}", hex::encode(pin))))
}

/// 128 random bits as text.
fn random_secret() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::internal("no random numbers", error))?;
    Ok(Zeroizing::new(hex::encode(bytes)))
}
