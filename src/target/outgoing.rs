//! Bytes that wait to be sent, without copying the payload together.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;

/// A queue of pieces, sent in order and many at a time.
#[derive(Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Outgoing {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length = self.length.saturating_add(piece.len());
            self.pieces.push_back(piece);
        }
    }

    /// Keeps only the first `length` bytes.
    pub(crate) fn truncate(&mut self, length: usize) {
        let mut left = length;
        for piece in &mut self.pieces {
            piece.truncate(left);
            left = left.saturating_sub(piece.len());
        }
        self.pieces.retain(|piece| !piece.is_empty());
        self.length = self.length.min(length);
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| &**piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.pieces).map(|(slice, piece)| *slice = IoSlice::new(piece));
        filled.count()
    }

    fn advance(&mut self, count: usize) {
        self.length = self.length.saturating_sub(count);
        let mut left = count;
        while let Some(piece) = self.pieces.front_mut() {
            if left < piece.len() {
                piece.advance(left);
                return;
            }
            left = left.saturating_sub(piece.len());
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        let mut outgoing = Outgoing::default();
        for piece in ["abc", "", "de", "fghi"] {
            outgoing.push(Bytes::from_static(piece.as_bytes()));
        }
        outgoing
    }

    #[test]
    fn pieces_leave_in_order_however_they_are_taken() {
        for step in 1..=9 {
            let mut outgoing = outgoing();
            let mut all = Vec::new();
            while outgoing.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 2];
                let filled = outgoing.chunks_vectored(&mut slices);
                let seen = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
                let taken = step.min(seen.len());
                all.extend_from_slice(&seen[..taken]);
                outgoing.advance(taken);
            }
            assert_eq!(all, b"abcdefghi");
        }
    }

    #[test]
    fn truncating_keeps_exactly_the_first_bytes() {
        for length in 0..=10 {
            let mut outgoing = outgoing();
            outgoing.truncate(length);
            assert_eq!(outgoing.remaining(), length.min(9));
            let copied = outgoing.copy_to_bytes(outgoing.remaining());
            assert_eq!(&copied[..], &b"abcdefghi"[..length.min(9)]);
        }
    }
}
