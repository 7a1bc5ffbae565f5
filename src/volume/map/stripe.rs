//! One stripe of a parity layout: what is missing of it is computed from the rest.

use super::{Place, another_helps};
use block::ReadError;

/// A data unit of a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Where it is.
    pub place: Place,
    /// The power of the generator that it has in Q.
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

/// Reads a place, whole.
type Reader<'a> = &'a dyn Fn(Place, &mut [u8]) -> Result<(), ReadError>;

impl Stripe {
    /// The same, `bytes` further on in each unit.
    pub(super) fn advanced(&self, bytes: u64) -> Self {
        let unit = |unit: &Unit| Unit { place: unit.place.advanced(bytes), power: unit.power };
        let on = |place: Option<Place>| place.map(|place| place.advanced(bytes));
        Self { data: self.data.iter().map(unit).collect(), p: on(self.p), q: on(self.q), wanted: self.wanted }
    }

    /// The places that have to be read, when `is_there` says which can be.
    pub(super) fn needed(&self, is_there: &dyn Fn(&Place) -> bool) -> Vec<Place> {
        match self.data.get(self.wanted) {
            Some(unit) if is_there(&unit.place) => vec![unit.place],
            _ => self.data.iter().map(|unit| unit.place).chain(self.p).chain(self.q).filter(|p| is_there(p)).collect(),
        }
    }

    /// Fills `buf` with the wanted unit's bytes: read, or else computed from the others.
    pub(super) fn read(&self, buf: &mut [u8], read: Reader<'_>) -> Result<(), ReadError> {
        let Some(unit) = self.data.get(self.wanted) else { return Ok(()) };
        match read(unit.place, buf) {
            Err(error) if another_helps(&error) => Err(error),
            result => result,
        }
    }
}
