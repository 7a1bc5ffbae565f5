//! Fast commits that kernels write seldom or never, on a sound image.

use super::crafted::Image;
use crate::checksum::crc32c;
use crate::fast_commit::{Scanned, replay, scan};
use crate::inode_table;
use crate::journal::Log;
use block::{BlockSize, MemoryDisk};
use std::ops::ControlFlow;
use std::sync::Arc;
use vfs::{Cursor, ErrorKind, FileSystem, FileType, NodeId, SegmentKind, Stream};

const BLOCK: usize = 1024;
const TRANSACTION: u32 = 77;
/// An inode that nothing uses in the image, and one more.
const NEW: u32 = 3000;
const BELOW: u32 = 3001;

const ADD_RANGE: u16 = 1;
const DEL_RANGE: u16 = 2;
const CREAT: u16 = 3;
const LINK: u16 = 4;
const UNLINK: u16 = 5;
const INODE: u16 = 6;

/// An area of fast commits.
#[derive(Default)]
struct Area {
    bytes: Vec<u8>,
    sum: u32,
}

impl Area {
    fn new(transaction: u32) -> Self {
        let mut area = Self::default();
        area.tag(9, &[[0; 4], transaction.to_le_bytes()].concat());
        area
    }

    fn tag(&mut self, tag: u16, value: &[u8]) {
        let room = BLOCK - self.bytes.len() % BLOCK;
        // A tag lies in one block, and leaves room for padding.
        if room < value.len() + 9 {
            let padding = vec![0; room - 4];
            self.put(7, &padding);
        }
        self.put(tag, value);
    }

