//! Where a password that was made goes to besides the terminal.

use crate::{Error, sys};
use secrecy::{ExposeSecret, SecretString};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use zeroize::Zeroizing;

/// A place that a secret can be written to; opened before there is one, so that none is lost.
pub(crate) struct Sink {
    file: File,
    name: String,
}

impl Sink {
    pub(crate) fn open(place: &str) -> Result<Self, Error> {
        let failed = |error: &std::io::Error| {
            Error::invalid(format!("cannot write the password to {place}: {}", block::io_reason(error)))
        };
        let file = if let Some(path) = place.strip_prefix("file:") {
            sys::create_private_file(Path::new(path))
        } else {
            let number = place.strip_prefix("fd:").and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| Error::invalid("--password-to: write file:PATH or fd:N"))?;
            program::open_descriptor(number, true)
        };
        Ok(Self { file: file.map_err(|error| failed(&error))?, name: place.to_owned() })
    }

    pub(crate) fn write(mut self, secret: &SecretString) -> Result<(), Error> {
        let text = Zeroizing::new(format!("{}\n", secret.expose_secret()));
        self.file.write_all(text.as_bytes()).map_err(|error| {
            Error::unavailable(format!("cannot write the password to {}: {}", self.name, block::io_reason(&error)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let place = format!("file:{}", path.display());
        Sink::open(&place).unwrap().write(&"two words".into()).unwrap();
        assert_eq!(*program::secret::read(&place, "the token").unwrap(), "two words");
        assert!(Sink::open(&place).is_err(), "a file that is there is written over");
        assert!(!program::others_can_read(&path));
    }
}
