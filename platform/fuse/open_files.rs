//! The files that are open, and the switch that ends all answers.

use crate::read_ahead::ReadAhead;
use fuser::{FileHandle, INodeNo};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An open file or directory.
#[derive(Clone, Copy, Debug)]
struct OpenFile {
    number: INodeNo,
    size: u64,
    read_ahead: ReadAhead,
}

/// What a mount and those who answer its calls share.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    closed: AtomicBool,
    last_handle: AtomicU64,
    files: Mutex<HashMap<u64, OpenFile>>,
}

impl OpenFiles {
    /// From now on nothing is answered but that the file system is gone.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Notes that the file of this number and size was opened.
    pub(crate) fn open(&self, number: INodeNo, size: u64) -> FileHandle {
        let handle = self.last_handle.fetch_add(1, Ordering::Relaxed);
        self.files().insert(handle, OpenFile { number, size, read_ahead: ReadAhead::default() });
        FileHandle(handle)
    }

    pub(crate) fn release(&self, handle: FileHandle) {
        self.files().remove(&handle.0);
    }

    /// Notes a read; gives what will be read next, if that is new.
    pub(crate) fn read(&self, handle: FileHandle, offset: u64, size: u32) -> Option<Range<u64>> {
        let mut files = self.files();
        let file = files.get_mut(&handle.0)?;
        file.read_ahead.read(offset, u64::from(size), file.size)
    }

    /// The numbers of the files and directories that somebody has open.
    pub(crate) fn numbers(&self) -> HashSet<INodeNo> {
        self.files().values().map(|file| file.number).collect()
    }

    fn files(&self) -> MutexGuard<'_, HashMap<u64, OpenFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_open_until_its_last_handle_is_released() {
        let files = OpenFiles::default();
        let (first, second) = (files.open(INodeNo(7), 1 << 30), files.open(INodeNo(7), 1 << 30));
        assert_ne!(first, second);
        files.release(first);
        assert_eq!(files.numbers(), HashSet::from([INodeNo(7)]));
        assert_eq!(files.read(first, 0, 4096), None);
        assert!(files.read(second, 0, 4096).is_some());
        files.release(second);
        assert!(files.numbers().is_empty());
    }
}
