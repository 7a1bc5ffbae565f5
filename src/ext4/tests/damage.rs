//! Damaged images: no panic, no loop without an end, no reads out of bounds; and where the format has checksums, no
//! wrong answer.

use super::disk::{Disk, Random};
use super::fixture;
use super::walk::{self, Answers, Aspect};
use crate::Ext4;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use vfs::{ErrorKind, FileSystem, NodeId, Result};

/// A sound image: what it says, and where its metadata and the data of its files are.
struct Sound {
    image: Arc<Vec<u8>>,
    answers: Answers,
    reads: usize,
    metadata: Vec<Range<u64>>,
    data: Vec<Range<u64>>,
}

static DEFAULT: LazyLock<Sound> = LazyLock::new(|| Sound::new("default"));
static NO_CHECKSUMS: LazyLock<Sound> = LazyLock::new(|| Sound::new("no-checksums"));
static EXT2: LazyLock<Sound> = LazyLock::new(|| Sound::new("ext2"));

impl Sound {
    fn new(name: &str) -> Self {
        let image = Arc::new(fixture::image(name));
        let (mut metadata, fs) = (Vec::new(), Arc::new(Disk::new(&image)));
        walk::of(&Ext4::open(fs.clone()).unwrap(), false);
        metadata.append(&mut fs.take_seen());
        let metadata = merged(metadata);
        let all = Arc::new(Disk::new(&image));
        let answers = walk::of(&Ext4::open(all.clone()).unwrap(), true);
        let data = without(&merged(all.take_seen()), &metadata);
        let failed: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_err()).collect();
        assert!(failed.is_empty() && answers.len() > 1000, "{failed:?}");
        assert!(!metadata.is_empty() && !data.is_empty());
        Self { image, answers, reads: all.reads(), metadata, data }
    }

    /// What the image says with these bytes changed; never more reads than some times those of the sound image.
    fn damaged(&self, change: impl FnOnce(Disk) -> Disk) -> Result<Answers> {
        let disk = change(Disk::new(&self.image).with_reads_max(self.reads.saturating_mul(20)));
        Ok(walk::of(&Ext4::open(Arc::new(disk))?, true))
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
fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
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
fn assert_right_or_an_error(what: &str, sound: &Answers, damaged: &Answers, checked: impl Fn(Aspect) -> bool) {
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
fn damage_in_many_ways(sound: &Sound, rounds: u64, places: &[Range<u64>], check: impl Fn(&str, &Answers)) {
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

#[test]
fn with_checksums_damaged_metadata_is_an_error_and_never_another_answer() {
    damage_in_many_ways(&DEFAULT, 300, &DEFAULT.metadata, |what, answers| {
        assert_right_or_an_error(what, &DEFAULT.answers, answers, |_| true);
    });
}

#[test]
fn damaged_file_data_changes_no_name_attribute_link_or_extended_attribute() {
    damage_in_many_ways(&DEFAULT, 60, &DEFAULT.data, |what, answers| {
        assert_right_or_an_error(what, &DEFAULT.answers, answers, Aspect::is_metadata);
    });
}

#[test]
fn without_checksums_damage_ends_in_an_error_or_in_what_the_disk_says_but_never_in_a_loop() {
    for sound in [&*NO_CHECKSUMS, &*EXT2] {
        damage_in_many_ways(sound, 200, &sound.metadata, |_, _| {});
    }
}

#[test]
fn an_image_that_is_cut_short_is_refused() {
    for sound in [&*DEFAULT, &*NO_CHECKSUMS, &*EXT2] {
        let full = sound.image.len();
        let lengths = (0..4096).step_by(256).chain((1..40).map(|part| full / 40 * part)).chain([full - 512, full - 1]);
        for length in lengths {
            let cut = Arc::new(sound.image[..length].to_vec());
            let error = Ext4::open(Arc::new(Disk::new(&cut))).err().expect("it was opened");
            assert_eq!(error.kind, ErrorKind::Corrupt, "{length} bytes: {error}");
        }
    }
}

#[test]
fn where_the_end_of_a_disk_cannot_be_read_the_rest_is_right() {
    for sound in [&*DEFAULT, &*NO_CHECKSUMS, &*EXT2] {
        let mut opened = 0;
        for part in 0..24 {
            let readable = sound.image.len() as u64 / 24 * part + 512 * part;
            let change = |mut disk: Disk| {
                disk.readable = readable;
                disk
            };
            let Ok(answers) = sound.damaged(change) else { continue };
            opened += 1;
            assert_right_or_an_error(&format!("{readable} bytes"), &sound.answers, &answers, |_| true);
        }
        assert!(opened > 12, "only {opened} opened");
    }
}

/// The nodes of extent trees and the blocks of extended attributes: what is read in whole blocks when they are asked for.
fn small_metadata(sound: &Sound) -> Vec<Range<u64>> {
    let disk = Arc::new(Disk::new(&sound.image));
    let fs = Ext4::open(disk.clone()).unwrap();
    let mut found = Vec::new();
    for node in (11..=fs.info().inodes).map(NodeId) {
        let Ok(attr) = fs.attr(node) else { continue };
        disk.take_seen();
        let _ = (fs.xattrs(node), walk::segments(&fs, node, attr.size));
        found.append(&mut disk.take_seen());
    }
    found.retain(|range| range.end - range.start == u64::from(fs.info().block_size));
    merged(found)
}

#[test]
fn every_damaged_extent_node_and_attribute_block_is_an_error() {
    let sound = &*DEFAULT;
    let places = small_metadata(sound);
    let blocks: u64 = places.iter().map(|range| (range.end - range.start) / 4096).sum();
    assert!(blocks >= 6, "only {blocks} blocks");
    // Entries are at the start of each.
    let starts = places.iter().flat_map(|range| range.clone().step_by(4096)).map(|start| start..start + 96);
    let starts: Vec<_> = starts.collect();
    damage_in_many_ways(sound, 150, &starts, |what, answers| {
        assert_right_or_an_error(what, &sound.answers, answers, |_| true);
    });
}
