//! What is read again and again of a container, tables and unpacked clusters: kept for a while, in one bounded place
//! for all images of the process.

use block::{ReadAt, ReadError, ReadErrorKind};
use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// Bytes kept over all images: the tables of 256 GiB of a qcow2 image's clusters, or of 16 TiB of VHDX.
const BYTES_MAX: u64 = 32 << 20;
/// How much of a table is read at a time. A table of qcow2 is so long, usually.
const PAGE_BYTES: u64 = 64 << 10;

type Store = Cache<Key, Bytes, ByBytes>;

static STORE: LazyLock<Store> = LazyLock::new(|| {
    const ITEMS: usize = 512;
    // A shard must hold several of the largest items, clusters of 2 MiB.
    let options = OptionsBuilder::new().estimated_items_capacity(ITEMS).weight_capacity(BYTES_MAX).shards(2).build();
    match options {
        Ok(options) => {
            Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), DefaultLifecycle::default())
        }
        Err(_) => Cache::with_weighter(ITEMS, BYTES_MAX, ByBytes),
    }
});

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    owner: u64,
    offset: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Bytes> for ByBytes {
    fn weight(&self, _: &Key, bytes: &Bytes) -> u64 {
        // What holds it counts as well, so that many small items are bounded too.
        u64::try_from(bytes.len()).unwrap_or(u64::MAX).saturating_add(64)
    }
}

/// A place of its own among what is kept.
pub(crate) struct Kept {
    owner: u64,
}

impl Kept {
    pub(crate) fn new() -> Self {
        static OWNERS: AtomicU64 = AtomicU64::new(0);
        Self { owner: OWNERS.fetch_add(1, Ordering::Relaxed) }
    }

    /// What is kept under `offset`, or what `make` makes of it now; of several who want it at once, one makes it.
    pub(crate) fn get(&self, offset: u64, make: impl FnOnce() -> Result<Bytes, ReadError>) -> Result<Bytes, ReadError> {
        STORE.get_or_insert_with(&Key { owner: self.owner, offset }, make)
    }
}

/// A file whose tables are read through what is kept.
pub(crate) struct Tables {
    bytes: Arc<dyn ReadAt>,
    kept: Kept,
}

impl Tables {
    pub(crate) fn new(bytes: Arc<dyn ReadAt>) -> Self {
        Self { bytes, kept: Kept::new() }
    }

    /// Fills `buf` with the bytes of the file from `offset` on.
    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let outside = || ReadError::new(ReadErrorKind::OutOfRange, offset, length);
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let page = self.page(at)?;
            let in_page = usize::try_from(at % PAGE_BYTES).map_err(|_| outside())?;
            let found = page.get(in_page..).filter(|found| !found.is_empty()).ok_or_else(outside)?;
            let count = found.len().min(rest.len());
            let (now, after) = rest.split_at_mut(count);
            now.copy_from_slice(found.get(..count).ok_or_else(outside)?);
            rest = after;
            at = at.checked_add(u64::try_from(count).unwrap_or(u64::MAX)).ok_or_else(outside)?;
        }
        Ok(())
    }

    /// The entry of `N` bytes with this number in the table at `table`.
    pub(crate) fn entry<const N: usize>(&self, table: u64, number: u64) -> Result<[u8; N], ReadError> {
        let bytes = u64::try_from(N).unwrap_or(u64::MAX);
        let offset = number.checked_mul(bytes).and_then(|offset| offset.checked_add(table));
        let offset = offset.ok_or_else(|| ReadError::new(ReadErrorKind::OutOfRange, u64::MAX, bytes))?;
        let mut entry = [0; N];
        self.read(offset, &mut entry)?;
        Ok(entry)
    }

    /// The page around byte `at`; the last one of the file is shorter.
    fn page(&self, at: u64) -> Result<Bytes, ReadError> {
        let start = at.saturating_sub(at % PAGE_BYTES);
        self.kept.get(start, || {
            let length = self.bytes.size().saturating_sub(start).min(PAGE_BYTES);
            let mut page = vec![0; usize::try_from(length).unwrap_or(0)];
            self.bytes.read_exact_at(start, &mut page)?;
            Ok(page.into())
        })
    }
}
