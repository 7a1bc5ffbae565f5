//! Misbehaviour on purpose, so that initiators can be tested against it.

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
    /// The first command to each logical unit of each session is answered with a unit attention.
    pub unit_attention: bool,
    /// Every read is answered so much later.
    pub read_delay: Duration,
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
