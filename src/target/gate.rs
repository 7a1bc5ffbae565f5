//! How many connections there may be: those that have not logged in, those that have, and of each those of one peer.

use crate::PortalConfig;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Counts the connections of a portal.
pub(crate) struct Gate {
    half_open_max: usize,
    half_open_per_peer_max: usize,
    open_max: usize,
    open_per_peer_max: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last: u64,
    /// In the order in which they came.
    half_open: BTreeMap<u64, HalfOpen>,
    open: usize,
    peers: HashMap<IpAddr, Peer>,
}

struct HalfOpen {
    peer: IpAddr,
    /// Told when it has to make room.
    end: Arc<Notify>,
}

/// How many connections come from one address.
#[derive(Default)]
struct Peer {
    half_open: usize,
    open: usize,
}

/// A connection that is counted for as long as this lives.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    peer: IpAddr,
    state: State,
}

enum State {
    HalfOpen { number: u64, end: Arc<Notify> },
    Open,
}

impl Gate {
    pub(crate) fn new(config: &PortalConfig) -> Self {
        Self {
            half_open_max: config.half_open_max,
            half_open_per_peer_max: config.half_open_per_peer_max,
            open_max: config.connections_max,
            open_per_peer_max: config.connections_per_peer_max,
            table: Mutex::default(),
        }
    }

    /// Lets a connection in that has not logged in. When there are too many of these, the oldest of the peer that has
    /// most is told to go: a client that is quick gets through however many others hang around. `None` when the peer
    /// itself has too many.
    pub(crate) fn arrive(self: &Arc<Self>, address: IpAddr) -> Option<Pass> {
        let peer = one_peer(address);
        let mut table = self.table();
        if table.peers.get(&peer).is_some_and(|peer| peer.half_open >= self.half_open_per_peer_max) {
            return None;
        }
        if table.half_open.len() >= self.half_open_max {
            table.evict();
        }
        table.last = table.last.wrapping_add(1);
        let (number, end) = (table.last, Arc::new(Notify::new()));
        table.half_open.insert(number, HalfOpen { peer, end: Arc::clone(&end) });
        let count = table.peers.entry(peer).or_default();
        count.half_open = count.half_open.saturating_add(1);
        drop(table);
        Some(Pass { gate: Arc::clone(self), peer, state: State::HalfOpen { number, end } })
    }

    /// The table is consistent at every moment, so that a panic elsewhere while it was locked does not matter.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn evict(&mut self) {
        let most = self.peers.iter().max_by_key(|(_, count)| count.half_open).map(|(peer, _)| *peer);
        let oldest = self.half_open.iter().find(|(_, waiting)| Some(waiting.peer) == most).map(|(number, _)| *number);
        if let Some(evicted) = oldest.and_then(|number| self.take_half_open(number)) {
            evicted.end.notify_one();
        }
    }

    /// `None` when it was evicted before.
    fn take_half_open(&mut self, number: u64) -> Option<HalfOpen> {
        let taken = self.half_open.remove(&number)?;
        self.change(taken.peer, |count| count.half_open = count.half_open.saturating_sub(1));
        Some(taken)
    }

    fn change(&mut self, peer: IpAddr, change: impl FnOnce(&mut Peer)) {
        let count = self.peers.entry(peer).or_default();
        change(count);
        if count.half_open == 0 && count.open == 0 {
            self.peers.remove(&peer);
        }
    }
}

impl Pass {
    /// Is told when the connection has to make room for others, which it never has to once it has logged in.
    pub(crate) fn evicted(&self) -> Arc<Notify> {
        match &self.state {
            State::HalfOpen { end, .. } => Arc::clone(end),
            State::Open => Arc::default(),
        }
    }

    /// The connection has logged in. Says whether there is room for it; always, when it `replaces` one that is ending.
    pub(crate) fn log_in(&mut self, replaces: bool) -> bool {
        let State::HalfOpen { number, .. } = self.state else { return true };
        let mut table = self.gate.table();
        let of_peer = table.peers.get(&self.peer).map_or(0, |count| count.open);
        if !replaces && (table.open >= self.gate.open_max || of_peer >= self.gate.open_per_peer_max) {
            return false;
        }
        if table.take_half_open(number).is_none() {
            return false;
        }
        table.open = table.open.saturating_add(1);
        table.change(self.peer, |count| count.open = count.open.saturating_add(1));
        drop(table);
        self.state = State::Open;
        true
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut table = self.gate.table();
        match self.state {
            State::HalfOpen { number, .. } => {
                table.take_half_open(number);
            }
            State::Open => {
                table.open = table.open.saturating_sub(1);
                table.change(self.peer, |count| count.open = count.open.saturating_sub(1));
            }
        }
    }
}

