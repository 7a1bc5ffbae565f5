//! Why a target ended a login (RFC 7143 section 11.13.5).

use crate::{Error, ErrorKind};

/// Status-Class of a redirection.
pub(super) const REDIRECTION: u8 = 1;
/// Status-Detail of a redirection that will hold.
pub(super) const MOVED_PERMANENTLY: u8 = 2;

/// The failure that a status stands for.
pub(super) fn failure(class: u8, detail: u8, user: Option<&str>) -> Error {
    let refused = match user {
        Some(user) => format!(
            "the target refused user `{user}` with this CHAP secret: a wrong user and a wrong secret are answered \
             alike; check both"
        ),
        None => "the target refused a login without CHAP: give --chap-user and --chap-secret".to_owned(),
    };
    let (kind, what) = match (class, detail) {
        (2, 0x00) => (ErrorKind::Config, "the target refused the login without saying why".to_owned()),
        (2, 0x01) => (ErrorKind::LoginRefused, refused),
        (2, 0x02) => (
            ErrorKind::LoginRefused,
            "the target does not allow this initiator: its owner has to allow the initiator name".to_owned(),
        ),
        (2, 0x03) => (
            ErrorKind::TargetNotFound,
            "there is no target of this name: without a name in the URL, all are looked for".to_owned(),
        ),
        (2, 0x04) => (
            ErrorKind::Revoked,
            "the target was removed: its owner has withdrawn it, or the access to it has ended".to_owned(),
        ),
        (2, 0x05) => (ErrorKind::Config, "the target speaks no protocol version that fr-mount does".to_owned()),
        (2, 0x06) => (ErrorKind::Unavailable, "the target takes no more connections of this session".to_owned()),
        (2, 0x07) => (ErrorKind::Protocol, "the target misses a parameter".to_owned()),
        (2, 0x08) => (ErrorKind::Protocol, "the target cannot include the connection in the session".to_owned()),
        (2, 0x09) => (ErrorKind::Config, "the target does not do this type of session".to_owned()),
        (2, 0x0a) => (ErrorKind::Protocol, "the target does not know the session any more".to_owned()),
        (2, 0x0b) => (ErrorKind::Protocol, "the target calls the request invalid in its state".to_owned()),
        (3, 0x01) => (ErrorKind::Unavailable, "the target is not in service now; try again later".to_owned()),
        (3, 0x02) => (ErrorKind::Unavailable, "the target is out of resources; try again later".to_owned()),
        (3, _) => (ErrorKind::Unavailable, "the target failed; try again later".to_owned()),
        _ => (ErrorKind::Protocol, "the target ended the login with an unknown status".to_owned()),
    };
    Error::new(kind, format!("{what} (login status {class:02x}{detail:02x}h)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_words_and_its_number() {
        for class in 0..=u8::MAX {
            for detail in 0..=u8::MAX {
                let error = failure(class, detail, Some("me"));
                assert!(error.message.contains(&format!("{class:02x}{detail:02x}h")));
            }
        }
        assert_eq!(failure(2, 1, None).kind, ErrorKind::LoginRefused);
        assert_eq!(failure(2, 3, None).kind, ErrorKind::TargetNotFound);
        assert!(failure(3, 1, None).is_transient());
        assert!(!failure(2, 1, None).is_transient());
    }
}
