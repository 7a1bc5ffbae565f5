//! Which sessions an export has, so that an initiator that comes back replaces its own (RFC 7143 section 6.3.5), and how
//! much each has read.

use crate::{SessionUsage, Usage};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::Notify;

/// Who has a session: with one export and one portal group, that is the initiator port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InitiatorPort {
    /// InitiatorName in lower case.
    pub(crate) name: String,
    pub(crate) isid: [u8; 6],
}

/// The sessions of an export that are in their full feature phase.
pub(crate) struct Sessions {
    sessions_max: usize,
    bytes_read: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last_tsih: u16,
    last_number: u64,
    by_port: HashMap<InitiatorPort, Session>,
}

struct Session {
    tsih: u16,
    /// Told when the session has to end.
    end: Arc<Notify>,
    /// Counts sessions in their order.
    number: u64,
    peer: SocketAddr,
    since: SystemTime,
    bytes_read: Arc<AtomicU64>,
}

/// A session of the table; it leaves the table when this is dropped.
pub(crate) struct SessionEntry {
    sessions: Arc<Sessions>,
    port: InitiatorPort,
    /// Target session identifying handle, never 0.
    pub(crate) tsih: u16,
    /// The same port had a session before, which is ended.
    pub(crate) replaces: bool,
    bytes_read: Arc<AtomicU64>,
}

impl Sessions {
    pub(crate) fn new(sessions_max: usize) -> Self {
        Self { sessions_max, bytes_read: AtomicU64::new(0), table: Mutex::default() }
    }

    /// Enters a session whose connection listens to `end`. One that the same port still has is ended. `None` when
    /// there are too many, or no handle is free.
    pub(crate) fn enter(
        self: &Arc<Self>,
        port: InitiatorPort,
        peer: SocketAddr,
        end: &Arc<Notify>,
    ) -> Option<SessionEntry> {
        let mut table = self.table();
        let replaced = table.by_port.remove(&port);
        if let Some(old) = &replaced {
            old.end.notify_one();
        }
        if table.by_port.len() >= self.sessions_max {
            return None;
        }
        let tsih = table.free_tsih()?;
        table.last_tsih = tsih;
        table.last_number = table.last_number.wrapping_add(1);
        let bytes_read = Arc::new(AtomicU64::new(0));
        let session = Session {
            tsih,
            end: Arc::clone(end),
            number: table.last_number,
            peer,
            since: SystemTime::now(),
            bytes_read: Arc::clone(&bytes_read),
        };
        table.by_port.insert(port.clone(), session);
        drop(table);
        Some(SessionEntry { sessions: Arc::clone(self), port, tsih, replaces: replaced.is_some(), bytes_read })
    }

    /// Whether a session has this handle.
    pub(crate) fn has(&self, tsih: u16) -> bool {
        self.table().has(tsih)
    }

    pub(crate) fn usage(&self) -> Usage {
        let table = self.table();
        let mut sessions: Vec<_> = table.by_port.iter().collect();
        sessions.sort_unstable_by_key(|(_, session)| session.number);
        let usage = |(port, session): (&InitiatorPort, &Session)| SessionUsage {
            initiator: port.name.clone(),
            peer: session.peer,
            since: session.since,
            bytes_read: session.bytes_read.load(Ordering::Relaxed),
        };
        let sessions = sessions.into_iter().map(usage).collect();
        Usage { sessions, bytes_read: self.bytes_read.load(Ordering::Relaxed) }
    }

    /// The table is consistent at every moment, so that a panic elsewhere while it was locked does not matter.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn has(&self, tsih: u16) -> bool {
        self.by_port.values().any(|session| session.tsih == tsih)
    }

    fn free_tsih(&self) -> Option<u16> {
        let following = (1..=u16::MAX).map(|step| self.last_tsih.wrapping_add(step));
        following.into_iter().find(|tsih| *tsih != 0 && !self.has(*tsih))
    }
}

