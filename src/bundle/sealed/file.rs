//! The file: lines of text, each with its name before it, the signature over all lines before it.

use super::error::{self, BundleError};
use super::key::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES, is_signed, sha256};
use super::secrets::PLAIN_BYTES_MAX;
use super::{ChapSecrets, Fingerprint, Offer, SigningKey};
use age::DecryptError;
use age::scrypt::{Identity, Recipient};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::SecretString;
use std::io::Read;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// What the first line begins with; the version of the format follows.
pub(super) const MAGIC: &str = "fr-mount sealed bundle ";
/// The version that is written, and the only one that is read.
const VERSION: u64 = 1;
/// The longest bundle in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// What the names of bundles end with.
pub const FILE_EXTENSION: &str = "fr-bundle";

const OFFER: &str = "offer ";
const SEALED: &str = "sealed ";
const KEY: &str = "key ";
const SIGNATURE: &str = "signature ";
const END: &str = "end";

/// scrypt's work when a bundle is made, N = 2^15: 32 MiB and a tenth of a second. The password's own 100 bits are
/// what protects it.
const WORK_FACTOR: u8 = 15;
/// The most work that is done for a bundle, N = 2^18: 256 MiB and about a second.
const WORK_FACTOR_MAX: u8 = 18;
/// Says what the binding is for; another use of the same hash begins differently.
const BINDING_LABEL: &[u8] = b"fr-mount sealed bundle 1 binding";

