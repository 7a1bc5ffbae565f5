//! Our own certificate, for servers that want to know who connects.

use crate::pem_file::{self, PrivateKey, bad_file};
use crate::{ClientIdentity, Error};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error as TlsError, InconsistentKeys};

/// Certificate chain and key, held to belong together.
pub(crate) fn load(identity: &ClientIdentity) -> Result<SingleCertAndKey, Error> {
    let chain = pem_file::certificates(&identity.certificate)?;
    let key = PrivateKey::from_file(&identity.key)?;
    let signing = any_supported_type(&key.der()).map_err(|_| {
        bad_file(
            &identity.key,
            "has a private key that cannot be used: RSA from 2048 bits, ECDSA on P-256 or P-384 and Ed25519 can",
        )
    })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        // Unknown: this kind of key does not tell its public half; the server will say.
        Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(SingleCertAndKey::from(certified)),
        Err(TlsError::InconsistentKeys(_)) => {
            let certificate = identity.certificate.display();
            Err(bad_file(
                &identity.key,
                &format!("has a private key that does not belong to the certificate `{certificate}`"),
            )
            .with_advice("The client's own certificate comes first in its file, the intermediates after it"))
        }
        Err(error) => Err(bad_file(&identity.certificate, &format!("has a damaged certificate: {error}"))),
    }
}
