//! Arrays made by Linux in user-mode Linux, each with a file system: whole, and without members.

use super::arrays::{Array, all_subsets, array_of};
use super::packed;
use crate::{Health, MemberState};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the images of each array are.
fn images() -> Option<BTreeMap<String, Vec<PathBuf>>> {
    let directory = packed::corpus()?.join("made/b-md");
    let mut images: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let Some(image) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".img.zst") else { continue };
        images.entry(image.rsplit_once('-').unwrap().0.to_owned()).or_default().push(path);
    }
    images.values_mut().for_each(|paths| paths.sort());
    Some(images)
}

fn members(images: &[PathBuf]) -> Vec<Arc<dyn ReadAt>> {
    let member =
        |path: &PathBuf| -> Arc<dyn ReadAt> { Arc::new(MemoryDisk::new(packed::unpacked(path), BlockSize::B512)) };
    images.iter().map(member).collect()
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
    let mut pieces = expected.chunks(PIECE).enumerate();
    let mut same = |(number, piece): (usize, &[u8])| {
        let buf = &mut buf[..piece.len()];
        data.read_exact_at((number * PIECE) as u64, buf).is_ok() && buf == piece
    };
    data.size() == expected.len() as u64 && pieces.all(&mut same)
}

#[test]
fn arrays_read_the_same_whatever_members_they_can_do_without_are_missing() {
    let Some(images) = images() else { return };
    assert_eq!(images.len(), 24);
    for (name, images) in images {
        let members = members(&images);
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
    for (name, images) in images.iter().filter(|(name, _)| name.ends_with("stale")) {
        let array = array_of(&members(images));
        assert_eq!(array.devices(MemberState::Stale).len(), 1, "{name}");
        let notice = array.notices.iter().find(|notice| notice.contains("is out of date"));
        assert!(notice.is_some(), "{name}: {:?}", array.notices);
    }
}
