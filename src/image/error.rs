//! Why an image cannot be used.

use std::io;

/// Why an image cannot be used; each names the image and says what to do where there is something to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("the disk image '{0}' does not exist")]
    NotFound(String),
    /// It may not be read.
    #[error("the disk image '{0}' cannot be read by this user")]
    Forbidden(String),
    /// It is no file with bytes in it.
    #[error("'{0}' is not a disk image: it is not a file or a disk")]
    NotAFile(String),
    /// There is not one whole block in it.
    #[error("the disk image '{0}' is empty")]
    Empty(String),
    /// It is in a format whose bytes are not the disk's.
    #[error(
        "the disk image '{image}' is in the format {format}, which this version does not read; convert it first: \
             {advice}"
    )]
    Container {
        /// The image.
        image: String,
        /// The format.
        format: &'static str,
        /// How to make a raw image of it.
        advice: &'static str,
    },
    /// Another failure.
    #[error("the disk image '{image}' cannot be used: {}", block::io_reason(source))]
    Io {
        /// The image.
        image: String,
        /// What failed.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(image: &str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound(image.to_owned()),
            io::ErrorKind::PermissionDenied => Self::Forbidden(image.to_owned()),
            io::ErrorKind::IsADirectory => Self::NotAFile(image.to_owned()),
            _ => Self::Io { image: image.to_owned(), source },
        }
    }
}
