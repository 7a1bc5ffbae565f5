//! Why a target refused a login. The protocol has one status for every reason (RFC 7143 section 11.13.5), so that
//! other logins are tried: what they come to tells users what to change. They send nothing that was not sent already.

use crate::connect::Connector;
use crate::{Error, ErrorKind, SessionConfig};

/// The error to be told in place of `refused`, located.
pub(crate) async fn diagnose(connector: &Connector, refused: Error) -> Error {
    let config = &connector.config;
    let is_refusal = matches!(refused.kind, ErrorKind::LoginRefused | ErrorKind::SecretRefused);
    let Some(login) = config.login.as_ref().filter(|_| is_refusal) else { return refused };
    let mutual = config.reverse.is_some();
    if mutual && connector.would_let_in(&SessionConfig { reverse: None, ..config.clone() }).await {
        let message = format!(
            "the target accepts user `{}` but refuses to prove who it is: its owner has to give it a user and secret \
             of its own (mutual CHAP), or leave --target-user away",
            login.user
        );
        return connector.located_here(Error::new(ErrorKind::NotMutual, message));
    }
    if connector.would_let_in(&SessionConfig { login: None, reverse: None, ..config.clone() }).await {
        let (kind, options) = if mutual {
            (ErrorKind::NotMutual, "--chap-user and --target-user")
        } else {
            (ErrorKind::LoginRefused, "--chap-user")
        };
        let message = format!(
            "the target knows no users and lets everybody in, so that nobody can prove anything: its owner has to set \
             CHAP users, or leave {options} away"
        );
        return connector.located_here(Error::new(kind, message));
    }
    refused
}
