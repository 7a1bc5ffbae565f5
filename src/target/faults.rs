//! Misbehaviour on purpose, so that initiators can be tested against it.

use std::num::NonZeroU64;
use std::time::Duration;

/// What a target does wrong. By default nothing.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Every connection is cut, wherever that is in a PDU and without any farewell, once it was sent so many bytes
    /// of iSCSI.
    pub cut_after_bytes: Option<u64>,
    /// After so many connections the target is gone: it stops listening.
    pub connections_total: Option<u64>,
    /// Logins to normal sessions are sent elsewhere.
    pub redirect: Option<Redirect>,
    /// Logins to normal sessions are refused.
    pub refusal: Option<Refusal>,
    /// The first command to each logical unit of each session is answered with a unit attention.
    pub unit_attention: bool,
    /// Every read is answered so much later.
    pub read_delay: Duration,
    /// Some reads go wrong.
    pub bad_reads: Option<BadReads>,
}

/// Where logins are sent instead.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// TargetAddress as the initiator is told it: `HOST:PORT`, possibly with `,GROUP`.
    pub to: String,
    /// "Target moved permanently" rather than "temporarily".
    pub permanently: bool,
    /// So many logins are redirected; later ones are served.
    pub times: u32,
}

/// How logins are refused (RFC 7143 section 11.13.5).
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// Status-Class: 2 initiator error, 3 target error.
    pub class: u8,
    /// Status-Detail.
    pub detail: u8,
    /// So many logins are served first.
    pub after: u32,
    /// So many logins are refused then; later ones are served.
    pub times: u32,
}

/// Which reads go wrong, and how.
#[derive(Clone, Copy, Debug)]
pub struct BadReads {
    /// Every so many reads one goes wrong, counted over all connections of the target as the disks answer.
    pub every: NonZeroU64,
    /// What goes wrong.
    pub how: Misdeed,
}

/// What is done to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misdeed {
    /// It is answered with the status BUSY.
    Busy,
    /// It is answered with the status CHECK CONDITION and "unrecovered read error".
    MediumError,
    /// Its command is answered with a Reject.
    Reject,
    /// It is never answered.
    Silence,
    /// One bit of its data is changed after the data digest was made. Without data digests nobody can notice.
    FlippedBit,
    /// It comes in Data-In PDUs of 512 bytes in reverse order, although DataPDUInOrder=Yes was agreed.
    WrongOrder,
    /// Of its Data-In PDUs of 512 bytes the first is left out, and the status says that all is well.
    MissingData,
    /// It is answered well, after an Asynchronous Message that asks for a logout within so many seconds.
    AskForLogout(u16),
    /// The connection is closed, after an Asynchronous Message that says so.
    Drop,
}
