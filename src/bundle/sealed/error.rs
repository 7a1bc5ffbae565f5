//! Why a bundle cannot be used.

use std::time::{Duration, SystemTime};

/// Why a bundle cannot be made or used; callers decide by the variant, people read the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The first line is not that of a bundle.
    #[error("this is no sealed bundle: its first line is not '{}N'", super::file::MAGIC)]
    NotABundle,
    /// No bundle is as long as this.
    #[error("this is no sealed bundle: it has more than {} bytes", super::file::FILE_BYTES_MAX)]
    TooLarge,
    /// A later version of the format.
    #[error("the bundle has format {0}, which this fr-mount does not know: use a newer fr-mount")]
    TooNew(u64),
    /// The end is missing.
    #[error("the bundle is cut short: a part of it did not arrive. Download it again")]
    Truncated,
    /// Something in it is not as it was made.
    #[error("the bundle is damaged: {0}. It was changed after it was made; download it again")]
    Damaged(String),
    /// It is signed, but what it says makes no sense.
    #[error("the bundle cannot be used: {0}. Whoever runs the service has to make a correct one")]
    Invalid(String),
    /// Signed and opened, but the two parts were not made together.
    #[error(
        "the bundle is forged: its secrets belong to another offer or to another service than it says. Do not use it; \
         tell whoever runs the service, and download a new one from there"
    )]
    Forged,
    /// Another service signed it than the user insists on.
    #[error(
        "the bundle was signed by the service with key {found}, not by the one with key {wanted}. Use --service-key with \
         the key that your service shows, and download the bundle from that service"
    )]
    OtherService {
        /// Whose it is.
        found: super::Fingerprint,
        /// Whose it should be.
        wanted: super::Fingerprint,
    },
    /// The password does not open it.
    #[error(
        "the password does not open the bundle: use the one that was shown when this bundle was made. It is not shown \
         again; if it is lost, make a new bundle"
    )]
    WrongPassword,
    /// Its time is over.
    #[error("the bundle is not valid any more: it ended at {}, and it is {} now. Make a new one", time(*.ended), time(*.now))]
    Expired {
        /// When it ended, in seconds since 1970.
        ended: u64,
        /// What this computer's clock says.
        now: u64,
    },
    /// Something of this computer failed.
    #[error("{0}")]
    Internal(String),
}

/// A time for people.
pub(super) fn time(seconds: u64) -> String {
    match SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) if seconds <= super::offer::TIME_MAX => humantime::format_rfc3339_seconds(time).to_string(),
        _ => format!("second {seconds}"),
    }
}
