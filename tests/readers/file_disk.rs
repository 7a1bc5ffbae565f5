//! An image in a file, so that reading it takes no memory; counts how often it is read.

use block::{ReadAt, ReadError, ReadErrorKind};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct FileDisk {
    file: Mutex<File>,
    size: u64,
    reads: AtomicUsize,
}

impl FileDisk {
    pub(crate) fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let size = file.metadata().unwrap().len();
        Self { file: Mutex::new(file), size, reads: AtomicUsize::new(0) }
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

impl ReadAt for FileDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > self.size) {
            return Err(ReadError::new(ReadErrorKind::OutOfRange, offset, buf.len() as u64));
        }
        let mut file = self.file.lock().unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.read_exact(buf).unwrap();
        Ok(())
    }
}
