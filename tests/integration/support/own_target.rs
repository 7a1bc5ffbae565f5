//! Our own target in this process, with the misbehaviour that tests ask for.

use super::certificates::{Certificates, SERVER_NAME};
use block::Disk;
use iscsi::ChapCredentials;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::sync::Arc;
use target::{Handle, Target, TargetConfig};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(crate) const IQN: &str = "iqn.2024-01.test.invalid:own";

/// A running target; ends when dropped.
pub(crate) struct OwnTarget {
    runtime: Runtime,
    handle: Option<Handle>,
    address: SocketAddr,
    certificates: Option<Certificates>,
}

impl OwnTarget {
    /// Serves without TLS, for what TLS has no part in.
    pub(crate) fn plain(config: TargetConfig) -> Self {
        Self::start(config, None)
    }

    /// Serves in TLS.
    pub(crate) fn tls(config: TargetConfig) -> Self {
        Self::start(config, Some(Certificates::make()))
    }

    fn start(config: TargetConfig, certificates: Option<Certificates>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let tls = certificates.as_ref().map(Certificates::server_config);
        let handle = runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            Target::new(config).serve(listener, tls).unwrap()
        });
        Self { address: handle.address(), runtime, handle: Some(handle), certificates }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority of its certificate (PEM).
    pub(crate) fn ca_pem(&self) -> String {
        std::fs::read_to_string(self.certificates.as_ref().expect("it serves in TLS").ca_file()).unwrap()
    }

    /// What `fr-mount` has to be told to reach it: options, then SOURCE.
    pub(crate) fn source(&self) -> Vec<String> {
        self.source_at(self.address)
    }

    /// The same with another address that leads to it.
    pub(crate) fn source_at(&self, address: SocketAddr) -> Vec<String> {
        match &self.certificates {
            None => vec![format!("iscsi://{address}/{IQN}")],
            Some(certificates) => {
                let ca = certificates.ca_file().display().to_string();
                let options = ["--ca", &ca, "--server-name", SERVER_NAME, &format!("iscsis://{address}/{IQN}")];
                options.map(str::to_owned).to_vec()
            }
        }
    }

    /// Goes away, and with it every connection.
    pub(crate) fn stop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.runtime.block_on(handle.shutdown());
        }
    }
}

impl Drop for OwnTarget {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A target of these disks that lets everybody in.
pub(crate) fn config(disks: Vec<Arc<dyn Disk>>) -> TargetConfig {
    TargetConfig::new(IQN, disks)
}

pub(crate) fn credentials(user: &str, secret: &str) -> ChapCredentials {
    ChapCredentials { user: user.to_owned(), secret: SecretString::from(secret) }
}
