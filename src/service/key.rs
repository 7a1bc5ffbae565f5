//! The service's key: bundles are signed with it, and the CHAP secrets of every grant are derived from it, so that the vault
//! holds no secret and every process that has the key serves every grant.

use crate::{Error, Grant, GrantId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bundle::sealed::{ChapSecrets, SigningKey};
use ring::hkdf;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use std::path::Path;
use zeroize::Zeroizing;

/// What the name in CHAP begins with; the grant's id follows.
const CHAP_USER: &str = "restore-";
/// What the target's own name in CHAP begins with; the grant's id follows.
const CHAP_TARGET_USER: &str = "service-";
/// Bytes of a CHAP secret before they are written as text: 96 bits, the least that RFC 7143 section 9.2.1 wants, in 16
/// characters, the most that Windows' initiator takes.
const CHAP_SECRET_BYTES: usize = 12;

/// The service's key.
pub(crate) struct ServiceKey {
    signing: SigningKey,
    web: SecretBox<[u8; 32]>,
    root: hkdf::Prk,
}

impl ServiceKey {
    /// Reads a key in PKCS#8 PEM.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |error: &std::io::Error| {
            let reason = block::io_reason(error);
            Error::invalid(format!("the service's key '{}' cannot be read: {reason}", path.display()))
        };
        let pem = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| unreadable(&error))?);
        let key = SigningKey::from_pkcs8_pem(&pem)
            .map_err(|error| Error::invalid(format!("the service's key '{}': {error}", path.display())))?;
        Self::new(key)
    }

    pub(crate) fn new(signing: SigningKey) -> Result<Self, Error> {
        // Written anew, so that how the file is laid out makes no difference.
        let pem = signing.to_pkcs8_pem();
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"fr-serve").extract(pem.expose_secret().as_bytes());
        let web = SecretBox::new(Box::new(derive(&root, &[b"web session"])?));
        Ok(Self { signing, web, root })
    }

    pub(crate) const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// What the page's sessions are authenticated with.
    pub(crate) const fn web(&self) -> &SecretBox<[u8; 32]> {
        &self.web
    }

    /// CHAP for both directions. The secrets depend on all that the grant says, so that a grant that somebody changed in the vault
    /// is another one, whose secrets nobody knows.
    pub(crate) fn chap(&self, grant: &Grant) -> Result<ChapSecrets, Error> {
        let written = serde_json::to_vec(grant).map_err(|error| Error::internal(format!("a grant: {error}")))?;
        Ok(ChapSecrets {
            user: format!("{CHAP_USER}{}", grant.id),
            secret: self.chap_secret(b"chap initiator", &written)?,
            target_user: format!("{CHAP_TARGET_USER}{}", grant.id),
            target_secret: self.chap_secret(b"chap target", &written)?,
        })
    }

    fn chap_secret(&self, what: &[u8], grant: &[u8]) -> Result<SecretString, Error> {
        let key = Zeroizing::new(derive(&self.root, &[what, grant])?);
        let bytes = key.first_chunk::<CHAP_SECRET_BYTES>().ok_or_else(|| Error::internal("a key is too short"))?;
        Ok(URL_SAFE_NO_PAD.encode(bytes).into())
    }
}

/// The grant that a name in CHAP belongs to.
pub(crate) fn grant_of_chap_user(user: &str) -> Option<GrantId> {
    user.strip_prefix(CHAP_USER)?.parse().ok()
}

fn derive(root: &hkdf::Prk, info: &[&[u8]]) -> Result<[u8; 32], Error> {
    let failed = |_| Error::internal("a key cannot be derived");
    let mut key = [0; 32];
    root.expand(info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key)).map_err(failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixTime;

    fn grant() -> Grant {
        Grant {
            id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            vm: "web".parse().unwrap(),
            point: "p".parse().unwrap(),
            user: "ann".to_owned(),
            made_at: UnixTime::from_seconds(1),
            expires_at: UnixTime::from_seconds(2),
            target: "iqn.2026-11.io.fr-mount:x".to_owned(),
        }
    }

    #[test]
    fn every_process_with_the_key_derives_the_same_secrets_and_no_other_does() {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_pkcs8_pem();
        let again = ServiceKey::new(SigningKey::from_pkcs8_pem(pem.expose_secret()).unwrap()).unwrap();
        let (key, other) = (ServiceKey::new(key).unwrap(), ServiceKey::new(SigningKey::generate().unwrap()).unwrap());
        let secret = |key: &ServiceKey| key.chap(&grant()).unwrap().secret.expose_secret().to_owned();
        assert_eq!(secret(&key), secret(&again));
        assert_ne!(secret(&key), secret(&other));
        assert_eq!(key.web().expose_secret(), again.web().expose_secret());
    }

    #[test]
    fn the_two_directions_and_changed_grants_have_secrets_of_their_own() {
        let key = ServiceKey::new(SigningKey::generate().unwrap()).unwrap();
        let chap = key.chap(&grant()).unwrap();
        assert_eq!(chap.secret.expose_secret().len(), 16);
        assert_ne!(chap.secret.expose_secret(), chap.target_secret.expose_secret());
        let longer = Grant { expires_at: UnixTime::from_seconds(3), ..grant() };
        assert_ne!(key.chap(&longer).unwrap().secret.expose_secret(), chap.secret.expose_secret());
        assert_eq!(grant_of_chap_user(&chap.user), Some(grant().id));
        assert_eq!(grant_of_chap_user(&chap.target_user), None);
    }
}
