//! Damaged images: no panic, no loop without an end, no reads out of bounds; and where the format has checksums, no
//! wrong answer.

use super::disk::{Disk, Random};
use super::walk::{self, Answers, Aspect};
use block::ReadAt;
use std::ops::Range;
use std::sync::Arc;
use vfs::{FileSystem, Result};

/// Opens an image with the reader of its format.
pub(crate) type Open = fn(Arc<dyn ReadAt>) -> Result<Box<dyn FileSystem>>;

/// A sound image: what it says, and where its metadata and the data of its files are.
pub(crate) struct Sound {
    open: Open,
    pub(crate) image: Arc<Vec<u8>>,
    pub(crate) answers: Answers,
    reads: usize,
    pub(crate) metadata: Vec<Range<u64>>,
    pub(crate) data: Vec<Range<u64>>,
}

impl Sound {
    pub(crate) fn new(image: Vec<u8>, open: Open) -> Self {
        let image = Arc::new(image);
        let (mut metadata, fs) = (Vec::new(), Arc::new(Disk::new(&image)));
        walk::of(open(fs.clone()).unwrap().as_ref(), false);
        metadata.append(&mut fs.take_seen());
        let metadata = merged(metadata);
        let all = Arc::new(Disk::new(&image));
        let answers = walk::of(open(all.clone()).unwrap().as_ref(), true);
        let data = without(&merged(all.take_seen()), &metadata);
        let failed: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_err()).collect();
        assert!(failed.is_empty() && answers.len() > 1000, "{failed:?}");
        assert!(!metadata.is_empty() && !data.is_empty());
        Self { open, image, answers, reads: all.reads(), metadata, data }
    }

    /// What the image says with these bytes changed; never more reads than some times those of the sound image.
    pub(crate) fn damaged(&self, change: impl FnOnce(Disk) -> Disk) -> Result<Answers> {
        let disk = change(Disk::new(&self.image).with_reads_max(self.reads.saturating_mul(20)));
        Ok(walk::of((self.open)(Arc::new(disk))?.as_ref(), true))
    }

    /// Flips bits at places within these ranges.
    fn flip(&self, random: &mut Random, bits: usize, places: &[Range<u64>], mut disk: Disk) -> Disk {
        for _ in 0..bits {
            let at = random.place(places);
            let mut byte = [0];
            disk.bytes(at, &mut byte);
            byte[0] ^= 1 << random.below(8);
            disk = disk.with(at, byte);
        }
        disk
    }

    /// Overwrites whole blocks: with zeros, noise, or what belongs elsewhere.
    fn overwrite(&self, random: &mut Random, blocks: usize, places: &[Range<u64>], mut disk: Disk) -> Disk {
        const BLOCK: usize = 1024;
        for _ in 0..blocks {
            let at = random.place(places) & !(BLOCK as u64 - 1);
            let mut bytes = vec![0; BLOCK];
            match random.below(4) {
                0 => {}
                1 => bytes.fill(0xFF),
                2 => bytes.chunks_mut(8).for_each(|word| word.copy_from_slice(&random.next().to_le_bytes())),
                _ => disk.bytes(random.place(&self.data) & !(BLOCK as u64 - 1), &mut bytes),
            }
            disk = disk.with(at, bytes);
        }
        disk
    }
}

/// Ranges in order, those that touch joined.
pub(crate) fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut found = Vec::<Range<u64>>::new();
    for range in ranges {
        match found.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => found.push(range),
        }
    }
    found
}

/// The parts of `ranges` that are not in `excluded`; both in order.
fn without(ranges: &[Range<u64>], excluded: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    for range in ranges {
        let mut start = range.start;
        for other in excluded.iter().filter(|other| other.start < range.end && other.end > range.start) {
            found.extend((start < other.start).then_some(start..other.start));
            start = start.max(other.end);
        }
        found.extend((start < range.end).then_some(start..range.end));
    }
    found
}

/// Fails unless every answer to the questions that `checked` tells is that of the sound image, or an error. A name is
/// missing only where the listing it was in, or something above that, is an error.
pub(crate) fn assert_right_or_an_error(
    what: &str,
    sound: &Answers,
    damaged: &Answers,
    checked: impl Fn(Aspect) -> bool,
) {
    for ((path, aspect), answer) in damaged {
        let (path, aspect) = (path.clone(), *aspect);
        let expected = sound.get(&(path.clone(), aspect)).map(|answer| answer.as_ref().unwrap());
        let shown = String::from_utf8_lossy(&path).into_owned();
        match answer {
            Ok(found) if checked(aspect) => assert_eq!(Some(found), expected, "{what}: {aspect:?} of {shown:?}"),
            Ok(_) => assert!(expected.is_some(), "{what}: {shown:?} was never there"),
            Err(error) => assert!(
                expected.is_some() && !error.message.is_empty(),
                "{what}: {shown:?} was never there, and is {error}"
            ),
        }
    }
    for (path, aspect) in sound.keys() {
        if damaged.contains_key(&(path.clone(), *aspect)) {
            continue;
        }
        let mut above: &[u8] = path;
        let failed = |path: &[u8], aspect| matches!(damaged.get(&(path.to_vec(), aspect)), Some(Err(_)));
        let mut explained = failed(above, Aspect::Attr);
        while let (false, Some(at)) = (explained, above.iter().rposition(|byte| *byte == b'/')) {
            above = &above[..at];
            explained = failed(above, Aspect::Listing) || failed(above, Aspect::Attr);
        }
        assert!(explained, "{what}: {aspect:?} of {:?} is missing without an error", String::from_utf8_lossy(path));
    }
}

/// Damages an image in many ways and looks at everything; gives what was found to `check`.
pub(crate) fn damage_in_many_ways(sound: &Sound, rounds: u64, places: &[Range<u64>], check: impl Fn(&str, &Answers)) {
    let (mut opened, mut changed) = (0, 0);
    for round in 0..rounds {
        let random = &mut Random(round);
        let amount: usize = 1 << random.below(8);
        let (what, answers) = if round % 3 == 0 {
            (
                format!("round {round}: {amount} blocks"),
                sound.damaged(|disk| sound.overwrite(random, amount.div_ceil(16), places, disk)),
            )
        } else {
            (format!("round {round}: {amount} bits"), sound.damaged(|disk| sound.flip(random, amount, places, disk)))
        };
        if let Ok(answers) = answers {
            opened += 1;
            let same = |(key, answer): (_, &Result<u64>)| {
                answer.as_ref().ok() == sound.answers.get(key).and_then(|answer| answer.as_ref().ok())
            };
            changed += answers.iter().filter(|answer| !same(*answer)).count();
            check(&what, &answers);
        }
    }
    // Damage that nobody sees would show nothing.
    assert!(opened > rounds / 2 && changed > 0, "{opened} of {rounds} opened, {changed} answers changed");
}
