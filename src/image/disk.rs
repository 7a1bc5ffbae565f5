//! The bytes of an image as a disk that is read by whole blocks, many reads at a time.

use crate::workers;
use block::{BlockRange, BlockSize, Completion, Disk, Geometry, ReadAt, ReadError, ReadErrorKind};
use std::sync::Arc;

/// The most that one read may ask for, in bytes: what is asked for has to be held in memory.
const READ_MAX: u64 = 64 << 20;

/// `content` as a disk with blocks of `block_size`; bytes at its end that are less than a block are no part of it.
/// `None` when there is not one whole block. Reads are done by threads that all such disks of the process share; one
/// of more than 64 MiB is an error.
#[must_use]
pub fn disk(content: Arc<dyn ReadAt>, block_size: BlockSize) -> Option<Arc<dyn Disk>> {
    let blocks = content.size() >> block_size.shift();
    let geometry = Geometry::new(block_size, blocks).filter(|_| blocks > 0)?;
    Some(Arc::new(ImageDisk { content, geometry }))
}

struct ImageDisk {
    content: Arc<dyn ReadAt>,
    geometry: Geometry,
}

impl Disk for ImageDisk {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        let shift = self.geometry.block_size().shift();
        let offset = blocks.first.saturating_mul(self.geometry.block_size().bytes().into());
        let bytes = u64::from(blocks.count) << shift;
        let length = usize::try_from(bytes).ok().filter(|_| blocks.fits(self.geometry) && bytes <= READ_MAX);
        let Some(length) = length else {
            done(Err(ReadError::new(ReadErrorKind::OutOfRange, offset, bytes)));
            return;
        };
        let content = Arc::clone(&self.content);
        workers::run(move || {
            let mut buf = vec![0; length];
            let result = content.read_exact_at(offset, &mut buf);
            done(result.map(|()| buf.into()).map_err(|error| error.at(offset, bytes)));
        });
    }
}
