//! A range of a volume as the pieces that it lies in.

use super::Piece;
use std::ops::Range;

/// The pieces of a range, in their order, ends early where nobody knows the next.
pub(super) struct Pieces<F> {
    at: u64,
    end: u64,
    piece: F,
}

impl<F: Fn(u64) -> Option<Piece>> Pieces<F> {
    pub(super) const fn new(range: Range<u64>, piece: F) -> Self {
        Self { at: range.start, end: range.end, piece }
    }
}

impl<F: Fn(u64) -> Option<Piece>> Iterator for Pieces<F> {
    type Item = Piece;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.end.checked_sub(self.at).filter(|left| *left > 0)?;
        let piece = (self.piece)(self.at).filter(|piece| piece.length > 0)?;
        let piece = Piece { length: piece.length.min(left), ..piece };
        self.at = self.at.saturating_add(piece.length);
        Some(piece)
    }
}
