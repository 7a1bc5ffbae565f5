//! Who the holder of a token is: a user of the configuration, or one that an OpenID provider vouches for.

mod oidc;

use crate::audit::{Audit, Event, Line};
use crate::config::{Config, Roles, UserEntry};
use crate::user::Identity;
use crate::{Error, ErrorKind, UnixTime, User};
use oidc::Provider;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The longest token in bytes.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Programs send their token with every request: of those it is told once in this time.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);
/// Tokens of which it is remembered that they were told.
const TOLD_MAX: usize = 4096;
/// What the names of an OpenID provider's users begin with, so that none is taken for a user of the configuration.
const OIDC_PREFIX: &str = "oidc:";

/// Everybody who may sign in.
pub(crate) struct SignIn {
    users: Vec<UserEntry>,
    roles: Roles,
    provider: Option<Provider>,
    told: Mutex<HashMap<[u8; 32], Duration>>,
}

impl SignIn {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let provider = config.oidc.clone().map(Provider::new).transpose()?;
        Ok(Self { users: config.users.clone(), roles: config.roles.clone(), provider, told: Mutex::default() })
    }

    /// The user with this token.
    pub(crate) async fn user(&self, token: &SecretString, from: &str, audit: &Audit) -> Result<User, Error> {
        let hash: [u8; 32] = Sha256::digest(token.expose_secret()).into();
        match self.known(token, &hash).await {
            Ok(user) => {
                if self.has_to_be_told(hash) {
                    audit.record(Line::new(Event::SignedIn).user(user.name()).from(from)).await?;
                }
                Ok(user)
            }
            Err(error) => {
                if error.kind() == ErrorKind::NotSignedIn {
                    audit.note(Line::new(Event::SignInRefused).from(from).reason(&error.to_string()));
                }
                Err(error)
            }
        }
    }

    async fn known(&self, token: &SecretString, hash: &[u8; 32]) -> Result<User, Error> {
        if token.expose_secret().len() > TOKEN_BYTES_MAX {
            return Err(Error::not_signed_in("the token is too long to be one"));
        }
        // The hash of a token that nobody can guess: how long a comparison takes tells nothing about it.
        if let Some(entry) = self.users.iter().find(|user| user.token_sha256 == *hash) {
            return Ok(configured(entry));
        }
        match &self.provider {
            Some(provider) if oidc::looks_like_token(token) => {
                let claimed = provider.verify(token).await?;
                Ok(User::new(
                    format!("{OIDC_PREFIX}{}", claimed.name),
                    claimed.roles,
                    String::new(),
                    Some(claimed.until),
                ))
            }
            _ => Err(Error::not_signed_in("nobody is known by this token")),
        }
    }

    /// The user whom an identity means, with what they may do now.
    pub(crate) fn resume(&self, identity: &Identity) -> Result<User, Error> {
        let again = || Error::not_signed_in("sign in again");
        if identity.until.is_some_and(|until| until <= UnixTime::now()) {
            return Err(again());
        }
        if identity.name.starts_with(OIDC_PREFIX) {
            if self.provider.is_none() {
                return Err(again());
            }
            let roles = identity.roles.iter().filter_map(|name| self.roles.get(name).cloned()).collect();
            return Ok(User::new(identity.name.clone(), roles, String::new(), identity.until));
        }
        let entry = self.users.iter().find(|user| user.name == identity.name).ok_or_else(again)?;
        let user = configured(entry);
        if user.identity().proof == identity.proof { Ok(user) } else { Err(again()) }
    }

    fn has_to_be_told(&self, hash: [u8; 32]) -> bool {
        let now = program::since_boot();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |at: &Duration| now.saturating_sub(*at) < TOLD_AGAIN_AFTER;
        if told.get(&hash).is_some_and(is_fresh) {
            return false;
        }
        if told.len() >= TOLD_MAX {
            told.retain(|_, at| is_fresh(at));
        }
        if told.len() < TOLD_MAX {
            told.insert(hash, now);
        }
        true
    }
}

fn configured(entry: &UserEntry) -> User {
    // A hash of the hash: enough to see that the token is another, and of no use to anybody.
    let proof = hex::encode(Sha256::digest(entry.token_sha256)).chars().take(16).collect();
    User::new(entry.name.clone(), entry.roles.clone(), proof, None)
}
