//! Why bytes could not be read.

use std::sync::Arc;

/// What kind of failure it was; callers decide by this, people read the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadErrorKind {
    /// The range is not inside the disk: what pointed there is damaged, or the disk is cut short.
    OutOfRange,
    /// The disk itself answered with an error (a SCSI sense, an I/O error of an image file).
    Device,
    /// What was read is known to be wrong: it fails a checksum.
    Damaged,
    /// A disk that this part of a volume lies on is not there.
    Missing,
    /// The connection to the disk is gone and was not restored in time.
    Disconnected,
    /// No answer came before the deadline.
    TimedOut,
    /// The recovery point was closed: unmounted, expired or revoked.
    Closed,
}

impl ReadErrorKind {
    /// What it means, in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::OutOfRange => "outside the disk",
            Self::Device => "the disk reported an error",
            Self::Damaged => "what is there is damaged",
            Self::Missing => "a part of the volume is missing",
            Self::Disconnected => "the connection to the disk is lost",
            Self::TimedOut => "no answer in time",
            Self::Closed => "the recovery point is closed",
        }
    }
}

/// A read that failed: where, how much, and why. Cheap to clone, as everybody who waited for one read gets it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot read {length} bytes at byte {offset}: {}{}", kind.text(), Detail(detail.as_deref()))]
pub struct ReadError {
    /// What kind of failure it was.
    pub kind: ReadErrorKind,
    /// First byte of the range that was asked for, counted from the start of what was read.
    pub offset: u64,
    /// Length of that range in bytes.
    pub length: u64,
    /// What the disk said about it, for people.
    pub detail: Option<Arc<str>>,
}

impl ReadError {
    /// An error without further detail.
    #[must_use]
    pub const fn new(kind: ReadErrorKind, offset: u64, length: u64) -> Self {
        Self { kind, offset, length, detail: None }
    }

    /// The same error with what the disk said.
    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.detail = Some(Arc::from(detail));
        self
    }

    /// The same failure, told for the range that the caller asked for.
    #[must_use]
    pub fn at(mut self, offset: u64, length: u64) -> Self {
        self.offset = offset;
        self.length = length;
        self
    }
}

/// What the operating system says about a failure, without its number: for messages that people read.
#[must_use]
pub fn io_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

struct Detail<'a>(Option<&'a str>);

impl std::fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |detail| write!(f, " ({detail})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operating_systems_number_is_not_shown() {
        let error = std::io::Error::from_raw_os_error(2);
        assert!(error.to_string().contains("os error"));
        assert!(!io_reason(&error).contains("os error") && !io_reason(&error).is_empty());
    }
}
