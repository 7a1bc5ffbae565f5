//! Logs that Windows 10 wrote, on volumes that were formatted, filled and closed in good order: they hold everything
//! that ever happened. Done again, it has to lead to what is on the volume; undone and done again as well.

use crate::boot::Geometry;
use crate::fixup;
use crate::log::analysis::{State, analyze};
use crate::log::lsn::Lsn;
use crate::log::operation::Action;
use crate::log::pages::Pages;
use crate::log::passes::redo_step;
use crate::log::record::{Kind, Reader, Record};
use crate::log::restart::Restart;
use crate::log::target::Target;
use crate::log::{Outcome, Source, passes, replay};
use block::{Patches, ReadAt, ReadError, Slice};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use vfs::replay::{Memory, Sectors, Volume};

/// A large disk of zeros mostly.
struct Sparse {
    chunks: BTreeMap<u64, Vec<u8>>,
    bytes: u64,
}

const CHUNK: usize = 1 << 16;

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        for (at, byte) in (offset..).zip(buf) {
            *byte = self.chunks.get(&(at / CHUNK as u64)).map_or(0, |chunk| chunk[at as usize % CHUNK]);
        }
        Ok(())
    }
}

fn unpack(path: &Path) -> Arc<dyn ReadAt> {
    let mut child = Command::new("gzip").arg("-dc").arg(path).stdout(Stdio::piped()).spawn().unwrap();
    let mut stream = child.stdout.take().unwrap();
    let (mut chunks, mut bytes, mut chunk) = (BTreeMap::new(), 0, vec![0; CHUNK]);
    while stream.read_exact(&mut chunk).is_ok() {
        if chunk.iter().any(|byte| *byte != 0) {
            chunks.insert(bytes / CHUNK as u64, chunk.clone());
        }
        bytes += CHUNK as u64;
    }
    assert!(child.wait().unwrap().success());
    Arc::new(Sparse { chunks, bytes })
}

/// A volume with its log.
struct Sample {
    volume: Arc<dyn ReadAt>,
    geometry: Geometry,
    log: Vec<u8>,
}

impl Sample {
    fn open(path: &Path) -> Self {
        let disk = unpack(path);
        let partition = 128 * 512;
        let size = disk.size() - partition;
        let volume: Arc<dyn ReadAt> = Arc::new(Slice::new(disk, partition, size).unwrap());
        let (geometry, _) = Geometry::read(volume.as_ref()).unwrap();
        // The log is in one piece on both.
        let record = read(volume.as_ref(), (geometry.mft_lcn << geometry.cluster_shift) + 2 * 1024, 1024);
        let mut record = record;
        fixup::undo(&mut record).unwrap();
        let at = record.windows(8).position(|window| window == [0x80, 0, 0, 0, 0x48, 0, 0, 0]).unwrap();
        let size = u64::from_le_bytes(record[at + 0x30..at + 0x38].try_into().unwrap());
        let pairs = &record[at + 0x40..];
        let (count, distance) = (usize::from(pairs[0] & 15), usize::from(pairs[0] >> 4));
        let lcn =
            pairs[1 + count..1 + count + distance].iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        let log = read(volume.as_ref(), lcn << geometry.cluster_shift, size as usize);
        Self { volume, geometry, log }
    }

    fn outcome(&self, log: &[u8]) -> Outcome {
        let read = |offset: u64, buf: &mut [u8]| {
            buf.copy_from_slice(&log[offset as usize..][..buf.len()]);
            Ok(())
        };
        replay(&self.volume, &self.geometry, &read, log.len() as u64, true).unwrap()
    }

    /// The log as it was when the first checkpoint had just been written: everything comes after it.
    fn whole_history(&self) -> Vec<u8> {
        let mut log = self.log.clone();
        for page in [0, 0x1000] {
            for at in [0x70, 0x78] {
                log[page + at..page + at + 8].copy_from_slice(&FIRST.to_le_bytes());
            }
        }
        log
    }
}

/// The first record of a log that Windows 10 made.
const FIRST: u64 = 0x20_4408;

fn read(volume: &dyn ReadAt, at: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    volume.read_exact_at(at, &mut bytes).unwrap();
    bytes
}

fn samples() -> Vec<(String, Sample)> {
    let Some(corpus) = crate::tests::fixtures::corpus() else { return Vec::new() };
    let samples = ["ntfs-2m.raw.gz", "ntfs-ptrn.raw.gz"];
    let paths: Vec<_> = samples.iter().map(|name| corpus.join("public/ntfs-samples").join(name)).collect();
    let names = paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    let opened = std::thread::scope(|scope| {
        let all: Vec<_> = paths.iter().map(|path| scope.spawn(|| Sample::open(path))).collect();
        all.into_iter().map(|sample| sample.join().unwrap()).collect::<Vec<_>>()
    });
    names.zip(opened).collect()
}

