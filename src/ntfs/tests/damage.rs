//! Damaged images: no panic, no loop without an end; one damaged record or block is an error on what is under it, and
//! nothing else changes.

use super::crafted::{Image, attribute, content, find, le32, put64};
use super::damaged::assert_right_or_an_error;
use super::walk::{self, Answers, Aspect};
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use vfs::{Cursor, ErrorKind, FileSystem, NodeId};

const DATA: u32 = 0x80;
const INDEX_ALLOCATION: u32 = 0xA0;
const BITMAP: u32 = 0xB0;
const I30: &str = "$I30";

/// What a sound image answers, and what it is asked for in vain: to read deduplicated files, for one.
struct Sound {
    answers: Answers,
    refused: BTreeSet<(Vec<u8>, Aspect)>,
}

fn sound(image: &Image) -> Sound {
    let (answers, refused): (Answers, Answers) =
        walk::of(&image.open().unwrap(), true).into_iter().partition(|(_, answer)| answer.is_ok());
    assert!(answers.len() > 800 && refused.len() < 20, "{} answers, {refused:?}", answers.len());
    Sound { answers, refused: refused.into_keys().collect() }
}

/// Fails unless each answer of the image is that of the sound one or an error; the paths with errors, and how many
/// directories cannot be listed.
fn errors(what: &str, sound: &Sound, image: &Image) -> (BTreeSet<Vec<u8>>, usize) {
    let mut damaged = walk::of(&image.open().unwrap_or_else(|error| panic!("{what}: {error}")), true);
    damaged.retain(|key, _| !sound.refused.contains(key));
    assert_right_or_an_error(what, &sound.answers, &damaged, |_| true);
    let failed = damaged.iter().filter(|(_, answer)| answer.is_err()).map(|(key, _)| key);
    let paths = failed.clone().filter(|(_, aspect)| *aspect != Aspect::Lookup).map(|(path, _)| path.clone()).collect();
    (paths, failed.filter(|(_, aspect)| *aspect == Aspect::Listing).count())
}

/// Paths of each file: names of it.
fn names(image: &Image) -> Vec<(Vec<u8>, NodeId)> {
    let mut found = Vec::new();
    let each = &mut |path: &[u8], node: NodeId| {
        found.push((path.to_vec(), node));
        Ok(())
    };
    super::tree::each(&image.open().unwrap(), each).unwrap();
    found
}

/// The file that a record belongs to.
fn owner(image: &Image, number: u64) -> u64 {
    let record = image.record(number);
    match u64::from(le32(&record, 0x20)) {
        0 => number,
        base => base,
    }
}

#[test]
fn a_torn_record_is_an_error_on_its_file_alone() {
    let image = Image::small();
    let (sound, names) = (sound(&image), names(&image));
    let users: Vec<_> = image.records().into_iter().filter(|number| *number >= 24).collect();
    assert!(users.len() > 190, "{} records", users.len());
    // All further records, and some of the many that are alike.
    for number in users.iter().filter(|number| *number % 6 == 0 || owner(&image, **number) != **number) {
        let mut torn = image.clone();
        let at = torn.record_at(*number) + 1023;
        torn.bytes[at] ^= 1;
        let owner = owner(&image, *number);
        let own: Vec<_> = names.iter().filter(|(_, node)| node.0 == owner).map(|(path, _)| path).collect();
        if own.is_empty() {
            // Those below $Extend, which nobody sees.
            assert!(*number < 30, "record {number}");
            continue;
        }
        let (paths, _) = errors(&format!("record {number}"), &sound, &torn);
        assert!(!paths.is_empty(), "record {number} is damaged, and nothing is an error");
        for path in paths {
            let is_under = own.iter().any(|own| path.starts_with(own));
            assert!(is_under, "record {number} of {own:?}: {:?}", String::from_utf8_lossy(&path));
        }
    }
}

#[test]
fn a_torn_block_of_an_index_is_an_error_on_its_directory_alone() {
    for image in [Image::small(), Image::large()] {
        let (sound, mut listings) = (sound(&image), Vec::new());
        for at in image.blocks() {
            let mut torn = image.clone();
            torn.bytes[at + 1023] ^= 1;
            listings.push(errors(&format!("block at {at}"), &sound, &torn).1);
        }
        // Others are of the file system's own indexes, or not in use.
        assert!(listings.iter().filter(|failed| **failed == 1).count() >= 8, "{listings:?}");
        assert!(listings.iter().all(|failed| *failed <= 1), "{listings:?}");
    }
}

