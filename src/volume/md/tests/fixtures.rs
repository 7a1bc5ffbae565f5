//! Arrays that mdadm and a Linux kernel made, with what that kernel read of them: with all members, and with every
//! combination of missing ones.

use super::arrays::{Array, array_of, try_hash};
use super::packed::{directory, unpacked};
use crate::{Health, MemberState, Purpose};
use block::{BlockSize, MemoryDisk, ReadAt, ReadErrorKind, Slice};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

const SECTOR: usize = 512;

/// A case of the index, with its members.
struct Case {
    index: Value,
    members: Vec<Arc<dyn ReadAt>>,
}

/// All but the containers of RAID firmware.
fn cases() -> Vec<Case> {
    let directory = directory("md");
    let index = std::fs::read(directory.join("index.json")).unwrap();
    let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
    let is_native = |index: &Value| !["ddf", "imsm"].contains(&text(index, "metadata"));
    let case = |index: Value| {
        let image = bytes::Bytes::from(unpacked(&directory.join(format!("{}.img.zst", text(&index, "file")))));
        let mut start = 0;
        let mut members: Vec<Arc<dyn ReadAt>> = Vec::new();
        for size in index["members"].as_array().unwrap() {
            let end = start + size.as_u64().unwrap() as usize;
            members.push(Arc::new(MemoryDisk::new(image.slice(start..end), BlockSize::B512)));
            start = end;
        }
        assert_eq!(start, image.len());
        Case { index, members }
    };
    index.into_iter().filter(is_native).map(case).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
}

impl Case {
    fn name(&self) -> &str {
        text(&self.index, "name")
    }

    /// The array of all members but these.
    fn without(&self, missing: &[u64]) -> Array {
        let is_there = |(number, _): &(usize, &Arc<dyn ReadAt>)| !missing.contains(&(*number as u64));
        let members: Vec<_> =
            self.members.iter().enumerate().filter(is_there).map(|(_, data)| Arc::clone(data)).collect();
        array_of(&members)
    }
}

/// The sectors that can be read; what cannot be is missing or damaged, never something else.
fn sectors(data: &dyn ReadAt) -> Vec<Option<Vec<u8>>> {
    let sector = |at: u64| {
        let mut sector = vec![0; SECTOR];
        match data.read_exact_at(at, &mut sector) {
            Ok(()) => Some(sector),
            Err(error) => {
                let known = [ReadErrorKind::Missing, ReadErrorKind::Damaged, ReadErrorKind::OutOfRange];
                assert!(known.contains(&error.kind), "{error}");
                None
            }
        }
    };
    (0..data.size()).step_by(SECTOR).map(sector).collect()
}

/// Why the array does not give what the kernel read.
fn differs(expected: &Value, size: u64, array: &Array, steps: &[usize]) -> Option<String> {
    let size = expected["size"].as_u64().unwrap_or(size);
    if array.purpose != Purpose::Data || array.data.size() != size {
        return Some(format!(
            "{:?} of {} bytes instead of {size}: {:?}",
            array.purpose,
            array.data.size(),
            array.notices
        ));
    }
    if let Some(sha256) = expected["sha256"].as_str() {
        let mut hashes =
            steps.iter().map(|step| (step, try_hash(&array.data, *step).map_err(|error| error.to_string())));
        let wrong = hashes.find(|(_, found)| found.as_deref() != Ok(sha256));
        return wrong.map(|(step, found)| format!("{found:?} in steps of {step} bytes: {:?}", array.notices));
    }
    let found = sectors(array.data.as_ref());
    let mut digest = Sha256::new();
    for range in list(expected, "readable") {
        let range = numbers(range);
        let sectors = range[0] as usize / SECTOR..range[1] as usize / SECTOR;
        let Some(bytes) = found[sectors.clone()].iter().cloned().collect::<Option<Vec<_>>>() else {
            return Some(format!("not all of sectors {sectors:?} can be read"));
        };
        digest.update(bytes.concat());
    }
    let found = hex::encode(digest.finalize());
    (found != text(expected, "readable_sha256")).then(|| "what the kernel could read is wrong".to_owned())
}

/// What was written to an array: sectors that say whose they are and which (`tests/fixtures/lvm/pattern.py`).
fn written(name: &str, size: u64) -> String {
    let tag = format!("{:07x}0", crc32fast::hash(name.as_bytes()) & 0x0fff_ffff);
    let sector = |number: u64| [tag.as_bytes(), &number.to_le_bytes()].concat().repeat(32);
    hex::encode(Sha256::digest((0..size / SECTOR as u64).flat_map(sector).collect::<Vec<_>>()))
}

/// Linux reads what a reshape of RAID 10 has moved where it was before, not where it is, as long as the array is
/// read-only (`raid10.c`, `choose_data_offset`: the reshape is not running then); what was written is where it would
/// read it later.
fn is_misread_by_linux(case: &Case) -> bool {
    case.name().starts_with("reshape-raid10-") && case.index["pattern"] == false
}

/// Of halves that were written as often the kernel takes the one that it sees first; we take that which was written
/// last.
fn expected(case: &Case) -> &Value {
    let is_other = |without: &&Value| without["missing"] == serde_json::json!([0]);
    let other = list(&case.index, "without").iter().find(is_other);
    if case.name() == "split-brain-equal" { other.unwrap() } else { &case.index }
}

