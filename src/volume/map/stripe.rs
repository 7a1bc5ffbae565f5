//! One stripe of a parity layout: what is missing of it is computed from the rest.

use super::Place;
use super::galois::{Element, add, add_times, multiply};
use super::members::{Members, another_helps, together};
use block::{ReadError, ReadErrorKind};

/// How many bytes are rebuilt at once: what is read for that stays in the processor's cache.
const WINDOW: usize = 64 << 10;

/// A data unit of a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Where it is.
    pub place: Place,
    /// The power of the generator that it has in Q; below 255, and another in each unit of a stripe with Q.
    pub power: u8,
}

/// The same bytes of every unit of a stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stripe {
    /// The data units.
    pub data: Vec<Unit>,
    /// Where their XOR is.
    pub p: Option<Place>,
    /// Where their sum in GF(2^8) is, each multiplied by its power of the generator.
    pub q: Option<Place>,
    /// Which data unit is wanted.
    pub wanted: usize,
}

/// A part of a stripe that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Data(usize),
    P,
    Q,
}

/// How the wanted unit is computed.
enum Way {
    /// From P and the other data units.
    P(Place),
    /// From Q and the other data units.
    Q(Place),
    /// From both, as this other data unit cannot be read either.
    Both { p: Place, q: Place, other: usize },
}

/// What could not be read, and why.
type Failure = (Part, ReadError);

/// Reads the same bytes of a part.
type ReadPart<'a> = &'a dyn Fn(Part, &mut [u8]) -> Result<(), Failure>;

impl Stripe {
    /// The same, `bytes` further on in each unit.
    pub(super) fn advanced(&self, bytes: u64) -> Self {
        let unit = |unit: &Unit| Unit { place: unit.place.advanced(bytes), power: unit.power };
        let on = |place: Option<Place>| place.map(|place| place.advanced(bytes));
        Self { data: self.data.iter().map(unit).collect(), p: on(self.p), q: on(self.q), wanted: self.wanted }
    }

    /// The wanted unit.
    pub(super) fn wanted(&self) -> Option<Place> {
        self.data.get(self.wanted).map(|unit| unit.place)
    }

    /// The places that have to be read, when `is_there` says which can be; none when these are too few.
    pub(super) fn needed(&self, is_there: &dyn Fn(&Place) -> bool) -> Vec<Place> {
        match self.wanted() {
            Some(place) if is_there(&place) => vec![place],
            _ => self.needed_to_rebuild(is_there),
        }
    }

    fn needed_to_rebuild(&self, is_there: &dyn Fn(&Place) -> bool) -> Vec<Place> {
        let (parities, without) = match self.way(&self.lost(is_there)) {
            None => return Vec::new(),
            Some(Way::P(parity) | Way::Q(parity)) => (vec![parity], None),
            Some(Way::Both { p, q, other }) => (vec![p, q], Some(other)),
        };
        self.others(without).map(|(_, unit)| unit.place).chain(parities).collect()
    }

