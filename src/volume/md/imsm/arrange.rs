//! Which device is which disk of a container.
//!
//! Every arrangement of the devices is tried against what lies on them: sizes, and landmarks (things whose place in a volume
//! is known). A volume is read only when all arrangements that fit agree on it: a guess would give wrong bytes.

use super::Container;
use super::landmarks::{self, Landmark};
use crate::map::{Layout, Place, Source};
use crate::md::containers::Array;
use std::collections::BTreeSet;

/// What was found out.
pub(super) struct Arranged {
    /// By number of the disk: the device that is it in every arrangement.
    pub(super) disks: Vec<Option<usize>>,
    /// By number of the volume: the device in each slot; `None` when it is not known.
    pub(super) volumes: Vec<Option<Vec<Option<usize>>>>,
}

/// Places that are filled while arrangements are tried; a container has few disks, and most are told apart at once.
const STEPS_MAX: u32 = 200_000;
/// Devices that are arranged; no firmware has so many.
const DEVICES_MAX: usize = 64;

/// Finds out which device is which disk.
pub(super) fn arrange(container: &Container<'_>, arrays: &[Result<Array, String>]) -> Arranged {
    let nothing =
        || Arranged { disks: vec![None; container.mpb.disks.len()], volumes: vec![None; container.mpb.volumes.len()] };
    if container.current.len() > DEVICES_MAX {
        return nothing();
    }
    let mut search = Search::new(container, arrays);
    search.place(0);
    if search.steps >= STEPS_MAX {
        return nothing();
    }
    search.result()
}

/// The arrangements that fit.
struct Search<'a> {
    container: &'a Container<'a>,
    arrays: &'a [Result<Array, String>],
    /// By disk and position in `current`: whether the device may be it.
    fits: Vec<Vec<bool>>,
    /// By disk: the device that is tried as it, as a position in `current`.
    placed: Vec<Option<usize>>,
    steps: u32,
    /// By volume: the devices in its slots, as positions in the list of devices, in every way that fits.
    slots: Vec<BTreeSet<Vec<Option<usize>>>>,
    /// By disk: the devices that were it.
    disks: Vec<BTreeSet<Option<usize>>>,
}

impl<'a> Search<'a> {
    fn new(container: &'a Container<'a>, arrays: &'a [Result<Array, String>]) -> Self {
        let mpb = &container.mpb;
        let mut search = Self {
            container,
            arrays,
            fits: Vec::new(),
            placed: vec![None; mpb.disks.len()],
            steps: 0,
            slots: vec![BTreeSet::new(); mpb.volumes.len()],
            disks: vec![BTreeSet::new(); mpb.disks.len()],
        };
        for disk in &mpb.disks {
            let sizes = container.current.iter().map(|device| search.size(*device)).collect::<Vec<_>>();
            let is_known = sizes.contains(&disk.bytes);
            search.fits.push(sizes.iter().map(|size| !disk.has_failed && (!is_known || *size == disk.bytes)).collect());
        }
        for (number, array) in arrays.iter().enumerate() {
            if let Ok(array) = array {
                search.compare(number, array);
            }
        }
        search
    }

    fn size(&self, device: usize) -> u64 {
        self.container.devices.get(device).map_or(0, |device| device.data.size())
    }

    /// Excludes devices that lack a volume's landmarks.
    fn compare(&mut self, number: usize, array: &Array) {
        let Ok(layout) = array.layout() else { return };
        let finder = Finder { search: self, number, layout };
        let mut wrong = Vec::new();
        for landmark in landmarks::find(&finder) {
            let found = finder.which(&landmark);
            if !found.contains(&true) {
                continue;
            }
            let lack_it = (0..found.len()).filter(|device| found.get(*device) == Some(&false)).collect::<Vec<_>>();
            for disk in finder.disks(landmark.offset) {
                wrong.extend(lack_it.iter().map(|device| (disk, *device)));
            }
        }
        for (disk, device) in wrong {
            if let Some(fits) = self.fits.get_mut(disk).and_then(|disk| disk.get_mut(device)) {
                *fits = false;
            }
        }
    }

    /// Tries every device that is left as disk `disk` and those after it.
    fn place(&mut self, disk: usize) {
        if self.steps >= STEPS_MAX {
            return;
        }
        self.steps = self.steps.saturating_add(1);
        let Some(fits) = self.fits.get(disk).cloned() else {
            self.record();
            return;
        };
        let left = self.fits.iter().skip(disk).filter(|fits| fits.contains(&true)).count();
        let used = self.placed.iter().flatten().count();
        let unused = fits.len().saturating_sub(used);
        for (device, _) in fits.iter().enumerate().filter(|(_, fits)| **fits) {
            if self.placed.contains(&Some(device)) {
                continue;
            }
            self.set(disk, Some(device));
            self.place(disk.saturating_add(1));
            self.set(disk, None);
        }
        // It may be missing as long as there are disks left for all devices.
        if !fits.contains(&true) || left > unused {
            self.place(disk.saturating_add(1));
        }
    }

    fn set(&mut self, disk: usize, device: Option<usize>) {
        if let Some(placed) = self.placed.get_mut(disk) {
            *placed = device;
        }
    }

