//! A small cache of decoded objects, for readers of formats.

use crate::Result;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// The objects that were used last. Its lock is never held while something is read.
pub struct Kept<K, V>(Mutex<LruCache<K, Arc<V>>>);

impl<K: std::hash::Hash + Eq, V> Kept<K, V> {
    /// Keeps so many at most.
    #[must_use]
    pub fn new(objects_max: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(objects_max)))
    }

    /// The object of this key, read now if it is not here.
    ///
    /// # Errors
    /// Those of `read`; nothing is kept then.
    pub fn get_or_read(&self, key: K, read: impl FnOnce() -> Result<V>) -> Result<Arc<V>> {
        if let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(kept));
        }
        let object = Arc::new(read()?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, Arc::clone(&object));
        Ok(object)
    }
}
