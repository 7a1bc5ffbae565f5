//! Arrays made by Linux in user-mode Linux, each with a file system: whole, and without members.

use super::arrays::{Array, all_subsets, array_of};
use super::packed;
use crate::{Health, MemberState};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The images of each array, by their number.
fn images() -> Option<BTreeMap<String, Vec<Arc<dyn ReadAt>>>> {
    let directory = packed::corpus()?.join("made/b-md");
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(&directory).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(image) = file.strip_suffix(".img.zst") else { continue };
        names.entry(image.rsplit_once('-').unwrap().0.to_owned()).or_default().push(file);
    }
    let image = |file: &String| -> Arc<dyn ReadAt> {
        Arc::new(MemoryDisk::new(packed::unpacked(&directory.join(file)), BlockSize::B512))
    };
    let mut all = BTreeMap::new();
    for (name, mut files) in names {
        files.sort();
        all.insert(name, files.iter().map(image).collect());
    }
    Some(all)
}

/// How many members each array can do without.
fn spare_members(name: &str) -> usize {
    match name {
        "raid1-10" | "raid6-12" | "raid6-090" | "raid10-n3" => 2,
        "linear-12" | "raid0-12" | "raid5-missing" => 0,
        name if name.ends_with("stale") && !name.starts_with("raid6") => 0,
        _ => 1,
    }
}

const PIECE: usize = 1 << 20;

fn bytes(data: &Arc<dyn ReadAt>) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(data.size()).unwrap()];
    for (number, piece) in bytes.chunks_mut(PIECE).enumerate() {
        data.read_exact_at((number * PIECE) as u64, piece).unwrap();
    }
    bytes
}

fn holds(data: &Arc<dyn ReadAt>, expected: &[u8]) -> bool {
    let mut buf = vec![0; PIECE];
    let pieces = expected.chunks(PIECE).enumerate();
    let same = |(number, piece): (usize, &[u8])| {
        let buf = &mut buf[..piece.len()];
        data.read_exact_at((number * PIECE) as u64, buf).is_ok() && buf == piece
    };
    data.size() == expected.len() as u64 && pieces.map(same).all(|same| same)
}

#[test]
fn arrays_read_the_same_whatever_members_they_can_do_without_are_missing() {
    let Some(images) = images() else { return };
    assert_eq!(images.len(), 24);
    for (name, members) in images {
        let whole = array_of(&members);
        let expected = bytes(&whole.data);
        let stale = name.ends_with("stale") || name == "raid5-missing";
        assert_eq!(whole.health, if stale { Health::Degraded } else { Health::Whole }, "{name}");
        let fresh: Vec<_> = whole.devices(MemberState::Active);
        for kept in all_subsets(&fresh).filter(|kept| fresh.len() - kept.len() <= spare_members(&name)) {
            let some: Vec<_> = kept.iter().map(|member| Arc::clone(&members[*member])).collect();
            let degraded: Array = array_of(&some);
            assert!(holds(&degraded.data, &expected), "{name} with members {kept:?}");
            assert!(kept.len() == fresh.len() || degraded.health == Health::Degraded, "{name} with members {kept:?}");
        }
    }
}

#[test]
fn a_member_that_is_behind_is_left_out() {
    let Some(images) = images() else { return };
    for (name, members) in images.iter().filter(|(name, _)| name.ends_with("stale")) {
        let array = array_of(members);
        assert_eq!(array.devices(MemberState::Stale).len(), 1, "{name}");
        let notice = array.notices.iter().find(|notice| notice.contains("is out of date"));
        assert!(notice.is_some(), "{name}: {:?}", array.notices);
    }
}