    /// Remembers an arrangement that fits; copies of each other may stand in any order.
    fn record(&mut self) {
        let current = &self.container.current;
        if self.placed.iter().flatten().count() < current.len().min(self.usable()) {
            return;
        }
        let device = |disk: usize| self.placed.get(disk).copied().flatten().and_then(|at| current.get(at).copied());
        for (disk, seen) in self.disks.iter_mut().enumerate() {
            seen.insert(device(disk));
        }
        for (number, volume) in self.container.mpb.volumes.iter().enumerate() {
            let mut slots: Vec<_> = volume.map.slots.iter().map(|slot| device(slot.disk)).collect();
            if let Some(Ok(array)) = self.arrays.get(number) {
                sort_copies(array, &mut slots, &|slot| volume.filled(slot).is_none());
            }
            if let Some(seen) = self.slots.get_mut(number) {
                seen.insert(slots);
            }
        }
    }

    /// How many disks can be there.
    fn usable(&self) -> usize {
        self.fits.iter().filter(|fits| fits.contains(&true)).count()
    }

    fn result(self) -> Arranged {
        let only = |seen: BTreeSet<Vec<Option<usize>>>| if seen.len() == 1 { seen.into_iter().next() } else { None };
        let same =
            |seen: BTreeSet<Option<usize>>| if seen.len() == 1 { seen.into_iter().next().flatten() } else { None };
        Arranged {
            disks: self.disks.into_iter().map(same).collect(),
            volumes: self.slots.into_iter().map(only).collect(),
        }
    }
}

/// Brings devices that are copies of each other into one order, so that it does not matter which came first.
fn sort_copies(array: &Array, slots: &mut [Option<usize>], is_whole: &dyn Fn(usize) -> bool) {
    for one in 0..slots.len() {
        for other in one.saturating_add(1)..slots.len() {
            let swap = slots.get(other) < slots.get(one);
            if swap && array.are_copies(one, other) && is_whole(one) && is_whole(other) {
                slots.swap(one, other);
            }
        }
    }
}

/// Reads what the devices have where a volume has a byte.
pub(super) struct Finder<'a> {
    search: &'a Search<'a>,
    number: usize,
    layout: Box<dyn Layout>,
}

impl Finder<'_> {
    /// The size of the volume.
    pub(super) fn size(&self) -> u64 {
        self.layout.size()
    }

    /// What each device has at the place of the volume's byte `offset`, `length` bytes; `None` where these do not lie in one
    /// piece or cannot be read. Where one device of a stripe is missing, what it would have is the last one: the sum of all
    /// others, whichever they are.
    pub(super) fn read(&self, offset: u64, length: usize) -> Vec<Option<Vec<u8>>> {
        let (places, has_parity) = self.places(offset, length);
        let volume = self.search.container.mpb.volumes.get(self.number);
        let start = volume.map(|volume| volume.map.start);
        let at = places.first().zip(start).and_then(|(place, start)| start.checked_add(place.offset));
        let devices = &self.search.container.current;
        let read = |device: &usize| {
            let mut bytes = vec![0; length];
            self.search.container.devices.get(*device)?.data.read_exact_at(at?, &mut bytes).ok()?;
            Some(bytes)
        };
        let mut found: Vec<_> = devices.iter().map(read).collect();
        let members = volume.map_or(0, |volume| volume.map.slots.len());
        if has_parity && devices.len().checked_add(1) == Some(members) {
            found.push(sum(&found));
        }
        found
    }

    /// Which devices have the landmark.
    fn which(&self, landmark: &Landmark) -> Vec<bool> {
        let read = self.read(landmark.offset, landmark.length);
        read.iter().map(|bytes| bytes.as_ref().is_some_and(|bytes| (landmark.is_it)(bytes))).collect()
    }

    /// Which disks have to have what lies at `offset`.
    fn disks(&self, offset: u64) -> Vec<usize> {
        let Some(volume) = self.search.container.mpb.volumes.get(self.number) else { return Vec::new() };
        let is_filled = |place: &Place| volume.filled(place.member).is_none_or(|filled| place.offset < filled);
        let places = self.places(offset, 1).0.into_iter().filter(is_filled);
        places.filter_map(|place| Some(volume.map.slots.get(place.member)?.disk)).collect()
    }

    /// Where `length` bytes from `offset` on lie, when they lie in one piece, and whether there is parity for them.
    fn places(&self, offset: u64, length: usize) -> (Vec<Place>, bool) {
        let nowhere = (Vec::new(), false);
        let inside = u64::try_from(length).ok().and_then(|length| offset.checked_add(length));
        if inside.is_none_or(|end| end > self.layout.size()) {
            return nowhere;
        }
        let Ok(piece) = self.layout.piece(offset) else { return nowhere };
        if u64::try_from(length).is_ok_and(|length| length > piece.length) {
            return nowhere;
        }
        match piece.source {
            Source::Copies(places) => (places, false),
            Source::Stripe(stripe) => {
                let unit = stripe.data.get(stripe.wanted).map(|unit| unit.place);
                (unit.into_iter().collect(), stripe.p.is_some() && stripe.q.is_none())
            }
            Source::Zeros | Source::Lost(_) => nowhere,
        }
    }
}

/// The XOR of all of these; `None` when one is missing.
fn sum(all: &[Option<Vec<u8>>]) -> Option<Vec<u8>> {
    let mut sum = vec![0; all.first()?.as_ref()?.len()];
    for bytes in all {
        sum.iter_mut().zip(bytes.as_ref()?).for_each(|(sum, byte)| *sum ^= byte);
    }
    Some(sum)
}
