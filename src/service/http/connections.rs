//! How many connections there may be, of all clients and of each.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Bounds on what clients can take, and what browsers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more are closed at once.
    pub connections: usize,
    /// Connections at a time from one address. Behind a load balancer all come from its own.
    pub connections_per_client: usize,
    /// Whether browsers are told to come over HTTPS only, for a year (RFC 6797).
    pub hsts: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 512, connections_per_client: 64, hsts: false }
    }
}

/// The connections that are open.
#[derive(Default)]
struct Open {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// Counts connections.
#[derive(Clone)]
pub(crate) struct Connections {
    limits: Limits,
    open: Arc<Mutex<Open>>,
}

/// The right to be connected; it ends when this is dropped.
pub(crate) struct Admission {
    client: IpAddr,
    open: Arc<Mutex<Open>>,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, open: Arc::default() }
    }

    /// Lets a client in, if there is room for it.
    pub(crate) fn admit(&self, client: IpAddr) -> Option<Admission> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = open.by_client.get(&client).copied().unwrap_or(0);
        if open.all >= self.limits.connections || of_client >= self.limits.connections_per_client {
            return None;
        }
        open.all = open.all.saturating_add(1);
        open.by_client.insert(client, of_client.saturating_add(1));
        Some(Admission { client, open: Arc::clone(&self.open) })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        match open.by_client.get_mut(&self.client) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(open.by_client.remove(&self.client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_cannot_take_all_connections_and_what_is_closed_makes_room() {
        let limits = Limits { connections: 3, connections_per_client: 2, hsts: false };
        let connections = Connections::new(limits);
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let first = connections.admit(address(1)).unwrap();
        let _second = connections.admit(address(1)).unwrap();
        assert!(connections.admit(address(1)).is_none());
        let _third = connections.admit(address(2)).unwrap();
        assert!(connections.admit(address(3)).is_none());
        drop(first);
        assert!(connections.admit(address(3)).is_some());
        assert_eq!(connections.open.lock().unwrap().by_client.len(), 2);
    }
}
