//! What every reader of an on-disk format says of damage, and of a disk that it cannot read.

use crate::{Error, ErrorKind};

/// What is on the disk contradicts itself or fails its checksum.
#[must_use]
pub fn corrupt(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

/// What a file system cannot do without and that is not there is damage: only whoever asks for a file is told that there
/// is none.
#[must_use]
pub fn missing_is_damage(error: Error) -> Error {
    if error.kind == ErrorKind::NotFound { Error { kind: ErrorKind::Corrupt, ..error } } else { error }
}

/// The disk could not be read.
#[must_use]
pub fn io(error: block::ReadError) -> Error {
    use block::ReadErrorKind as Kind;
    let kind = match error.kind {
        // The file system was checked to fit its volume: whatever points outside is damaged.
        Kind::OutOfRange | Kind::Damaged => ErrorKind::Corrupt,
        Kind::Device | Kind::Missing | Kind::Disconnected => ErrorKind::Io,
        Kind::TimedOut => ErrorKind::TimedOut,
        Kind::Closed => ErrorKind::Closed,
    };
    Error::new(kind, "the volume cannot be read").with_source(error)
}
