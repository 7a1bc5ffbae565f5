//! A volume that mkntfs and ntfs-3g made, with a log put into its `$LogFile`, opened as any other.

use super::writer::{Body, LogWriter, PAGE, open_attribute, table};
use crate::fixup;
use crate::tests::fixture::{UPCASE, image, oracle};
use crate::tests::fixtures::directory;
use crate::tests::manifest;
use crate::{Ntfs, OpenOptions};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::io::Write;
use std::sync::Arc;
use vfs::{ErrorKind, FileSystem, State, Stream};

const CLUSTER: usize = 4096;
const RECORD: usize = 1024;
/// Indexes of the table of open attributes: the MFT, and the index of the root directory.
const MFT: u16 = 0x18;
const ROOT: u16 = 0x40;

fn le32(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// A structure of the volume, its update sequence undone.
fn structure(volume: &[u8], at: usize, bytes: usize) -> Vec<u8> {
    let mut structure = volume[at..at + bytes].to_vec();
    fixup::undo(&mut structure).unwrap();
    structure
}

fn record_at(volume: &[u8], number: usize) -> usize {
    let is_it = |at: &usize| volume[*at..].starts_with(b"FILE0\0") && le32(volume, *at + 0x2C) == number;
    (0..volume.len() - RECORD).step_by(RECORD).find(is_it).unwrap()
}

fn attribute(record: &[u8], kind: usize) -> usize {
    let mut at = usize::from(record[0x14]);
    while le32(record, at) != kind {
        at += le32(record, at + 4);
    }
    at
}

/// The block of the root directory, and where the entry of a name is in it.
fn entry_of(volume: &[u8], name: &str) -> (usize, usize) {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for at in (0..volume.len()).step_by(CLUSTER).filter(|at| volume[*at..].starts_with(b"INDX")) {
        let block = structure(volume, at, CLUSTER);
        let mut entry = 0x18 + le32(&block, 0x18);
        while block[entry + 12] & 2 == 0 {
            if block[entry + 0x52..].starts_with(&name) && usize::from(block[entry + 0x50]) * 2 == name.len() {
                return (at, entry);
            }
            entry += le32(&block, entry + 8) & 0xFFFF;
        }
    }
    panic!("no entry");
}

/// A change of the value of a resident attribute of a record.
fn update(volume: &[u8], node: u64, kind: usize, at: usize, new: &[u8]) -> Body {
    let place = record_at(volume, node as usize);
    let record = structure(volume, place, RECORD);
    let attribute = attribute(&record, kind);
    let in_attribute = usize::from(record[attribute + 0x14]) + at;
    Body {
        redo: 7,
        undo: 7,
        redo_data: new.to_vec(),
        undo_data: record[attribute + in_attribute..][..new.len()].to_vec(),
        target: MFT,
        record_offset: attribute as u16,
        attribute_offset: in_attribute as u16,
        cluster_offset: (place % CLUSTER / 512) as u16,
        vcn: node / 4,
        lcns: vec![(place / CLUSTER) as u64],
    }
}

/// Renames `name-c.txt` to `name-d.txt`, in its directory.
fn renaming(volume: &[u8]) -> [Body; 2] {
    let (at, entry) = entry_of(volume, "name-c.txt");
    let block = structure(volume, at, CLUSTER);
    let old = block[entry..][..le32(&block, entry + 8) & 0xFFFF].to_vec();
    let mut new = old.clone();
    new[0x52 + 10] = b'd';
    let vcn = u64::from_le_bytes(block[0x10..0x18].try_into().unwrap());
    let body = |codes: (u16, u16), redo: Vec<u8>, undo: Vec<u8>| Body {
        redo: codes.0,
        undo: codes.1,
        redo_data: redo,
        undo_data: undo,
        target: ROOT,
        attribute_offset: entry as u16,
        vcn,
        lcns: vec![(at / CLUSTER) as u64],
        ..Body::default()
    };
    [body((15, 14), vec![], old), body((14, 15), new, vec![])]
}

fn base() -> Vec<u8> {
    image("dirty-log/base")
}

fn open(volume: &[u8], replay: bool) -> Ntfs {
    let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(volume.to_vec(), BlockSize::B512));
    Ntfs::open_with(&disk, &OpenOptions { replay, ..OpenOptions::default() }).unwrap()
}

fn content(fs: &Ntfs, name: &str) -> Vec<u8> {
    let node = fs.lookup(fs.root(), name.as_bytes()).unwrap();
    let mut bytes = vec![0; 100];
    let read = fs.read_at(node, Stream::Main, 0, &mut bytes).unwrap();
    bytes.truncate(read);
    bytes
}

