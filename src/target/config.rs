//! What a portal allows, and the short form of all of it for one target.

use crate::{Export, ExportConfig, Faults};
use block::Disk;
use iscsi::chap::{ChapAlgorithm, ChapCredentials};
use std::sync::Arc;
use std::time::Duration;

/// What a portal tells and allows, for all its connections. [`PortalConfig::default`] gives the usual bounds.
///
/// Memory is bounded whatever clients do: every connection may hold one read (`read_bytes_max` of its export), all further
/// reads share `shared_read_bytes_max`, and besides that a connection holds less than a mebibyte, or some kibibytes before
/// it has logged in.
#[derive(Clone, Debug)]
pub struct PortalConfig {
    /// `HOST:PORT`s that discovery tells, for a portal behind load balancers, tunnels or proxies. None: the address that
    /// the initiator connected to.
    pub addresses: Vec<String>,
    /// CHAP algorithms that the portal can do; all four unless somebody wants fewer.
    pub chap_algorithms: Vec<ChapAlgorithm>,
    /// So many connections may be logged in at a time; further logins are refused with "out of resources".
    pub connections_max: usize,
    /// The same for one peer: an IPv4 address, or the first 64 bits of an IPv6 one. Behind a load balancer that does not
    /// keep addresses, all clients are one peer.
    pub connections_per_peer_max: usize,
    /// So many connections may be open that have not logged in. When one more comes, the oldest of the peer that has most
    /// is closed.
    pub half_open_max: usize,
    /// The same for one peer; here it is the new one that is closed.
    pub half_open_per_peer_max: usize,
    /// A connection that is not in its full feature phase by then, TLS handshake and the search for its export included,
    /// is closed.
    pub login_timeout: Duration,
    /// A login that fails for its user or secret is answered no earlier than so long after the response to the challenge
    /// came: finding out that there is no such user must not take another time than finding a wrong secret.
    pub refusal_delay: Duration,
    /// How often the initiator is sent a NOP-In that it has to answer.
    pub ping_interval: Duration,
    /// A connection on which nothing came, or nothing could be sent, for so long is closed.
    pub silence_max: Duration,
    /// How many commands of a session may be under way (the width of its CmdSN window).
    pub commands_max: u32,
    /// How many bytes a connection's reads may hold at a time, from their submission to the disk until they are sent;
    /// later ones wait. A single read is always let through.
    pub bytes_in_flight_max: usize,
    /// How many bytes reads may hold over all connections, beyond one read of each. A connection gets no more of it than
    /// it leaves to the others.
    pub shared_read_bytes_max: usize,
    /// Misbehaviour for tests of initiators; none by default.
    pub faults: Faults,
}

impl Default for PortalConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            chap_algorithms: ChapAlgorithm::ALL.to_vec(),
            connections_max: 256,
            connections_per_peer_max: 128,
            half_open_max: 256,
            half_open_per_peer_max: 64,
            login_timeout: Duration::from_secs(15),
            refusal_delay: Duration::from_millis(200),
            ping_interval: Duration::from_secs(30),
            silence_max: Duration::from_secs(90),
            commands_max: 128,
            bytes_in_flight_max: 32 << 20,
            shared_read_bytes_max: 128 << 20,
            faults: Faults::default(),
        }
    }
}

/// One export and its portal in one, for [`crate::Target`]. [`TargetConfig::new`] gives the usual bounds; those that are
/// not here are [`PortalConfig`]'s usual ones.
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
    /// As in [`PortalConfig`].
    pub chap_algorithms: Vec<ChapAlgorithm>,
    /// `HOST:PORT` that discovery tells, for a target behind a tunnel or a proxy. `None`: the address that the
    /// initiator connected to.
    pub portal: Option<String>,
    /// As in [`PortalConfig`], also for one peer.
    pub connections_max: usize,
    /// As in [`PortalConfig`].
    pub login_timeout: Duration,
    /// As in [`PortalConfig`].
    pub ping_interval: Duration,
    /// As in [`PortalConfig`].
    pub silence_max: Duration,
    /// As in [`PortalConfig`].
    pub commands_max: u32,
    /// As in [`ExportConfig`].
    pub read_bytes_max: u32,
    /// As in [`PortalConfig`].
    pub bytes_in_flight_max: usize,
    /// As in [`PortalConfig`].
    pub faults: Faults,
}

impl TargetConfig {
    /// A target of these disks without authentication and with the usual bounds.
    #[must_use]
    pub fn new(iqn: impl Into<String>, disks: Vec<Arc<dyn Disk>>) -> Self {
        let export = ExportConfig::new(iqn, disks);
        let portal = PortalConfig::default();
        Self {
            iqn: export.iqn,
            disks: export.disks,
            chap: export.chap,
            reverse: export.reverse,
            chap_algorithms: portal.chap_algorithms,
            portal: None,
            connections_max: portal.connections_max,
            login_timeout: portal.login_timeout,
            ping_interval: portal.ping_interval,
            silence_max: portal.silence_max,
            commands_max: portal.commands_max,
            read_bytes_max: export.read_bytes_max,
            bytes_in_flight_max: portal.bytes_in_flight_max,
            faults: portal.faults,
        }
    }

    /// The two halves.
    pub(crate) fn split(self) -> (Result<Arc<Export>, crate::Error>, PortalConfig) {
        let export = ExportConfig {
            chap: self.chap,
            reverse: self.reverse,
            read_bytes_max: self.read_bytes_max,
            ..ExportConfig::new(self.iqn, self.disks)
        };
        let portal = PortalConfig {
            addresses: self.portal.into_iter().collect(),
            chap_algorithms: self.chap_algorithms,
            connections_max: self.connections_max,
            connections_per_peer_max: self.connections_max,
            login_timeout: self.login_timeout,
            ping_interval: self.ping_interval,
            silence_max: self.silence_max,
            commands_max: self.commands_max,
            bytes_in_flight_max: self.bytes_in_flight_max,
            faults: self.faults,
            ..PortalConfig::default()
        };
        (Export::new(export).map(Arc::new), portal)
    }
}
