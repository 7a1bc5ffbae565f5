//! Names that come from outside and go into object names, URLs and logs: checked once, here.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest name of a VM or a recovery point in bytes.
const NAME_BYTES_MAX: usize = 80;
/// Hexadecimal digits of a grant's id: 128 bits, so that no two are ever the same.
const GRANT_DIGITS: usize = 32;

/// The name of a VM in the vault: letters, digits, `-`, `_` and `.`, beginning with a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VmName(String);

/// The name of a recovery point of a VM, of the same characters as a [`VmName`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PointId(String);

/// A grant's id: 32 hexadecimal digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GrantId(String);

impl GrantId {
    /// An id that nobody has had before and nobody can guess.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn random() -> Result<Self, Error> {
        let mut bytes = [0; GRANT_DIGITS / 2];
        getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("no random numbers: {error}")))?;
        Ok(Self(hex::encode(bytes)))
    }
}

/// Whether a name can stand in an object's name, a URL and a line of a log without meaning something else there.
fn is_plain(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins && name.len() <= NAME_BYTES_MAX && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_grant(name: &str) -> bool {
    name.len() == GRANT_DIGITS && name.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

/// A text type that is made by checking, and its ways in and out.
macro_rules! checked_name {
    ($name:ident, $check:ident, $what:literal) => {
        impl $name {
            /// The name itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                if $check(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(Error::invalid(format!("'{}' is not {}", session::printable(text), $what)))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_name!(
    VmName,
    is_plain,
    "the name of a VM: write at most 80 letters, digits, '-', '_' and '.', beginning with a letter or a digit"
);
checked_name!(
    PointId,
    is_plain,
    "a recovery point: write at most 80 letters, digits, '-', '_' and '.', beginning with a letter or a digit"
);
checked_name!(GrantId, is_grant, "a grant's id: those have 32 hexadecimal digits in lower case");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_taken_as_they_are() {
        for name in ["web-1", "SQL_2019.example.com", "0", "20261128T100000Z", &"a".repeat(80)] {
            assert_eq!(name.parse::<VmName>().unwrap().as_str(), name);
            assert_eq!(name.parse::<PointId>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "a".repeat(81);
        for name in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-x", "a b", "a\n", "a\0", "é", "a%2fb", &long] {
            assert!(name.parse::<VmName>().is_err(), "{name:?}");
            assert!(name.parse::<PointId>().is_err(), "{name:?}");
            assert!(serde_json::from_value::<PointId>(name.into()).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_what_steers_a_terminal() {
        let message = "a\u{1b}[2Jb".parse::<VmName>().unwrap_err().to_string();
        assert!(!message.contains('\u{1b}'), "{message:?}");
    }

    #[test]
    fn the_id_of_a_grant_has_one_way_to_be_written() {
        let id = GrantId::random().unwrap();
        assert_eq!(id.to_string().parse::<GrantId>().unwrap(), id);
        assert_ne!(id, GrantId::random().unwrap());
        assert!(
            id.to_string().to_uppercase().parse::<GrantId>().is_err() || !id.as_str().contains(char::is_alphabetic)
        );
        assert!("0".parse::<GrantId>().is_err());
    }
}
