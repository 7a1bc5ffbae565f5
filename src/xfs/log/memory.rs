//! How much memory a recovery may take.

use vfs::{Error, ErrorKind, Result};

/// Most of the memory that the recovery of a log takes, in bytes.
pub(crate) const BYTES_MAX: usize = 512 << 20;

/// What a recovery took so far.
pub(crate) struct Memory {
    taken: usize,
    most: usize,
}

impl Memory {
    pub(crate) fn new(most: usize) -> Self {
        Self { taken: 0, most }
    }

    /// Notes that `bytes` more are taken; an error when that is too much.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<()> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken <= self.most {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("what its log changes takes more than the {} MiB that are kept in memory", self.most >> 20),
        ))
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_sub(bytes);
    }
}
