//! Images that others made, if they are there: each opens, and is then as its kernel showed it, or is refused with a
//! message.

use super::fixtures::{corpus, unpacked};
use super::walk;
use crate::{Xfs, describe};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use vfs::FileSystem;

/// Files below a directory whose names say that they hold XFS.
fn images(below: &Path) -> Vec<PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![below.to_owned()]);
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            } else if name.starts_with("xfs") && [".img.xz", ".img.zst"].iter().any(|ending| name.ends_with(ending)) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn bytes(path: &Path) -> Vec<u8> {
    if path.extension().is_some_and(|extension| extension == "zst") {
        return unpacked(path);
    }
    let output = Command::new("xz").arg("-dc").arg(path).output().unwrap();
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

#[test]
fn images_of_the_corpus_open_or_are_refused_with_a_message() {
    let Some(corpus) = corpus() else { return };
    let images = images(&corpus);
    assert!(images.len() >= 7, "{images:?}");
    let mut opened = 0;
    for path in images {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(bytes(&path), BlockSize::B512));
        let described = describe(disk.as_ref());
        match Xfs::open(disk) {
            Ok(fs) => {
                described.unwrap();
                let answers = walk::of(&fs, true);
                let failed: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_err()).take(3).collect();
                assert!(failed.is_empty(), "{name}: {failed:?}");
                assert!(!fs.info().uuid.unwrap().is_empty());
                opened += 1;
                eprintln!("{name}: opened, {} answers", answers.len());
            }
            Err(error) => {
                assert!(!error.message.is_empty() && !error.message.contains("{"), "{name}: {error}");
                eprintln!("{name}: refused: {error}");
            }
        }
    }
    assert!(opened >= 4, "only {opened} opened");
}
