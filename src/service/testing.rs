//! What tests of this crate share: services that were made as `fr-serve init` makes them, and points to read.

use crate::import::{Import, Watch};
use crate::{Config, Consistency, Manifest, Service, UnixTime, User};
use block::BlockSize;
use bundle::sealed::SigningKey;
use rcgen::{CertificateParams, KeyPair};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory with a key, a certificate, a configuration and a vault, for any number of services.
pub(crate) struct Installation {
    directory: tempfile::TempDir,
    text: String,
}

/// The users: `ann` may restore `web-*`, `bob` everything, and sees and ends what others have; `eve` has no role.
pub(crate) const USERS: [&str; 3] = ["ann", "bob", "eve"];

impl Installation {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::generate().unwrap();
        std::fs::write(directory.path().join("key.pem"), key.to_pkcs8_pem().expose_secret()).unwrap();
        let tls = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&tls).unwrap();
        let pem = format!("{}{}", certificate.pem(), tls.serialize_pem());
        std::fs::write(directory.path().join("tls.pem"), pem).unwrap();
        let user = |name: &str, roles: &str| {
            let hash = hex::encode(Sha256::digest(token(name).expose_secret()));
            format!("[[users]]\nname = \"{name}\"\nroles = [{roles}]\ntoken_sha256 = \"{hash}\"\n")
        };
        let text = format!(
            "vault = \"vault\"\nkey = \"key.pem\"\nmaximum_lifetime = \"12h\"\ncache = \"16MiB\"\naudit = \"audit\"\n\
             grants_per_user_max = 4\n[iscsi]\nlisten = []\nportals = [\"localhost:3260\"]\n[https]\nlisten = []\n\
             [tls]\ncertificate = \"tls.pem\"\nkey = \"tls.pem\"\ntrust = \"pin\"\n\
             [roles.web]\nvms = [\"web-*\"]\n[roles.all]\nvms = [\"*\"]\nsee_all = true\nrevoke_others = true\n{}{}{}",
            user("ann", "\"web\""),
            user("bob", "\"all\""),
            user("eve", ""),
        );
        Self { directory, text }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The configuration, with something replaced in it.
    pub(crate) fn config(&self, from: &str, to: &str) -> Config {
        Config::parse(&self.text.replace(from, to), self.path()).unwrap()
    }

    /// A process of its own, as it were.
    pub(crate) async fn service(&self) -> Arc<Service> {
        Service::open(self.config("", "")).await.unwrap()
    }

    /// Brings a point of one raw disk, filled with `byte`, into the vault.
    pub(crate) async fn point(&self, service: &Service, vm: &str, point: &str, byte: u8) -> Manifest {
        let image = self.path().join(format!("{vm}-{point}.img"));
        std::fs::write(&image, vec![byte; 1 << 20]).unwrap();
        let taken_at = UnixTime::from_seconds(1_700_000_000 + u64::from(byte) * 3600);
        let import = Import { point: Some(point.parse().unwrap()), taken_at: Some(taken_at), ..import(vm, &[image]) };
        import.run(&service.vault, &quiet()).await.unwrap()
    }

    /// The lines of the audit log.
    pub(crate) fn audit(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path().join("audit")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The token of a user.
pub(crate) fn token(user: &str) -> SecretString {
    format!("token-of-{user}-that-nobody-guesses").into()
}

/// A user who has signed in.
pub(crate) async fn signed_in(service: &Service, user: &str) -> User {
    service.sign_in(&token(user), "192.0.2.1").await.unwrap()
}

/// An import of these images as they are.
pub(crate) fn import(vm: &str, disks: &[PathBuf]) -> Import {
    Import {
        vm: vm.parse().unwrap(),
        point: None,
        os: None,
        taken_at: None,
        consistency: Consistency::Crash,
        block_size: BlockSize::B512,
        disks: disks.to_vec(),
        files_in: Vec::new(),
    }
}

/// Nobody watches.
pub(crate) fn quiet() -> Watch {
    Watch { progress: Arc::new(|_| ()), stop: Arc::default() }
}
