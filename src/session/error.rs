//! Why a recovery point could not be opened, in the kinds that callers tell apart.

use block::ReadErrorKind;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A mistake of ours, or of this machine.
    Internal,
    /// The options do not fit together, or name files that cannot be used.
    Config,
    /// The target cannot be reached.
    Connect,
    /// The server is not the one it should be, or cannot prove it.
    Identity,
    /// The target refused the user or the secret without saying which.
    LoginRefused,
    /// The target knows the user and refused the secret.
    SecretRefused,
    /// The target proved itself with a wrong secret or name.
    TargetNotProven,
    /// The target was to prove itself and does not.
    NotMutual,
    /// The password that the recovery point was given out with is wrong.
    WrongPassword,
    /// The access that was given to the recovery point has ended, or was withdrawn.
    NotValid,
    /// The access to the recovery point was withdrawn, or its target removed.
    Revoked,
    /// There is no such target, or it has no disk.
    NoTarget,
    /// The target broke the protocol, or its disks cannot be read.
    Protocol,
    /// A disk image cannot be used.
    Image,
}

/// Why a recovery point could not be opened; the message says what failed, where, and what to do next.
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

/// Why a disk image cannot be used.
pub(crate) fn from_image(error: &image::Error) -> Error {
    Error::new(ErrorKind::Image, error.to_string())
}

/// Why there is no connection.
pub(crate) fn from_tunnel(error: &tunnel::Error) -> Error {
    Error::new(connection_kind(error.kind), error.to_string())
}

/// Why there is no session with a target.
pub(crate) fn from_iscsi(error: &iscsi::Error) -> Error {
    use iscsi::ErrorKind as Iscsi;
    let kind = match error.kind {
        Iscsi::Tunnel(kind) => connection_kind(kind),
        Iscsi::Config => ErrorKind::Config,
        Iscsi::LoginRefused => ErrorKind::LoginRefused,
        Iscsi::SecretRefused => ErrorKind::SecretRefused,
        Iscsi::TargetNotProven => ErrorKind::TargetNotProven,
        Iscsi::NotMutual => ErrorKind::NotMutual,
        Iscsi::Revoked => ErrorKind::Revoked,
        Iscsi::TargetNotFound => ErrorKind::NoTarget,
        Iscsi::Unavailable | Iscsi::Disconnected | Iscsi::TimedOut | Iscsi::Closed => ErrorKind::Connect,
        Iscsi::Protocol | Iscsi::Scsi | Iscsi::Changed => ErrorKind::Protocol,
    };
    Error::new(kind, error.to_string())
}

/// The kind of a read that failed in a session with a target.
pub(crate) const fn read_error_kind(error: &iscsi::Error) -> ReadErrorKind {
    use iscsi::ErrorKind as Iscsi;
    match error.kind {
        Iscsi::Closed => ReadErrorKind::Closed,
        Iscsi::TimedOut => ReadErrorKind::TimedOut,
        Iscsi::Scsi | Iscsi::Changed | Iscsi::Protocol => ReadErrorKind::Device,
        Iscsi::Tunnel(_)
        | Iscsi::Config
        | Iscsi::LoginRefused
        | Iscsi::SecretRefused
        | Iscsi::TargetNotProven
        | Iscsi::NotMutual
        | Iscsi::Revoked
        | Iscsi::TargetNotFound
        | Iscsi::Unavailable
        | Iscsi::Disconnected => ReadErrorKind::Disconnected,
    }
}

const fn connection_kind(kind: tunnel::ErrorKind) -> ErrorKind {
    use tunnel::ErrorKind as Tunnel;
    match kind {
        Tunnel::BadConfig | Tunnel::PlaintextRefused => ErrorKind::Config,
        Tunnel::NameNotFound
        | Tunnel::Refused
        | Tunnel::Unreachable
        | Tunnel::TimedOut
        | Tunnel::ProxyRefused
        | Tunnel::ProxyCredentials
        | Tunnel::ProxyProtocol
        | Tunnel::NotTls
        | Tunnel::TlsVersion
        | Tunnel::TlsFailed
        | Tunnel::Closed
        | Tunnel::Io => ErrorKind::Connect,
        Tunnel::Untrusted
        | Tunnel::WrongName
        | Tunnel::Expired
        | Tunnel::NotYetValid
        | Tunnel::PinMismatch
        | Tunnel::ClientCertificate => ErrorKind::Identity,
    }
}
