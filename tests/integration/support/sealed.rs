//! Sealed bundles for our own target, as a recovery service would make them.

use super::certificates::SERVER_NAME;
use super::fr_mount::Place;
use super::own_target::{IQN, config, credentials};
use block::Disk;
use bundle::sealed::{ChapSecrets, Offer, SigningKey, TrustAnchor, seal};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use target::TargetConfig;
use tunnel::Address;

pub(crate) const PASSWORD: &str = "0123-4567-89AB-CDEF-GHJK";
pub(crate) const WRONG_PASSWORD: &str = "0123-4567-89AB-CDEF-GHJM";
pub(crate) const SECRET: &str = "secret of the grant";
pub(crate) const TARGET_SECRET: &str = "secret of its target";
const USER: &str = "user-of-the-grant";
const TARGET_USER: &str = "target-of-the-grant";

/// A target of these disks for the holder of a grant.
pub(crate) fn granted(disks: Vec<Arc<dyn Disk>>) -> TargetConfig {
    let mut config = config(disks);
    config.chap = Some(credentials(USER, SECRET));
    config.reverse = Some(credentials(TARGET_USER, TARGET_SECRET));
    config
}

/// What a bundle for that target says; it is valid for an hour.
pub(crate) fn offer(portals: &[SocketAddr], trust: TrustAnchor) -> Offer {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Offer {
        vm: "web-01".into(),
        point: "2026-11-27T02-00".into(),
        taken_at: 1_795_744_800,
        grant: "grant-1".into(),
        expires_at: (now + Duration::from_secs(3600)).as_secs(),
        portals: portals.iter().map(|portal| Address::new(portal.ip().to_string(), portal.port())).collect(),
        server_name: Some(SERVER_NAME.into()),
        trust,
        target: IQN.into(),
    }
}

/// The text of a bundle.
pub(crate) fn bundle(offer: &Offer, key: &SigningKey) -> String {
    let secrets = ChapSecrets {
        user: USER.into(),
        secret: SecretString::from(SECRET),
        target_user: TARGET_USER.into(),
        target_secret: SecretString::from(TARGET_SECRET),
    };
    seal(offer, &secrets, &SecretString::from(PASSWORD), key).unwrap()
}

/// A file of this text in the place.
pub(crate) fn file(place: &Place, name: &str, text: &str) -> PathBuf {
    let file = place.path().join(name);
    std::fs::write(&file, text).unwrap();
    file
}
