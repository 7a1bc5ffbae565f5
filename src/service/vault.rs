//! Where recovery points and grants are kept: a directory or an object store. `points/VM/POINT/` holds a point's manifest and its
//! files, `grants/`, `revocations/` and `usage/` hold one small object each for what their names say. Nothing is ever changed but
//! `usage/`: objects are created once, and removed.

mod failure;
mod image;
mod object;
mod store;

pub(crate) use image::Images;
pub(crate) use store::{is_secret_option, open_store};

use crate::config::VaultConfig;
use crate::{Error, ErrorKind, PointId, VmName};
use bytes::Bytes;
use failure::from_store;
pub(crate) use failure::reason;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The longest small object in bytes. A manifest describes every partition and volume.
const SMALL_BYTES_MAX: u64 = 16 << 20;
/// More objects than this are not listed at a time.
const LISTED_MAX: usize = 1 << 20;
/// How long one small operation may take, retries included.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a manifest is called.
const MANIFEST: &str = "manifest.json";

/// A vault.
#[derive(Clone)]
pub(crate) struct Vault {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    name: Arc<str>,
}

impl fmt::Display for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Vault {
    /// Opens the vault that the configuration names; a directory is made when there is none.
    pub(crate) fn open(config: &VaultConfig) -> Result<Self, Error> {
        let (store, prefix) = open_store(config)?;
        Ok(Self { store, prefix, name: config.root.as_str().into() })
    }

    /// A vault in any store, for tests.
    #[cfg(test)]
    pub(crate) fn in_store(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, prefix: Path::default(), name: "memory".into() }
    }

    /// Whether the vault answers at all.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        let points = self.at("points");
        let listing = self.store.list_with_delimiter(Some(&points));
        self.patiently("the vault", async { listing.await.map(drop) }).await
    }

    /// Where something is, by its path in the vault. Its parts are checked names or ours.
    fn at(&self, path: &str) -> Path {
        path.split('/').fold(self.prefix.clone(), |at, part| at.join(part))
    }

    /// A path in the vault, as [`Vault::at`] takes it.
    fn relative(&self, location: &Path) -> String {
        let parts = location.prefix_match(&self.prefix);
        parts.map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/")).unwrap_or_default()
    }

    async fn patiently<T>(
        &self,
        what: &str,
        operation: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(PATIENCE, operation).await {
            Ok(result) => result.map_err(|error| from_store(&error, what)),
            Err(_) => Err(Error::unavailable(format!("the vault does not answer ({what}); try again later"))),
        }
    }

    /// A small object; `None` when there is none.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        let location = self.at(path);
        let read = async {
            let found = self.store.get(&location).await?;
            if found.meta.size > SMALL_BYTES_MAX {
                return Ok(None);
            }
            found.bytes().await.map(Some)
        };
        let bytes = match self.patiently(path, read).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                return Err(Error::internal(format!("'{path}' in the vault is too long to be what it should be")));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| Error::internal(format!("'{path}' in the vault is damaged: {error}")))
    }

    /// Writes a small object that must not be there yet; `false` when it is.
    pub(crate) async fn create(&self, path: &str, object: &impl Serialize) -> Result<bool, Error> {
        let written = self.put(path, object, PutMode::Create).await;
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Invalid => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes a small object, over the one that may be there.
    pub(crate) async fn replace(&self, path: &str, object: &impl Serialize) -> Result<(), Error> {
        self.put(path, object, PutMode::Overwrite).await
    }

    async fn put(&self, path: &str, object: &impl Serialize, mode: PutMode) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(object).map_err(|error| Error::internal(format!("{path}: {error}")))?;
        let options = PutOptions { mode, ..PutOptions::default() };
        let location = self.at(path);
        let put = self.store.put_opts(&location, text.into(), options);
        self.patiently(path, async { put.await.map(drop) }).await
    }

    /// Removes an object. One that is not there is no error.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), Error> {
        let location = self.at(path);
        match self.patiently(path, self.store.delete(&location)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether an object is there.
    pub(crate) async fn exists(&self, path: &str) -> Result<bool, Error> {
        let location = self.at(path);
        match self.patiently(path, self.store.head(&location)).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Every object below a path.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Listed>, Error> {
        let below = self.at(path);
        let listed = self.store.list(Some(&below)).take(LISTED_MAX.saturating_add(1)).try_collect::<Vec<_>>();
        let found = self.patiently(path, listed).await?;
        if found.len() > LISTED_MAX {
            return Err(Error::internal(format!("there are more than {LISTED_MAX} objects in '{path}' of the vault")));
        }
        Ok(found.into_iter().map(|meta| Listed::new(self.relative(&meta.location), &meta)).collect())
    }

    /// The manifest of a point.
    pub(crate) async fn manifest(&self, vm: &VmName, point: &PointId) -> Result<Option<crate::Manifest>, Error> {
        let path = manifest_path(vm, point);
        let found: Option<crate::Manifest> = self.read(&path).await?;
        match found {
            Some(manifest) if manifest.vm != *vm || manifest.point != *point || manifest.version != 1 => {
                Err(Error::internal(format!("'{path}' in the vault is the manifest of something else")))
            }
            found => Ok(found),
        }
    }

    /// Every point: of one VM, or of all.
    pub(crate) async fn points(&self, vm: Option<&VmName>) -> Result<Vec<PointPlace>, Error> {
        let below = vm.map_or_else(|| "points".to_owned(), |vm| format!("points/{vm}"));
        let listed = self.list(&below).await?;
        Ok(listed.into_iter().filter_map(|listed| PointPlace::of_manifest(&listed)).collect())
    }

    /// What a store says of a part of a large object.
    pub(crate) fn failure(error: &object_store::Error, what: &str) -> Error {
        from_store(error, what)
    }

    /// Begins to write a large object in parts.
    pub(crate) async fn upload(&self, path: &str) -> Result<Box<dyn MultipartUpload>, Error> {
        let location = self.at(path);
        self.patiently(path, self.store.put_multipart(&location)).await
    }

    /// How long a large object is, in bytes.
    pub(crate) async fn length(&self, path: &str) -> Result<u64, Error> {
        let location = self.at(path);
        self.patiently(path, self.store.head(&location)).await.map(|meta| meta.size)
    }

    /// A range of a large object.
    pub(crate) async fn range(&self, path: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let location = self.at(path);
        self.patiently(path, self.store.get_range(&location, range)).await
    }
}

/// An object, as listings show it.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// Its path in the vault.
    pub(crate) path: String,
    pub(crate) modified_at: crate::UnixTime,
    /// What changes when the object does.
    pub(crate) tag: Option<String>,
}

