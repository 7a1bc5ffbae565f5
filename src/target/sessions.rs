//! Which sessions there are, so that an initiator that comes back replaces its own (RFC 7143 section 6.3.5).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Who has a session: with one target and one portal group, that is the initiator port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InitiatorPort {
    /// InitiatorName in lower case.
    pub(crate) name: String,
    pub(crate) isid: [u8; 6],
}

/// The sessions of a target that are in their full feature phase.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    last_tsih: u16,
    by_port: HashMap<InitiatorPort, Session>,
}

struct Session {
    tsih: u16,
    /// Told when the session has to end.
    end: Arc<Notify>,
}

/// A session of the table; it leaves the table when this is dropped.
pub(crate) struct SessionEntry {
    sessions: Arc<Sessions>,
    port: InitiatorPort,
    /// Target session identifying handle, never 0.
    pub(crate) tsih: u16,
}

impl Sessions {
    /// Enters a session whose connection listens to `end`. One that the same port still has is ended. `None` when
    /// there is no free handle.
    pub(crate) fn enter(self: &Arc<Self>, port: InitiatorPort, end: &Arc<Notify>) -> Option<SessionEntry> {
        let mut table = self.table();
        if let Some(old) = table.by_port.remove(&port) {
            old.end.notify_one();
        }
        let tsih = table.free_tsih()?;
        table.last_tsih = tsih;
        table.by_port.insert(port.clone(), Session { tsih, end: Arc::clone(end) });
        Some(SessionEntry { sessions: Arc::clone(self), port, tsih })
    }

    /// Whether a session has this handle.
    pub(crate) fn has(&self, tsih: u16) -> bool {
        self.table().has(tsih)
    }

    /// The table is consistent at every moment, so that a panic elsewhere while it was locked does not matter.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::time::Duration;

    fn port(name: &str, last: u8) -> InitiatorPort {
        InitiatorPort { name: name.to_owned(), isid: [0, 0, 0, 0, 0, last] }
    }

    async fn is_told(end: &Notify) -> bool {
        tokio::time::timeout(Duration::ZERO, end.notified()).await.is_ok()
    }

    #[tokio::test]
    async fn the_same_port_replaces_its_session_and_others_are_left_alone() {
        let sessions = Arc::new(Sessions::default());
        let ends: Vec<_> = (0..4).map(|_| Arc::new(Notify::new())).collect();
        let first = sessions.enter(port("a", 0), &ends[0]).unwrap();
        let other_isid = sessions.enter(port("a", 1), &ends[1]).unwrap();
        let other_name = sessions.enter(port("b", 0), &ends[2]).unwrap();
        let again = sessions.enter(port("a", 0), &ends[3]).unwrap();
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
        let sessions = Arc::new(Sessions::default());
        let entry = sessions.enter(port("a", 0), &Arc::default()).unwrap();
        let tsih = entry.tsih;
        drop(entry);
        assert!(!sessions.has(tsih));
    }

    #[test]
    fn handles_wrap_without_zero_and_without_those_in_use() {
        let sessions = Arc::new(Sessions::default());
        let kept = sessions.enter(port("a", 0), &Arc::default()).unwrap();
        assert_eq!(kept.tsih, 1);
        sessions.table().last_tsih = u16::MAX;
        assert_eq!(sessions.enter(port("b", 0), &Arc::default()).unwrap().tsih, 2);
    }
}
