//! Trust in one public key: the SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).

use crate::{Error, ErrorKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use sha2::{Digest, Sha256};
use std::sync::Arc;

const PREFIX: &str = "sha256:";
const HOW_TO_COMPUTE: &str =
    "It is printed by: openssl x509 -in CERTIFICATE -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum";

/// The pin that `sha256:HEX` says, 64 hexadecimal digits of either case.
///
/// # Errors
/// [`ErrorKind::BadConfig`] when it is anything else.
pub fn parse_pin(text: &str) -> Result<[u8; 32], Error> {
    let bad = |why: String| Error::new(ErrorKind::BadConfig, why).with_advice(HOW_TO_COMPUTE);
    let Some(digits) = text.trim().strip_prefix(PREFIX) else {
        return Err(bad(format!("a pin is written {PREFIX}HEX, not `{}`", text.escape_debug())));
    };
    let mut pin = [0; 32];
    hex::decode_to_slice(digits, &mut pin).map_err(|_| {
        let count = digits.chars().count();
        bad(format!("a pin has 64 hexadecimal digits after {PREFIX}, this one has {count} characters"))
    })?;
    Ok(pin)
}

/// A pin as [`parse_pin`] reads it.
#[must_use]
pub fn format_pin(pin: &[u8; 32]) -> String {
    format!("{PREFIX}{}", hex::encode(pin))
}

/// The pin of a certificate in DER.
///
/// # Errors
/// [`ErrorKind::Untrusted`] when these bytes are not an X.509 version 3 certificate.
pub fn spki_sha256(certificate: &[u8]) -> Result<[u8; 32], Error> {
    let certificate = CertificateDer::from(certificate);
    let parsed = ParsedCertificate::try_from(&certificate)
        .map_err(|_| Error::new(ErrorKind::Untrusted, "the certificate cannot be read"))?;
    Ok(Sha256::digest(parsed.subject_public_key_info()).into())
}

/// Accepts exactly one public key.
#[derive(Debug)]
pub(crate) struct PinVerifier {
    pin: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinVerifier {
    pub(crate) fn new(pin: [u8; 32], provider: &CryptoProvider) -> Self {
        Self { pin, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = spki_sha256(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        if found != self.pin {
            return Err(CertificateError::Other(OtherError(Arc::new(PinMismatch { pinned: self.pin, found }))).into());
        }
        Ok(ServerCertVerified::assertion())
    }

    // Everybody can send the pinned certificate: only the signature shows that the server has its private key.

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Carried through rustls to the place where handshake errors are explained.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the public key is not the pinned one")]
pub(crate) struct PinMismatch {
    pub(crate) pinned: [u8; 32],
    pub(crate) found: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;

    // See testdata/make: the pin is what the command in HOW_TO_COMPUTE prints.
    const CERTIFICATE: &str = include_str!("testdata/pin.pem");
    const PIN: &str = include_str!("testdata/pin.sha256");

    #[test]
    fn the_pin_of_a_certificate_is_what_openssl_prints() {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
        assert_eq!(format_pin(&spki_sha256(&certificate).unwrap()), format!("sha256:{}", PIN.trim()));
    }

    #[test]
    fn pins_are_read_in_either_case_and_written_in_lower_case() {
        let lower = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(parse_pin(&lower).unwrap(), [0xab; 32]);
        assert_eq!(parse_pin(&format!("sha256:{}", "AB".repeat(32))).unwrap(), [0xab; 32]);
        assert_eq!(format_pin(&[0xab; 32]), lower);
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        let bare = "ab".repeat(32);
        let short = format!("sha256:{}", "ab".repeat(31));
        let long = format!("sha256:{}", "ab".repeat(33));
        let not_hex = format!("sha256:{}", "xy".repeat(32));
        for text in ["", "sha256:", "sha1:00", &bare, &short, &long, &not_hex] {
            assert_eq!(parse_pin(text).expect_err(text).kind, ErrorKind::BadConfig);
        }
    }

    #[test]
    fn bytes_that_are_no_certificate_have_no_pin() {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
        for end in 0..certificate.len() {
            assert!(spki_sha256(&certificate[..end]).is_err());
        }
    }
}
