//! Where recovery points and grants are kept.

/// Whether an option of an object store is a secret.
pub(crate) fn is_secret_option(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "key", "token", "password", "sas", "credential"].iter().any(|word| name.contains(word))
}