impl Listed {
    fn new(path: String, meta: &ObjectMeta) -> Self {
        let modified_at = u64::try_from(meta.last_modified.timestamp()).unwrap_or(0);
        Self { path, modified_at: crate::UnixTime::from_seconds(modified_at), tag: meta.e_tag.clone() }
    }

    /// What is between `directory` and `.json`.
    pub(crate) fn name_in(&self, directory: &str) -> Option<&str> {
        self.path.strip_prefix(directory)?.strip_prefix('/')?.strip_suffix(".json").filter(|name| !name.contains('/'))
    }
}

/// A point that has a manifest.
#[derive(Clone, Debug)]
pub(crate) struct PointPlace {
    pub(crate) vm: VmName,
    pub(crate) point: PointId,
    pub(crate) tag: Option<String>,
}

impl PointPlace {
    fn of_manifest(listed: &Listed) -> Option<Self> {
        let mut parts = listed.path.strip_prefix("points/")?.split('/');
        let (vm, point, file) = (parts.next()?, parts.next()?, parts.next()?);
        let (vm, point) = (vm.parse().ok()?, point.parse().ok()?);
        (file == MANIFEST && parts.next().is_none()).then(|| Self { vm, point, tag: listed.tag.clone() })
    }
}

/// Where the manifest of a point is.
pub(crate) fn manifest_path(vm: &VmName, point: &PointId) -> String {
    format!("points/{vm}/{point}/{MANIFEST}")
}

#[cfg(test)]
mod tests;
