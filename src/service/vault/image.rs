//! The files of disk images in the vault, as `image::open` wants them: by the names that images call each other, read through
//! one cache.

use super::object::ObjectDisk;
use super::{Vault, manifest_path};
use crate::{DiskEntry, Error, ErrorKind, Manifest};
use block::{BlockSize, Cache, CacheConfig, CachedDisk, Disk, ReadAt, ReadError, ReadErrorKind};
use object_store::ObjectStoreExt;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// What is read of an object at a time, in bytes: an object store takes as long for one byte as for these.
const CHUNK_BYTES: u32 = 512 << 10;
/// How far ahead of a reader in sequence is read, in bytes.
const AHEAD_BYTES: u64 = 4 << 20;
/// Most bytes on their way that nobody asked for yet.
const HINTED_BYTES_MAX: u64 = 64 << 20;
/// Readers in sequence that are told apart, of one file.
const STREAMS: usize = 16;
/// The last resort when a read is never answered.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// Opens the images of points, all through one cache.
#[derive(Clone)]
pub(crate) struct Images {
    vault: Vault,
    cache: Arc<Cache>,
}

impl Images {
    pub(crate) fn new(vault: Vault, cache_bytes: u64) -> Self {
        let config = CacheConfig {
            bytes_max: cache_bytes,
            chunk_bytes: CHUNK_BYTES,
            hinted_bytes_max: HINTED_BYTES_MAX,
            wait_max: WAIT_MAX,
        };
        Self { vault, cache: Cache::new(config) }
    }

    /// All disks of a point.
    pub(crate) async fn disks(&self, manifest: &Manifest) -> Result<Vec<Arc<dyn Disk>>, Error> {
        let mut disks = Vec::new();
        for entry in &manifest.disks {
            let opened = self.disk(manifest, entry).await;
            disks.push(opened.map_err(|error| error.while_doing(&format!("disk {}", entry.lun)))?);
        }
        Ok(disks)
    }

    /// One disk of a point, which has to be what the manifest says.
    pub(crate) async fn disk(&self, manifest: &Manifest, entry: &DiskEntry) -> Result<Arc<dyn Disk>, Error> {
        let files = self.files(manifest, entry).await?;
        let name = entry.files.first().map(|file| file.name.clone()).unwrap_or_default();
        let block_size = BlockSize::from_bytes(entry.block_size);
        let block_size = block_size.ok_or_else(|| Error::internal("its manifest has an impossible block size"))?;
        let options = image::OpenOptions { format: Some(entry.format), block_size };
        let (bytes, format) = (entry.bytes, entry.format);
        let open = move || image::open(&files, &name, &options);
        let opened = tokio::task::spawn_blocking(open).await;
        let opened = opened.map_err(|error| Error::internal(format!("opening an image failed: {error}")))?;
        let opened = opened.map_err(|error| Error::unavailable(error.to_string()))?;
        let geometry = opened.disk.geometry();
        if geometry.bytes() != bytes || geometry.block_size() != block_size || opened.format != format {
            return Err(Error::internal("the image is another than its manifest says: 'fr-serve verify' tells more"));
        }
        Ok(opened.disk)
    }

    /// The files of a disk. Each has to be there, as long as the manifest says.
    async fn files(&self, manifest: &Manifest, entry: &DiskEntry) -> Result<PointFiles, Error> {
        let mut files = HashMap::new();
        for file in &entry.files {
            let path = file.path(manifest)?;
            let location = self.vault.at(&path);
            let meta = self.vault.patiently(&path, self.vault.store.head(&location)).await?;
            if meta.size != file.bytes {
                let found = format!("it has {} bytes instead of {}", meta.size, file.bytes);
                return Err(Error::new(ErrorKind::Internal, format!("'{path}' is not what was imported: {found}")));
            }
            let disk = ObjectDisk::new(Arc::clone(&self.vault.store), meta, Handle::current());
            let disk = disk.ok_or_else(|| Error::internal(format!("'{path}' is too large to be true")))?;
            let data = self.cache.attach(Arc::new(disk));
            files.insert(file.name.clone(), Arc::new(ObjectFile::new(data, file.bytes)));
        }
        Ok(PointFiles { files })
    }
}

impl crate::FileEntry {
    /// Where the file is in the vault: beside its manifest, whatever a manifest says.
    pub(crate) fn path(&self, manifest: &Manifest) -> Result<String, Error> {
        let object = &self.object;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if object.is_empty() || object.len() > 200 || object.starts_with('.') || !object.chars().all(legal) {
            return Err(Error::internal("its manifest names a file that no import would have made"));
        }
        let manifest = manifest_path(&manifest.vm, &manifest.point);
        let directory = manifest.rsplit_once('/').map_or("", |(directory, _)| directory);
        Ok(format!("{directory}/{object}"))
    }
}

/// The files of one disk, by the names that its image calls them. There are no others, so an image leads nowhere else.
struct PointFiles {
    files: HashMap<String, Arc<ObjectFile>>,
}

impl image::Files for PointFiles {
    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, image::Error> {
        let file = self.files.get(name).ok_or_else(|| image::Error::NotFound(name.to_owned()))?;
        Ok(Arc::<ObjectFile>::clone(file))
    }
}

/// A file in the vault, exactly as long as it is, which reads ahead of whoever reads it in sequence.
struct ObjectFile {
    data: CachedDisk,
    bytes: u64,
    /// Where the latest reads ended, the oldest first.
    ends: Mutex<Vec<u64>>,
}

impl ObjectFile {
    const fn new(data: CachedDisk, bytes: u64) -> Self {
        Self { data, bytes, ends: Mutex::new(Vec::new()) }
    }

    /// Whether a read begins where another one ended.
    fn is_in_sequence(&self, offset: u64, end: u64) -> bool {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let before = ends.len();
        ends.retain(|earlier| *earlier != offset);
        let found = ends.len() < before;
        if ends.len() >= STREAMS {
            ends.remove(0);
        }
        ends.push(end);
        found
    }
}

impl ReadAt for ObjectFile {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let end = offset.checked_add(length).filter(|end| *end <= self.bytes);
        let end = end.ok_or_else(|| ReadError::new(ReadErrorKind::OutOfRange, offset, length))?;
        if length > 0 && self.is_in_sequence(offset, end) {
            let ahead = end..end.saturating_add(AHEAD_BYTES);
            self.data.will_need(std::slice::from_ref(&ahead));
        }
        self.data.read_exact_at(offset, buf)
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        self.data.will_need(ranges);
    }
}
