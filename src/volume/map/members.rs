//! The members of a map: what is there is read, and what goes wrong is remembered.

use super::{Faults, Leg, Place};
use block::{ReadError, ReadErrorKind};
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// What a map reads from.
pub(super) struct Members {
    legs: Vec<Leg>,
    faults: Arc<Faults>,
}

impl Members {
    pub(super) fn new(legs: Vec<Leg>, faults: &Arc<Faults>) -> Self {
        Self { legs, faults: Arc::clone(faults) }
    }

    /// Whether this place's member is there.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.legs.get(place.member).is_some_and(|leg| leg.data.is_some())
    }

    /// Why `length` bytes of a place whose member is not there cannot be read.
    pub(super) fn missing(&self, place: Place, length: usize) -> ReadError {
        let why = match self.legs.get(place.member) {
            Some(leg) => format!("{} is missing", leg.name),
            None => format!("there is no member {}", place.member),
        };
        ReadError::new(ReadErrorKind::Missing, place.offset, u64::try_from(length).unwrap_or(u64::MAX))
            .with_detail(&why)
    }

    /// Reads one place; what keeps it from being read is remembered, and told with the name of the member.
    pub(super) fn read(&self, place: Place, buf: &mut [u8]) -> Result<(), ReadError> {
        let leg = self.legs.get(place.member);
        let Some((leg, data)) = leg.and_then(|leg| Some((leg, leg.data.as_ref()?))) else {
            Attempt::failed();
            return Err(self.missing(place, buf.len()));
        };
        data.read_exact_at(place.offset, buf).map_err(|error| {
            Attempt::failed();
            // What is known to be missing is told with the volume; an error comes as a surprise.
            if error.kind != ReadErrorKind::Missing {
                self.faults.record(&leg.name, &error);
            }
            let why = error.detail.as_deref().unwrap_or(error.kind.text());
            let why = format!("{}: {why}", leg.name);
            error.with_detail(&why)
        })
    }

    /// Says to every member what will be wanted of it: places, with how many bytes.
    pub(super) fn will_need(&self, wanted: impl Iterator<Item = (Place, u64)>) {
        let mut by_leg: Vec<Vec<Range<u64>>> = vec![Vec::new(); self.legs.len()];
        for (place, length) in wanted {
            if let Some(ranges) = by_leg.get_mut(place.member) {
                push(ranges, place.offset..place.offset.saturating_add(length));
            }
        }
        for (leg, ranges) in self.legs.iter().zip(&by_leg) {
            if let Some(data) = leg.data.as_ref().filter(|_| !ranges.is_empty()) {
                data.will_need(ranges);
            }
        }
    }
}

/// Adds a range, as one with the last where it goes on or lies in it: a unit of a stripe may be wanted for itself and for others.
fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.start <= range.start && range.start <= last.end => last.end = last.end.max(range.end),
        _ => ranges.push(range),
    }
}

/// Whether another copy may be better off; not when the connection or the time is gone for all of them, nor when too much
/// was tried already.
pub(super) fn another_helps(error: &ReadError) -> bool {
    match error.kind {
        ReadErrorKind::OutOfRange | ReadErrorKind::Device | ReadErrorKind::Damaged | ReadErrorKind::Missing => {
            Attempt::may_go_on()
        }
        ReadErrorKind::Disconnected | ReadErrorKind::TimedOut | ReadErrorKind::Closed => false,
    }
}

thread_local! {
    /// How often members failed in the read that this thread is at.
    static FAILURES: Cell<Option<u32>> = const { Cell::new(None) };
}

/// One read, through all maps that lie over one another. Each of them tries its members and smaller parts, so that what
/// fails far below would be tried as often as all of these numbers multiplied give: metadata that was made for it could
/// keep a reader busy for ever.
pub(super) struct Attempt {
    is_outermost: bool,
}

impl Attempt {
    /// Failures after which a read is given up. As many sectors as a read of 4 MiB has may fail on two members each.
    const FAILURES_MAX: u32 = 16_384;

    pub(super) fn begin() -> Self {
        let is_outermost = FAILURES.get().is_none();
        if is_outermost {
            FAILURES.set(Some(0));
        }
        Self { is_outermost }
    }

    fn failed() {
        FAILURES.set(FAILURES.get().map(|failures| failures.saturating_add(1)));
    }

    fn may_go_on() -> bool {
        FAILURES.get().is_none_or(|failures| failures < Self::FAILURES_MAX)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_outermost {
            FAILURES.set(None);
        }
    }
}

/// Reasons are told up to this length: those of maps over one another hold those of all maps below.
const REASON_BYTES_MAX: usize = 1000;

/// One error of several, each of which kept one way of reading the same from being taken.
pub(super) fn together(errors: &[ReadError], length: usize) -> ReadError {
    // Of the reasons that a user could do something about, an error of a disk counts more than what was known to be missing.
    let worst = errors.iter().find(|error| error.kind != ReadErrorKind::Missing).or(errors.first());
    let (kind, offset) = worst.map_or((ReadErrorKind::Missing, 0), |error| (error.kind, error.offset));
    let mut reasons: Vec<&str> = Vec::new();
    for reason in errors.iter().filter_map(|error| error.detail.as_deref()) {
        let length: usize = reasons.iter().map(|reason| reason.len()).sum();
        if length > REASON_BYTES_MAX {
            reasons.push("and more");
            break;
        }
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    ReadError::new(kind, offset, u64::try_from(length).unwrap_or(u64::MAX)).with_detail(&reasons.join("; "))
}
