//! Why a file-system call failed. Presenters map the kind to errno or NTSTATUS in one table each.

/// The result of a file-system call.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such name or node.
    NotFound,
    /// A directory was needed and this is none.
    NotADirectory,
    /// A file with data was needed and this is a directory.
    IsADirectory,
    /// The call does not fit this kind of node (the link target of a file, data of a device).
    WrongType,
    /// There is no such extended attribute or stream.
    NoAttribute,
    /// What is on the disk contradicts itself or fails its checksum.
    Corrupt,
    /// What is on the disk is valid, but fr-mount cannot read it (yet): never guessed at.
    Unsupported,
    /// The contents are encrypted, and the key is not there.
    KeyMissing,
    /// It is longer than the call can hand over: a stream as an extended attribute.
    TooLarge,
    /// The disk could not be read.
    Io,
    /// The disk did not answer in time.
    TimedOut,
    /// The recovery point is closed: unmounted, expired or revoked.
    Closed,
}

/// A failed call: what failed, where, and why.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What callers decide by.
    pub kind: ErrorKind,
    /// What people read: what failed, where, expected and found values.
    pub message: String,
    /// What lies behind it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind with a message for people.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