/// Makes a bundle.
///
/// # Errors
/// [`BundleError::Invalid`] when a field is none that a client could use, [`BundleError::Internal`] when the operating
/// system fails.
pub fn seal(
    offer: &Offer,
    secrets: &ChapSecrets,
    password: &SecretString,
    key: &SigningKey,
) -> Result<String, BundleError> {
    offer.check()?;
    secrets.check()?;
    let offer = offer.to_json()?;
    let plain = secrets.to_plain(&binding(key.public(), &offer))?;
    let mut recipient = Recipient::new(crate::password::canonical(password));
    recipient.set_work_factor(WORK_FACTOR);
    let sealed = age::encrypt(&recipient, &plain)
        .map_err(|error| BundleError::Internal(format!("cannot seal the bundle: {error}")))?;
    let signed = signed_text(&offer, &BASE64_STANDARD.encode(sealed), &BASE64_STANDARD.encode(key.public()));
    let signature = BASE64_STANDARD.encode(key.sign(signed.as_bytes()));
    let text = format!("{signed}{SIGNATURE}{signature}\n{END}\n");
    if text.len() > FILE_BYTES_MAX {
        return Err(BundleError::Invalid(format!("it would have more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// What the signature is over.
fn signed_text(offer: &str, sealed: &str, key: &str) -> String {
    format!("{MAGIC}{VERSION}\n{OFFER}{offer}\n{SEALED}{sealed}\n{KEY}{key}\n")
}

/// What the sealed part holds of the rest: whoever does not know the password cannot put it beside another offer or key.
fn binding(key: &[u8], offer: &str) -> [u8; 32] {
    // Label and key have fixed lengths: nothing of one part can be taken for another.
    sha256(&[BINDING_LABEL, key, offer.as_bytes()])
}

/// Whether a file that begins with these bytes is meant as a bundle, damaged or not.
#[must_use]
pub fn looks_like_bundle(head: &[u8]) -> bool {
    let has = |needle: &str| head.windows(needle.len()).any(|window| window == needle.as_bytes());
    let begins = |head: &[u8], magic: &str| head.starts_with(magic.as_bytes());
    // The second: the first line is damaged. Disk images do not begin with text.
    begins(head, MAGIC.trim_end()) || (head.iter().take(64).all(u8::is_ascii) && has("\noffer {\""))
}

/// A bundle whose signature holds; its secrets are still sealed.
#[derive(Clone, Debug)]
pub struct SealedBundle {
    offer: Offer,
    fingerprint: Fingerprint,
    binding: [u8; 32],
    sealed: Vec<u8>,
}

impl SealedBundle {
    /// Reads a bundle and checks its signature.
    ///
    /// # Errors
    /// Any [`BundleError`] but those of the password, of the time and of an insisted-on key.
    pub fn parse(text: &str) -> Result<Self, BundleError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(BundleError::TooLarge);
        }
        let mut lines = text.lines();
        check_version(lines.next().unwrap_or_default())?;
        // A line end that is not there any more takes the line after it away.
        let has_end = text.trim_end_matches(['\r', '\n']).ends_with(END) && text.ends_with('\n');
        let mut line = |name: &str| match lines.next() {
            None if has_end => Err(damaged("its lines are not those of a bundle".to_owned())),
            None => Err(BundleError::Truncated),
            Some(line) => match line.strip_prefix(name) {
                Some(value) => Ok(value),
                None if name.starts_with(line) => Err(BundleError::Truncated),
                None => Err(damaged(format!("the line '{}' is missing", name.trim_end()))),
            },
        };
        let (offer, sealed, key, signature) = (line(OFFER)?, line(SEALED)?, line(KEY)?, line(SIGNATURE)?);
        let end = line(END)?;
        if !end.is_empty() || lines.next().is_some() {
            return Err(damaged("something follows its end".to_owned()));
        }
        let signed = signed_text(offer, sealed, key);
        let key = bytes(key, PUBLIC_KEY_BYTES, "its key")?;
        let signature = bytes(signature, SIGNATURE_BYTES, "its signature")?;
        if !is_signed(&key, signed.as_bytes(), &signature) {
            return Err(damaged("its signature does not match".to_owned()));
        }
        let sealed = decode(sealed, "its sealed part")?;
        Ok(Self {
            offer: Offer::from_json(offer)?,
            fingerprint: Fingerprint::of(&key),
            binding: binding(&key, offer),
            sealed,
        })
    }

    /// What everybody can read of it.
    #[must_use]
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Whose key signed it.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What the user should compare, and know.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let offer = &self.offer;
        vec![format!(
            "the bundle is for VM {}, recovery point {} of {}; it ends at {} and was signed by the service with key {}",
            offer.vm,
            offer.point,
            error::time(offer.taken_at),
            error::time(offer.expires_at),
            self.fingerprint
        )]
    }

    /// Whether its time has come to an end.
    ///
    /// # Errors
    /// [`BundleError::Expired`].
    pub fn check_time(&self, now: SystemTime) -> Result<(), BundleError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if now >= self.offer.expires_at {
            return Err(BundleError::Expired { ended: self.offer.expires_at, now });
        }
        Ok(())
    }

    /// Whether the service that the user insists on signed it.
    ///
    /// # Errors
    /// [`BundleError::OtherService`].
    pub fn check_service(&self, wanted: Fingerprint) -> Result<(), BundleError> {
        if self.fingerprint == wanted {
            return Ok(());
        }
        Err(BundleError::OtherService { found: self.fingerprint, wanted })
    }

    /// Opens the sealed part.
    ///
    /// # Errors
    /// [`BundleError::WrongPassword`], [`BundleError::Forged`], or what is wrong with the secrets.
    pub fn open(&self, password: &SecretString) -> Result<ChapSecrets, BundleError> {
        let invalid = |what: String| BundleError::Invalid(what);
        let decryptor = age::Decryptor::new_buffered(self.sealed.as_slice())
            .map_err(|_| invalid("its sealed part is no age file".to_owned()))?;
        if !decryptor.is_scrypt() {
            return Err(invalid("its sealed part is not sealed with a password".to_owned()));
        }
        let mut identity = Identity::new(crate::password::canonical(password));
        identity.set_max_work_factor(WORK_FACTOR_MAX);
        let identity: &dyn age::Identity = &identity;
        let mut reader = decryptor.decrypt(std::iter::once(identity)).map_err(|error| match error {
            DecryptError::ExcessiveWork { required, .. } => {
                invalid(format!("opening it takes 2^{required} steps of scrypt, more than 2^{WORK_FACTOR_MAX}"))
            }
            DecryptError::InvalidHeader | DecryptError::UnknownFormat => {
                invalid("its sealed part is no age file".to_owned())
            }
            _ => BundleError::WrongPassword,
        })?;
        // Room for everything: growing would leave copies behind.
        let mut plain = Zeroizing::new(vec![0; PLAIN_BYTES_MAX]);
        let mut length = 0_usize;
        while let Some(rest) = plain.get_mut(length..).filter(|rest| !rest.is_empty()) {
            let read = reader.read(rest).map_err(|_| invalid("its sealed part is cut short".to_owned()))?;
            if read == 0 {
                break;
            }
            length = length.saturating_add(read);
        }
        ChapSecrets::from_plain(plain.get(..length).unwrap_or_default(), &self.binding)
    }
}

fn check_version(first: &str) -> Result<(), BundleError> {
    let Some(version) = first.strip_prefix(MAGIC) else {
        return Err(if !first.is_empty() && MAGIC.starts_with(first) {
            BundleError::Truncated
        } else {
            BundleError::NotABundle
        });
    };
    match version.parse::<u64>() {
        Ok(VERSION) if version.len() == 1 => Ok(()),
        Ok(version) if version > VERSION => Err(BundleError::TooNew(version)),
        _ if version.is_empty() => Err(BundleError::Truncated),
        _ => Err(damaged("its first line has no version".to_owned())),
    }
}

fn damaged(what: String) -> BundleError {
    BundleError::Damaged(what)
}

fn decode(text: &str, what: &str) -> Result<Vec<u8>, BundleError> {
    BASE64_STANDARD.decode(text).map_err(|_| damaged(format!("{what} is not base64")))
}

/// So many bytes in base64. A line that is cut short was the last one of the file.
fn bytes(text: &str, count: usize, what: &str) -> Result<Vec<u8>, BundleError> {
    let bytes = decode(text, what)?;
    if bytes.len() == count { Ok(bytes) } else { Err(damaged(format!("{what} has not the length of one"))) }
}
