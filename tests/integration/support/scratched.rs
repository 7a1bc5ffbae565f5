//! A disk that errs.

use block::{BlockRange, Completion, Disk, Geometry, ReadError, ReadErrorKind};
use std::sync::Arc;

/// A disk of which one block cannot be read.
pub(crate) struct Scratched {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) block: u64,
}

impl Disk for Scratched {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        if (blocks.first..blocks.first + u64::from(blocks.count)).contains(&self.block) {
            done(Err(ReadError::new(ReadErrorKind::Device, self.block * 512, 512)));
        } else {
            self.disk.submit(blocks, done);
        }
    }
}
