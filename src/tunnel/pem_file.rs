//! Certificates and private keys in files.

use crate::error::words;
use crate::{Error, ErrorKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// More than all authorities of the world together need.
const FILE_BYTES_MAX: usize = 8 << 20;

/// All certificates of a PEM file, at least one, in the order of the file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| bad_file(path, &format!("is damaged: {error}")))?;
    if found.is_empty() {
        return Err(bad_file(path, "has no certificate in it").with_advice(PEM_ADVICE));
    }
    Ok(found)
}

/// All certificates of a PEM text that came with a description of the server, at least one.
pub(crate) fn certificates_in(text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bad = |why: String| Error::new(ErrorKind::BadConfig, format!("the CA certificate {why}"));
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|error| bad(format!("is damaged: {error}")))?;
    if found.is_empty() { Err(bad("is not in PEM".to_owned())) } else { Ok(found) }
}

const PEM_ADVICE: &str = "A PEM file with lines `-----BEGIN CERTIFICATE-----` is needed; from DER it is made by: openssl x509 -inform DER -in FILE";

/// A private key in DER, wiped when it is dropped.
pub(crate) struct PrivateKey {
    der: Zeroizing<Vec<u8>>,
    label: KeyLabel,
}

#[derive(Clone, Copy)]
enum KeyLabel {
    Pkcs8,
    Pkcs1,
    Sec1,
}

impl PrivateKey {
    /// The first private key of a PEM file.
    pub(crate) fn from_file(path: &Path) -> Result<Self, Error> {
        let text = read(path)?;
        let text = std::str::from_utf8(&text).map_err(|_| bad_file(path, "is not a text file in PEM"))?;
        let (label, body) = key_section(text).ok_or_else(|| {
            bad_file(path, "has no private key in it").with_advice("A line `-----BEGIN PRIVATE KEY-----` is needed")
        })?;
        let label = match label {
            "PRIVATE KEY" => KeyLabel::Pkcs8,
            "RSA PRIVATE KEY" => KeyLabel::Pkcs1,
            "EC PRIVATE KEY" => KeyLabel::Sec1,
            _ => return Err(encrypted(path, label)),
        };
        // An encrypted key of the old kind begins with header lines, `Proc-Type: 4,ENCRYPTED`.
        if body.contains(':') {
            return Err(encrypted(path, "ENCRYPTED"));
        }
        let mut packed = Zeroizing::new(Vec::with_capacity(body.len()));
        packed.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let mut der = Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(packed.len())));
        STANDARD.decode_vec(packed.as_slice(), &mut der).map_err(|_| bad_file(path, "has a damaged private key"))?;
        Ok(Self { der, label })
    }

    /// The key as rustls takes it; nothing is copied.
    pub(crate) fn der(&self) -> PrivateKeyDer<'_> {
        let der = self.der.as_slice();
        match self.label {
            KeyLabel::Pkcs8 => PrivatePkcs8KeyDer::from(der).into(),
            KeyLabel::Pkcs1 => PrivatePkcs1KeyDer::from(der).into(),
            KeyLabel::Sec1 => PrivateSec1KeyDer::from(der).into(),
        }
    }
}

/// Label and body of the first section that is a private key of any kind (RFC 7468).
fn key_section(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, body) = after.split_once("-----")?;
        if label.ends_with("PRIVATE KEY") {
            let (body, _) = body.split_once("-----END ")?;
            return Some((label, body));
        }
        rest = body;
    }
    None
}

fn encrypted(path: &Path, label: &str) -> Error {
    if label.contains("ENCRYPTED") {
        return bad_file(path, "has a private key that is encrypted")
            .with_advice("Store it without a password, readable by its owner alone: openssl pkey -in FILE -out NEW");
    }
    bad_file(path, &format!("has a private key of an unknown form, `{}`", label.escape_debug()))
        .with_advice("Convert it: openssl pkcs8 -topk8 -nodes -in FILE -out NEW")
}

pub(crate) fn bad_file(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::BadConfig, format!("the file `{}` {why}", path.display()))
}

/// The whole file. The buffer never grows, so that no copy of a key is left behind.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let unreadable = |error: &std::io::Error| bad_file(path, &format!("cannot be read: {}", words(error)));
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX.saturating_add(1)));
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut text).map_err(|error| unreadable(&error))?;
    if text.len() > FILE_BYTES_MAX {
        return Err(bad_file(path, "is too large for a certificate or key"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::write;

    fn key_error(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let error = PrivateKey::from_file(&write(&dir, "key.pem", text)).err().expect(text);
        assert_eq!(error.kind, ErrorKind::BadConfig);
        error.to_string()
    }

    #[test]
    fn a_key_is_found_behind_certificates_and_parameters() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        let path = write(&dir, "key.pem", &format!("{parameters}{}", key.serialize_pem()));
        assert_eq!(PrivateKey::from_file(&path).unwrap().der().secret_der(), key.serialize_der());
    }

    #[test]
    fn a_key_that_cannot_be_used_is_told_apart() {
        let body = "MIIB\n";
        let pem = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n");
        assert!(key_error("").contains("no private key"));
        assert!(key_error(&pem("CERTIFICATE", body)).contains("no private key"));
        assert!(key_error("-----BEGIN PRIVATE KEY-----\nMIIB").contains("no private key"));
        assert!(key_error(&pem("ENCRYPTED PRIVATE KEY", body)).contains("encrypted"));
        let old = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n";
        assert!(key_error(&pem("RSA PRIVATE KEY", old)).contains("encrypted"));
        assert!(key_error(&pem("OPENSSH PRIVATE KEY", body)).contains("OPENSSH"));
        assert!(key_error(&pem("PRIVATE KEY", "%%%\n")).contains("damaged"));
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(&dir, "large.pem", &"x".repeat(FILE_BYTES_MAX + 1));
        assert!(certificates(&path).unwrap_err().to_string().contains("too large"));
    }
}
