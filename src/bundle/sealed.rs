//! Sealed bundles: one file with everything that a mount needs, readable with a password only (docs/BUNDLE.md).

mod error;
mod file;
mod key;
mod offer;
mod secrets;

pub use error::BundleError;
pub use file::{FILE_BYTES_MAX, FILE_EXTENSION, SealedBundle, looks_like_bundle, seal};
pub use key::{Fingerprint, SigningKey};
pub use offer::{Offer, TrustAnchor};
pub use secrets::ChapSecrets;

#[cfg(test)]
mod tests;