impl SessionEntry {
    /// So many bytes of disks go to the initiator.
    pub(crate) fn count(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        self.sessions.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was counted.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

impl Drop for SessionEntry {
    fn drop(&mut self) {
        let mut table = self.sessions.table();
        // A session that was replaced is no longer the one in the table.
        if table.by_port.get(&self.port).is_some_and(|session| session.tsih == self.tsih) {
            table.by_port.remove(&self.port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5);

    fn port(name: &str, last: u8) -> InitiatorPort {
        InitiatorPort { name: name.to_owned(), isid: [0, 0, 0, 0, 0, last] }
    }

    async fn is_told(end: &Notify) -> bool {
        tokio::time::timeout(Duration::ZERO, end.notified()).await.is_ok()
    }

    #[tokio::test]
    async fn the_same_port_replaces_its_session_and_others_are_left_alone() {
        let sessions = Arc::new(Sessions::new(8));
        let ends: Vec<_> = (0..4).map(|_| Arc::new(Notify::new())).collect();
        let first = sessions.enter(port("a", 0), PEER, &ends[0]).unwrap();
        let other_isid = sessions.enter(port("a", 1), PEER, &ends[1]).unwrap();
        let other_name = sessions.enter(port("b", 0), PEER, &ends[2]).unwrap();
        let again = sessions.enter(port("a", 0), PEER, &ends[3]).unwrap();
        assert!(is_told(&ends[0]).await);
        for end in &ends[1..] {
            assert!(!is_told(end).await);
        }
        let replaced = first.tsih;
        drop(first);
        assert!(!sessions.has(replaced));
        for session in [&other_isid, &other_name, &again] {
            assert!(session.tsih != 0 && sessions.has(session.tsih));
        }
    }

    #[test]
    fn a_session_leaves_when_its_entry_is_dropped() {
        let sessions = Arc::new(Sessions::new(8));
        let entry = sessions.enter(port("a", 0), PEER, &Arc::default()).unwrap();
        let tsih = entry.tsih;
        drop(entry);
        assert!(!sessions.has(tsih));
    }

    #[test]
    fn handles_wrap_without_zero_and_without_those_in_use() {
        let sessions = Arc::new(Sessions::new(8));
        let kept = sessions.enter(port("a", 0), PEER, &Arc::default()).unwrap();
        assert_eq!(kept.tsih, 1);
        sessions.table().last_tsih = u16::MAX;
        assert_eq!(sessions.enter(port("b", 0), PEER, &Arc::default()).unwrap().tsih, 2);
    }

    #[test]
    fn a_session_too_many_is_not_entered_but_one_that_comes_back_is() {
        let sessions = Arc::new(Sessions::new(2));
        let enter = |name| sessions.enter(port(name, 0), PEER, &Arc::default());
        let (first, second) = (enter("a").unwrap(), enter("b").unwrap());
        assert!(enter("c").is_none());
        let again = enter("a").unwrap();
        assert!(again.replaces && !first.replaces);
        drop(second);
        assert!(!enter("c").unwrap().replaces);
    }

    #[test]
    fn what_each_session_reads_is_counted_and_the_sum_outlives_them() {
        let sessions = Arc::new(Sessions::new(8));
        let first = sessions.enter(port("b", 0), PEER, &Arc::default()).unwrap();
        let second = sessions.enter(port("a", 0), PEER, &Arc::default()).unwrap();
        first.count(5);
        second.count(7);
        first.count(1);
        let usage = sessions.usage();
        let read: Vec<_> = usage.sessions.iter().map(|session| (&*session.initiator, session.bytes_read)).collect();
        assert_eq!((read, usage.bytes_read), (vec![("b", 6), ("a", 7)], 13));
        drop((first, second));
        assert_eq!(sessions.usage(), Usage { sessions: vec![], bytes_read: 13 });
    }
}
