//! Chunks in turn from each column: striped logical volumes, RAID 0.

use super::{Layout, Piece, Place, Source};
use block::ReadError;

/// Chunks that go round over `columns` members, each from its start on.
pub struct Striped {
    columns: u64,
    chunk: u64,
    size: u64,
}

impl Striped {
    /// A volume of `size` bytes over members `0..columns`, in chunks of `chunk` bytes; `None` when one of these is 0.
    #[must_use]
    pub fn new(columns: u64, chunk: u64, size: u64) -> Option<Self> {
        (columns > 0 && chunk > 0 && columns.checked_mul(chunk).is_some()).then_some(Self { columns, chunk, size })
    }
}

impl Layout for Striped {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let place = self.place(offset);
        let (member, at) = place.unwrap_or_default();
        // A member that no machine can count is none: there is no such leg.
        let member = usize::try_from(member).unwrap_or(usize::MAX);
        let left = self.chunk.saturating_sub(offset.checked_rem(self.chunk).unwrap_or(0));
        let length = left.min(self.size.saturating_sub(offset));
        Ok(Piece { length, source: Source::Copies(vec![Place { member, offset: at }]) })
    }
}

impl Striped {
    /// Column, and byte of it.
    fn place(&self, offset: u64) -> Option<(u64, u64)> {
        let (chunk, inside) = (offset.checked_div(self.chunk)?, offset.checked_rem(self.chunk)?);
        let (row, column) = (chunk.checked_div(self.columns)?, chunk.checked_rem(self.columns)?);
        Some((column, row.checked_mul(self.chunk)?.checked_add(inside)?))
    }
}