/// The volume with a log in it, and where that begins.
fn dirty(is_fast: bool, unknown: bool) -> (Vec<u8>, usize) {
    let mut volume = base();
    let fs = open(&volume, true);
    let node = |name: &str| fs.lookup(fs.root(), name.as_bytes()).unwrap().0;
    let (a, b, c) = (node("a.txt"), node("b.txt"), node("name-c.txt"));
    let mut log = LogWriter::new(is_fast, 0x22, 0x4000);
    let attributes = [open_attribute(0x80, 0, 0), open_attribute(0xA0, 5, 4096)];
    log.checkpoint(1, [&table(0x28, &attributes), &[], &[]]);
    log.change(0x40, &update(&volume, a, 0x80, 0, b"new content of a"));
    log.change(0x40, &update(&volume, a, 0x10, 8, &0x01D0_0000_0000_0000_u64.to_le_bytes()));
    log.change(0x40, &update(&volume, c, 0x30, 0x42 + 10, b"d"));
    for body in renaming(&volume) {
        log.change(0x40, &body);
    }
    if unknown {
        log.change(0x40, &Body { redo: 0x70, ..update(&volume, a, 0x80, 0, b"x") });
    }
    log.forget(0x40);
    log.change(0x68, &update(&volume, b, 0x80, 0, b"half"));
    let record = structure(&volume, record_at(&volume, 2), RECORD);
    let data = attribute(&record, 0x80);
    let run = data + usize::from(record[data + 0x20]);
    let (length, width) = (usize::from(record[run] & 15), usize::from(record[run] >> 4));
    let lcn = (0..width).fold(0, |lcn, byte| lcn | usize::from(record[run + 1 + length + byte]) << (8 * byte));
    let file = log.file();
    volume[lcn * CLUSTER..][..file.len()].copy_from_slice(&file);
    (volume, lcn * CLUSTER)
}

#[test]
fn a_volume_with_a_log_shows_what_was_committed_and_undoes_the_rest() {
    for (is_fast, name) in [(true, "2.0"), (false, "1.1")] {
        let (volume, _) = dirty(is_fast, false);
        if std::env::var_os("FR_WRITE_FIXTURES").is_some() {
            let path = directory("ntfs").join(format!("dirty-log/log-{name}.img.zst"));
            let mut packer = zstd::Encoder::with_dictionary(Vec::new(), 19, &UPCASE).unwrap();
            packer.write_all(&volume).unwrap();
            std::fs::write(path, packer.finish().unwrap()).unwrap();
        }
        assert!(image(&format!("dirty-log/log-{name}")) == volume, "run this test with FR_WRITE_FIXTURES=1");
        let fs = open(&volume, true);
        assert!(fs.describe().state.contains(&State::JournalToBeReplayed), "{name}: {:?}", fs.info().notices);
        assert!(fs.info().notices.iter().any(|notice| notice.contains("replayed in memory")));
        assert_eq!(content(&fs, "a.txt"), b"new content of a");
        assert_eq!(content(&fs, "b.txt"), b"old content of b");
        assert_eq!(content(&fs, "name-d.txt"), b"content of c");
        assert_eq!(fs.lookup(fs.root(), b"name-c.txt").unwrap_err().kind, ErrorKind::NotFound);
        let fs = open(&volume, false);
        assert!(fs.describe().state.contains(&State::JournalToBeReplayed));
        assert!(fs.info().notices.iter().any(|notice| notice.contains("as asked")));
        assert_eq!(content(&fs, "a.txt"), b"old content of a");
        assert_eq!(content(&fs, "name-c.txt"), b"content of c");
    }
}

#[test]
fn a_volume_whose_log_is_not_understood_opens_as_it_lies() {
    let (unknown, _) = dirty(true, true);
    let (mut torn, log) = dirty(true, false);
    torn[log + 0x22 * PAGE + 510] ^= 1;
    for volume in [unknown, torn] {
        let fs = open(&volume, true);
        assert!(fs.describe().state.contains(&State::JournalNotReplayable), "{:?}", fs.info().notices);
        assert!(fs.info().notices.iter().any(|notice| notice.contains("cannot be replayed (")));
        assert_eq!(content(&fs, "a.txt"), b"old content of a");
        assert_eq!(content(&fs, "name-c.txt"), b"content of c");
    }
}

#[test]
fn ntfs3_replays_the_same_logs_to_the_same_files() {
    for name in ["dirty-log/log-1.1", "dirty-log/log-2.0"] {
        let theirs = oracle(name, "ntfs3");
        assert!(theirs.len() > 20, "{name}: {} lines", theirs.len());
        manifest::assert_shows(name, &theirs, &manifest::as_far_as_readable(&open(&image(name), true)));
    }
}
