//! Volume groups that LVM2 and a Linux kernel made, with what that kernel read of them: with all disks, and with every
//! combination of missing ones.

use crate::lvm::crc::checksum;
use crate::packed::{directory, unpacked};
use crate::{Device, Node, Purpose, Scan, scan};
use block::{BlockSize, MemoryDisk, ReadAt, ReadErrorKind};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

const SECTOR: usize = 512;

/// A case of the index, with its disks.
struct Case {
    index: Value,
    disks: Vec<Device>,
}

fn cases() -> Vec<Case> {
    let directory = directory("lvm");
    let index = std::fs::read(directory.join("index.json")).unwrap();
    let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
    let case = |index: Value| {
        let image = bytes::Bytes::from(unpacked(&directory.join(format!("{}.img.zst", text(&index, "name")))));
        let mut start = 0;
        let mut disks = Vec::new();
        for size in index["disks"].as_array().unwrap() {
            let end = start + size.as_u64().unwrap() as usize;
            let data = MemoryDisk::new(image.slice(start..end), BlockSize::B512);
            disks.push(Device { name: String::new(), data: Arc::new(data), block_size: BlockSize::B512 });
            start = end;
        }
        assert_eq!(start, image.len());
        Case { index, disks }
    };
    index.into_iter().map(case).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn ranges(value: &Value, key: &str) -> Vec<Range<u64>> {
    let range = |pair: &Value| pair[0].as_u64().unwrap()..pair[1].as_u64().unwrap();
    list(value, key).iter().map(range).collect()
}

/// The bytes that a volume gives, read in one way after another; `Err` with the first place that it does not give.
fn read(data: &dyn ReadAt, range: Range<u64>, step: usize) -> Result<Vec<u8>, (u64, String)> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    let mut at = range.start;
    for part in bytes.chunks_mut(step) {
        data.read_exact_at(at, part).map_err(|error| (at, error.to_string()))?;
        at += part.len() as u64;
    }
    Ok(bytes)
}

/// Every sector that can be read; what cannot be is missing or damaged, never something else.
fn sectors(data: &dyn ReadAt) -> HashMap<u64, Vec<u8>> {
    let mut sectors = HashMap::new();
    for at in (0..data.size()).step_by(SECTOR) {
        let mut sector = vec![0; SECTOR];
        match data.read_exact_at(at, &mut sector) {
            Ok(()) => drop(sectors.insert(at, sector)),
            Err(error) => assert!(matches!(error.kind, ReadErrorKind::Missing | ReadErrorKind::Damaged), "{error}"),
        }
    }
    sectors
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What of a volume can be read is what the kernel read; or what is not.
fn check(expected: &Value, node: &Node, whole: Option<&Node>) -> Result<(), String> {
    let data = node.volume.data.as_ref();
    // What was not activated has no size of its own in the index.
    if expected["refused"].is_null() && Some(data.size()) != expected["bytes"].as_u64() {
        return Err(format!("{} bytes, not {}", data.size(), expected["bytes"]));
    }
    if let Some(sha256) = expected["sha256"].as_str() {
        let all = 0..data.size();
        let parts = match list(expected, "places") {
            [] => std::iter::once(all).collect::<Vec<_>>(),
            places => places.iter().flat_map(pieces).collect(),
        };
        for step in [1 << 20, 12_345] {
            let bytes: Result<Vec<_>, _> = parts.iter().map(|part| read(data, part.clone(), step)).collect();
            // The kernel shows what is known not to be right: an error is better.
            if bytes.is_err() && whole.is_some() && expected["pattern"] == Value::Bool(false) {
                return check_rest(&sectors(data), &HashSet::new(), whole);
            }
            let bytes = bytes.map_err(|(at, error)| format!("byte {at}: {error}"))?;
            if digest(&bytes.concat()) != sha256 {
                return Err(format!("read in steps of {step} bytes it is something else"));
            }
        }
        return Ok(());
    }
    let found = sectors(data);
    let readable: Vec<_> = ranges(expected, "readable").into_iter().flat_map(|range| range.step_by(SECTOR)).collect();
    if let Some(sha256) = expected["readable_sha256"].as_str() {
        let missing = readable.iter().find(|at| !found.contains_key(at));
        if let Some(at) = missing {
            return Err(format!("byte {at} cannot be read"));
        }
        let bytes: Vec<_> = readable.iter().flat_map(|at| found[at].clone()).collect();
        if digest(&bytes) != sha256 {
            return Err("what the kernel could read is something else".to_owned());
        }
    }
    check_rest(&found, &readable.into_iter().collect(), whole)
}

/// What the kernel does not show, but is there all the same, is right.
fn check_rest(found: &HashMap<u64, Vec<u8>>, readable: &HashSet<u64>, whole: Option<&Node>) -> Result<(), String> {
    for (at, sector) in found.iter().filter(|(at, _)| !readable.contains(at)) {
        let right = whole.map(|whole| read(whole.volume.data.as_ref(), *at..at + SECTOR as u64, SECTOR));
        if !right.is_some_and(|right| right.is_ok_and(|right| right == *sector)) {
            return Err(format!("byte {at} is read, and nothing says that it is right"));
        }
    }
    Ok(())
}

fn pieces(place: &Value) -> Vec<Range<u64>> {
    let number = |at: usize| place[at].as_u64().unwrap();
    let (first, step, length) = (number(0), number(1), number(3));
    (0..number(2)).map(|count| first + count * step..first + count * step + length).collect()
}

fn named<'a>(scan: &'a Scan, lv: &Value) -> Vec<&'a Node> {
    let (vg, name) = (text(lv, "vg"), text(lv, "lv"));
    let is_it = |node: &&Node| {
        node.volume.name == name
            && node.made_by.is_some_and(|group| scan.groups[group].name.as_deref() == Some(vg))
            && lv["uuid"].as_str().is_none_or(|uuid| node.volume.uuid.as_deref() == Some(uuid))
    };
    scan.nodes.iter().filter(is_it).collect()
}

