use super::*;
use crate::map::{Excluded, Faults, Leg, Map};
use block::{BlockSize, MemoryDisk, ReadAt, ReadError, ReadErrorKind};
use std::ops::Range;
use std::sync::Arc;

const CHUNK: usize = 2048;
const SECTOR: usize = 512;

/// Bytes without order, always the same for the same seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// An array that is laid out on its members stripe by stripe, in the words of md's numbers.
struct Model {
    rotation: Rotation,
    volume: Vec<u8>,
    members: Vec<Vec<u8>>,
}

/// Where P, Q and data unit `unit` of a stripe are, by arithmetic on positions.
fn positions(rotation: Rotation, stripe: usize, n: usize, unit: usize) -> (usize, Option<usize>, usize) {
    use Rotation::*;
    let raid5 = |p: usize, n: usize| match rotation {
        LeftSymmetric | RightSymmetric | LeftSymmetricQLast | RightSymmetricQLast => (p + 1 + unit) % n,
        _ => unit + usize::from(unit >= p),
    };
    let restart = |p: usize| match unit {
        unit if p == n - 1 => unit + 1,
        unit if unit >= p => unit + 2,
        unit => unit,
    };
    let (left, right) = (n - 1 - stripe % n, stripe % n);
    match rotation {
        LeftAsymmetric | LeftSymmetric => (left, None, raid5(left, n)),
        RightAsymmetric | RightSymmetric => (right, None, raid5(right, n)),
        ParityFirst => (0, None, unit + 1),
        ParityLast => (n - 1, None, unit),
        LeftAsymmetricPq => (left, Some((left + 1) % n), restart(left)),
        RightAsymmetricPq | ZeroRestart => (right, Some((right + 1) % n), restart(right)),
        LeftSymmetricPq => (left, Some((left + 1) % n), (left + 2 + unit) % n),
        RightSymmetricPq => (right, Some((right + 1) % n), (right + 2 + unit) % n),
        ParityFirstPq => (0, Some(1), unit + 2),
        ParityLastPq => (n - 2, Some(n - 1), unit),
        NRestart => {
            let p = n - 1 - (stripe + 1) % n;
            (p, Some((p + 1) % n), restart(p))
        }
        NContinue => (left, Some((left + n - 1) % n), (left + 1 + unit) % n),
        LeftAsymmetricQLast | LeftSymmetricQLast => {
            let p = n - 2 - stripe % (n - 1);
            (p, Some(n - 1), raid5(p, n - 1))
        }
        RightAsymmetricQLast | RightSymmetricQLast => {
            let p = stripe % (n - 1);
            (p, Some(n - 1), raid5(p, n - 1))
        }
        ParityFirstQLast => (0, Some(n - 1), unit + 1),
    }
}

/// A byte times x, so many times.
fn shifted(byte: u8, times: usize) -> u8 {
    (0..times).fold(byte, |byte, _| if byte & 0x80 == 0 { byte << 1 } else { (byte << 1) ^ 0x1d })
}

impl Model {
    fn new(rotation: Rotation, n: usize, stripes: usize) -> Self {
        let data = n - usize::try_from(rotation.parities()).unwrap();
        let volume = Noise(n as u64).bytes(stripes * data * CHUNK);
        let mut members = vec![vec![0; stripes * CHUNK]; n];
        for (number, chunk) in volume.chunks(CHUNK).enumerate() {
            let (stripe, unit) = (number / data, number % data);
            let (p, q, d) = positions(rotation, stripe, n, unit);
            let rows = stripe * CHUNK..(stripe + 1) * CHUNK;
            members[d][rows.clone()].copy_from_slice(chunk);
            for (at, byte) in rows.clone().zip(chunk) {
                members[p][at] ^= byte;
            }
            let Some(q) = q else { continue };
            let times = match rotation {
                Rotation::ZeroRestart | Rotation::NRestart | Rotation::NContinue => d,
                // Walked from behind Q, as md counts.
                _ => (1..).map(|step| (q + step) % n).filter(|at| *at != p).position(|at| at == d).unwrap(),
            };
            for (at, byte) in rows.zip(chunk) {
                members[q][at] ^= shifted(*byte, times);
            }
        }
        Self { rotation, volume, members }
    }

