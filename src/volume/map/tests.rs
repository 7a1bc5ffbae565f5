use super::*;
use std::sync::Mutex;

/// A member, what was asked of it, and for which bytes.
type Entry = (usize, Asked, Range<u64>);

/// What was asked of members, in the order in which it was.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Entry>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Hint,
    Read,
}

impl Log {
    fn all(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, asked: Asked) -> Vec<(usize, Range<u64>)> {
        let all = self.all().into_iter();
        all.filter(|entry| entry.1 == asked).map(|(member, _, range)| (member, range)).collect()
    }
}

/// A member of `BYTES` bytes, each of which is its number, with ranges that cannot be read.
struct Probe {
    number: usize,
    bad: Vec<(Range<u64>, ReadErrorKind)>,
    log: Log,
}

const BYTES: u64 = 16 << 10;

impl ReadAt for Probe {
    fn size(&self) -> u64 {
        BYTES
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let range = offset..offset + buf.len() as u64;
        self.log.0.lock().unwrap().push((self.number, Asked::Read, range.clone()));
        let touched = |bad: &&(Range<u64>, ReadErrorKind)| bad.0.start < range.end && range.start < bad.0.end;
        if let Some((_, kind)) = self.bad.iter().find(touched) {
            return Err(ReadError::new(*kind, offset, buf.len() as u64).with_detail("medium error"));
        }
        if range.end > BYTES {
            return Err(ReadError::new(ReadErrorKind::OutOfRange, offset, buf.len() as u64));
        }
        buf.fill(self.number as u8);
        Ok(())
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        let mut log = self.log.0.lock().unwrap();
        log.extend(ranges.iter().map(|range| (self.number, Asked::Hint, range.clone())));
    }
}

/// What is wrong with a member.
#[derive(Clone)]
enum State {
    Sound,
    Missing,
    Bad(Vec<(Range<u64>, ReadErrorKind)>),
}

fn bad(start: u64, end: u64) -> State {
    State::Bad(vec![(start..end, ReadErrorKind::Device)])
}

struct Made {
    map: Map,
    log: Log,
    faults: Arc<Faults>,
}

fn made(layout: impl Layout + 'static, states: &[State]) -> Made {
    let (log, faults) = (Log::default(), Arc::new(Faults::default()));
    let leg = |(number, state): (usize, &State)| {
        let bad = if let State::Bad(bad) = state { bad.clone() } else { Vec::new() };
        let data = Arc::new(Probe { number, bad, log: log.clone() }) as Arc<dyn ReadAt>;
        Leg { name: format!("disk {number}"), data: (!matches!(state, State::Missing)).then_some(data) }
    };
    let legs = states.iter().enumerate().map(leg).collect();
    Made { map: Map::new(Box::new(layout), legs, &faults), log, faults }
}

fn read(map: &Map, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = vec![0xee; length];
    map.read_exact_at(offset, &mut bytes).map(|()| bytes)
}

fn mirror(states: &[State]) -> Made {
    made(Mirror::new(states.len(), BYTES), states)
}

fn raid(rotation: Rotation, states: &[State]) -> Made {
    let members = states.len() as u64;
    made(Parity::new(rotation, members, 1024, 8 << 10).unwrap(), states)
}

#[test]
fn another_copy_is_read_where_one_errs_and_the_fault_is_remembered() {
    let Made { map, faults, .. } = mirror(&[bad(1000, 1001), State::Sound]);
    assert_eq!(read(&map, 0, 1000).unwrap(), [0; 1000]);
    assert!(faults.all().is_empty());
    assert_eq!(read(&map, 0, 1001).unwrap(), [1; 1001]);
    assert_eq!(read(&map, 999, 9).unwrap(), [1; 9]);
    let all = faults.all();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["disk 0"]);
    assert_eq!((all["disk 0"].count, all["disk 0"].first.length), (2, 1001));
}

#[test]
fn copies_that_err_in_different_sectors_are_each_read_where_they_can_be() {
    let Made { map, faults, .. } = mirror(&[bad(1536, 1537), State::Bad(vec![(7000..7001, ReadErrorKind::Damaged)])]);
    // From inside a sector on: what is read at once ends with sectors all the same.
    for start in [0, 100, 1400, 1535] {
        let bytes = read(&map, start, 12_000).unwrap();
        let at = |offset: u64| bytes[(offset - start) as usize];
        assert_eq!((at(1536), at(2047), at(7000), at(6656), at(7167)), (1, 1, 0, 0, 0));
        assert!(bytes.iter().all(|byte| *byte < 2));
    }
    assert_eq!(faults.all().len(), 2);
}

