//! A disk in memory, for tests and examples.

use crate::{BlockRange, BlockSize, Completion, Disk, Geometry, ReadAt, ReadError, ReadErrorKind};
use bytes::Bytes;

/// Bytes held in memory, readable as a [`Disk`] and as a [`ReadAt`].
pub struct MemoryDisk {
    data: Bytes,
    geometry: Geometry,
}

impl MemoryDisk {
    /// A disk of these bytes; bytes after the last whole block are not part of it.
    #[must_use]
    pub fn new(data: impl Into<Bytes>, block_size: BlockSize) -> Self {
        let data: Bytes = data.into();
        let blocks = u64::try_from(data.len()).unwrap_or(0) >> block_size.shift();
        let geometry = Geometry::new(block_size, blocks).unwrap_or(Geometry::empty(block_size));
        Self { data, geometry }
    }

    fn bytes(&self, offset: u64, length: u64) -> Result<Bytes, ReadError> {
        let error = || ReadError::new(ReadErrorKind::OutOfRange, offset, length);
        let end = offset.checked_add(length).filter(|end| *end <= self.geometry.bytes()).ok_or_else(error)?;
        let start = usize::try_from(offset).map_err(|_| error())?;
        let end = usize::try_from(end).map_err(|_| error())?;
        Ok(self.data.slice(start..end))
    }
}

impl Disk for MemoryDisk {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        let shift = self.geometry.block_size().shift();
        let length = u64::from(blocks.count) << shift;
        let offset = blocks.first.saturating_mul(u64::from(self.geometry.block_size().bytes()));
        if blocks.fits(self.geometry) {
            done(self.bytes(offset, length));
        } else {
            done(Err(ReadError::new(ReadErrorKind::OutOfRange, offset, length)));
        }
    }
}

impl ReadAt for MemoryDisk {
    fn size(&self) -> u64 {
        self.geometry.bytes()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        buf.copy_from_slice(&self.bytes(offset, length)?);
        Ok(())
    }
}