    /// The array without some members, and with sectors of others that cannot be read.
    fn map(&self, missing: &[usize], bad: &[(usize, Range<u64>)]) -> Map {
        let leg = |(number, bytes): (usize, &Vec<u8>)| {
            let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(bytes.clone(), BlockSize::B512));
            let bad = bad.iter().filter(|(member, _)| *member == number).map(|(_, range)| range.clone()).collect();
            let disk = Arc::new(Excluded::bad_blocks(disk, bad));
            Leg { name: format!("disk {number}"), data: (!missing.contains(&number)).then_some(disk as _) }
        };
        let legs = self.members.iter().enumerate().map(leg).collect();
        let (n, size) = (self.members.len() as u64, self.volume.len() as u64);
        let layout = Parity::new(self.rotation, n, CHUNK as u64, size).unwrap();
        Map::new(Box::new(layout), legs, &Arc::new(Faults::default()))
    }

    fn reads(&self, map: &Map, range: Range<usize>) -> Result<(), ReadError> {
        let mut bytes = vec![0xee; range.len()];
        map.read_exact_at(range.start as u64, &mut bytes)?;
        assert!(bytes == self.volume[range.clone()], "{:?} of {}: {range:?}", self.rotation, self.members.len());
        Ok(())
    }

    /// Whether a sector of the volume can be had without these.
    fn is_readable(&self, offset: usize, missing: &[usize], bad: &[(usize, Range<u64>)]) -> bool {
        let n = self.members.len();
        let data = n - usize::try_from(self.rotation.parities()).unwrap();
        let (stripe, unit) = (offset / CHUNK / data, offset / CHUNK % data);
        let at = (stripe * CHUNK + offset % CHUNK) as u64;
        let is_lost = |member: usize| {
            missing.contains(&member) || bad.iter().any(|(bad, range)| *bad == member && range.contains(&at))
        };
        let (p, q, d) = positions(self.rotation, stripe, n, unit);
        let lost_data = (0..n).filter(|member| *member != p && Some(*member) != q && is_lost(*member)).count();
        let parities = usize::from(!is_lost(p)) + usize::from(q.is_some_and(|q| !is_lost(q)));
        !is_lost(d) || lost_data <= parities
    }
}

fn sizes(rotation: Rotation) -> Range<usize> {
    if rotation.parities() == 1 { 2..9 } else { 3..9 }
}

#[test]
fn every_rotation_is_read_whole_with_all_members_and_with_as_many_missing_as_it_has_parities() {
    for rotation in Rotation::ALL {
        for n in sizes(rotation) {
            let model = Model::new(rotation, n, n + 2);
            let whole = 0..model.volume.len();
            model.reads(&model.map(&[], &[]), whole.clone()).unwrap();
            for first in 0..n {
                model.reads(&model.map(&[first], &[]), whole.clone()).unwrap();
                for second in first + 1..if rotation.parities() == 2 { n } else { 0 } {
                    model.reads(&model.map(&[first, second], &[]), whole.clone()).unwrap();
                }
            }
        }
    }
}

#[test]
fn ranges_of_any_start_and_length_are_read_from_degraded_arrays() {
    let mut noise = Noise(7);
    for rotation in Rotation::ALL {
        let n = if rotation.parities() == 1 { 4 } else { 6 };
        let model = Model::new(rotation, n, 9);
        for _ in 0..40 {
            let missing = [noise.below(n), noise.below(n)];
            let map = model.map(&missing[..usize::try_from(rotation.parities()).unwrap()], &[]);
            let start = noise.below(model.volume.len());
            let end = start + noise.below(model.volume.len() - start) + 1;
            model.reads(&map, start..end).unwrap();
        }
    }
}

#[test]
fn with_more_missing_than_parities_what_lies_on_others_is_read_and_the_rest_is_an_error_that_names_them() {
    for rotation in Rotation::ALL {
        let n = 5;
        let model = Model::new(rotation, n, 11);
        let missing: Vec<usize> = (1..=1 + usize::try_from(rotation.parities()).unwrap()).collect();
        let map = model.map(&missing, &[]);
        let mut failed = 0;
        for start in (0..model.volume.len()).step_by(CHUNK) {
            let result = model.reads(&map, start..start + CHUNK);
            assert_eq!(result.is_ok(), model.is_readable(start, &missing, &[]), "{rotation:?} {start}");
            let Err(error) = result else { continue };
            failed += 1;
            assert_eq!(error.kind, ReadErrorKind::Missing);
            let text = error.to_string();
            assert!(missing.iter().all(|member| text.contains(&format!("disk {member} is missing"))), "{text}");
        }
        assert!(failed > 0);
    }
}

