//! What an object store says went wrong, in words.

use crate::{Error, ErrorKind};

/// The error of a store while it did something with `what`.
pub(super) fn from_store(error: &object_store::Error, what: &str) -> Error {
    use object_store::Error as Store;
    match error {
        Store::NotFound { .. } => Error::not_found(format!("'{what}' is not in the vault")),
        Store::AlreadyExists { .. } => Error::invalid(format!("'{what}' is in the vault already")),
        Store::Precondition { .. } | Store::NotModified { .. } => {
            Error::new(ErrorKind::Internal, format!("'{what}' in the vault has been replaced by something else"))
        }
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
            let advice = "look at the credentials of fr-serve, and at what they may do";
            Error::unavailable(format!("the vault does not let fr-serve have '{what}': {advice}"))
        }
        Store::UnknownConfigurationKey { key, .. } => Error::invalid(format!("the vault has no option '{key}'")),
        other => Error::unavailable(format!("the vault failed with '{what}': {}", reason(other))),
    }
}

/// An error and its causes in one line, without what stands behind a `?` in URLs: that can be a signature.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let text = session::with_causes(error);
    const LONGEST: usize = 500;
    let text: String = session::printable(&without_queries(&text)).chars().take(LONGEST).collect();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn without_queries(text: &str) -> String {
    let word = |word: &str| match word.split_once('?') {
        Some((before, _)) if before.contains("://") => format!("{before}?..."),
        _ => word.to_owned(),
    };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_in_a_url_is_not_repeated() {
        let text = without_queries("error for url (https://a.blob.example/x?sv=1&sig=hush) what now?");
        assert_eq!(text, "error for url (https://a.blob.example/x?... what now?");
    }
}
