//! Volume groups that LVM2 and a Linux kernel made, with what that kernel read of them: with all disks, and with every
//! combination of missing ones.

use super::packed::{directory, unpacked};
use crate::{Device, Node, Scan, scan};
use block::{BlockSize, MemoryDisk, ReadAt, ReadErrorKind};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
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

/// What of a volume can be read is what the kernel read.
fn check(what: &str, expected: &Value, node: &Node, whole: Option<&Node>) {
    let data = node.volume.data.as_ref();
    assert_eq!(data.size(), expected["bytes"].as_u64().unwrap(), "{what}: size");
    if let Some(sha256) = expected["sha256"].as_str() {
        let parts = match list(expected, "places") {
            [] => vec![0..data.size()],
            places => places.iter().flat_map(pieces).collect(),
        };
        for step in [1 << 20, 4096, 12_345] {
            let bytes: Result<Vec<_>, _> = parts.iter().map(|part| read(data, part.clone(), step)).collect();
            let bytes = bytes.unwrap_or_else(|(at, error)| panic!("{what}: byte {at}: {error}"));
            assert_eq!(digest(&bytes.concat()), sha256, "{what}: read in steps of {step} bytes");
        }
        return;
    }
    let found = sectors(data);
    if let Some(sha256) = expected["readable_sha256"].as_str() {
        let bytes: Vec<_> = ranges(expected, "readable")
            .into_iter()
            .flatten()
            .step_by(SECTOR)
            .flat_map(|at| found.get(&at).unwrap_or_else(|| panic!("{what}: byte {at} cannot be read")).clone())
            .collect();
        assert_eq!(digest(&bytes), sha256, "{what}: what the kernel could read");
    }
    // What the kernel does not show, but is there all the same, is right.
    let Some(whole) = whole else { return assert!(found.is_empty(), "{what}") };
    for (at, sector) in found {
        let right = read(whole.volume.data.as_ref(), at..at + SECTOR as u64, SECTOR);
        assert!(right.is_ok_and(|right| right == sector), "{what}: byte {at} is wrong");
    }
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

#[test]
fn every_volume_is_what_the_kernel_read() {
    for case in cases() {
        let name = text(&case.index, "name");
        let all = scan(&case.disks);
        for lv in list(&case.index, "lvs").iter().filter(|lv| has_contents(lv)) {
            let what = format!("{name}: {}/{}", text(lv, "vg"), text(lv, "lv"));
            let Some(node) = one(&all, lv) else { panic!("{what}: it is there {} times", named(&all, lv).len()) };
            if is_later(node) {
                eprintln!("{what}: later");
                continue;
            }
            check(&what, lv, node, None);
        }
    }
}

fn is_later(node: &Node) -> bool {
    matches!(&node.volume.purpose, crate::Purpose::Refused(why) if why.contains("yet"))
}

#[test]
fn without_some_disks_the_rest_is_what_the_kernel_read() {
    for case in cases() {
        let name = text(&case.index, "name");
        let all = scan(&case.disks);
        for without in list(&case.index, "without") {
            let missing: Vec<_> = list(without, "missing").iter().map(|disk| disk.as_u64().unwrap() as usize).collect();
            let left = case.disks.iter().enumerate().filter(|(number, _)| !missing.contains(number));
            let left: Vec<_> = left.map(|(_, disk)| disk.clone()).collect();
            let scan = scan(&left);
            for lv in list(without, "lvs") {
                let what = format!("{name} without {missing:?}: {}/{}", text(lv, "vg"), text(lv, "lv"));
                let Some(node) = one(&scan, lv) else { panic!("{what}: it is there {} times", named(&scan, lv).len()) };
                if is_later(node) {
                    continue;
                }
                check(&what, lv, node, one(&all, lv));
            }
        }
    }
}
