//! The files that an image to be imported may have: those in its own directory, and in directories that somebody names. An image
//! is not trusted: one that builds on "/etc/shadow" must not bring that into the vault.

use crate::{Error, UnixTime};
use block::ReadAt;
use image::{Files, LocalFiles};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The files of one image, as they are opened.
pub(super) struct DiskFiles {
    name: String,
    directory: PathBuf,
    allowed: Vec<PathBuf>,
    /// By which names what was found, in that order.
    found: Mutex<Vec<(String, PathBuf)>>,
}

impl DiskFiles {
    /// The files of the image at `path`.
    pub(super) fn of(path: &Path, files_in: &[PathBuf]) -> Result<Self, Error> {
        let absolute = |path: &Path| {
            let unusable = |error| Error::invalid(format!("'{}': {}", path.display(), block::io_reason(&error)));
            path.canonicalize().map_err(unusable)
        };
        let path = absolute(path)?;
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(directory), Some(name)) = (path.parent(), name) else {
            return Err(Error::invalid(format!("'{}' has no name that can be written down", path.display())));
        };
        let mut allowed = vec![directory.to_owned()];
        for directory in files_in {
            allowed.push(absolute(directory)?);
        }
        Ok(Self { name: name.to_owned(), directory: directory.to_owned(), allowed, found: Mutex::default() })
    }

    /// The name of the image itself.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What was opened: itself first, and what it builds on.
    pub(super) fn found(&self) -> Vec<(String, PathBuf)> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the newest of them was changed last.
    pub(super) fn changed_at(&self) -> UnixTime {
        let found = self.found();
        let changed = found.iter().filter_map(|(_, path)| std::fs::metadata(path).ok()?.modified().ok());
        changed.max().map_or_else(UnixTime::now, UnixTime::from)
    }
}

impl Files for DiskFiles {
    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, image::Error> {
        let path = self.directory.join(name).canonicalize().map_err(|_| image::Error::NotFound(name.to_owned()))?;
        if !self.allowed.iter().any(|directory| path.starts_with(directory)) {
            let reason = "it lies in another directory than the image that builds on it; if you trust that image, name the \
                          directory with --files-in";
            return Err(image::Error::Unreadable { image: name.to_owned(), reason: reason.to_owned() });
        }
        let text = path.to_str().ok_or_else(|| image::Error::NotFound(name.to_owned()))?;
        let file = LocalFiles.open(text)?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if !found.iter().any(|(known, _)| known == name) {
            found.push((name.to_owned(), path));
        }
        Ok(file)
    }
}
