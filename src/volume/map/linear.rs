//! Pieces of members one after another: linear volumes, and whatever is put together of segments.

use super::{Layout, Piece, Place, Source};
use block::ReadError;
use std::sync::Arc;

/// A part of a [`Linear`] volume.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Size in bytes.
    pub bytes: u64,
    /// Where it comes from, from its first byte on.
    pub source: Source,
}

/// Segments one after another.
pub struct Linear {
    /// First byte, segment; by first byte.
    segments: Vec<(u64, Segment)>,
    size: u64,
}

impl Linear {
    /// A volume of these segments in this order.
    #[must_use]
    pub fn new(segments: Vec<Segment>) -> Self {
        let mut size: u64 = 0;
        let mut placed = Vec::with_capacity(segments.len());
        for segment in segments.into_iter().filter(|segment| segment.bytes > 0) {
            let start = size;
            size = size.saturating_add(segment.bytes);
            placed.push((start, segment));
        }
        Self { segments: placed, size }
    }
}

impl Segment {
    /// `bytes` of a member from `place` on.
    #[must_use]
    pub fn of(place: Place, bytes: u64) -> Self {
        Self { bytes, source: Source::Copies(vec![place]) }
    }

    /// A segment that cannot be read.
    #[must_use]
    pub fn lost(bytes: u64, why: &str) -> Self {
        Self { bytes, source: Source::Lost(Arc::from(why)) }
    }
}

impl Layout for Linear {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let after = self.segments.partition_point(|(start, _)| *start <= offset);
        let found = after.checked_sub(1).and_then(|position| self.segments.get(position));
        let Some((start, segment)) = found else {
            return Ok(Piece { length: 0, source: Source::Zeros });
        };
        let inside = offset.saturating_sub(*start);
        Ok(Piece { length: segment.bytes.saturating_sub(inside), source: segment.source.advanced(inside) })
    }
}
