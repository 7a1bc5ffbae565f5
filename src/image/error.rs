//! Why an image cannot be used.

use crate::Format;
use block::ReadError;
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
    /// It is in a format that is not read.
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
    /// It breaks the rules of its format.
    #[error("the disk image '{image}' is not a {format} image that can be read: {problem}")]
    Damaged {
        /// The image.
        image: String,
        /// The format that it is, or was said to be.
        format: Format,
        /// What is wrong, and where.
        problem: String,
    },
    /// It uses something of its format that is not read.
    #[error("the disk image '{image}' ({format}) uses {feature}, which this version does not read{advice}")]
    Unsupported {
        /// The image.
        image: String,
        /// Its format.
        format: Format,
        /// What it uses.
        feature: String,
        /// What to do, as the rest of the sentence; empty if there is nothing to do.
        advice: &'static str,
    },
    /// The image that it builds on is missing, or not the one that it was made for.
    #[error("the disk image '{image}' builds on another image, which {problem}")]
    Parent {
        /// The image that needs another.
        image: String,
        /// What is wrong with the other, as the rest of the sentence.
        problem: String,
    },
    /// A chain of images that does not end, or is longer than any that somebody would make.
    #[error("the disk image '{image}' {problem}")]
    Chain {
        /// The image that is one too many.
        image: String,
        /// What is wrong with the chain, as the rest of the sentence.
        problem: String,
    },
    /// Its bytes cannot be read.
    #[error("the disk image '{image}' cannot be used: {}", block::io_reason(source))]
    Io {
        /// The image.
        image: String,
        /// What failed.
        source: io::Error,
    },
    /// Its bytes cannot be read, or [`crate::Files`] does not let this image have them.
    #[error("the disk image '{image}' cannot be used: {reason}")]
    Unreadable {
        /// The image.
        image: String,
        /// Why, for people.
        reason: String,
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

    pub(crate) fn read(image: &str, error: &ReadError) -> Self {
        Self::Unreadable { image: image.to_owned(), reason: error.to_string() }
    }
}
