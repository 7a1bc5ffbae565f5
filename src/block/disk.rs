//! A disk as its owner serves it: whole blocks, answered later.

use crate::{BlockRange, Geometry, ReadError};
use bytes::Bytes;

/// Called exactly once with the blocks that were asked for, or with why there are none. It may be called on any
/// thread, also before `submit` returns, and must not block.
pub type Completion = Box<dyn FnOnce(Result<Bytes, ReadError>) + Send>;

/// A disk that whole blocks are read from. There is no way to write to one.
pub trait Disk: Send + Sync {
    /// The block size and the number of blocks; constant for the life of the disk.
    fn geometry(&self) -> Geometry;

    /// Asks for whole blocks and returns at once, so that one caller can keep many reads in flight.
    ///
    /// `done` is called exactly once, with `count * block_size` bytes or an error whose offset is in bytes of the disk.
    /// A range that is empty or not inside the disk is answered with [`crate::ReadErrorKind::OutOfRange`].
    fn submit(&self, blocks: BlockRange, done: Completion);
}
