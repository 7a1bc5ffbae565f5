//! Why a session with a target failed.

/// What kind of failure it was; callers decide by this, people read the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no connection to the target.
    Tunnel(tunnel::ErrorKind),
    /// The settings do not fit together, or the target does not accept them.
    Config,
    /// The target refused the user or the secret without saying which, or does not allow this initiator.
    LoginRefused,
    /// The target knows the user and refused the secret.
    SecretRefused,
    /// The target proved itself with a wrong secret or name.
    TargetNotProven,
    /// The target was to prove itself and does not.
    NotMutual,
    /// There is no such target.
    TargetNotFound,
    /// The target was removed, or refuses a login that it accepted before: whoever owns it withdrew the access.
    Revoked,
    /// The target cannot serve now.
    Unavailable,
    /// The target broke the protocol.
    Protocol,
    /// A logical unit answered a command with an error.
    Scsi,
    /// The connection was lost.
    Disconnected,
    /// The target did not answer in time.
    TimedOut,
    /// After the connection was restored, the target shows other disks.
    Changed,
    /// The session was logged out.
    Closed,
}

/// A failed session or command: the message says what failed, where, and what to do next. Holds no secrets.
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

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the session was logged out")
    }

    /// The same failure, told with where it happened.
    pub(crate) fn at(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Whether a new login may succeed a little later without anybody changing a setting.
    pub(crate) const fn is_transient(&self) -> bool {
        match self.kind {
            ErrorKind::Tunnel(kind) => kind.is_transient(),
            // A connection that breaks in the middle of a login shows itself as a broken protocol too.
            ErrorKind::Unavailable | ErrorKind::Disconnected | ErrorKind::TimedOut | ErrorKind::Protocol => true,
            ErrorKind::Config
            | ErrorKind::LoginRefused
            | ErrorKind::SecretRefused
            | ErrorKind::TargetNotProven
            | ErrorKind::NotMutual
            | ErrorKind::TargetNotFound
            | ErrorKind::Revoked
            | ErrorKind::Scsi
            | ErrorKind::Changed
            | ErrorKind::Closed => false,
        }
    }

    /// Whether the target, which let us in before, does not do so any more. It may be because it was started anew and does not know
    /// everything yet, or because the access was withdrawn.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self.kind, ErrorKind::LoginRefused | ErrorKind::SecretRefused | ErrorKind::TargetNotFound)
    }

    /// The connection failed while it was in use.
    pub(crate) fn lost(error: &std::io::Error) -> Self {
        if let Some(inside) = tunnel::Error::inside(error) {
            return Self::from(inside.clone());
        }
        Self::new(ErrorKind::Disconnected, format!("the connection was lost: {}", reason(error)))
    }
}

impl From<tunnel::Error> for Error {
    fn from(error: tunnel::Error) -> Self {
        Self::new(ErrorKind::Tunnel(error.kind), error.to_string())
    }
}

impl From<crate::pdu::PduError> for Error {
    fn from(error: crate::pdu::PduError) -> Self {
        Self::protocol(format!("what the target sent cannot be used: {error}"))
    }
}

impl From<crate::text::TextError> for Error {
    fn from(error: crate::text::TextError) -> Self {
        Self::protocol(format!("the text the target sent cannot be used: {error}"))
    }
}

/// A failed read or write in words, without the number that the operating system gives it.
fn reason(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::ConnectionReset => "the other side reset it",
        Io::ConnectionAborted => "it was aborted",
        Io::BrokenPipe | Io::NotConnected | Io::UnexpectedEof => "the other side closed it",
        Io::TimedOut => "the network gave up",
        Io::NetworkDown | Io::NetworkUnreachable | Io::HostUnreachable => "the network is down",
        Io::InvalidData => "what came in is not valid TLS",
        _ => "the network failed",
    }
}