#[test]
fn histories_of_windows_lead_to_what_is_on_the_volume() {
    for (name, sample) in samples() {
        assert!(matches!(sample.outcome(&sample.log), Outcome::Clean), "{name}: it was closed in good order");
        let log = sample.whole_history();
        match sample.outcome(&log) {
            Outcome::Replayed(done) => {
                assert_eq!((done.summary.undone, done.summary.unfinished, done.summary.torn), (0, 0, 0));
                assert_same(&name, &sample, &done.patches);
            }
            Outcome::Clean | Outcome::NotReplayed => panic!("{name}: clean"),
            Outcome::NotReplayable { reason } => panic!("{name}: {reason}"),
        }
        undo_and_redo(&name, &sample, &log);
    }
}

fn undo_and_redo(name: &str, sample: &Sample, log: &[u8]) {
    let read = |offset: u64, buf: &mut [u8]| {
        buf.copy_from_slice(&log[offset as usize..][..buf.len()]);
        Ok(())
    };
    let source = Source { read: &read, bytes: log.len() as u64 };
    let Restart::InUse(checkpoint) = Restart::read(&source).unwrap() else { panic!() };
    let reader = Reader::new(Pages::new(&source, checkpoint.layout).unwrap(), checkpoint.layout);
    let mut memory = Memory::new(1 << 28);
    let state = analyze(&reader, &checkpoint, &mut memory).unwrap().unwrap();
    let mut records = Vec::new();
    let mut take = |record: &Record| {
        if record.kind == Kind::Change {
            records.push(record.lsn);
        }
        Ok(())
    };
    reader.walk(Lsn(FIRST), &mut take).unwrap();
    let volume = Volume::new(Arc::clone(&sample.volume));
    let mut target = Target { volume, memory: &mut memory, geometry: &sample.geometry, torn: 0 };
    for lsn in records.iter().rev() {
        let record = reader.read(*lsn).unwrap();
        passes::undo(&state, &record, &mut target).unwrap_or_else(|error| panic!("{name}: undoing {lsn:x?}: {error}"));
    }
    for lsn in &records {
        let record = reader.read(*lsn).unwrap();
        redo_anyway(&state, &record, &mut target).unwrap_or_else(|error| panic!("{name}: redoing {lsn:x?}: {error}"));
    }
    assert_eq!((records.len() > 300, target.torn), (true, 0));
    assert_same(name, sample, &target.volume.into_changed());
}

/// What was changed is what is on the volume, but for update sequences and LSNs, and for data in records: those are not
/// logged, only that there is room for them.
fn assert_same(name: &str, sample: &Sample, patches: &Sectors) {
    let (mut at, mut compared) = (0, 0);
    let disk: Arc<dyn ReadAt> = Arc::clone(&sample.volume);
    let read_new = |sector: u64| {
        let mut bytes = read(disk.as_ref(), sector << 9, 512);
        if patches.next(sector) == Some(sector) {
            patches.read(sector, &mut bytes).unwrap();
        }
        bytes
    };
    while let Some(sector) = patches.next(at) {
        let start = read_new(sector);
        let sectors = match &start[..4] {
            b"FILE" => 2,
            b"INDX" => 8,
            _ => 1,
        };
        at = sector + sectors;
        let mut new: Vec<u8> = (sector..at).flat_map(read_new).collect();
        let mut old = read(disk.as_ref(), sector << 9, new.len());
        if sectors > 1 {
            for structure in [&mut new, &mut old] {
                fixup::undo(structure).unwrap();
                let array = usize::from(structure[4]);
                structure[array..array + 2].fill(0);
                structure[8..16].fill(0);
            }
        }
        let unlogged = if sectors == 2 { resident_data(&old) } else { Vec::new() };
        for place in (0..old.len()).filter(|place| old[*place] != new[*place]) {
            let is_data = unlogged.iter().any(|range| range.contains(&place));
            assert!(is_data && new[place] == 0, "{name}: sector {sector:#x} differs at {place:#x}");
        }
        compared += 1;
    }
    assert!(compared > 1);
}

/// Where a record has the data of its file, and what fills them up to eight bytes, which may be anything.
fn resident_data(record: &[u8]) -> Vec<std::ops::Range<usize>> {
    let number = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut found) = (usize::from(record[0x14]), Vec::new());
    while number(at) != 0xFFFF_FFFF {
        if number(at) == 0x80 && record[at + 8] == 0 {
            let start = at + usize::from(record[at + 0x14]);
            found.push(start..(start + number(at + 0x10)).next_multiple_of(8));
        }
        at += number(at + 4);
    }
    found
}

fn redo_anyway(state: &State, record: &Record, target: &mut Target<'_>) -> vfs::Result<bool> {
    let action = Action::parse(record)?;
    if !action.redo()?.is_on_volume() {
        return Ok(false);
    }
    let opened = state.openings.at(action.target.into(), record.lsn).unwrap();
    redo_step(state, &action, opened, target, None)
}