#[test]
fn a_sector_that_no_copy_has_is_an_error_that_names_all_of_them() {
    let Made { map, .. } = mirror(&[bad(1536, 1537), State::Missing, bad(1600, 1700)]);
    assert_eq!(read(&map, 0, 1536).unwrap(), [0; 1536]);
    assert_eq!(read(&map, 2048, 512).unwrap(), [0; 512]);
    let error = read(&map, 0, 4096).unwrap_err();
    assert_eq!((error.kind, error.offset, error.length), (ReadErrorKind::Device, 0, 4096));
    let text = error.to_string();
    let parts = ["disk 0: medium error", "disk 1 is missing", "disk 2: medium error"];
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn when_the_connection_is_gone_nothing_else_is_tried() {
    for kind in [ReadErrorKind::Disconnected, ReadErrorKind::TimedOut, ReadErrorKind::Closed] {
        let gone = State::Bad(vec![(0..BYTES, kind)]);
        let Made { map, log, .. } = mirror(&[gone.clone(), State::Sound]);
        assert_eq!(read(&map, 0, 4096).unwrap_err().kind, kind);
        assert_eq!(log.of(Asked::Read), [(0, 0..4096)]);
        let Made { map, log, .. } = raid(Rotation::ParityLast, &[gone.clone(), State::Sound, State::Sound]);
        assert_eq!(read(&map, 0, 1024).unwrap_err().kind, kind);
        assert_eq!(log.of(Asked::Read), [(0, 0..1024)]);
        // Nor when it turns out while something is rebuilt.
        let Made { map, .. } = raid(Rotation::ParityLastPq, &[State::Missing, gone, State::Sound, State::Sound]);
        assert_eq!(read(&map, 0, 1024).unwrap_err().kind, kind);
    }
}

#[test]
fn hints_reach_every_member_before_the_first_read() {
    let striped = Striped::new(4, 1024, 4 * BYTES).unwrap();
    let Made { map, log, .. } = made(striped, &vec![State::Sound; 4]);
    let bytes = read(&map, 512, 8192).unwrap();
    assert_eq!((bytes[0], bytes[512], bytes[8191]), (0, 1, 0));
    let all = log.all();
    let hints: Vec<_> = all[..4].iter().map(|(member, asked, range)| (*member, *asked, range.clone())).collect();
    let ranges = [512..2560, 0..2048, 0..2048, 0..2048];
    let expected: Vec<_> = ranges.into_iter().enumerate().map(|(member, range)| (member, Asked::Hint, range)).collect();
    assert_eq!(hints, expected);
    assert!(all[4..].iter().all(|entry| entry.1 == Asked::Read));
}

#[test]
fn a_stripe_that_has_to_be_rebuilt_asks_all_members_that_it_needs_before_the_first_read() {
    let (there, gone) = (State::Sound, State::Missing);
    let asked = |states: &[State]| {
        let Made { map, log, .. } = raid(Rotation::ParityLastPq, states);
        read(&map, 100, 500).unwrap();
        let all = log.all();
        let first_read = all.iter().position(|entry| entry.1 == Asked::Read).unwrap();
        assert!(all[first_read..].iter().all(|entry| entry.1 == Asked::Read && entry.2 == (100..600)));
        all[..first_read].iter().map(|entry| entry.0).collect::<Vec<_>>()
    };
    let all = |wanted: &State, unit: &State, p: &State, q: &State| [wanted, unit, &there, p, q].map(Clone::clone);
    // A healthy unit needs no hint: it is read at once.
    assert_eq!(asked(&all(&there, &gone, &there, &there)), [0_usize; 0]);
    assert_eq!(asked(&all(&gone, &there, &there, &there)), [1, 2, 3]);
    assert_eq!(asked(&all(&gone, &there, &gone, &there)), [1, 2, 4]);
    assert_eq!(asked(&all(&gone, &gone, &there, &there)), [2, 3, 4]);
}

#[test]
fn a_unit_that_errs_is_rebuilt_and_the_others_are_asked_for_at_once() {
    let states = [bad(0, 1), State::Sound, State::Sound];
    let Made { map, log, faults } = raid(Rotation::ParityLast, &states);
    assert_eq!(read(&map, 0, 1024).unwrap(), [1 ^ 2; 1024]);
    let asked: Vec<_> = log.all().into_iter().map(|(member, asked, _)| (member, asked)).collect();
    let (read, hint) = (Asked::Read, Asked::Hint);
    assert_eq!(asked, [(0, read), (1, hint), (2, hint), (2, read), (1, read)]);
    assert_eq!(faults.all()["disk 0"].count, 1);
}

#[test]
fn hints_are_handed_on_and_nothing_is_read_for_them() {
    let Made { map, log, .. } = made(Striped::new(2, 1024, 2 * BYTES).unwrap(), &vec![State::Sound; 2]);
    map.will_need(&[0..1024, 5000..5001, 4 * BYTES..9 * BYTES]);
    assert_eq!(log.of(Asked::Hint), [(0, 0..1024), (0, 2952..2953)]);
    assert!(log.of(Asked::Read).is_empty());
    // What is not known without reading is not hinted at.
    let Made { map, log, .. } = made(OnDisk(Piece { length: 512, source: Source::Zeros }), &[State::Sound]);
    map.will_need(std::slice::from_ref(&(0..1024)));
    assert!(log.all().is_empty());
}

/// A layout that would have to read to answer.
struct OnDisk(Piece);

impl Layout for OnDisk {
    fn size(&self) -> u64 {
        1024
    }

    fn piece(&self, _: u64) -> Result<Piece, ReadError> {
        Ok(self.0.clone())
    }

    fn known_piece(&self, _: u64) -> Option<Piece> {
        None
    }
}

#[test]
fn a_layout_that_says_nothing_of_a_byte_is_an_error() {
    let Made { map, .. } = made(OnDisk(Piece { length: 0, source: Source::Zeros }), &[State::Sound]);
    assert_eq!(read(&map, 3, 5).unwrap_err().kind, ReadErrorKind::OutOfRange);
}

#[test]
fn what_is_lost_or_on_a_member_that_is_not_listed_is_an_error_that_says_so() {
    let place = |member| Place { member, offset: 0 };
    let segments = vec![
        Segment::of(place(0), 512),
        Segment::lost(512, "it lay on pv1"),
        Segment::of(place(7), 512),
        Segment { bytes: 512, source: Source::Zeros },
    ];
    let Made { map, faults, .. } = made(Linear::new(segments), &[State::Sound]);
    assert_eq!(read(&map, 0, 512).unwrap(), [0; 512]);
    assert_eq!(read(&map, 1536, 512).unwrap(), [0; 512]);
    for (start, text) in [(511, "it lay on pv1"), (1024, "there is no member 7")] {
        let error = read(&map, start, 2).unwrap_err();
        assert_eq!((error.kind, error.offset, error.length), (ReadErrorKind::Missing, start, 2));
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(faults.all().is_empty(), "what is known to be missing is no surprise");
}

#[test]
fn only_what_is_inside_is_read_and_nothing_at_all_can_be_read_anywhere() {
    let Made { map, log, .. } = mirror(&[State::Sound]);
    assert_eq!(read(&map, BYTES - 5, 5).unwrap(), [0; 5]);
    for (offset, length) in [(BYTES - 5, 6), (BYTES, 1), (u64::MAX, 1)] {
        assert_eq!(read(&map, offset, length).unwrap_err().kind, ReadErrorKind::OutOfRange, "{offset}");
    }
    let before = log.all().len();
    assert_eq!(read(&map, BYTES, 0).unwrap(), [0_u8; 0]);
    assert_eq!(log.all().len(), before);
}

#[test]
fn a_member_that_is_shorter_than_its_volume_is_read_around() {
    let Made { map, faults, .. } = made(Mirror::new(2, 2 * BYTES), &[State::Sound, State::Sound]);
    let error = read(&map, BYTES - 512, 1024).unwrap_err();
    assert_eq!(error.kind, ReadErrorKind::OutOfRange);
    assert!(error.to_string().contains("disk 1: outside the disk"), "{error}");
    assert_eq!(faults.all().len(), 2);
}

#[test]
fn mirrors_over_mirrors_that_all_fail_are_given_up_in_time() {
    let Made { map, log, .. } = mirror(&[bad(0, BYTES)]);
    let leg = |data: &Arc<dyn ReadAt>| Leg { name: "mirror".to_owned(), data: Some(Arc::clone(data)) };
    let mut nested: Arc<dyn ReadAt> = Arc::new(map);
    for _ in 0..20 {
        let legs = vec![leg(&nested), leg(&nested)];
        nested = Arc::new(Map::new(Box::new(Mirror::new(2, BYTES)), legs, &Arc::default()));
    }
    // A second read is as much work as the first: what was counted is forgotten.
    for _ in 0..2 {
        log.0.lock().unwrap().clear();
        assert_eq!(nested.read_exact_at(0, &mut [0; 4096]).unwrap_err().kind, ReadErrorKind::Device);
        let reads = log.all().len();
        assert!((1000..20_000).contains(&reads), "{reads}");
    }
}