/// What counts as one peer: an IPv4 address, however it is written, or the network of an IPv6 one, whose last 64 bits
/// cost nothing to change.
fn one_peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn gate() -> Arc<Gate> {
        let config = PortalConfig {
            half_open_max: 4,
            half_open_per_peer_max: 3,
            connections_max: 3,
            connections_per_peer_max: 2,
            ..PortalConfig::default()
        };
        Arc::new(Gate::new(&config))
    }

    async fn is_evicted(pass: &Pass) -> bool {
        tokio::time::timeout(Duration::ZERO, pass.evicted().notified()).await.is_ok()
    }

    #[tokio::test]
    async fn a_peer_with_too_many_half_open_ones_is_refused_and_others_are_not() {
        let gate = gate();
        let mut passes: Vec<Pass> = (0..3).map(|_| gate.arrive(V4).unwrap()).collect();
        assert!(gate.arrive(V4).is_none());
        assert!(gate.arrive("::ffff:192.0.2.1".parse().unwrap()).is_none(), "the same address");
        let other = gate.arrive(OTHER).unwrap();
        passes.pop();
        passes.push(gate.arrive(V4).unwrap());
        for pass in passes.iter().chain([&other]) {
            assert!(!is_evicted(pass).await);
        }
    }

    #[tokio::test]
    async fn when_too_many_are_half_open_the_oldest_of_the_peer_with_most_goes() {
        let gate = gate();
        let quick = gate.arrive(OTHER).unwrap();
        let crowd: Vec<Pass> = (0..3).map(|_| gate.arrive(V4).unwrap()).collect();
        let third = gate.arrive("2001:db8::1".parse().unwrap()).unwrap();
        assert!(is_evicted(&crowd[0]).await);
        for pass in [&quick, &crowd[1], &crowd[2], &third] {
            assert!(!is_evicted(pass).await);
        }
    }

    #[tokio::test]
    async fn who_has_logged_in_is_never_evicted_and_who_was_evicted_cannot_log_in() {
        let gate = gate();
        let mut first = gate.arrive(V4).unwrap();
        let end = first.evicted();
        assert!(first.log_in(false));
        let mut crowd: Vec<Pass> = (0..3).map(|_| gate.arrive(V4).unwrap()).collect();
        let _others = [gate.arrive(OTHER).unwrap(), gate.arrive(OTHER).unwrap()];
        assert!(tokio::time::timeout(Duration::ZERO, end.notified()).await.is_err());
        assert!(!crowd[0].log_in(false));
        assert!(crowd[1].log_in(false));
    }

    #[test]
    fn logins_are_bounded_in_all_and_per_peer_but_not_for_who_replaces_its_own() {
        let gate = gate();
        let arrive = |peer| gate.arrive(peer).unwrap();
        let mut passes = [arrive(V4), arrive(V4), arrive(OTHER)];
        for pass in &mut passes {
            assert!(pass.log_in(false));
        }
        assert!(!arrive(V4).log_in(false), "two of this peer");
        assert!(!arrive("2001:db8::1".parse().unwrap()).log_in(false), "three in all");
        let mut again = arrive(V4);
        assert!(again.log_in(true));
        drop(passes);
        assert!(arrive(V4).log_in(false));
        assert!(arrive("2001:db8::1".parse().unwrap()).log_in(false));
        drop(again);
        assert!(gate.table().peers.is_empty() && gate.table().half_open.is_empty() && gate.table().open == 0);
    }

    #[test]
    fn one_ipv6_network_is_one_peer() {
        let gate = gate();
        let network = "2001:db8:1:2:3:4:5:";
        let _passes: Vec<Pass> =
            (0..3).map(|last| gate.arrive(format!("{network}{last}").parse().unwrap()).unwrap()).collect();
        assert!(gate.arrive(format!("{network}9").parse().unwrap()).is_none());
        assert!(gate.arrive("2001:db8:1:3::1".parse().unwrap()).is_some());
    }
}
