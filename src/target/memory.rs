//! How many bytes the reads of all connections hold: from the submission to the disk until they were sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What reads may hold beyond one of each connection.
pub(crate) struct Pool {
    free: AtomicUsize,
}

/// What the reads of one connection hold.
pub(crate) struct Account {
    pool: Arc<Pool>,
    held: Arc<AtomicUsize>,
    held_max: usize,
}

/// What one read holds; given back when this is dropped.
pub(crate) struct Share {
    held: Arc<AtomicUsize>,
    bytes: usize,
    /// Where it comes from, unless it is the connection's own.
    pool: Option<Arc<Pool>>,
}

impl Pool {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self { free: AtomicUsize::new(bytes) }
    }

    /// Takes `bytes` if at least as much as the connection then holds, `held`, is left to others: so whoever takes more
    /// than others runs out of room first, and clients that take nothing of what they asked for cannot use it up.
    fn take(&self, bytes: usize, held: usize) -> bool {
        let take = |free: usize| free.checked_sub(bytes).filter(|left| *left >= held);
        self.free.try_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

impl Account {
    /// An account of a connection that may hold `held_max` bytes.
    pub(crate) fn new(pool: &Arc<Pool>, held_max: usize) -> Self {
        Self { pool: Arc::clone(pool), held: Arc::default(), held_max }
    }

    /// Room for a read. One is always let through; `None` means to ask again when one of this connection's reads is over.
    pub(crate) fn take(&self, bytes: usize) -> Option<Share> {
        let held = self.held.load(Ordering::Relaxed);
        let after = held.saturating_add(bytes);
        let pooled = held > 0;
        if pooled && (after > self.held_max || !self.pool.take(bytes, after)) {
            return None;
        }
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Some(Share { held: Arc::clone(&self.held), bytes, pool: pooled.then(|| Arc::clone(&self.pool)) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(pool) = &self.pool {
            pool.free.fetch_add(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_read_is_always_let_through_and_the_rest_up_to_the_connections_limit() {
        let pool = Arc::new(Pool::new(1000));
        let account = Account::new(&pool, 30);
        let large = account.take(100).unwrap();
        assert!(account.take(1).is_none());
        drop(large);
        let shares: Vec<_> = (0..3).map(|_| account.take(10).unwrap()).collect();
        assert!(account.take(1).is_none());
        drop(shares);
        assert!(account.take(1).is_some());
        assert_eq!(pool.free.load(Ordering::Relaxed), 1000);
    }

    #[test]
    fn greedy_connections_leave_room_for_one_more_and_never_take_more_than_there_is() {
        let pool = Arc::new(Pool::new(1000));
        let greedy: Vec<Account> = (0..9).map(|_| Account::new(&pool, usize::MAX)).collect();
        let mut shares = Vec::new();
        for _ in 0..1000 {
            shares.extend(greedy.iter().filter_map(|account| account.take(1)));
        }
        let held = |account: &Account| account.held.load(Ordering::Relaxed);
        assert!(greedy.iter().map(held).sum::<usize>() <= 1000 + 9);
        let newcomer = Account::new(&pool, usize::MAX);
        let mut taken = 0;
        while let Some(share) = newcomer.take(1) {
            shares.push(share);
            taken += 1;
        }
        assert!(taken > 30, "{taken}");
        drop(shares);
        assert_eq!(pool.free.load(Ordering::Relaxed), 1000);
    }
}
