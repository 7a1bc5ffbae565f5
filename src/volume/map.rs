//! How the bytes of a volume lie on its members: few shared pieces under all managers.
//!
//! A [`Layout`] says where a byte comes from; it knows numbers of members and offsets, and nothing of disks. [`Map`] reads
//! what a layout says: several members at once, another copy or the parity where a member errs.

use crate::map::pieces::Pieces;
use block::{ReadAt, ReadError, ReadErrorKind};
use std::ops::Range;
use std::sync::Arc;

mod copies;
mod damaged;
mod faults;
mod galois;
mod linear;
mod parity;
mod pieces;
mod stripe;
mod striped;

pub use damaged::Excluded;
pub use faults::{Fault, Faults};
pub use linear::{Linear, Segment};

pub use stripe::{Stripe, Unit};
pub use striped::Striped;

/// Bytes of a member: `offset` bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    legs: Vec<Leg>,
    faults: Arc<Faults>,
}

impl Map {
    /// The volume that `layout` makes of `legs`, whose positions the layout's places name.
    #[must_use]
    pub fn new(layout: Box<dyn Layout>, legs: Vec<Leg>, faults: &Arc<Faults>) -> Self {
        Self { layout, legs, faults: Arc::clone(faults) }
    }

    /// Reads one place; what keeps it from being read is remembered.
    fn read_place(&self, place: Place, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let missing = |why: &str| ReadError::new(ReadErrorKind::Missing, place.offset, length).with_detail(why);
        let Some(leg) = self.legs.get(place.member) else { return Err(missing("there is no such member")) };
        let Some(data) = &leg.data else { return Err(missing(&format!("{} is missing", leg.name))) };
        // What is known to be missing is told with the volume; an error comes as a surprise.
        let record = |error: &ReadError| {
            if error.kind != ReadErrorKind::Missing {
                self.faults.record(&leg.name, error);
            }
        };
        data.read_exact_at(place.offset, buf).inspect_err(record)
    }

    /// Reads one piece, whole, in whatever way it can be had.
    fn read_source(&self, source: &Source, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        match source {
            Source::Zeros => buf.fill(0),
            Source::Lost(why) => return Err(ReadError::new(ReadErrorKind::Missing, 0, length).with_detail(why)),
            Source::Copies(places) => {
                let mut problem = ReadError::new(ReadErrorKind::Missing, 0, length);
                for place in places {
                    match self.read_place(*place, buf) {
                        Ok(()) => return Ok(()),
                        Err(error) if !another_helps(&error) => return Err(error),
                        Err(error) => problem = error,
                    }
                }
                return Err(problem);
            }
            Source::Stripe(stripe) => return stripe.read(buf, &|place, buf| self.read_place(place, buf)),
        }
        Ok(())
    }

    /// Reads one piece; where several members err in different places, sector by sector.
    fn read_piece(&self, source: &Source, buf: &mut [u8]) -> Result<(), ReadError> {
        /// The smallest part that a member can err in.
        const SECTOR: usize = 512;
        match self.read_source(source, buf) {
            Err(error) if another_helps(&error) && buf.len() > SECTOR && source.is_redundant() => {}
            result => return result,
        }
        let mut at = 0;
        for sector in buf.chunks_mut(SECTOR) {
            self.read_source(&source.advanced(at), sector)?;
            at = at.saturating_add(u64::try_from(sector.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Says to every member what will be wanted of it.
    fn hint(&self, wanted: &[Range<u64>]) {
        /// Pieces that one hint looks at; what is behind them is not fetched ahead.
        const PIECES_MAX: usize = 1024;
        let mut by_leg = vec![Vec::new(); self.legs.len()];
        let pieces = wanted.iter().flat_map(|range| Pieces::new(range.clone(), |at| self.layout.known_piece(at)));
        let is_there = |place: &Place| self.legs.get(place.member).is_some_and(|leg| leg.data.is_some());
        for (_, piece) in pieces.take(PIECES_MAX) {
            for place in piece.source.places(&is_there) {
                if let Some(ranges) = by_leg.get_mut(place.member) {
                    push(ranges, place.offset..place.offset.saturating_add(piece.length));
                }
            }
        }
        for (leg, ranges) in self.legs.iter().zip(&by_leg) {
            if let Some(data) = leg.data.as_ref().filter(|_| !ranges.is_empty()) {
                data.will_need(ranges);
            }
        }
    }
}

/// Adds a range, as one with the last where it goes on.
fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// Whether another copy may be better off; not when the connection or the time is gone for all of them.
pub(crate) const fn another_helps(error: &ReadError) -> bool {
    match error.kind {
        ReadErrorKind::OutOfRange | ReadErrorKind::Device | ReadErrorKind::Damaged | ReadErrorKind::Missing => true,
        ReadErrorKind::Disconnected | ReadErrorKind::TimedOut | ReadErrorKind::Closed => false,
    }
}

impl Source {
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
        let mut pieces = Vec::new();
        let mut at = offset;
        while at < end {
            let piece = self.layout.piece(at)?;
            let left = end.saturating_sub(at);
            // A layout that says nothing of a byte inside its size is wrong; never loop on it.
            if piece.length == 0 {
                return Err(ReadError::new(ReadErrorKind::OutOfRange, at, left));
            }
            let piece = Piece { length: piece.length.min(left), ..piece };
            at = at.saturating_add(piece.length);
            pieces.push(piece);
        }
        // Asked of all members before the first is waited for.
        if pieces.len() > 1 {
            self.hint(std::slice::from_ref(&(offset..end)));
        }
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
        let inside: Vec<_> = ranges.iter().map(|range| range.start.min(size)..range.end.min(size)).collect();
        self.hint(&inside);
    }
}

#[cfg(test)]
mod tests;
