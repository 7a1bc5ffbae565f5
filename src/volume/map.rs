//! How the bytes of a volume lie on its members: few shared pieces under all managers.
//!
//! A [`Layout`] says where a byte comes from; it knows numbers of members and offsets, and nothing of disks. [`Map`] reads
//! what a layout says: several members at once, another copy or the parity where a member errs.

use block::{ReadAt, ReadError, ReadErrorKind};
use members::{Attempt, Members, another_helps, together};
use pieces::Pieces;
use std::ops::Range;
use std::sync::Arc;

mod copies;
mod damaged;
mod faults;
mod galois;
mod halves;
mod linear;
mod members;
mod parity;
mod pieces;
mod stripe;
mod striped;
mod trusted;
mod zones;

pub use copies::{Copies, FarSets, Mirror, Raid10};
pub use damaged::Excluded;
pub use faults::{Fault, Faults};
pub use halves::Halves;
pub use linear::{Linear, Segment};
pub use parity::{Parity, Rotation};
pub use stripe::{Stripe, Unit};
pub use striped::Striped;
pub use trusted::Trusted;
pub use zones::{ZoneOrder, Zones};

/// The smallest part that a member can err in, in bytes.
const SECTOR: usize = 512;
/// Pieces that one hint looks at; what is behind them is not fetched ahead.
const HINTED_PIECES_MAX: usize = 1024;

/// Bytes of a member: `offset` bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Which member, as a position in the list that the map was given.
    pub member: usize,
    /// Byte of that member.
    pub offset: u64,
}

/// Where a piece of a volume comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nothing was ever written there.
    Zeros,
    /// Any of these; those that come first are tried first. At least one.
    Copies(Vec<Place>),
    /// A part of a stripe with parity.
    Stripe(Stripe),
    /// It cannot be read; why, for people.
    Lost(Arc<str>),
}

/// A piece of a volume that lies in one piece on whatever it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes, from the byte that was asked for on; at least one, and not past the end of the volume.
    pub length: u64,
    /// Where they come from.
    pub source: Source,
}

/// Says where the bytes of a volume come from.
pub trait Layout: Send + Sync {
    /// The size of the volume in bytes.
    fn size(&self) -> u64;

    /// The piece that begins with byte `offset`, which is inside the volume, as long as it goes on in one piece.
    ///
    /// # Errors
    /// When the answer has to be read (from a tree on a member) and cannot be.
    fn piece(&self, offset: u64) -> Result<Piece, ReadError>;

    /// The same where it is known without waiting for a disk; `None` where it is not.
    fn known_piece(&self, offset: u64) -> Option<Piece> {
        self.piece(offset).ok()
    }
}

/// What a map reads from.
#[derive(Clone)]
pub struct Leg {
    /// What messages call it.
    pub name: String,
    /// Its bytes, from the byte on where the manager's data begins; `None` when it is missing.
    pub data: Option<Arc<dyn ReadAt>>,
}

/// A volume, read as its layout says.
pub struct Map {
    layout: Box<dyn Layout>,
    members: Members,
}

impl Map {
    /// The volume that `layout` makes of `legs`, whose positions the layout's places name.
    #[must_use]
    pub fn new(layout: Box<dyn Layout>, legs: Vec<Leg>, faults: &Arc<Faults>) -> Self {
        Self { layout, members: Members::new(legs, faults) }
    }

    /// The pieces of a range, each at least a byte.
    fn pieces(&self, range: Range<u64>) -> Result<Vec<Piece>, ReadError> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let piece = self.layout.piece(at)?;
            let left = range.end.saturating_sub(at);
            // A layout that says nothing of a byte inside its size is wrong; never loop on it.
            if piece.length == 0 {
                let error = ReadError::new(ReadErrorKind::OutOfRange, at, left);
                return Err(error.with_detail(&format!("nothing says where byte {at} of the volume lies")));
            }
            let piece = Piece { length: piece.length.min(left), ..piece };
            at = at.saturating_add(piece.length);
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// Says to every member what these pieces need of it.
    fn hint<'a>(&self, pieces: impl Iterator<Item = &'a Piece>) {
        let places = |piece: &'a Piece| {
            let places = piece.source.places(&|place| self.members.has(place));
            places.into_iter().map(|place| (place, piece.length))
        };
        self.members.will_need(pieces.take(HINTED_PIECES_MAX).flat_map(places));
    }

    /// Reads one piece; where several members err in different places, as little at once as a member can err in.
    fn read_piece(&self, source: &Source, buf: &mut [u8]) -> Result<(), ReadError> {
        match source.read(0, buf, &self.members) {
            Err(error) if another_helps(&error) && source.is_redundant() => {}
            result => return result,
        }
        let (mut done, mut sectors) = (0_usize, buf.len().div_ceil(SECTOR).div_ceil(2));
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = u64::try_from(done).unwrap_or(u64::MAX);
            // What is read at once ends where a sector does.
            let length = sectors.saturating_mul(SECTOR).saturating_sub(source.inside_sector(at)).min(rest.len());
            let Some(now) = rest.get_mut(..length) else { return Ok(()) };
            match source.read(at, now, &self.members) {
                Ok(()) => {
                    done = done.saturating_add(length);
                    sectors = sectors.saturating_mul(2);
                }
                Err(error) if !another_helps(&error) || length <= SECTOR => return Err(error),
                Err(_) => sectors = length.div_ceil(SECTOR) / 2,
            }
        }
        Ok(())
    }
}

