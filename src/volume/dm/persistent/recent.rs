//! What was used last, up to a number.

use std::collections::HashMap;
use std::sync::Arc;

/// How many of each generation: two generations of nodes of 4096 bytes are 16 MiB.
pub(super) const GENERATION: usize = 2048;

/// Two generations: what is used is in the young one; when that is full it becomes the old one, and what was in the old one
/// until then and was not used again is forgotten.
pub(super) struct Recent<T> {
    young: HashMap<u64, Arc<T>>,
    old: HashMap<u64, Arc<T>>,
}

impl<T> Recent<T> {
    pub(super) fn new() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }

    pub(super) fn find(&mut self, key: u64) -> Option<Arc<T>> {
        if let Some(value) = self.young.get(&key) {
            return Some(Arc::clone(value));
        }
        let value = self.old.remove(&key)?;
        self.insert(key, Arc::clone(&value));
        Some(value)
    }

    pub(super) fn insert(&mut self, key: u64, value: Arc<T>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{GENERATION, Recent};
    use std::sync::Arc;

    #[test]
    fn what_is_used_stays_and_no_more_than_two_generations_are_kept() {
        let mut recent = Recent::new();
        recent.insert(u64::MAX, Arc::new(7));
        for key in 0..10 * GENERATION as u64 {
            recent.insert(key, Arc::new(key));
            assert_eq!(recent.find(u64::MAX).as_deref(), Some(&7));
            assert!(recent.len() <= 2 * GENERATION);
        }
        assert_eq!(recent.find(0), None);
    }
}