#[test]
fn the_first_records_are_taken_from_their_copies() {
    for image in [Image::small(), Image::large()] {
        let sound = sound(&image);
        for number in 0..4 {
            let mut damaged = image.clone();
            let at = damaged.record_at(number);
            damaged.bytes[at + 510] ^= 1;
            let (paths, _) = errors("first records", &sound, &damaged);
            assert!(paths.is_empty(), "record {number}: {paths:?}");
            let fs = damaged.open().unwrap();
            assert_eq!(fs.info().label, image.open().unwrap().info().label);
            assert!(number > 0 || fs.info().notices.iter().any(|notice| notice.contains("$MFTMirr")));
        }
    }
}

#[test]
fn without_the_first_record_and_its_copy_the_volume_is_refused() {
    let mut image = Image::small();
    for at in [image.record_at(0), image.mirror_at(0)] {
        image.bytes[at + 510] ^= 1;
    }
    assert_eq!(image.open().err().unwrap().kind, ErrorKind::Corrupt);
}

#[test]
fn a_damaged_boot_sector_is_replaced_by_its_copy_and_two_are_a_refusal() {
    let mut image = Image::small();
    let sound = sound(&image);
    image.bytes[..512].fill(0);
    assert!(errors("boot sector", &sound, &image).0.is_empty());
    assert!(image.open().unwrap().info().notices.iter().any(|notice| notice.contains("boot sector")));
    let end = image.bytes.len();
    image.bytes[end - 4096..].fill(0);
    assert_eq!(image.open().err().unwrap().kind, ErrorKind::Corrupt);
}

#[test]
fn without_the_table_of_capitals_names_are_still_found_in_any_case() {
    let mut image = Image::small();
    let sound = sound(&image);
    let at = image.record_at(10);
    image.bytes[at + 510] ^= 1;
    assert!(errors("$UpCase", &sound, &image).0.is_empty());
    let fs = image.open().unwrap();
    assert!(fs.info().notices.iter().any(|notice| notice.contains("$UpCase")));
    assert_eq!(find(&fs, "STREAMS/File").unwrap(), find(&fs, "streams/file").unwrap());
}

