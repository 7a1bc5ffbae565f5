//! What a target serves, to whom, and within which bounds.

use crate::Faults;
use block::Disk;
use iscsi::chap::{ChapAlgorithm, ChapCredentials};
use std::sync::Arc;
use std::time::Duration;

/// What a target serves, to whom, and within which bounds. [`TargetConfig::new`] gives the usual bounds.
#[derive(Clone)]
pub struct TargetConfig {
    /// The target's iSCSI name (`iqn.`, `eui.` or `naa.`).
    pub iqn: String,
    /// The disks; their place in the list is their logical unit number.
    pub disks: Vec<Arc<dyn Disk>>,
    /// Who may log in, for discovery too. `None`: everybody, without authentication.
    pub chap: Option<ChapCredentials>,
    /// What the target proves itself with to an initiator that asks (mutual CHAP).
    pub reverse: Option<ChapCredentials>,
    /// CHAP algorithms that the target can do; all four unless somebody wants fewer.
    pub chap_algorithms: Vec<ChapAlgorithm>,
    /// `HOST:PORT` that discovery tells, for a target behind a tunnel or a proxy. `None`: the address that the
    /// initiator connected to.
    pub portal: Option<String>,
    /// More connections than this at a time are closed at once.
    pub connections_max: usize,
    /// A connection that is not in its full feature phase by then, TLS handshake included, is closed.
    pub login_timeout: Duration,
    /// How often the initiator is sent a NOP-In that it has to answer.
    pub ping_interval: Duration,
    /// A connection on which nothing came, or nothing could be sent, for so long is closed.
    pub silence_max: Duration,
    /// How many commands of a session may be under way (the width of its CmdSN window).
    pub commands_max: u32,
    /// The longest read that one command may ask for, in bytes (block limits page).
    pub read_bytes_max: u32,
    /// How many bytes a connection's reads may hold at a time; later ones wait. A single read is always let through.
    pub bytes_in_flight_max: usize,
    /// Misbehaviour for tests of initiators; none by default.
    pub faults: Faults,
}

impl TargetConfig {
    /// A target of these disks without authentication and with the usual bounds.
    #[must_use]
    pub fn new(iqn: impl Into<String>, disks: Vec<Arc<dyn Disk>>) -> Self {
        Self {
            iqn: iqn.into(),
            disks,
            chap: None,
            reverse: None,
            chap_algorithms: ChapAlgorithm::ALL.to_vec(),
            portal: None,
            connections_max: 64,
            login_timeout: Duration::from_secs(15),
            ping_interval: Duration::from_secs(30),
            silence_max: Duration::from_secs(90),
            commands_max: 128,
            read_bytes_max: 16 << 20,
            bytes_in_flight_max: 32 << 20,
            faults: Faults::default(),
        }
    }
}
