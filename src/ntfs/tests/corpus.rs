//! Images that others made, Windows among them, if they are there: each shows what ntfs-3g and ntfs3 show of it.

use super::fixtures::{check, directory, lines, script, unpacked, unpacked_lines};
use super::live::{can_make, open};
use super::manifest::{self, assert_same};
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let corpus = directory("ntfs").join("../../../../shared/corpus");
    if !corpus.exists() {
        eprintln!("SKIPPED: the shared corpus is not there; the images of this repository alone were looked at.");
    }
    Some(corpus).filter(|corpus| corpus.exists())
}

/// Our lines of an image, which are those of ntfs-3g.
fn compare(name: &str, image: &Path) -> Vec<String> {
    let oracle = lines(&check(name, &script("ntfs", "make.py", &["manifest", image.to_str().unwrap()])));
    let fs = open(image).unwrap_or_else(|error| panic!("{name}: {error}"));
    let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_same(name, &oracle, &ours);
    eprintln!("compared: {name}, {} names", oracle.len() - 1);
    ours
}

#[test]
fn disks_of_windows_show_what_ntfs_3g_and_ntfs3_show_of_them() {
    let (Some(corpus), scratch) = (corpus(), tempfile::tempdir().unwrap()) else { return };
    if !can_make(scratch.path()) {
        return;
    }
    for name in ["ntfs-2m", "ntfs-ptrn"] {
        let (disk, image) = (corpus.join(format!("public/ntfs-samples/{name}.raw.gz")), scratch.path().join("image"));
        check(name, &script("ntfs", "make.py", &["partition", disk.to_str().unwrap(), image.to_str().unwrap()]));
        let ours = compare(name, &image);
        let ntfs3 = unpacked_lines(&directory("ntfs").join(format!("corpus/{name}.ntfs3.zst")));
        assert_same(&format!("{name} by ntfs3"), &ntfs3, &ours);
    }
}

#[test]
fn images_of_the_shared_recipes_show_what_ntfs_3g_shows_and_what_was_compressed() {
    let (Some(corpus), scratch) = (corpus(), tempfile::tempdir().unwrap()) else { return };
    if !can_make(scratch.path()) {
        return;
    }
    let made = corpus.join("made/e-ntfs");
    let source = unpacked_lines(&made.join("wof-source.jsonl.zst"));
    let mut images: Vec<_> = fs::read_dir(&made).unwrap().map(|entry| entry.unwrap().path()).collect();
    images.retain(|path| path.to_str().unwrap().ends_with(".img.zst"));
    assert!(images.len() >= 7, "{images:?}");
    for packed in images {
        let name = packed.file_name().unwrap().to_str().unwrap();
        let image = scratch.path().join("image");
        fs::write(&image, unpacked(&packed)).unwrap();
        let ours = compare(name, &image);
        if name.contains("wof") {
            let compared = source.iter().filter_map(|line| Some((field(line, "path")?, field(line, "sha256")?)));
            let compared = compared.map(|(path, sha256)| {
                let line = ours.iter().find(|line| line.split('\t').next() == Some(path));
                assert_eq!(line.unwrap().split('\t').nth(12), Some(sha256), "{name}: {path}");
            });
            assert!(compared.count() > 8, "{name}");
        }
    }
}

/// The text of a field in a line of JSON that has no quotes in its fields.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(&format!("\"{name}\": \"")).nth(1)?.split('"').next()
}
