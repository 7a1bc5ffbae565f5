//! The one provider of cryptography for TLS.

/// Makes ring the provider of this process; what asks for none by name then has it. Done again, it changes nothing.
pub(crate) fn install() {
    // It fails when there is one already, which then is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
