//! A volume whose layout is being changed: one part of it lies as before, the rest as it will.

use super::{Layout, Piece, Source};
use block::ReadError;
use std::sync::Arc;

/// A layout in two parts, which meet where the change has come to.
pub struct Halves {
    /// How it lay, over the first members.
    pub before: Box<dyn Layout>,
    /// How it is to lie, over the members behind these.
    pub after: Box<dyn Layout>,
    /// How many members the first layout has.
    pub members_before: usize,
    /// The byte that the change has come to.
    pub position: u64,
    /// Whether it goes from the end to the start.
    pub is_backwards: bool,
    /// How many bytes there are until it is done; at most `size`.
    pub readable: u64,
    /// Size in bytes.
    pub size: u64,
}

impl Layout for Halves {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        if offset >= self.readable {
            let why = Arc::from("the volume is longer only when the change of its layout is done");
            return Ok(Piece { length: self.size.saturating_sub(offset), source: Source::Lost(why) });
        }
        let is_first = offset < self.position;
        let end = if is_first { self.position.min(self.readable) } else { self.readable };
        let is_done = is_first != self.is_backwards;
        let (layout, shift) = if is_done { (&self.after, self.members_before) } else { (&self.before, 0) };
        let mut piece = layout.piece(offset)?;
        piece.length = piece.length.min(end.saturating_sub(offset));
        piece.source.each_place(|place| place.member = place.member.saturating_add(shift));
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Linear, Place, Segment};
    use super::*;

    fn halves(is_backwards: bool) -> Halves {
        let linear = |offset| Box::new(Linear::new(vec![Segment::of(Place { member: 0, offset }, 1000)]));
        let (before, after) = (linear(0), linear(5000));
        Halves { before, after, members_before: 3, position: 400, is_backwards, readable: 900, size: 1000 }
    }

    #[test]
    fn each_part_comes_from_its_layout_and_ends_where_the_other_begins() {
        let copies = |member, offset| Source::Copies(vec![Place { member, offset }]);
        let piece = |halves: &Halves, offset| halves.piece(offset).map(|piece| (piece.length, piece.source)).unwrap();
        let forwards = halves(false);
        assert_eq!(piece(&forwards, 100), (300, copies(3, 5100)));
        assert_eq!(piece(&forwards, 400), (500, copies(0, 400)));
        let backwards = halves(true);
        assert_eq!(piece(&backwards, 100), (300, copies(0, 100)));
        assert_eq!(piece(&backwards, 400), (500, copies(3, 5400)));
        assert!(matches!(piece(&backwards, 900), (100, Source::Lost(_))));
    }
}
