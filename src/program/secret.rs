//! Where secrets come from: a file, a file descriptor or a prompt, never the command line.

use crate::Unusable;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// A secret on its way to where it is used; wiped when dropped and without a `Debug` form.
pub type Secret = Zeroizing<String>;

/// WHERE for asking.
pub const PROMPT: &str = "prompt";

/// The longest secret that is read, in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Reads the secret that WHERE names; `what` says in a prompt or a message what it is.
///
/// # Errors
/// When there is none; a secret that was given in place of WHERE is not repeated.
pub fn read(place: &str, what: &str) -> Result<Secret, Unusable> {
    let unreadable =
        |error: std::io::Error| Unusable(format!("cannot read {what} from {place}: {}", block::io_reason(&error)));
    let text = if let Some(path) = place.strip_prefix("file:") {
        let file = std::fs::File::open(path).map_err(unreadable)?;
        warn_if_others_can_read(Path::new(path), what);
        first_line(file).map_err(unreadable)?
    } else if let Some(number) = place.strip_prefix("fd:") {
        let number: u32 = number.parse().map_err(|_| wrong_place(what))?;
        first_line(crate::open_descriptor(number, false).map_err(unreadable)?).map_err(unreadable)?
    } else if place == PROMPT {
        Zeroizing::new(rpassword::prompt_password(format!("{what}: ")).map_err(unreadable)?)
    } else {
        return Err(wrong_place(what));
    };
    if text.is_empty() {
        return Err(Unusable(format!("{what} from {place} is empty")));
    }
    Ok(text)
}

/// What was given is not repeated: it may be the secret itself.
fn wrong_place(what: &str) -> Unusable {
    Unusable(format!("{what} cannot be given on the command line: write file:PATH, fd:N or prompt"))
}

fn first_line(file: std::fs::File) -> std::io::Result<Secret> {
    let mut text = Zeroizing::new(String::new());
    file.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or("").to_owned()))
}

fn warn_if_others_can_read(path: &Path, what: &str) {
    if crate::others_can_read(path) {
        tracing::warn!("{} holds {what} and can be read by other users; chmod 600 it", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_is_the_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "two words \r\nrest").unwrap();
        let place = format!("file:{}", file.path().display());
        assert_eq!(*read(&place, "the secret").unwrap(), "two words ");
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        let failure = read("hush-hush-hush", "the secret").unwrap_err();
        assert!(!failure.to_string().contains("hush"), "{failure}");
    }

    #[test]
    fn an_empty_or_missing_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(read(&format!("file:{}", file.path().display()), "the secret").is_err());
        assert!(read("file:/no/such/file", "the secret").is_err());
    }
}
