//! A large object of the vault as a disk: read by ranges, and only as long as it is the same object.

use super::failure::reason;
use block::{BlockRange, BlockSize, Completion, Disk, Geometry, ReadError, ReadErrorKind};
use bytes::{Bytes, BytesMut};
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long one read may take, retries included.
const PATIENCE: Duration = Duration::from_secs(60);

/// An object. Its last block may reach over its end; what is there is zeros.
pub(super) struct ObjectDisk {
    object: Arc<Object>,
    geometry: Geometry,
    runtime: Handle,
}

struct Object {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
}

impl ObjectDisk {
    /// The object that `meta` describes. Reads are carried out on the runtime that this is called in.
    pub(super) fn new(store: Arc<dyn ObjectStore>, meta: ObjectMeta, runtime: Handle) -> Option<Self> {
        let block = BlockSize::B512;
        let geometry = Geometry::new(block, meta.size.div_ceil(u64::from(block.bytes())))?;
        Some(Self { object: Arc::new(Object { store, meta }), geometry, runtime })
    }
}

impl Object {
    async fn read(&self, offset: u64, length: u64) -> Result<Bytes, ReadError> {
        let error = |kind| ReadError::new(kind, offset, length);
        let end = offset.saturating_add(length).min(self.meta.size);
        let read = self.range(offset..end);
        let bytes = match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err((kind, detail))) => return Err(error(kind).with_detail(&detail)),
            Err(_) => return Err(error(ReadErrorKind::TimedOut).with_detail("the vault does not answer")),
        };
        let wanted = usize::try_from(length).map_err(|_| error(ReadErrorKind::OutOfRange))?;
        if bytes.len() == wanted {
            return Ok(bytes);
        }
        let mut padded = BytesMut::from(bytes);
        padded.resize(wanted, 0);
        Ok(padded.freeze())
    }

    /// The bytes of a range, all of them, of the object that it was when it was opened.
    async fn range(&self, range: Range<u64>) -> Result<Bytes, (ReadErrorKind, String)> {
        use object_store::Error as Store;
        let meta = &self.meta;
        let name = meta.location.filename().unwrap_or_default();
        let replaced =
            || (ReadErrorKind::Damaged, format!("'{name}' in the vault has been replaced since it was opened"));
        let mut options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        match &meta.e_tag {
            Some(tag) => options.if_match = Some(tag.clone()),
            None => options.if_unmodified_since = Some(meta.last_modified),
        }
        let failed = |error: &Store| match error {
            Store::Precondition { .. } | Store::NotModified { .. } => replaced(),
            Store::NotFound { .. } => (ReadErrorKind::Missing, format!("'{name}' is not in the vault any more")),
            // Not "the disk itself reported an error": what an object store cannot give now, it may give later.
            other => (ReadErrorKind::Disconnected, format!("the vault: {}", reason(other))),
        };
        let found = self.store.get_opts(&meta.location, options).await.map_err(|error| failed(&error))?;
        let is_same = found.meta.size == meta.size && found.meta.e_tag == meta.e_tag && found.range == range;
        if !is_same {
            return Err(replaced());
        }
        let bytes = found.bytes().await.map_err(|error| failed(&error))?;
        let expected = range.end.saturating_sub(range.start);
        if u64::try_from(bytes.len()).ok() != Some(expected) {
            let detail = format!("the vault sent {} bytes of '{name}' where {expected} were asked for", bytes.len());
            return Err((ReadErrorKind::Disconnected, detail));
        }
        Ok(bytes)
    }
}

impl Disk for ObjectDisk {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        let block = u64::from(self.geometry.block_size().bytes());
        let offset = blocks.first.saturating_mul(block);
        let length = u64::from(blocks.count).saturating_mul(block);
        if !blocks.fits(self.geometry) {
            done(Err(ReadError::new(ReadErrorKind::OutOfRange, offset, length)));
            return;
        }
        let object = Arc::clone(&self.object);
        self.runtime.spawn(async move { done(object.read(offset, length).await) });
    }
}
