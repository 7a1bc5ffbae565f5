//! Images whose journal has to be replayed, against what the kernel makes of a copy that it may write to.

use super::fixture::{assert_same, directory};
use super::kernel::{can_mount, check};
use super::manifest;
use crate::{Ext4, OpenOptions};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

fn dirty(arguments: &[&str]) -> Output {
    Command::new("python3").arg(directory().join("dirty.py")).args(arguments).output().unwrap()
}

fn disk(path: &str) -> Arc<dyn ReadAt> {
    Arc::new(MemoryDisk::new(fs::read(path).unwrap(), BlockSize::B512))
}

/// The image, with the journal that lies beside it if there is one.
fn open(path: &str, replay: bool) -> vfs::Result<Ext4> {
    let journal = format!("{path}.journal");
    let journal = Path::new(&journal).exists().then(|| disk(&journal));
    Ext4::open_with(disk(path), &OpenOptions { replay, journal })
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Compares an image with the kernel's copy of it, replayed, and as it lies.
fn compare(kind: &str, image: &str) {
    let kernel = lines(&check(kind, &dirty(&["replayed", image])));
    let fs = open(image, true).unwrap_or_else(|error| panic!("{kind}: {error}"));
    let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{kind}: {error}"));
    assert_same(kind, &kernel[1..], &ours[1..]);
    let unreplayed = dirty(&["noload", image]);
    let ours = open(image, false).and_then(|fs| manifest::of(&fs));
    // Half of a change can be so wrong that the kernel gives up, and then so may we.
    if unreplayed.status.success() {
        let unreplayed = lines(&check(kind, &unreplayed));
        assert_ne!(kernel[1..], unreplayed[1..], "{kind}: there is nothing in its journal");
        assert_same(&format!("{kind}, not replayed"), &unreplayed, &ours.unwrap());
    }
}

#[test]
fn every_kind_of_journal_is_replayed_as_the_kernel_replays_it() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_mount(scratch.path()) {
        return;
    }
    let kinds = check("list", &dirty(&["list"]));
    assert!(kinds.lines().count() >= 12);
    for kind in kinds.lines() {
        let image = scratch.path().join(kind);
        let image = image.to_str().unwrap();
        check(kind, &dirty(&["image", kind, image]));
        compare(kind, image);
        fs::remove_file(image).unwrap();
        eprintln!("compared: {kind}");
    }
}
