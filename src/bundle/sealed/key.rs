//! The key of a recovery service, and how people compare it.

use super::BundleError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::SHA256;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// An Ed25519 public key in bytes (RFC 8032 section 5.1.5).
pub(super) const PUBLIC_KEY_BYTES: usize = 32;
/// An Ed25519 signature in bytes (RFC 8032 section 5.1.6).
pub(super) const SIGNATURE_BYTES: usize = 64;

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// A PEM file of one key is much shorter.
const PEM_BYTES_MAX: usize = 16 << 10;
const PREFIX: &str = "sha256:";

/// The key with which a service signs bundles: Ed25519.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`BundleError::Internal`] when the operating system gives no random numbers.
    pub fn generate() -> Result<Self, BundleError> {
        let no_random = |_| BundleError::Internal("the operating system gives no random numbers".to_owned());
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(no_random)?;
        Self::from_pkcs8(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Reads a key that [`SigningKey::to_pkcs8_pem`] or `openssl genpkey -algorithm ed25519` wrote.
    ///
    /// # Errors
    /// [`BundleError::Invalid`] when it is no such key.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, BundleError> {
        let bad = || BundleError::Invalid("the service's key is no PEM file with one private key (PKCS #8)".to_owned());
        if pem.len() > PEM_BYTES_MAX {
            return Err(bad());
        }
        let body = pem.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END)).ok_or_else(bad)?;
        let digits = Zeroizing::new(body.split_whitespace().collect::<String>());
        Self::from_pkcs8(Zeroizing::new(BASE64_STANDARD.decode(digits.as_bytes()).map_err(|_| bad())?))
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, BundleError> {
        // OpenSSL writes version 1 of PKCS #8, without the public key, which then cannot be compared.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8)
            .map_err(|_| BundleError::Invalid("the service's key is no Ed25519 key".to_owned()))?;
        Ok(Self { pair, pkcs8 })
    }

    /// The private key as PEM (PKCS #8), for a file that only the service can read.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> SecretString {
        const COLUMNS: usize = 64;
        let digits = Zeroizing::new(BASE64_STANDARD.encode(self.pkcs8.as_slice()));
        // Room for everything: growing would leave copies behind.
        let mut pem = Zeroizing::new(String::with_capacity(digits.len().saturating_mul(2).saturating_add(128)));
        pem.push_str(PEM_BEGIN);
        for (index, digit) in digits.chars().enumerate() {
            if index.is_multiple_of(COLUMNS) {
                pem.push('\n');
            }
            pem.push(digit);
        }
        pem.push('\n');
        pem.push_str(PEM_END);
        pem.push('\n');
        SecretString::from(pem.as_str())
    }

    /// What people compare.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.public())
    }

    pub(super) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.fingerprint())
    }
}

pub(super) fn is_signed(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
}

/// SHA-256 of a service's public key (its 32 bytes), written `sha256:HEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(public_key: &[u8]) -> Self {
        Self(sha256(&[public_key]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("the key of a service is written {PREFIX} and 64 hexadecimal digits");
        let digits = text.trim().strip_prefix(PREFIX).ok_or_else(bad)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| bad())?;
        Ok(Self(bytes))
    }
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hashed = [0; 32];
    hashed.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    hashed
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_key_comes_back_from_its_pem_and_is_not_printed() {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_pkcs8_pem();
        let again = SigningKey::from_pkcs8_pem(pem.expose_secret()).unwrap();
        assert_eq!(again.fingerprint(), key.fingerprint());
        assert!(pem.expose_secret().lines().all(|line| line.len() <= 64));
        let shown = format!("{key:?} {pem:?}");
        let digits: String = pem.expose_secret().lines().nth(1).unwrap().chars().skip(30).take(16).collect();
        assert!(!shown.contains(&digits) && shown.contains("sha256:"), "{shown}");
    }

    #[test]
    fn what_openssl_writes_is_read() {
        // The form that openssl genpkey -algorithm ed25519 writes too.
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
        let key = SigningKey::from_pkcs8_pem(pem).unwrap();
        // RFC 8410 section 10.3 has this key and its public half.
        let public = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        assert_eq!(hex::encode(key.public()), public);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in
            ["", "x", "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", &"-".repeat(PEM_BYTES_MAX + 1)]
        {
            assert!(matches!(SigningKey::from_pkcs8_pem(bad), Err(BundleError::Invalid(_))));
        }
    }

    #[test]
    fn a_fingerprint_is_written_and_read_alike() {
        let fingerprint = SigningKey::generate().unwrap().fingerprint();
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_eq!(fingerprint.to_string().to_uppercase().replace("SHA", "sha").parse(), Ok(fingerprint));
        for bad in ["", "sha256:", "sha256:00", "md5:00"] {
            assert!(bad.parse::<Fingerprint>().unwrap_err().contains("64 hexadecimal digits"));
        }
    }
}