fn one<'a>(scan: &'a Scan, lv: &Value) -> Option<&'a Node> {
    let [node] = named(scan, lv)[..] else { return None };
    Some(node)
}

fn has_contents(lv: &Value) -> bool {
    ["sha256", "readable", "refused"].iter().any(|key| !lv[key].is_null())
}

/// Compares volumes with those of a scan.
fn compare(name: &str, scan: &Scan, whole: Option<&Scan>, lvs: &[&Value], wrong: &mut Vec<String>) {
    for lv in lvs.iter().filter(|lv| has_contents(lv)) {
        let what = format!("{name}: {}/{}", text(lv, "vg"), text(lv, "lv"));
        let Some(node) = one(scan, lv) else {
            wrong.push(format!("{what}: it is there {} times; {:?}", named(scan, lv).len(), scan.notices));
            continue;
        };
        // What has checksums beside it is not read without them.
        if let Purpose::Refused(why) = &node.volume.purpose
            && why.contains("dm-integrity")
        {
            assert!(
                name.starts_with("raid-integrity") && sectors(node.volume.data.as_ref()).is_empty(),
                "{what}: {why}"
            );
            continue;
        }
        if let Err(why) = check(lv, node, whole.and_then(|whole| one(whole, lv))) {
            wrong.push(format!("{what}: {why}; {:?}", node.volume.purpose));
        }
    }
}

