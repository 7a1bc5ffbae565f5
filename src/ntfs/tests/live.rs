//! Images of many kinds, made now by mkntfs and ntfs-3g, against what ntfs-3g shows of them. Needs root and FUSE; says so
//! and passes otherwise.

use super::common;
use super::file_disk::FileDisk;
use super::fixtures::{can_mount, check, lines, script};
use super::manifest::{self, assert_same};
use crate::{Ntfs, OpenOptions};
use block::ReadAt;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use vfs::{ErrorKind, FileSystem, NodeId, Result};

/// Whether images can be made and mounted here: tried, not guessed.
pub(super) fn can_make(scratch: &Path) -> bool {
    can_mount("ntfs", &["image", scratch.join("trial").to_str().unwrap(), "wsl"])
}

pub(super) fn open(image: &Path) -> Result<Ntfs> {
    let disk: Arc<dyn ReadAt> = Arc::new(FileDisk::open(image));
    Ntfs::open_with(&disk, &OpenOptions::default())
}

#[test]
fn images_of_every_kind_show_what_ntfs_3g_shows() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_make(scratch.path()) {
        return;
    }
    let kinds = lines(&check("list", &script("ntfs", "make.py", &["list"])));
    assert!(kinds.len() >= 10, "{} kinds", kinds.len());
    let mut told = [0; 6];
    let asked = std::env::var("FR_NTFS_KIND").ok();
    let differing: Vec<_> = kinds
        .iter()
        .filter(|kind| asked.as_ref().is_none_or(|asked| asked == *kind))
        .filter(|kind| {
            let image = scratch.path().join("image");
            check(kind, &script("ntfs", "make.py", &["image", image.to_str().unwrap(), kind]));
            let oracle = lines(&check(kind, &script("ntfs", "make.py", &["manifest", image.to_str().unwrap()])));
            told.iter_mut().zip(manifest::told(&oracle)).for_each(|(sum, more)| *sum += more);
            let compared = std::panic::catch_unwind(|| {
                let fs = open(&image).unwrap_or_else(|error| panic!("{kind}: {error}"));
                let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{kind}: {error}"));
                assert_same(kind, &oracle, &ours);
            });
            eprintln!("compared: {kind}, {} names", oracle.len() - 1);
            compared.is_err()
        })
        .collect();
    assert!(differing.is_empty(), "{differing:?}");
    assert!(told.iter().all(|lines| *lines > 10), "of each attribute: {told:?}");
}

/// ntfs-3g cannot read what WOF compressed: the oracle is what went in.
#[test]
fn system_compressed_files_of_all_kinds_show_what_was_compressed() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_make(scratch.path()) {
        return;
    }
    let image = scratch.path().join("image");
    let made = lines(&check("wof", &script("ntfs", "make.py", &["wof", image.to_str().unwrap()])));
    assert!(made.len() > 60, "{} files", made.len());
    let fs = open(&image).unwrap();
    let ours: BTreeMap<_, _> = manifest::of(&fs)
        .unwrap()
        .iter()
        .skip(1)
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            (fields[0].to_owned(), format!("{} {}", fields[4], fields[12]))
        })
        .collect();
    for line in made {
        let (path, expected) = line.split_once(' ').unwrap();
        assert_eq!(ours[path], expected, "{path}");
    }
}

#[test]
fn a_directory_of_a_hundred_thousand_names_is_listed_and_searched() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_make(scratch.path()) {
        return;
    }
    let image = scratch.path().join("image");
    // A seventh of the names is taken away again.
    let made = lines(&check("large", &script("ntfs", "make.py", &["large", image.to_str().unwrap(), "116667"])));
    assert!(made.len() >= 100_000, "{} names", made.len());
    let disk = Arc::new(FileDisk::open(&image));
    let fs = Ntfs::open(Arc::clone(&disk) as Arc<dyn ReadAt>).unwrap();
    let directory = fs.lookup(fs.root(), b"large").unwrap();
    let ours: BTreeMap<_, _> =
        common::list(&fs, directory).unwrap().into_iter().map(|(name, node, _)| (name, node)).collect();
    assert_eq!(ours.len(), made.len());
    let before = disk.reads();
    let names = made.len();
    for line in made {
        let (name, record) = line.split_once(' ').unwrap();
        let record = NodeId(record.parse().unwrap());
        assert_eq!(ours[name.as_bytes()], record, "{name}");
        assert_eq!(fs.lookup(directory, name.as_bytes()).unwrap(), record, "{name}");
        assert_eq!(fs.lookup(directory, name.to_uppercase().as_bytes()).unwrap(), record, "{name} in upper case");
    }
    // A way down the tree, and the record, twice.
    assert!(disk.reads() - before < 12 * names, "{} reads for {names} names", disk.reads() - before);
    assert_eq!(fs.lookup(directory, b"a-file-with-a-long-name-number-1.dat").unwrap_err().kind, ErrorKind::NotFound);
}
