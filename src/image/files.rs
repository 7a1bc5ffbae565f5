//! Where the bytes of images come from.

use crate::{Error, sys};
use block::{ReadAt, ReadError, ReadErrorKind};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;

/// Finds the files that an image consists of, and those that it builds on.
pub trait Files: Send + Sync {
    /// The bytes of the file with this name. Names that an image gives for others are joined to its own first, with
    /// '/', and may still lead anywhere ("..", a path from the root): images are not trusted, so this is where it is
    /// decided what they may have.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such file; others as they fit.
    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, Error>;
}

/// Files and disks of this machine, by their paths: whatever the user may read.
pub struct LocalFiles;

impl Files for LocalFiles {
    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, Error> {
        let metadata = std::fs::metadata(name).map_err(|error| Error::io(name, error))?;
        // Opening a pipe would wait for somebody who writes into it.
        if !sys::holds_bytes(&metadata) {
            return Err(Error::NotAFile(name.to_owned()));
        }
        let file = File::open(name).map_err(|error| Error::io(name, error))?;
        Ok(Arc::new(LocalFile::new(file, name)?))
    }
}

/// An open file, or disk, of this machine.
pub struct LocalFile {
    name: String,
    file: File,
    size: u64,
}

impl LocalFile {
    /// The bytes of `file`, which messages call `name`.
    ///
    /// # Errors
    /// When it has no end.
    pub fn new(mut file: File, name: &str) -> Result<Self, Error> {
        // The size of a disk is where its end is; a file's metadata says it for files only.
        let size = file.seek(SeekFrom::End(0)).map_err(|_| Error::NotAFile(name.to_owned()))?;
        Ok(Self { name: name.to_owned(), file, size })
    }
}

impl ReadAt for LocalFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        if offset.checked_add(length).is_none_or(|end| end > self.size) {
            return Err(ReadError::new(ReadErrorKind::OutOfRange, offset, length));
        }
        sys::read_exact_at(&self.file, offset, buf).map_err(|error| {
            let detail = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => format!("the disk image '{}' has become shorter", self.name),
                _ => format!("the disk image '{}': {}", self.name, block::io_reason(&error)),
            };
            ReadError::new(ReadErrorKind::Device, offset, length).with_detail(&detail)
        })
    }
}

/// A file of an image, and its name for messages and for what it refers to.
#[derive(Clone)]
pub(crate) struct ImageFile {
    pub(crate) name: String,
    pub(crate) bytes: Arc<dyn ReadAt>,
}
