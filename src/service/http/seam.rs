//! Stand-ins for what the service gives once it can.

use crate::{Error, Service, User};
use serde::{Deserialize, Serialize};

/// Who signed in, without a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) until: Option<u64>,
}

pub(crate) fn web_key(_service: &Service) -> [u8; 32] {
    [7; 32]
}

pub(crate) fn identity(user: &User) -> Identity {
    Identity { name: user.name().to_owned(), until: None }
}

pub(crate) fn resume(_service: &Service, identity: &Identity) -> Result<User, Error> {
    Ok(User::administrator(identity.name.clone()))
}