#[test]
fn every_volume_is_what_the_kernel_read() {
    let mut wrong = Vec::new();
    for case in cases() {
        for (number, view) in list(&case.index, "views").iter().enumerate() {
            let disks: Vec<_> = view.as_array().unwrap().iter().map(|disk| disk.as_u64().unwrap() as usize).collect();
            let devices: Vec<_> = disks.iter().map(|disk| case.disks[*disk].clone()).collect();
            let is_here = |lv: &&Value| lv["view"].as_u64().unwrap_or(0) == number as u64;
            let lvs: Vec<_> = list(&case.index, "lvs").iter().filter(is_here).collect();
            compare(text(&case.index, "name"), &scan(&devices), None, &lvs, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn without_some_disks_the_rest_is_what_the_kernel_read() {
    let mut wrong = Vec::new();
    for case in cases() {
        let all = scan(&case.disks);
        for without in list(&case.index, "without") {
            let missing: Vec<_> = list(without, "missing").iter().map(|disk| disk.as_u64().unwrap() as usize).collect();
            let left = case.disks.iter().enumerate().filter(|(number, _)| !missing.contains(number));
            let left: Vec<_> = left.map(|(_, disk)| disk.clone()).collect();
            let name = format!("{} without {missing:?}", text(&case.index, "name"));
            let lvs: Vec<_> = list(without, "lvs").iter().collect();
            compare(&name, &scan(&left), Some(&all), &lvs, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn groups_of_one_name_and_copies_of_a_group_are_never_mixed() {
    for case in cases().iter().filter(|case| list(&case.index, "views").len() > 1) {
        let all = scan(&case.disks);
        for lv in list(&case.index, "lvs").iter().filter(|lv| has_contents(lv)) {
            let what = format!("{}: {}/{}", text(&case.index, "name"), text(lv, "vg"), text(lv, "lv"));
            let nodes = named(&all, lv);
            if nodes.is_empty() {
                assert!(all.notices.iter().any(|notice| notice.contains("copies of one physical volume")), "{what}");
                continue;
            }
            assert!(nodes.iter().any(|node| check(lv, node, None).is_ok()), "{what}");
        }
    }
}

/// What Linux does with it (`snapshot_merge_map`, `redirect_to_origin`) no fixture shows: a snapshot that runs out of space while it
/// is merged is hard to make.
#[test]
fn an_origin_whose_snapshot_was_lost_while_it_was_merged_is_shown_as_it_is() {
    const MAGIC: &[u8] = b"SnAp";
    let case = cases().into_iter().find(|case| text(&case.index, "name") == "snapshot-merging").unwrap();
    let (mut disks, mut headers) = (Vec::new(), 0);
    for disk in &case.disks {
        let mut bytes = vec![0; disk.data.size() as usize];
        disk.data.read_exact_at(0, &mut bytes).unwrap();
        for sector in bytes.chunks_mut(SECTOR).filter(|sector| sector.starts_with(MAGIC)) {
            sector[4..8].fill(0);
            headers += 1;
        }
        disks.push(Device { data: Arc::new(MemoryDisk::new(bytes, BlockSize::B512)), ..disk.clone() });
    }
    assert!(headers > 0);
    let origin = |scan: &Scan| {
        let node = scan.nodes.iter().find(|node| node.volume.name == "origin").unwrap();
        (read(node.volume.data.as_ref(), 0..node.volume.bytes, 1 << 20).unwrap(), node.volume.notices.clone())
    };
    let ((merging, _), (lost, notices)) = (origin(&scan(&case.disks)), origin(&scan(&disks)));
    assert!(merging.len() == lost.len() && merging != lost);
    assert!(notices.iter().any(|notice| notice.contains("is lost")), "{notices:?}");
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| text(&case.index, "name") == name).unwrap()
}

/// What a scan of some disks of a case knows of a volume of it.
fn seen<'a>(scan: &'a Scan, lv: &str) -> &'a crate::Volume {
    &scan.nodes.iter().find(|node| node.volume.name == lv && node.made_by.is_some()).unwrap().volume
}

#[test]
fn an_image_that_was_split_off_is_a_volume_of_its_own_and_never_a_leg() {
    let case = case("raid-converted");
    let index = |name: &str| list(&case.index, "lvs").iter().find(|lv| lv["lv"] == name).unwrap();
    let now = read(seen(&scan(&case.disks), "split").data.as_ref(), 0..262_144, 1 << 20).unwrap();
    let mut alone = 0;
    for number in 0..case.disks.len() {
        let scan = scan(&case.disks[number..=number]);
        let (raid, image) = (seen(&scan, "split"), seen(&scan, "split_rimage_2"));
        for (at, sector) in sectors(raid.data.as_ref()) {
            assert!(sector == now[at as usize..at as usize + SECTOR], "disk {number}, byte {at}");
        }
        if image.health != crate::Health::Whole {
            continue;
        }
        alone += 1;
        assert_eq!(image.purpose, Purpose::Data);
        let was = read(image.data.as_ref(), 0..262_144, 1 << 20).unwrap();
        assert!(digest(&was) == text(index("split_rimage_2"), "sha256") && was != now);
        let Purpose::Refused(why) = &raid.purpose else { panic!("{:?}", raid.purpose) };
        assert!(why.contains("image split_rimage_0: its physical volume") && why.contains("is missing"), "{why}");
        assert!(why.contains("image split_rimage_2: it was split off"), "{why}");
        assert_eq!((raid.bytes, raid.health), (262_144, crate::Health::Unreadable));
    }
    assert_eq!(alone, 1);
}

#[test]
fn a_raid_without_an_image_says_which_and_why() {
    let case = case("raid1");
    let raids = list(&case.index, "lvs").iter().filter(|lv| lv["segtype"] == "raid1" && lv["visible"] == true);
    let raids: Vec<_> = raids.map(|lv| text(lv, "lv")).collect();
    let whole = scan(&case.disks);
    let mut degraded = 0;
    for name in raids {
        assert!(seen(&whole, name).notices.is_empty(), "{name}: {:?}", seen(&whole, name).notices);
        for without in 0..case.disks.len() {
            let left = case.disks.iter().enumerate().filter(|(number, _)| *number != without);
            let scan = scan(&left.map(|(_, disk)| disk.clone()).collect::<Vec<_>>());
            let volume = seen(&scan, name);
            if volume.health != crate::Health::Degraded {
                continue;
            }
            degraded += 1;
            let start = format!("image {name}_rimage_");
            let is_told = |notice: &String| {
                notice.starts_with(&start) && notice.contains("its physical volume") && notice.ends_with("is missing")
            };
            assert!(volume.notices.iter().any(is_told), "{name}: {:?}", volume.notices);
            assert!(!volume.kind.to_string().contains("degraded"), "{}", volume.kind);
        }
    }
    assert!(degraded > 0);
}

#[test]
fn an_image_that_is_behind_is_named() {
    let case = case("raid-stale");
    let scan = scan(&case.disks);
    let notices: Vec<_> = scan.nodes.iter().flat_map(|node| &node.volume.notices).collect();
    assert!(notices.iter().any(|notice| notice.starts_with("image ") && notice.contains("out of date")), "{notices:?}");
}

/// Changes the text of the metadata area at byte 4096 of a disk, and makes its checksums right again.
fn change_text(disk: &Device, change: impl Fn(&str) -> String) -> Device {
    const AREA: usize = 4096;
    let mut bytes = vec![0; disk.data.size() as usize];
    disk.data.read_exact_at(0, &mut bytes).unwrap();
    let number = |at: usize| u64::from_le_bytes(bytes[AREA + at..AREA + at + 8].try_into().unwrap()) as usize;
    let (start, length) = (AREA + number(40), number(48));
    let old = String::from_utf8(bytes[start..start + length].to_vec()).unwrap();
    let new = change(&old);
    assert!(new != old && new.len() == old.len());
    bytes[start..start + length].copy_from_slice(new.as_bytes());
    let sum = checksum(&[new.as_bytes()]).to_le_bytes();
    bytes[AREA + 56..AREA + 60].copy_from_slice(&sum);
    let sum = checksum(&[&bytes[AREA + 4..AREA + 512]]).to_le_bytes();
    bytes[AREA..AREA + 4].copy_from_slice(&sum);
    Device { data: Arc::new(MemoryDisk::new(bytes, BlockSize::B512)), ..disk.clone() }
}

#[test]
fn a_thin_pool_of_another_time_than_its_group_is_told() {
    let case = case("thin");
    let changed = |change: &dyn Fn(&str) -> String| -> Vec<String> {
        let disks: Vec<_> = case.disks.iter().map(|disk| change_text(disk, change)).collect();
        let scan = scan(&disks);
        let thin = scan.nodes.iter().filter(|node| node.volume.kind.to_string() == "thin");
        thin.map(|node| node.volume.notices.concat()).collect()
    };
    let told = changed(&|text| text.replace("transaction_id = ", "transaction_id =9"));
    assert!(!told.is_empty() && told.iter().all(|notice| notice.contains("they are of different times")), "{told:?}");
    // One change that was written down, and not made yet, is no difference.
    let next = |text: &str| {
        let mut text = text.to_owned();
        for at in text.match_indices("type = \"thin-pool\"").map(|(at, _)| at).collect::<Vec<_>>() {
            let key = "transaction_id = ";
            let digit = at + text[at..].find(key).unwrap() + key.len();
            let end = digit + text[digit..].find('\n').unwrap();
            let next = text[digit..end].parse::<u64>().unwrap() + 1;
            text.replace_range(digit..end, &next.to_string());
        }
        text
    };
    let ahead = changed(&next);
    assert!(ahead.iter().all(|notice| notice.contains("they are of different times")), "{ahead:?}");
    let pending = changed(&|text| next(text).replace("discards = \"passdown\"", "message1 {create=\"a\"}"));
    assert!(pending.iter().all(|notice| notice.contains("was not yet")), "{pending:?}");
    assert!(changed(&|text| text.replace(" = ", "\t= ")).iter().all(String::is_empty));
}
