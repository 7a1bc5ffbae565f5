//! How a session is to be made.

use crate::chap::{ChapCredentials, SECRET_BYTES_MIN, same_secret};
use crate::{Error, ErrorKind};
use secrecy::ExposeSecret;
use std::time::Duration;
use tunnel::Address;

/// The longest name that an initiator or target may have, in bytes (RFC 7143 section 4.2.7.1).
const NAME_BYTES_MAX: usize = 223;

/// Whether CRC32C digests guard headers and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestPolicy {
    /// With them or not at all.
    Require,
    /// With them if the target can.
    Prefer,
    /// Only if the target insists.
    Accept,
    /// Without them or not at all.
    Refuse,
}

impl DigestPolicy {
    /// The value of HeaderDigest and DataDigest to offer, the preferred one first (RFC 7143 section 13.1).
    pub(crate) const fn offer(self) -> &'static str {
        match self {
            Self::Require => "CRC32C",
            Self::Prefer => "CRC32C,None",
            Self::Accept => "None,CRC32C",
            Self::Refuse => "None",
        }
    }
}

/// How a session is to be made. [`SessionConfig::new`] gives everything but the address a value that is good.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// InitiatorName.
    pub initiator_name: String,
    /// The portal.
    pub address: Address,
    /// Who we are; without it, the target is asked to let us in as nobody.
    pub login: Option<ChapCredentials>,
    /// Who the target has to prove to be (mutual CHAP); needs `login`. Without a user in it any name is right: only the secret
    /// proves something.
    pub reverse: Option<ChapCredentials>,
    /// Header and data digests.
    pub digests: DigestPolicy,
    /// How long connecting and logging in may take together.
    pub login_timeout: Duration,
    /// How long a lost connection is tried to be restored before reads fail.
    pub reconnect_timeout: Duration,
    /// The login is a grant's, which can be revoked: when the target does not accept it any more, the session is over at once.
    /// Otherwise that may be a target that was started anew and gets the reconnect time-out to become what it was.
    pub revocable: bool,
    /// After how long a silence the target is asked whether it is still there; it has as long again to answer.
    pub keepalive: Duration,
    /// How long a single command may be without an answer while others are answered.
    pub command_timeout: Duration,
}

impl SessionConfig {
    /// A session at `address`, without authentication.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            initiator_name: "iqn.2026-01.org.fr-mount:initiator".to_owned(),
            address,
            login: None,
            reverse: None,
            digests: DigestPolicy::Prefer,
            login_timeout: Duration::from_secs(30),
            reconnect_timeout: Duration::from_secs(120),
            revocable: false,
            keepalive: Duration::from_secs(10),
            command_timeout: Duration::from_secs(60),
        }
    }

    /// Refuses what cannot be secure, or cannot be a name.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |message: String| Err(Error::new(ErrorKind::Config, message));
        check_name(&self.initiator_name, "initiator")?;
        for (credentials, option) in [(&self.login, "CHAP"), (&self.reverse, "target's")] {
            let Some(credentials) = credentials else { continue };
            let bytes = credentials.secret.expose_secret().len();
            if bytes == 0 || (credentials.user.is_empty() && option == "CHAP") {
                return wrong(format!("the {option} user or secret is empty"));
            }
            if bytes < SECRET_BYTES_MIN {
                tracing::warn!("the {option} secret is shorter than {SECRET_BYTES_MIN} bytes: it can be guessed");
            }
        }
        match (&self.login, &self.reverse) {
            (None, Some(_)) => wrong("the target can prove itself only if a CHAP user and secret are given too".into()),
            // Who does not know the secret could have our own answer to its challenge sent back to us.
            (Some(login), Some(reverse)) if same_secret(&login.secret, &reverse.secret) => wrong(
                "the CHAP secret and the target's secret are the same: anybody could then play the target; \
                 have its owner set two different ones"
                    .into(),
            ),
            _ => Ok(()),
        }
    }
}

/// Refuses what cannot be an iSCSI name, and what could break out of a login text.
pub(crate) fn check_name(name: &str, whose: &str) -> Result<(), Error> {
    let usable = |c: char| !c.is_control() && !c.is_whitespace();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(usable) {
        let shown: String = name.chars().take(NAME_BYTES_MAX).flat_map(char::escape_default).collect();
        let message = format!("`{shown}` is not the name of an iSCSI {whose} (such as iqn.2001-04.com.example:disks)");
        return Err(Error::new(ErrorKind::Config, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn credentials(secret: &str) -> ChapCredentials {
        ChapCredentials { user: "u".into(), secret: SecretString::from(secret) }
    }

    fn refusal(login: Option<&str>, reverse: Option<&str>) -> Option<String> {
        let mut config = SessionConfig::new(Address::new("h", 1));
        config.login = login.map(credentials);
        config.reverse = reverse.map(credentials);
        config.check().err().map(|error| error.message)
    }

    #[test]
    fn the_same_secret_in_both_directions_is_refused() {
        assert!(refusal(Some("0123456789ab"), Some("0123456789ab")).unwrap().contains("the same"));
        assert_eq!(refusal(Some("0123456789ab"), Some("another secret")), None);
    }

    #[test]
    fn a_reverse_secret_needs_a_login_and_none_may_be_empty() {
        assert!(refusal(None, Some("0123456789ab")).is_some());
        assert!(refusal(Some(""), None).is_some());
        assert_eq!(refusal(None, None), None);
    }

    #[test]
    fn names_that_could_break_out_of_the_login_text_are_refused() {
        for name in ["", "a\0b", "a b", "a\nb", &"x".repeat(224)] {
            assert!(check_name(name, "target").is_err(), "{name}");
        }
        assert!(check_name("iqn.2001-04.com.example:x", "target").is_ok());
    }
}
