//! Where secrets come from and go to: a file, a file descriptor, a prompt; never the command line.

use crate::{Error, sys};
use secrecy::{ExposeSecret, SecretString};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// The longest secret that is read, in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Reads the secret that WHERE names; `what` says in a prompt or a message what it is.
pub(crate) fn read(place: &str, what: &str) -> Result<SecretString, Error> {
    let unreadable = |error: &std::io::Error| {
        Error::invalid(format!("cannot read {what} from {place}: {}", block::io_reason(error)))
    };
    let text = if let Some(path) = place.strip_prefix("file:") {
        if sys::others_can_read(Path::new(path)) {
            tracing::warn!("{path} holds {what} and can be read by other users; chmod 600 it");
        }
        first_line(File::open(path).map_err(|error| unreadable(&error))?).map_err(|error| unreadable(&error))?
    } else if let Some(number) = place.strip_prefix("fd:") {
        let number: u32 = number.parse().map_err(|_| wrong_place(what))?;
        let file = sys::open_descriptor(number, false).map_err(|error| unreadable(&error))?;
        first_line(file).map_err(|error| unreadable(&error))?
    } else if place == "prompt" {
        rpassword::prompt_password(format!("{what}: ")).map(Zeroizing::new).map_err(|error| unreadable(&error))?
    } else {
        return Err(wrong_place(what));
    };
    if text.is_empty() {
        return Err(Error::invalid(format!("{what} from {place} is empty")));
    }
    Ok(text.as_str().into())
}

/// What was given is not repeated: it may be the secret itself.
fn wrong_place(what: &str) -> Error {
    Error::invalid(format!("{what} cannot be given on the command line: write file:PATH, fd:N or prompt"))
}

fn first_line(file: File) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    file.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or("").to_owned()))
}

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
            sys::open_descriptor(number, true)
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
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        let error = read("hush-hush-hush", "the token").unwrap_err();
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[test]
    fn a_secret_is_the_first_line_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let place = format!("file:{}", path.display());
        Sink::open(&place).unwrap().write(&"two words".into()).unwrap();
        assert_eq!(read(&place, "the token").unwrap().expose_secret(), "two words");
        assert!(Sink::open(&place).is_err(), "a file that is there is written over");
        assert!(!sys::others_can_read(&path));
    }
}
