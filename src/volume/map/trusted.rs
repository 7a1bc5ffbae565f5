//! A volume whose parity is right up to some place: behind it, nothing is computed from it.

use super::{Layout, Piece, Source};
use block::ReadError;

/// The first `size` bytes of a layout, with parity that is right up to a byte of each member.
pub struct Trusted {
    /// Where bytes are.
    pub layout: Box<dyn Layout>,
    /// Size in bytes, at most that of the layout.
    pub size: u64,
    /// The byte of each member up to which parity was made.
    pub parity_up_to: u64,
}

impl Layout for Trusted {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let mut piece = self.layout.piece(offset)?;
        piece.length = piece.length.min(self.size.saturating_sub(offset));
        if let Source::Stripe(stripe) = &mut piece.source {
            let at = stripe.data.get(stripe.wanted).map_or(u64::MAX, |unit| unit.place.offset);
            match self.parity_up_to.checked_sub(at).filter(|left| *left > 0) {
                Some(left) => piece.length = piece.length.min(left),
                None => (stripe.p, stripe.q) = (None, None),
            }
        }
        Ok(piece)
    }
}