    fn put(&mut self, tag: u16, value: &[u8]) {
        let whole = [&tag.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat();
        self.sum = crc32c(self.sum, &whole);
        self.bytes.extend(whole);
    }

    fn end(&mut self, transaction: u32) {
        let left = BLOCK - self.bytes.len() % BLOCK;
        let mut tail =
            [&8_u16.to_le_bytes()[..], &(left as u16 - 4).to_le_bytes(), &transaction.to_le_bytes()].concat();
        let sum = crc32c(self.sum, &tail);
        tail.extend(sum.to_le_bytes());
        self.bytes.extend(tail);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        self.sum = 0;
    }

    fn scan(&self) -> Scanned {
        let mut device = self.bytes.clone();
        device.resize(device.len() + 4 * BLOCK, 0xA5);
        let blocks = 0..(device.len() / BLOCK) as u32;
        let log = Log::on_device(Arc::new(MemoryDisk::new(device, BlockSize::B512)), 10);
        scan(&log, blocks, TRANSACTION, 256).unwrap()
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn entry(dir: u32, node: u32, name: &str) -> Vec<u8> {
    [&words(&[dir, node])[..], name.as_bytes()].concat()
}

/// The image after these changes.
fn changed(changes: &[(u16, Vec<u8>)]) -> Image {
    let mut area = Area::new(TRANSACTION);
    for (tag, value) in changes {
        area.tag(*tag, value);
    }
    area.end(TRANSACTION);
    let scanned = area.scan();
    assert!(scanned.commits == 1 && !scanned.is_torn);
    let mut image = Image::new("default");
    image.fs.fast_commits = replay(&image.fs, scanned.tags).unwrap();
    image
}

fn number(image: &Image, path: &str) -> u32 {
    image.node(path).0 as u32
}

/// The record of an inode with another mode.
fn record(image: &Image, path: &str, mode: u16) -> Vec<u8> {
    let mut record = inode_table::read_record(&image.fs.device, image.node(path)).unwrap();
    record[..2].copy_from_slice(&mode.to_le_bytes());
    record.truncate(160);
    record
}

fn names(image: &Image, dir: NodeId) -> Vec<Vec<u8>> {
    let (mut found, mut cursor) = (Vec::new(), Cursor::START);
    // One at a time, so that each is resumed.
    loop {
        let (before, from) = (found.len(), cursor);
        let each = &mut |entry: vfs::DirEntry<'_>| {
            assert!(entry.next > from && entry.next < Cursor::END);
            cursor = entry.next;
            found.push(entry.name.to_vec());
            ControlFlow::Break(())
        };
        image.fs.read_dir(dir, from, each).unwrap();
        if found.len() == before {
            return found;
        }
    }
}

#[test]
fn a_directory_is_made_and_filled() {
    let sound = Image::new("default");
    let dir = [&words(&[NEW])[..], &record(&sound, "deep", 0o040_755)].concat();
    let file = [&words(&[BELOW])[..], &record(&sound, "plain/f4096", 0o100_640)].concat();
    let parent = number(&sound, "deep");
    let image = changed(&[
        (INODE, dir),
        (CREAT, entry(parent, NEW, "made")),
        (INODE, file),
        (CREAT, entry(NEW, BELOW, "below")),
        (LINK, entry(NEW, BELOW, "again")),
    ]);
    let made = image.node("deep/made");
    assert_eq!((made, image.fs.attr(made).unwrap().file_type), (NodeId(NEW.into()), FileType::Directory));
    assert_eq!(names(&image, made), [&b"again"[..], b"below"]);
    assert_eq!(image.fs.lookup(made, b".").unwrap(), made);
    assert_eq!(image.fs.lookup(made, b"..").unwrap(), sound.node("deep"));
    assert_eq!(image.fs.lookup(made, b"level0").unwrap_err().kind, ErrorKind::NotFound);
    let below = image.fs.attr(image.node("deep/made/below")).unwrap();
    assert_eq!((below.links, below.permissions, below.allocated), (2, 0o640, 0));
    assert_eq!(names(&image, image.node("deep")).len(), names(&sound, sound.node("deep")).len() + 1);
}

#[test]
fn the_last_name_takes_the_file_with_it_and_others_stay() {
    let sound = Image::new("default");
    let (plain, file) = (number(&sound, "plain"), number(&sound, "plain/f4096"));
    let other = number(&sound, "plain/f4097");
    let image = changed(&[
        (LINK, entry(plain, file, "second")),
        (UNLINK, entry(plain, file, "f4096")),
        // A name of another file, one that is not there, and one that is there already.
        (UNLINK, entry(plain, other, "second")),
        (UNLINK, entry(plain, file, "missing")),
        (LINK, entry(plain, other, "f60")),
        (UNLINK, entry(plain, NEW, "f60")),
    ]);
    let links = sound.fs.attr(sound.node("plain/f4096")).unwrap().links;
    assert_eq!(image.fs.attr(image.node("plain/second")).unwrap().links, links);
    assert_eq!(image.fs.lookup(image.node("plain"), b"f4096").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(image.node("plain/f60"), sound.node("plain/f60"));
    // Its only link was counted down, though the name stays.
    assert_eq!(image.fs.attr(image.node("plain/f4097")).unwrap_err().kind, ErrorKind::NotFound);
    let mut expected = names(&sound, sound.node("plain"));
    expected.retain(|name| name != b"f4096");
    expected.push(b"second".to_vec());
    assert_eq!(names(&image, image.node("plain")), expected);
}

#[test]
fn ranges_are_mapped_anew() {
    let sound = Image::new("default");
    let file = number(&sound, "plain/f65536");
    let from = sound.block("plain/f4096", 0) >> 12;
    let extent = |first: u32, length: u16| {
        [&words(&[file, first])[..], &length.to_le_bytes(), &[0; 2], &words(&[from as u32])].concat()
    };
    let image = changed(&[
        (ADD_RANGE, extent(3, 1)),
        (ADD_RANGE, extent(7, 32_768 + 2)),
        (DEL_RANGE, words(&[file, 5, 1])),
        (INODE, [&words(&[file])[..], &record(&sound, "plain/f65536", 0o100_600)].concat()),
    ]);
    let read = |image: &Image, path: &str, length: usize| {
        let mut data = vec![1; length];
        assert_eq!(image.fs.read_at(image.node(path), Stream::Main, 0, &mut data).unwrap(), length);
        data
    };
    let mut expected = read(&sound, "plain/f65536", 65_536);
    expected[3 << 12..4 << 12].copy_from_slice(&read(&sound, "plain/f4096", 4096));
    expected[5 << 12..6 << 12].fill(0);
    expected[7 << 12..9 << 12].fill(0);
    assert!(read(&image, "plain/f65536", 65_536) == expected);
    let segment = |block: u64| image.fs.segment(image.node("plain/f65536"), block << 12).unwrap();
    assert_eq!((segment(5).kind, segment(5).range), (SegmentKind::Hole, 5 << 12..6 << 12));
    assert_eq!((segment(8).kind, segment(6).kind), (SegmentKind::Hole, SegmentKind::Data));
    // What is allocated and not written counts.
    let allocated = image.fs.attr(image.node("plain/f65536")).unwrap().allocated >> 12;
    assert!((15..=16).contains(&allocated), "{allocated}");
}

#[test]
fn a_range_outside_the_volume_is_damage_of_that_file() {
    let sound = Image::new("default");
    let file = number(&sound, "plain/f65536");
    let extent = [&words(&[file, 0])[..], &1_u16.to_le_bytes(), &[0xFF; 2], &[0xFF; 4]].concat();
    let image = changed(&[(ADD_RANGE, extent)]);
    let mut data = [0; 10];
    let error = image.fs.read_at(image.node("plain/f65536"), Stream::Main, 0, &mut data).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
}

#[test]
fn only_whole_fast_commits_of_the_transaction_count() {
    let one = |transaction, tail| {
        let mut area = Area::new(transaction);
        area.tag(UNLINK, &entry(2, 12, "name"));
        area.end(tail);
        area
    };
    let counted = |area: &Area| {
        let found = area.scan();
        (found.commits, found.tags.len(), found.is_torn)
    };
    assert_eq!(counted(&one(TRANSACTION, TRANSACTION)), (1, 1, false));
    // Of another transaction: an earlier use of the area. No area at all.
    assert_eq!(counted(&one(TRANSACTION - 1, TRANSACTION)), (0, 0, false));
    assert_eq!(counted(&Area::default()), (0, 0, false));
    // The first one is not whole.
    assert_eq!(counted(&one(TRANSACTION, TRANSACTION + 1)), (0, 0, true));
    let mut torn = one(TRANSACTION, TRANSACTION);
    torn.bytes[25] ^= 1;
    assert_eq!(counted(&torn), (0, 0, true));
    // One that is, and then one that is not, or old bytes.
    let mut two = one(TRANSACTION, TRANSACTION);
    two.tag(UNLINK, &entry(2, 13, "other"));
    two.end(TRANSACTION);
    assert_eq!(counted(&two), (2, 2, false));
    two.bytes[BLOCK + 5] ^= 1;
    assert_eq!(counted(&two), (1, 1, false));
    // A tag that is none.
    let mut bad = Area::new(TRANSACTION);
    bad.tag(0x55, &[0; 8]);
    bad.end(TRANSACTION);
    assert_eq!(counted(&bad), (0, 0, true));
}
