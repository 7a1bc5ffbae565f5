//! A small cache of decoded objects.

use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use vfs::Result;

/// The objects that were used last. Its lock is never held while something is read.
pub(crate) struct Kept<K, V>(Mutex<LruCache<K, Arc<V>>>);

impl<K: std::hash::Hash + Eq, V> Kept<K, V> {
    pub(crate) fn new(objects_max: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(objects_max)))
    }

    pub(crate) fn get_or_read(&self, key: K, read: impl FnOnce() -> Result<V>) -> Result<Arc<V>> {
        if let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(kept));
        }
        let object = Arc::new(read()?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, Arc::clone(&object));
        Ok(object)
    }
}