#[test]
fn arrays_read_as_the_kernel_reads_them() {
    let mut problems = Vec::new();
    for case in cases() {
        let name = case.name();
        let array = case.without(&[]);
        if case.index["refused"] == true {
            assert!(matches!(array.purpose, Purpose::Refused(_)), "{name} is not refused");
            continue;
        }
        let size = case.index["size"].as_u64().unwrap();
        if is_misread_by_linux(&case) {
            assert_eq!(try_hash(&array.data, 1 << 20).unwrap(), written(name, size), "{name}");
            continue;
        }
        problems.extend(differs(expected(&case), size, &array, &[1 << 20, 12_345]).map(|why| format!("{name}: {why}")));
        assert_eq!(array.uuid.as_deref(), case.index["uuid"].as_str(), "{name}");
        let kind = format!("md {}", text(&case.index, "level").replace("raid", "RAID "));
        assert_eq!(array.kind, kind, "{name}");
        let is_degraded = case.index["degraded"].as_u64().is_some_and(|missing| missing > 0);
        if (array.health == Health::Degraded) != is_degraded {
            problems.push(format!("{name}: {:?} {:?}", array.health, array.notices));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn arrays_without_members_read_as_the_kernel_reads_them() {
    let (mut problems, mut given_up) = (Vec::new(), Vec::new());
    for case in cases() {
        for without in list(&case.index, "without") {
            let missing = numbers(&without["missing"]);
            let size = case.index["size"].as_u64().unwrap_or(0);
            let array = case.without(&missing);
            if is_misread_by_linux(&case) {
                assert_eq!(try_hash(&array.data, 1 << 20).unwrap(), written(case.name(), size), "{}", case.name());
                continue;
            }
            // Forced, mdadm takes members that are out of date, and mixes what they hold with what others do.
            if without["forced"] == true && array.health == Health::Partial {
                assert!(!array.devices(MemberState::Stale).is_empty());
                given_up.push((case.name().to_owned(), missing));
                continue;
            }
            let why = differs(without, size, &array, &[1 << 20]);
            problems.extend(why.map(|why| format!("{} without {missing:?}: {why}", case.name())));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    let degraded = |level: u64, missing: &[u64]| (format!("dirty-raid{level}-degraded"), missing.to_vec());
    assert_eq!(given_up, [degraded(5, &[0]), degraded(5, &[2]), degraded(6, &[0, 2])]);
}

/// What the kernel gives up is shown as far as it goes; what can be read of it is right.
#[test]
fn what_can_be_read_of_arrays_that_the_kernel_gives_up_is_right() {
    for case in cases() {
        let whole = case.without(&[]);
        let right = sectors(whole.data.as_ref());
        let fresh: Vec<_> = whole.devices(MemberState::Active).into_iter().map(|member| member as u64).collect();
        let forced = list(&case.index, "without").iter().filter(|without| without["forced"] == true);
        let forced = forced.map(|without| numbers(&without["missing"]));
        let fails = list(&case.index, "fails").iter().map(numbers);
        for missing in fails.chain(forced) {
            let is_there = |member: &u64| !missing.contains(member);
            // Of members that are behind, those of equal age make an array of their own.
            if case.index["refused"] == true || !fresh.iter().any(is_there) {
                continue;
            }
            let what = format!("{} without {missing:?}", case.name());
            let array = case.without(&missing);
            // What is all there was compared with what the kernel read.
            if array.health < Health::Partial {
                continue;
            }
            for (number, (found, right)) in sectors(array.data.as_ref()).iter().zip(&right).enumerate() {
                assert!(found.is_none() || found == right, "{what}: sector {number} is wrong");
            }
        }
    }
}

/// A disk image that was cut off: superblocks at the start of a member are still there then.
#[test]
fn what_can_be_read_with_a_member_that_is_cut_short_is_right() {
    let names =
        ["linear", "linear-unequal", "raid0", "raid0-zones-original", "raid0-two-zones-alternate", "raid10-f2-4"];
    let cases: Vec<_> = cases().into_iter().filter(|case| names.contains(&case.name())).collect();
    assert_eq!(cases.len(), names.len());
    for mut case in cases {
        let whole = case.without(&[]);
        let right = sectors(whole.data.as_ref());
        for short in 0..case.members.len() {
            let member = Arc::clone(&case.members[short]);
            let half = Slice::new(Arc::clone(&member), 0, (member.size() * 3 / 5) & !511).unwrap();
            case.members[short] = Arc::new(half);
            let array = case.without(&[]);
            assert!([Health::Partial, Health::Degraded].contains(&array.health), "{}", case.name());
            assert_eq!(array.data.size(), whole.data.size(), "{}", case.name());
            for (number, (found, right)) in sectors(array.data.as_ref()).iter().zip(&right).enumerate() {
                let is_right =
                    if array.health == Health::Partial { found.is_none() || found == right } else { found == right };
                assert!(is_right, "{}, {short} is cut short: sector {number} is wrong", case.name());
            }
            case.members[short] = member;
        }
    }
}
