//! An image file as a disk for our own target.

use block::{BlockRange, BlockSize, Completion, Disk, Geometry, ReadError, ReadErrorKind};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A file that is read where it is asked: good enough where what it holds is in the page cache, or a hole.
pub(crate) struct DiskFile {
    file: File,
    geometry: Geometry,
}

impl DiskFile {
    pub(crate) fn open(path: &Path, block_size: BlockSize) -> Arc<dyn Disk> {
        let file = File::open(path).unwrap();
        let blocks = file.metadata().unwrap().len() / u64::from(block_size.bytes());
        Arc::new(Self { file, geometry: Geometry::new(block_size, blocks).unwrap() })
    }
}

impl Disk for DiskFile {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        let block = u64::from(self.geometry.block_size().bytes());
        let (offset, length) = (blocks.first.saturating_mul(block), u64::from(blocks.count) * block);
        let error = |kind| Err(ReadError::new(kind, offset, length));
        if !blocks.fits(self.geometry) {
            return done(error(ReadErrorKind::OutOfRange));
        }
        let mut data = vec![0; length as usize];
        match self.file.read_exact_at(&mut data, offset) {
            Ok(()) => done(Ok(data.into())),
            Err(_) => done(error(ReadErrorKind::Device)),
        }
    }
}