    /// Fills `buf` with the wanted unit's bytes from the `skip`th on: read, or else computed from the others.
    pub(super) fn read(&self, skip: u64, buf: &mut [u8], members: &Members) -> Result<(), ReadError> {
        let Some(place) = self.wanted() else { return Err(together(&[], buf.len())) };
        let is_there = |place: &Place| members.has(place);
        let problem = if members.has(&place) {
            match members.read(place.advanced(skip), buf) {
                Err(error) if another_helps(&error) => error,
                result => return result,
            }
        } else {
            members.missing(place, buf.len())
        };
        if members.has(&place) {
            let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
            let needed = self.needed_to_rebuild(&is_there);
            members.will_need(needed.into_iter().map(|place| (place.advanced(skip), length)));
        }
        let mut at = skip;
        for window in buf.chunks_mut(WINDOW) {
            self.rebuild(at, window, &problem, members)?;
            at = at.saturating_add(u64::try_from(window.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Computes the wanted unit, in another way when a part turns out to be unreadable.
    fn rebuild(&self, skip: u64, buf: &mut [u8], problem: &ReadError, members: &Members) -> Result<(), ReadError> {
        let mut lost = self.lost(&|place| members.has(place));
        let mut errors = vec![problem.clone()];
        errors.extend(lost.iter().filter_map(|part| Some(members.missing(self.place(*part)?, buf.len()))));
        let read = |part: Part, buf: &mut [u8]| -> Result<(), Failure> {
            let place = self.place(part).unwrap_or_default();
            members.read(place.advanced(skip), buf).map_err(|error| (part, error))
        };
        // Ends, as every turn loses a part that was not lost before, and there is no way when three are.
        while let Some(way) = self.way(&lost) {
            match self.rebuild_by(&way, buf, &read) {
                Ok(()) => return Ok(()),
                Err((part, error)) if another_helps(&error) => {
                    lost.push(part);
                    errors.push(error);
                }
                Err((_, error)) => return Err(error),
            }
        }
        Err(together(&errors, buf.len()))
    }

    /// Computes the wanted unit in this way.
    fn rebuild_by(&self, way: &Way, buf: &mut [u8], read: ReadPart<'_>) -> Result<(), Failure> {
        let mut unit = vec![0; buf.len()];
        let factor = |index: usize| Element::power(self.data.get(index).map_or(0, |unit| unit.power));
        // Two units with one factor in Q: no layout makes such, and nothing could be computed from it.
        let alike = || {
            let error = ReadError::new(ReadErrorKind::Damaged, 0, 0);
            (Part::Q, error.with_detail("two units of the stripe cannot be told apart by its Q"))
        };
        match *way {
            Way::P(_) => {
                read(Part::P, buf)?;
                for (index, _) in self.others(None) {
                    read(Part::Data(index), &mut unit)?;
                    add(buf, &unit);
                }
            }
            Way::Q(_) => {
                read(Part::Q, buf)?;
                for (index, _) in self.others(None) {
                    read(Part::Data(index), &mut unit)?;
                    add_times(buf, &unit, factor(index));
                }
                multiply(buf, factor(self.wanted).inverse().ok_or_else(alike)?);
            }
            Way::Both { other, .. } => {
                let mut sum = vec![0; buf.len()];
                read(Part::P, buf)?;
                read(Part::Q, &mut sum)?;
                for (index, _) in self.others(Some(other)) {
                    read(Part::Data(index), &mut unit)?;
                    add(buf, &unit);
                    add_times(&mut sum, &unit, factor(index));
                }
                // Now P' = x + y and Q' = a x + b y, so (a + b) x = Q' + b P'.
                let (a, b) = (factor(self.wanted), factor(other));
                let inverse = a.plus(b).inverse().ok_or_else(alike)?;
                multiply(buf, b.times(inverse));
                add_times(buf, &sum, inverse);
            }
        }
        Ok(())
    }

    /// The parts, but for the wanted unit, that cannot be read.
    fn lost(&self, is_there: &dyn Fn(&Place) -> bool) -> Vec<Part> {
        let data = self.others(None).map(|(index, _)| Part::Data(index));
        data.chain([Part::P, Part::Q]).filter(|part| self.place(*part).is_some_and(|place| !is_there(&place))).collect()
    }

    fn way(&self, lost: &[Part]) -> Option<Way> {
        let p = self.p.filter(|_| !lost.contains(&Part::P));
        let q = self.q.filter(|_| !lost.contains(&Part::Q));
        let mut data = lost.iter().filter_map(|part| if let Part::Data(index) = part { Some(*index) } else { None });
        match (data.next(), data.next(), p, q) {
            (None, _, Some(p), _) => Some(Way::P(p)),
            (None, _, None, Some(q)) => Some(Way::Q(q)),
            (Some(other), None, Some(p), Some(q)) => Some(Way::Both { p, q, other }),
            _ => None,
        }
    }

    /// All data units but the wanted one, and `without`.
    fn others(&self, without: Option<usize>) -> impl Iterator<Item = (usize, &Unit)> {
        let is_other = move |index: usize| index != self.wanted && Some(index) != without;
        self.data.iter().enumerate().filter(move |(index, _)| is_other(*index))
    }

    fn place(&self, part: Part) -> Option<Place> {
        match part {
            Part::Data(index) => self.data.get(index).map(|unit| unit.place),
            Part::P => self.p,
            Part::Q => self.q,
        }
    }
}
