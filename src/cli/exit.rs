//! Failures as users and scripts meet them, and the one table of exit codes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of failure it was. The names are part of the `--json` output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureKind {
    Internal,
    Usage,
    MountPoint,
    Connect,
    Identity,
    LoginRefused,
    TargetNotProven,
    NoTarget,
    Protocol,
    Image,
    NoVolume,
    Busy,
    NoSession,
    CheckFailed,
    Stopped,
    SecretRefused,
    NotMutual,
    NotGenuine,
    WrongPassword,
    NotValid,
    Expired,
    LifetimeOver,
    Revoked,
    SourceLost,
}

impl FailureKind {
    /// The exit code; documented in `--help` and in the manual.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::MountPoint => 3,
            Self::Connect => 4,
            Self::Identity => 5,
            Self::LoginRefused => 6,
            Self::TargetNotProven => 7,
            Self::NoTarget => 8,
            Self::Protocol => 9,
            Self::Image => 10,
            Self::NoVolume => 11,
            Self::Busy => 12,
            Self::NoSession => 13,
            Self::CheckFailed => 14,
            Self::Stopped => 15,
            Self::SecretRefused => 16,
            Self::NotMutual => 17,
            Self::NotGenuine => 18,
            Self::WrongPassword => 19,
            Self::NotValid => 20,
            Self::Expired => 21,
            Self::LifetimeOver => 22,
            Self::Revoked => 23,
            Self::SourceLost => 24,
        }
    }
}

/// A failure: what failed, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    pub(crate) fn internal(what: &str, error: impl fmt::Display) -> Self {
        let error = error.to_string();
        let reason = error.split(" (os error").next().unwrap_or(&error);
        Self::new(FailureKind::Internal, format!("{what}: {reason}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<program::Unusable> for Failure {
    fn from(error: program::Unusable) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<session::Error> for Failure {
    fn from(error: session::Error) -> Self {
        let kind = match error.kind {
            session::ErrorKind::Internal => FailureKind::Internal,
            session::ErrorKind::Config => FailureKind::Usage,
            session::ErrorKind::Connect => FailureKind::Connect,
            session::ErrorKind::Identity => FailureKind::Identity,
            session::ErrorKind::LoginRefused => FailureKind::LoginRefused,
            session::ErrorKind::TargetNotProven => FailureKind::TargetNotProven,
            session::ErrorKind::SecretRefused => FailureKind::SecretRefused,
            session::ErrorKind::NotMutual => FailureKind::NotMutual,
            session::ErrorKind::WrongPassword => FailureKind::WrongPassword,
            session::ErrorKind::NotValid => FailureKind::NotValid,
            session::ErrorKind::Revoked => FailureKind::Revoked,
            session::ErrorKind::NoTarget => FailureKind::NoTarget,
            session::ErrorKind::Protocol => FailureKind::Protocol,
            session::ErrorKind::Image => FailureKind::Image,
        };
        Self::new(kind, error.message)
    }
}

impl From<bundle::SourceError> for Failure {
    fn from(error: bundle::SourceError) -> Self {
        use bundle::SourceError as Source;
        use bundle::sealed::BundleError as Bundle;
        let kind = match &error {
            Source::Bundle { error: Bundle::WrongPassword, .. } => FailureKind::WrongPassword,
            Source::Bundle { error: Bundle::Expired { .. }, .. } => FailureKind::NotValid,
            Source::Bundle { error: Bundle::Internal(_), .. } => FailureKind::Internal,
            Source::Bundle { .. } | Source::Azure { .. } => FailureKind::NotGenuine,
            Source::Url { .. }
            | Source::Mixed
            | Source::MixedDescription { .. }
            | Source::Nothing
            | Source::WindowsProgram { .. } => FailureKind::Usage,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_exit_code() {
        let help = <crate::args::Cli as clap::CommandFactory>::command().render_long_help().to_string();
        for kind in [
            FailureKind::Internal,
            FailureKind::Usage,
            FailureKind::MountPoint,
            FailureKind::Connect,
            FailureKind::Identity,
            FailureKind::LoginRefused,
            FailureKind::TargetNotProven,
            FailureKind::NoTarget,
            FailureKind::Protocol,
            FailureKind::Image,
            FailureKind::NoVolume,
            FailureKind::Busy,
            FailureKind::NoSession,
            FailureKind::CheckFailed,
            FailureKind::Stopped,
            FailureKind::SecretRefused,
            FailureKind::NotMutual,
            FailureKind::NotGenuine,
            FailureKind::WrongPassword,
            FailureKind::NotValid,
            FailureKind::Expired,
            FailureKind::LifetimeOver,
            FailureKind::Revoked,
            FailureKind::SourceLost,
        ] {
            let code = kind.exit_code().to_string();
            let exits = help.split_once("Exit codes:").unwrap().1;
            assert!(exits.split_whitespace().any(|word| word == code), "{code} is not in the help");
        }
    }
}
