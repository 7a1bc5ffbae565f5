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
    Ext4::open_with(&disk(path), &OpenOptions { replay, journal, ..OpenOptions::default() })
}

/// The bytes of an image that needs the replay; `None` where none can be made.
pub(super) fn image(kind: &str) -> Option<Arc<Vec<u8>>> {
    let scratch = tempfile::tempdir().unwrap();
    if !can_mount(scratch.path()) {
        return None;
    }
    let path = scratch.path().join(kind);
    check(kind, &dirty(&["image", kind, path.to_str().unwrap()]));
    Some(Arc::new(fs::read(path).unwrap()))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// What the kernel itself makes anew when it carries out fast commits: the times of directories, and free space.
fn without_fast_commit_traces(lines: &[String]) -> Vec<String> {
    let blank = |line: &String| {
        let mut fields: Vec<_> = line.split('\t').collect();
        if fields[2].starts_with("40") && fields.len() > 10 {
            // Size, blocks, modification and change.
            for field in [6, 7, 9, 10] {
                fields[field] = "*";
            }
        }
        fields.join("\t")
    };
    lines[1..].iter().map(blank).collect()
}

/// Compares an image with the kernel's copy of it, replayed, and as it lies; says whether that made a difference.
fn compare(kind: &str, image: &str) -> bool {
    let mut kernel = lines(&check(kind, &dirty(&["replayed", image])));
    let fs = open(image, true).unwrap_or_else(|error| panic!("{kind}: {error}"));
    let mut ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{kind}: {error}"));
    let unreplayed = dirty(&["noload", image]);
    let as_it_lies = open(image, false).and_then(|fs| manifest::of(&fs));
    // Half of a change can be so wrong that the kernel gives up, and then so may we.
    let mut differs = true;
    if unreplayed.status.success() {
        let unreplayed = lines(&check(kind, &unreplayed));
        differs = kernel[1..] != unreplayed[1..];
        assert_same(&format!("{kind}, not replayed"), &unreplayed, &as_it_lies.unwrap());
    }
    if fs.fast_commits.changes_anything() {
        kernel = without_fast_commit_traces(&kernel);
        ours = without_fast_commit_traces(&ours);
    }
    assert_same(kind, &kernel, &ours);
    differs
}

/// Images that others made by cutting the power of a machine, if they are there.
#[test]
fn journals_of_machines_that_lost_power_are_replayed_as_the_kernel_replays_them() {
    let corpus = directory().join("../../../../shared/corpus/made/d-dirty");
    let scratch = tempfile::tempdir().unwrap();
    let Ok(entries) = fs::read_dir(&corpus) else {
        eprintln!("SKIPPED: the shared corpus is not there; the images made by this test alone were compared.");
        return;
    };
    if !can_mount(scratch.path()) {
        return;
    }
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in names.filter(|name| name.starts_with("ext") && name.ends_with(".img.zst")) {
        let image = scratch.path().join(&name);
        let mut reader = zstd::Decoder::new(fs::File::open(corpus.join(&name)).unwrap()).unwrap();
        std::io::copy(&mut reader, &mut fs::File::create(&image).unwrap()).unwrap();
        assert!(compare(&name, image.to_str().unwrap()), "{name}: there is nothing in its journal");
        fs::remove_file(image).unwrap();
        eprintln!("compared: {name}");
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
        // Where somebody tells the whole machine to write everything out, it is written in place as well.
        let matters = (0..3).any(|_| {
            check(kind, &dirty(&["image", kind, image]));
            compare(kind, image)
        });
        assert!(matters, "{kind}: there is nothing in its journal");
        fs::remove_file(image).unwrap();
        eprintln!("compared: {kind}");
    }
}