#[test]
fn bad_sectors_in_every_place_are_read_around_or_are_errors_and_never_wrong_bytes() {
    let mut noise = Noise(11);
    let (mut good, mut lost) = (0, 0);
    for round in 0..400 {
        let rotation = Rotation::ALL[round % Rotation::ALL.len()];
        let n = sizes(rotation).start + 1 + noise.below(5);
        let model = Model::new(rotation, n, 6);
        let sectors = model.members[0].len() / SECTOR;
        let bad: Vec<(usize, Range<u64>)> = (0..noise.below(sectors * n / 3))
            .map(|_| (noise.below(n), (noise.below(sectors) * SECTOR) as u64))
            .map(|(member, start)| (member, start..start + SECTOR as u64))
            .collect();
        let missing: Vec<usize> = (0..noise.below(2)).map(|_| noise.below(n)).collect();
        let map = model.map(&missing, &bad);
        for start in (0..model.volume.len()).step_by(SECTOR) {
            let expected = model.is_readable(start, &missing, &bad);
            let result = model.reads(&map, start..start + SECTOR);
            assert_eq!(result.is_ok(), expected, "{rotation:?} {n} {start} {result:?}");
            *if expected { &mut good } else { &mut lost } += 1;
        }
        for _ in 0..10 {
            let start = noise.below(model.volume.len());
            let end = start + noise.below((model.volume.len() - start).min(3 * CHUNK)) + 1;
            let mut sectors = (start / SECTOR..=(end - 1) / SECTOR).map(|sector| sector * SECTOR);
            let expected = sectors.all(|sector| model.is_readable(sector, &missing, &bad));
            assert_eq!(model.reads(&map, start..end).is_ok(), expected, "{rotation:?} {n} {start}..{end}");
        }
    }
    assert!(good > 1000 && lost > 1000, "{good} {lost}");
}

#[test]
fn names_and_numbers_lead_to_the_rotation_that_has_them() {
    for rotation in Rotation::ALL {
        let known = rotation.known().unwrap();
        let level = if rotation.parities() == 1 { 5 } else { 6 };
        assert_eq!(Rotation::from_md(level, known.layout), Some(rotation));
        assert_eq!(rotation.lvm_name().map(Rotation::from_lvm), rotation.lvm_name().map(|_| Some(rotation)));
        assert_eq!(rotation.name(), known.mdadm);
    }
    assert_eq!(Rotation::from_md(4, 0), Some(Rotation::ParityLast));
    let unknown = [(5, 6), (5, 8), (5, 16), (6, 6), (6, 7), (6, 11), (6, 21), (0, 0), (10, 2)];
    assert!(unknown.iter().all(|(level, layout)| Rotation::from_md(*level, *layout).is_none()));
    assert_eq!(Rotation::from_lvm("raid4"), Some(Rotation::ParityLast));
    assert_eq!(Rotation::from_lvm("raid5"), Some(Rotation::LeftSymmetric));
    assert_eq!(Rotation::from_lvm("raid6"), Some(Rotation::ZeroRestart));
    assert!(["", "raid1", "raid10", "raid5_xx"].iter().all(|name| Rotation::from_lvm(name).is_none()));
}

#[test]
fn arrays_that_cannot_be_are_refused() {
    let new = |rotation, members, chunk| Parity::new(rotation, members, chunk, 1 << 20).is_some();
    assert!(new(Rotation::LeftSymmetric, 2, 512) && new(Rotation::LeftSymmetric, 4096, 512));
    assert!(!new(Rotation::LeftSymmetric, 1, 512) && !new(Rotation::LeftSymmetric, 0, 512));
    assert!(!new(Rotation::LeftSymmetric, 4097, 512) && !new(Rotation::LeftSymmetric, 3, 0));
    assert!(!new(Rotation::LeftSymmetric, 3, 1000) && !new(Rotation::LeftSymmetric, 4000, 1 << 63));
    assert!(new(Rotation::NContinue, 3, 4096) && new(Rotation::LeftSymmetricPq, 255, 4096));
    assert!(!new(Rotation::NContinue, 2, 4096) && !new(Rotation::LeftSymmetricPq, 256, 4096));
}

#[test]
fn offsets_near_the_largest_number_are_an_error_and_nothing_worse() {
    let layout = Parity::new(Rotation::LeftSymmetric, 3, 4096, u64::MAX).unwrap();
    for offset in [0, 1 << 40, u64::MAX - 1, u64::MAX] {
        let piece = layout.piece(offset).unwrap();
        assert!(piece.length <= 4096, "{offset}");
    }
}
