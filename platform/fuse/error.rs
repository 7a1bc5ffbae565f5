//! Why a mount could not be made or taken down.

use std::io;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// FUSE is not there, or may not be used.
    Setup,
    /// Somebody uses the mount.
    Busy,
    /// The operating system failed.
    System,
}

/// A mount that was not made or taken down: what failed, where, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What callers decide by.
    pub kind: ErrorKind,
    /// What people read.
    pub message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What went wrong, in words and without the number that the operating system gives it.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    if let Some((words, _)) = text.split_once(" (os error ") {
        return words.to_lowercase();
    }
    // fuser tells the whole call before the reason: `... flags=MsFlags(MS_RDONLY): ENODEV: No such device`.
    match text.strip_prefix("Error calling mount()").and_then(|call| call.rsplit(": ").next()) {
        Some(words) => words.to_lowercase(),
        None => text.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_no_numbers() {
        let missing = std::fs::File::open("/nonexistent/file").unwrap_err();
        assert_eq!(reason(&missing), "no such file or directory");
        assert_eq!(reason(&io::Error::other("fusermount3: no\n")), "fusermount3: no");
        let call = r#"Error calling mount() at "/x" with "fd=3" and flags=MsFlags(MS_RDONLY): ENODEV: No such device"#;
        assert_eq!(reason(&io::Error::other(call)), "no such device");
    }
}