impl Source {
    /// Changes every place that it names.
    pub(crate) fn each_place(&mut self, mut change: impl FnMut(&mut Place)) {
        match self {
            Self::Copies(places) => places.iter_mut().for_each(change),
            Self::Stripe(stripe) => {
                stripe.data.iter_mut().for_each(|unit| change(&mut unit.place));
                stripe.p.iter_mut().chain(stripe.q.iter_mut()).for_each(change);
            }
            Self::Zeros | Self::Lost(_) => {}
        }
    }

    /// Whether there is more than one way to have it.
    const fn is_redundant(&self) -> bool {
        match self {
            Self::Copies(places) => places.len() > 1,
            Self::Stripe(_) => true,
            Self::Zeros | Self::Lost(_) => false,
        }
    }

    /// The same, `bytes` further on.
    fn advanced(&self, bytes: u64) -> Self {
        match self {
            Self::Copies(places) => Self::Copies(places.iter().map(|place| place.advanced(bytes)).collect()),
            Self::Stripe(stripe) => Self::Stripe(stripe.advanced(bytes)),
            Self::Zeros | Self::Lost(_) => self.clone(),
        }
    }

    /// The places that reading it begins with, where these members are there.
    fn places(&self, is_there: &dyn Fn(&Place) -> bool) -> Vec<Place> {
        match self {
            Self::Copies(places) => places.iter().find(|place| is_there(place)).copied().into_iter().collect(),
            Self::Stripe(stripe) => stripe.needed(is_there),
            Self::Zeros | Self::Lost(_) => Vec::new(),
        }
    }

    /// How far the byte `skip` bytes on is from the start of a sector of its member.
    fn inside_sector(&self, skip: u64) -> usize {
        let place = match self {
            Self::Copies(places) => places.first().copied(),
            Self::Stripe(stripe) => stripe.wanted(),
            Self::Zeros | Self::Lost(_) => None,
        };
        let sector = u64::try_from(SECTOR).unwrap_or(u64::MAX);
        let inside = place.unwrap_or_default().offset.saturating_add(skip).checked_rem(sector);
        inside.and_then(|inside| usize::try_from(inside).ok()).unwrap_or(0)
    }

    /// Fills `buf` from the byte `skip` bytes on, in whatever way it can be had whole.
    fn read(&self, skip: u64, buf: &mut [u8], members: &Members) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        match self {
            Self::Zeros => {
                buf.fill(0);
                Ok(())
            }
            Self::Lost(why) => Err(ReadError::new(ReadErrorKind::Missing, 0, length).with_detail(why)),
            Self::Copies(places) => {
                let mut errors = Vec::new();
                for place in places {
                    match members.read(place.advanced(skip), buf) {
                        Err(error) if another_helps(&error) => errors.push(error),
                        result => return result,
                    }
                }
                Err(together(&errors, buf.len()))
            }
            Self::Stripe(stripe) => stripe.read(skip, buf, members),
        }
    }
}

impl Place {
    /// The same member, `bytes` further on.
    pub(crate) const fn advanced(self, bytes: u64) -> Self {
        Self { member: self.member, offset: self.offset.saturating_add(bytes) }
    }
}

impl ReadAt for Map {
    fn size(&self) -> u64 {
        self.layout.size()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let end = offset.checked_add(length).filter(|end| *end <= self.size());
        let end = end.ok_or_else(|| ReadError::new(ReadErrorKind::OutOfRange, offset, length))?;
        let pieces = self.pieces(offset..end)?;
        // Asked of all members before the first is waited for.
        let is_rebuilt = |piece: &Piece| match &piece.source {
            Source::Stripe(stripe) => stripe.wanted().is_some_and(|place| !self.members.has(&place)),
            _ => false,
        };
        if pieces.len() > 1 || pieces.iter().any(is_rebuilt) {
            self.hint(pieces.iter());
        }
        let _attempt = Attempt::begin();
        let mut rest = buf;
        for piece in &pieces {
            let bytes = usize::try_from(piece.length).unwrap_or(usize::MAX).min(rest.len());
            let (now, after) = rest.split_at_mut(bytes);
            self.read_piece(&piece.source, now).map_err(|error| error.at(offset, length))?;
            rest = after;
        }
        Ok(())
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        let size = self.size();
        let inside = ranges.iter().map(|range| range.start.min(size)..range.end.min(size));
        let pieces: Vec<Piece> = inside
            .flat_map(|range| Pieces::new(range, |at| self.layout.known_piece(at)))
            .take(HINTED_PIECES_MAX)
            .collect();
        self.hint(pieces.iter());
    }
}

#[cfg(test)]
mod tests;
