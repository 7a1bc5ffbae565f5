//! Why the service did not do something.

/// What kind of failure it was; callers decide by this, people read the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nobody is known by this token.
    NotSignedIn,
    /// The user is known and may not do this.
    Forbidden,
    /// There is no such VM, recovery point or grant, or this user may not know of it.
    NotFound,
    /// What was asked for makes no sense: a name, a time, a configuration.
    Invalid,
    /// The vault, or something else that is needed, does not answer now.
    Unavailable,
    /// Something that should not happen.
    Internal,
}

impl ErrorKind {
    /// The name that programs decide by, on the command line and in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NotSignedIn => "not-signed-in",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// Why the service did not do something, in words for people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl From<program::Unusable> for Error {
    fn from(error: program::Unusable) -> Self {
        Self::invalid(error.to_string())
    }
}

impl Error {
    /// What kind of failure it was.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// An error of this kind. The message is shown to users: it holds no secret.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn not_signed_in(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotSignedIn, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The same failure, with what was being done before it.
    pub(crate) fn while_doing(self, what: &str) -> Self {
        Self { kind: self.kind, message: format!("{what}: {}", self.message) }
    }
}
