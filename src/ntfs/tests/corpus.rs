//! Images that others made, Windows among them, if they are there: each shows what ntfs-3g and ntfs3 show of it.

use super::file_disk::FileDisk;
use super::fixtures::{check, corpus, directory, lines, script, unpacked, unpacked_lines};
use super::live::{can_make, open};
use super::manifest::{self, assert_same};
use crate::data::Value;
use crate::record::{Kind, Reference};
use crate::store::Store;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use vfs::SegmentKind;

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

/// Records cut out of volumes of Windows, which other readers misread: the volume is what there is of it, and zeros.
fn pieces(corpus: &Path, name: &str, image: &Path) -> Store {
    let file = fs::File::create(image).unwrap();
    let mut volume_bytes = 0;
    for entry in fs::read_dir(corpus.join("public/go-ntfs/tests").join(name)).unwrap() {
        let (path, bytes) = (entry.as_ref().unwrap().path(), fs::read(entry.unwrap().path()).unwrap());
        let at = u64::from_str_radix(path.file_stem().unwrap().to_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        if at == 0 {
            volume_bytes = u64::from_le_bytes(bytes[0x28..0x30].try_into().unwrap()) * 512;
        }
        file.write_all_at(&bytes, at).unwrap();
    }
    file.set_len(volume_bytes + 512).unwrap();
    Store::open(Arc::new(FileDisk::open(image))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn value(store: &Store, record: u64, stream: &str) -> Value {
    let inode = store.inode(Reference { record, sequence: 0 }).unwrap();
    let name: Vec<u16> = stream.encode_utf16().collect();
    Value::find(store, &inode, Kind::DATA, &name).unwrap().unwrap_or_else(|| panic!("record {record}: {stream}"))
}

#[test]
fn records_of_windows_that_other_readers_misread_are_read() {
    let (Some(corpus), scratch) = (corpus(), tempfile::tempdir().unwrap()) else { return };
    let image = scratch.path().join("image");
    // Streams with the same attribute id, in several records.
    let store = pieces(&corpus, "ads_with_same_ids", &image);
    for (stream, size, digit) in [("", 5000, b'9'), ("111", 5005, b'1'), ("222", 56, b'2'), ("333", 6005, b'3')] {
        let data = value(&store, 38, stream).read_all(&store, 10_000).unwrap();
        // What is typed into each, some with quotes around it.
        let own = data.iter().filter(|byte| **byte == digit).count();
        assert!(data.len() == size && own * 10 > size * 9, "{stream:?}: {} bytes, {own} of them its own", data.len());
    }
    // The MFT in two parts, the second in a record of itself.
    let store = pieces(&corpus, "highly_fragmented_mft", &image);
    assert_eq!(store.records(), 7_203_717_120 / 1024);
    for record in [16, 17, 6_000_000, 6_416_216, 7_034_879] {
        let read = store.record(Reference { record, sequence: 0 });
        assert_eq!(read.map(|read| read.number).map_err(|error| error.kind).unwrap_or(record), record);
    }
    // A megabyte, of which a cluster was ever written.
    let store = pieces(&corpus, "large_file_small_init", &image);
    let data = value(&store, 46, "").read_all(&store, 2 << 20).unwrap();
    let never_written = data.iter().skip(4096).all(|byte| *byte == 0);
    assert!(data.len() == 1 << 20 && data[..16] != [0; 16] && never_written);
    // A journal in two parts, whose sizes are in the first.
    let store = pieces(&corpus, "usn_with_two_vcns", &image);
    let journal = value(&store, 68_310, "$J");
    assert_eq!((journal.size(), store.records()), (6_352_113_880, 455_606_272 / 1024));
    let (mut at, mut kinds) = (0, Vec::new());
    while at < journal.size() {
        let segment = journal.segment(&store, at).unwrap();
        assert_eq!(segment.range.start, at);
        (at, kinds) = (segment.range.end, [kinds, vec![segment.kind]].concat());
    }
    assert!(kinds[0] == SegmentKind::Hole && kinds.len() > 2 && kinds.last() == Some(&SegmentKind::Data), "{kinds:?}");
}
