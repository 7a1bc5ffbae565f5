//! The part of a bundle that the password opens: the CHAP names and secrets of its grant.

use super::BundleError;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// The shortest CHAP secret in bytes: 96 bits (RFC 7143 section 9.2.1).
const SECRET_BYTES_MIN: usize = 12;
/// The longest CHAP name or secret in bytes (RFC 7143 section 12.1.3: names are text of at most 255).
const TEXT_BYTES_MAX: usize = 255;
/// More than the secrets can take as JSON, every character of them escaped.
pub(super) const PLAIN_BYTES_MAX: usize = 16 << 10;

/// CHAP for both directions.
#[derive(Clone)]
pub struct ChapSecrets {
    /// Whom the client logs in as.
    pub user: String,
    /// What it proves this with.
    pub secret: SecretString,
    /// Who the target has to be.
    pub target_user: String,
    /// What the target proves this with; another one than `secret`.
    pub target_secret: SecretString,
}

impl fmt::Debug for ChapSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChapSecrets(..)")
    }
}

impl ChapSecrets {
    pub(super) fn check(&self) -> Result<(), BundleError> {
        let wrong = |what: &str| Err(BundleError::Invalid(what.to_owned()));
        let is_name = |text: &str| !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control);
        let is_secret = |secret: &SecretString| {
            let secret = secret.expose_secret();
            secret.len() >= SECRET_BYTES_MIN && secret.len() <= TEXT_BYTES_MAX && !secret.contains(char::is_control)
        };
        if !is_name(&self.user) || !is_name(&self.target_user) {
            return wrong("a CHAP name in it is no name");
        }
        if !is_secret(&self.secret) || !is_secret(&self.target_secret) {
            return wrong("a CHAP secret in it does not have 12 to 255 characters");
        }
        if self.secret.expose_secret() == self.target_secret.expose_secret() {
            return wrong("both sides would prove themselves with the same CHAP secret");
        }
        Ok(())
    }

    /// The text that is sealed; `binding` says which offer and service it belongs to.
    pub(super) fn to_plain(&self, binding: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, BundleError> {
        let layout = Layout {
            binding: hex::encode(binding),
            user: self.user.clone(),
            secret: Zeroizing::new(self.secret.expose_secret().to_owned()),
            target_user: self.target_user.clone(),
            target_secret: Zeroizing::new(self.target_secret.expose_secret().to_owned()),
        };
        // Room for everything: growing would leave copies behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_BYTES_MAX));
        serde_json::to_writer(&mut *plain, &layout)
            .map_err(|_| BundleError::Internal("cannot write the secrets of the bundle".to_owned()))?;
        Ok(plain)
    }

    pub(super) fn from_plain(plain: &[u8], binding: &[u8; 32]) -> Result<Self, BundleError> {
        // What serde says of it could repeat a secret.
        let unreadable = |_| BundleError::Invalid("its sealed part is not understood".to_owned());
        let mut layout: Layout = serde_json::from_slice(plain).map_err(unreadable)?;
        if layout.binding != hex::encode(binding) {
            return Err(BundleError::Forged);
        }
        let secrets = Self {
            user: std::mem::take(&mut layout.user),
            secret: SecretString::from(layout.secret.as_str()),
            target_user: std::mem::take(&mut layout.target_user),
            target_secret: SecretString::from(layout.target_secret.as_str()),
        };
        layout.secret.zeroize();
        layout.target_secret.zeroize();
        secrets.check()?;
        Ok(secrets)
    }
}

/// The sealed text: JSON, in this order, nothing else in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    binding: String,
    user: String,
    secret: Zeroizing<String>,
    target_user: String,
    target_secret: Zeroizing<String>,
}