#[test]
fn an_entry_for_a_record_that_was_used_anew_is_an_error_and_never_another_file() {
    let mut image = Image::small();
    let node = find(&image.open().unwrap(), "streams/file").unwrap();
    image.edit(node.0, |record| record[0x10] += 1);
    let fs = image.open().unwrap();
    assert_eq!(find(&fs, "streams/file").unwrap_err().kind, ErrorKind::Corrupt);
    let mut asked = None;
    let streams = find(&fs, "streams").unwrap();
    fs.read_dir(streams, Cursor::START, &mut |entry| {
        asked = Some(fs.entry_attr(&entry).map_err(|error| error.kind));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(asked.unwrap().err(), Some(ErrorKind::Corrupt));
}

#[test]
fn a_record_of_another_place_is_an_error() {
    let mut image = Image::small();
    let fs = image.open().unwrap();
    let [one, other] =
        ["1", "2"].map(|number| find(&fs, &format!("many/a-rather-long-name-of-number-{number}")).unwrap());
    let (from, to) = (image.record_at(one.0), image.record_at(other.0));
    image.bytes.copy_within(from..from + 1024, to);
    assert_eq!(image.open().unwrap().attr(other).unwrap_err().kind, ErrorKind::Corrupt);
}

/// The list of attributes of a file in the image, which lies in clusters.
fn list_at(image: &Image, number: u64) -> Range<usize> {
    let record = image.record(number);
    let at = attribute(&record, 0x20, "");
    let pairs = at + usize::from(record[at + 0x20]);
    assert_eq!(record[pairs] & 15, 1, "a short run");
    let mut lcn = [0; 8];
    let width = usize::from(record[pairs] >> 4);
    lcn[..width].copy_from_slice(&record[pairs + 2..pairs + 2 + width]);
    let start = usize::try_from(u64::from_le_bytes(lcn)).unwrap() * 512;
    start..start + le32(&record, at + 0x30) as usize
}

#[test]
fn a_list_of_attributes_that_leads_into_another_file_is_an_error() {
    let image = Image::small();
    let sound = sound(&image);
    let fs = image.open().unwrap();
    let node = find(&fs, "runs/a").unwrap();
    let other = find(&fs, "runs/b").unwrap();
    let list = list_at(&image, node.0);
    let (mut at, mut last) = (list.start, 0);
    while at < list.end {
        last = at;
        at += usize::from(image.bytes[at + 4]);
    }
    // The last part of the data, which starts at another cluster than the first.
    assert!(le32(&image.bytes, last) == DATA && le32(&image.bytes, last + 8) > 0);
    let further = image.records().into_iter().filter(|number| *number != other.0 && owner(&image, *number) == other.0);
    for number in further.chain([other.0]) {
        let mut wrong = image.clone();
        let sequence = u64::from(wrong.record(number)[0x10]);
        put64(&mut wrong.bytes, last + 0x10, sequence << 48 | number);
        let (paths, _) = errors(&format!("record {number}"), &sound, &wrong);
        assert_eq!(paths.into_iter().collect::<Vec<_>>(), [b"/runs/a".to_vec()]);
        let error = content(&wrong.open().unwrap(), "runs/a").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    }
}

/// The end of the entries of a block gets a block below it.
fn hang_below(block: &mut [u8], below: u64) {
    let end = 0x18 + le32(block, 0x1C) as usize;
    assert_eq!(block[end - 4] & 3, 2, "the end of a leaf");
    block[end - 8] = 24;
    block[end - 4] = 3;
    put64(block, end, below);
    block[0x1C..0x20].copy_from_slice(&(end as u32 - 0x18 + 8).to_le_bytes());
    block[0x24] |= 1;
}

#[test]
fn an_index_that_comes_back_to_itself_is_an_error() {
    let image = Image::small();
    let found = |image: &Image| {
        let fs = image.open().unwrap();
        let name = |number: usize| format!("many/a-rather-long-name-of-number-{number}~");
        (0..120).filter(|number| find(&fs, &name(*number)).unwrap_err().kind == ErrorKind::Corrupt).count()
    };
    assert_eq!(found(&image), 0);
    let mut looping = 0;
    for at in image.blocks() {
        let own = u64::from(le32(&image.bytes, at + 0x10));
        let end = at + 0x18 + le32(&image.bytes, at + 0x1C) as usize;
        if image.bytes[end - 4] & 3 == 2 && le32(&image.bytes, at + 0x1C) < 4000 {
            let mut wrong = image.clone();
            wrong.edit_block(at, |block| hang_below(block, own));
            looping += usize::from(found(&wrong) > 0);
        }
    }
    assert!(looping >= 4, "{looping} blocks");
}

#[test]
fn sizes_of_an_index_beyond_the_volume_end_with_it() {
    let mut image = Image::small();
    let sound = sound(&image);
    let many = find(&image.open().unwrap(), "many").unwrap();
    image.edit(many.0, |record| {
        let at = attribute(record, INDEX_ALLOCATION, I30);
        [0x28, 0x30, 0x38].into_iter().for_each(|field| put64(record, at + field, 1 << 60));
    });
    let mut answers = walk::of(&image.open().unwrap(), true);
    answers.retain(|key, _| !sound.refused.contains(key));
    let differing: Vec<_> =
        sound.answers.iter().filter(|(key, answer)| answers[*key].as_ref().ok() != answer.as_ref().ok()).collect();
    // The size of the directory is what the disk says.
    assert!(differing.iter().all(|((path, aspect), _)| path == b"/many" && *aspect == Aspect::Attr), "{differing:?}");
}

#[test]
fn a_table_of_records_with_holes_is_refused() {
    let mut image = Image::small();
    for at in [image.record_at(0), image.mirror_at(0)] {
        let record = &mut image.bytes[at..at + 1024];
        let data = attribute(record, DATA, "");
        let pairs = data + usize::from(record[data + 0x20]);
        // Clusters at no place, as many as there were in the first run.
        record[pairs] &= 0x0F;
    }
    assert_eq!(image.open().err().unwrap().kind, ErrorKind::Corrupt);
}

/// Changes the unnamed data of a file, and gives what reading it says.
fn with_data(path: &str, change: impl FnOnce(&mut [u8])) -> vfs::Result<Vec<u8>> {
    let mut image = Image::small();
    let sound = sound(&image);
    let node = find(&image.open().unwrap(), path).unwrap();
    image.edit(node.0, |record| {
        let at = attribute(record, DATA, "");
        assert_eq!(record[at + 8], 1, "{path} is in its record");
        change(&mut record[at..]);
    });
    let changed = walk::of(&image.open().unwrap(), true);
    for (name, aspect) in sound.answers.keys() {
        if name.as_slice() != format!("/{path}").as_bytes() {
            assert!(changed[&(name.clone(), *aspect)].is_ok(), "{:?}", String::from_utf8_lossy(name));
        }
    }
    content(&image.open().unwrap(), path)
}

#[test]
fn sizes_that_contradict_each_other_are_an_error_on_the_file() {
    for path in ["packed/text", "runs/sparse"] {
        let (allocated, size, initialized) = (0x28, 0x30, 0x38);
        assert!(with_data(path, |_| {}).is_ok());
        assert!(with_data(path, |data| put64(data, initialized, 1)).is_ok());
        for change in [(initialized, 1 << 20), (initialized, u64::MAX), (size, 1), (size, 1 << 40), (allocated, 512)] {
            let error = with_data(path, |data| put64(data, change.0, change.1)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Corrupt, "{path} {change:?}: {error}");
        }
    }
}

#[test]
fn clusters_outside_the_volume_or_fewer_than_the_size_are_an_error_on_the_file() {
    for path in ["packed/text", "runs/sparse"] {
        let outside = with_data(path, |data| {
            let pairs = usize::from(data[0x20]);
            assert_eq!(data[pairs], 0x21);
            data[pairs + 3] = 0x7F;
        });
        assert_eq!(outside.unwrap_err().kind, ErrorKind::Corrupt, "{path}");
        let short = with_data(path, |data| {
            let pairs = usize::from(data[0x20]);
            data[pairs] = 0;
        });
        assert_eq!(short.unwrap_err().kind, ErrorKind::Corrupt, "{path}");
        let mut last = 0;
        let fewer = with_data(path, |data| {
            last = le32(data, 0x18);
            data[0x18] -= 1;
        });
        assert_eq!(fewer.unwrap_err().kind, ErrorKind::Corrupt, "{path}: {last}");
    }
}

#[test]
fn clusters_behind_a_hole_in_a_unit_of_compression_are_an_error_on_the_file() {
    let wrong = with_data("packed/text", |data| {
        let pairs = usize::from(data[0x20]);
        let (first, hole) = (data[pairs..pairs + 4].to_vec(), data[pairs + 4..pairs + 6].to_vec());
        assert!(first[0] == 0x21 && hole[0] == 0x01 && first[1] + hole[1] == 16, "{first:?} {hole:?}");
        data[pairs..pairs + 2].copy_from_slice(&hole);
        data[pairs + 2..pairs + 6].copy_from_slice(&first);
    });
    let error = wrong.unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("hole"), "{error}");
}

#[test]
fn units_of_compression_of_impossible_sizes_are_an_error_on_the_file() {
    for shift in [0, 12, 64, 255] {
        let error = with_data("packed/text", |data| data[0x22] = shift).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{shift}: {error}");
    }
    let error = with_data("packed/text", |data| data[0x0C] = 2).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
}

#[test]
fn an_index_without_its_bitmap_is_an_error_on_its_directory() {
    let mut image = Image::small();
    let many = find(&image.open().unwrap(), "many").unwrap();
    image.edit(many.0, |record| {
        let at = attribute(record, BITMAP, I30);
        // Another type, in its place.
        record[at] = 0xB1;
    });
    let fs = image.open().unwrap();
    let listed = fs.read_dir(many, Cursor::START, &mut |_| ControlFlow::Continue(()));
    assert_eq!(listed.unwrap_err().kind, ErrorKind::Corrupt);
    assert!(find(&fs, "many/a-rather-long-name-of-number-7").is_ok(), "a search needs none");
}

#[test]
fn an_image_that_is_cut_short_is_refused() {
    for image in [Image::small(), Image::large()] {
        let full = image.bytes.len();
        for length in (0..4096).step_by(512).chain((1..20).map(|part| full / 20 * part)).chain([full - 8192]) {
            let mut cut = image.clone();
            cut.bytes.truncate(length);
            assert_eq!(cut.open().err().expect("it was opened").kind, ErrorKind::Corrupt, "{length} bytes");
        }
    }
}
