//! Structures that no file system has by accident: loops, and sizes that nothing can be behind.

use super::disk::Disk;
use super::{fixture, walk};
use crate::Ext4;
use crate::group;
use crate::inode::Inode;
use crate::mapping::{self, Place};
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};
use vfs::{Cursor, ErrorKind, FileSystem, NodeId, SegmentKind, Stream};

/// Many more than any one question needs.
const READS_MAX: usize = 2000;

/// An image, and where things are on it.
pub(super) struct Image {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) fs: Ext4,
}

static NO_CHECKSUMS: LazyLock<Image> = LazyLock::new(|| Image::new("no-checksums"));
static EXT2: LazyLock<Image> = LazyLock::new(|| Image::new("ext2"));

impl Image {
    pub(super) fn new(name: &str) -> Self {
        let bytes = Arc::new(fixture::image(name));
        let fs = Ext4::open(Arc::new(Disk::new(&bytes))).unwrap();
        Self { bytes, fs }
    }

    pub(super) fn node(&self, path: &str) -> NodeId {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(self.fs.root(), |dir, name| self.fs.lookup(dir, name.as_bytes()).unwrap())
    }

    /// The byte at which the inode of `path` begins.
    pub(super) fn inode(&self, path: &str) -> u64 {
        let (superblock, index) = (&self.fs.device.superblock, self.node(path).0 - 1);
        let table = group::inode_table(&self.fs.device, index / superblock.inodes_per_group).unwrap();
        let in_table = index % superblock.inodes_per_group * superblock.inode_bytes as u64;
        (table << superblock.block_shift) + in_table
    }

    /// The byte at which block `logical` of `path` begins.
    pub(super) fn block(&self, path: &str, logical: u64) -> u64 {
        let inode = Inode::read(&self.fs.device, self.node(path)).unwrap();
        match mapping::run(&self.fs, &inode, logical).unwrap().place {
            Place::Stored(block) => block << self.fs.device.superblock.block_shift,
            Place::Hole | Place::Unwritten => panic!("block {logical} of {path} is a hole"),
        }
    }

    pub(super) fn get<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        Disk::new(&self.bytes).bytes(at, &mut bytes);
        bytes
    }

    fn u16_at(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.get(at))
    }

    /// The file system with these bytes at these places.
    pub(super) fn with(&self, patches: &[(u64, &[u8])]) -> vfs::Result<Ext4> {
        let disk = Disk::new(&self.bytes).with_reads_max(READS_MAX);
        Ext4::open(Arc::new(patches.iter().fold(disk, |disk, (at, bytes)| disk.with(*at, *bytes))))
    }
}

fn names(fs: &Ext4, dir: NodeId) -> vfs::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    fs.read_dir(dir, Cursor::START, &mut |entry| {
        found.push(entry.name.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

const INDEX_LEVELS: u64 = 30;
const INDEX_ENTRIES: u64 = 32;

#[test]
fn where_the_leaves_of_an_index_are_all_its_root_the_whole_directory_is_searched_as_the_kernel_does() {
    let (image, dir) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("many"));
    let root = image.block("many", 0);
    let count = image.u16_at(root + INDEX_ENTRIES + 2);
    assert!(count > 4, "the directory has no index of some size");
    let places: Vec<_> = (0..u64::from(count)).map(|entry| root + INDEX_ENTRIES + entry * 8 + 4).collect();
    let patches: Vec<(u64, &[u8])> = places.iter().map(|place| (*place, &[0; 4][..])).collect();
    let fs = image.with(&patches).unwrap();
    assert_all_are_found(image, &fs, dir);
    assert_eq!(names(&fs, dir).unwrap(), names(&image.fs, dir).unwrap());
}

/// Looks up the first names of `dir`, which the index of `fs` no longer leads to, and one that does not exist.
fn assert_all_are_found(image: &Image, fs: &Ext4, dir: NodeId) {
    for name in names(&image.fs, dir).unwrap().iter().take(20) {
        assert_eq!(fs.lookup(dir, name).unwrap(), image.fs.lookup(dir, name).unwrap());
    }
    assert_eq!(fs.lookup(dir, b"no such name").unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn where_an_index_is_below_itself_the_whole_directory_is_searched() {
    let (image, dir) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("many"));
    let root = image.block("many", 0);
    let fs = image.with(&[(root + INDEX_LEVELS, &[1]), (root + INDEX_ENTRIES + 4, &[0; 4])]).unwrap();
    assert_all_are_found(image, &fs, dir);
}

#[test]
fn where_an_index_is_not_one_the_whole_directory_is_searched() {
    let (image, dir) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("many"));
    let at = image.block("many", 0) + INDEX_ENTRIES;
    let limit = image.u16_at(at);
    let [too_small, too_large, none] = [limit / 2, limit + 2, 0].map(u16::to_le_bytes);
    let more_than_fit = (limit + 1).to_le_bytes();
    // The limit; the number of entries; the hash of the second entry, then greater than that of the third.
    for (at, bytes) in [
        (at, &too_small[..]),
        (at, &too_large),
        (at + 2, &none),
        (at + 2, &more_than_fit),
        (at + 8, &[0xFF; 4]),
        // A leaf in the place of the next level.
        (at - INDEX_ENTRIES + INDEX_LEVELS, &[1]),
    ] {
        assert_all_are_found(image, &image.with(&[(at, bytes)]).unwrap(), dir);
    }
}

#[test]
fn an_index_in_which_every_leaf_has_the_same_hash_is_searched_once() {
    let (image, dir) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("many"));
    let root = image.block("many", 0);
    let limit = image.u16_at(root + INDEX_ENTRIES);
    let mut entries = [limit.to_le_bytes(), limit.to_le_bytes()].concat();
    entries.extend([1, 0, 0, 0]);
    for _ in 1..limit {
        entries.extend([0, 0, 0, 0, 1, 0, 0, 0]);
    }
    let disk = Arc::new(Disk::new(&image.bytes).with(root + INDEX_ENTRIES, entries));
    let fs = Ext4::open(disk.clone()).unwrap();
    let blocks = fs.attr(dir).unwrap().size >> 10;
    for name in [&b"a"[..], b"b", b"c"] {
        let before = disk.reads();
        assert_eq!(fs.lookup(dir, name).unwrap_err().kind, ErrorKind::NotFound);
        let reads = (disk.reads() - before) as u64;
        assert!(reads < 3 * blocks + 10, "{reads} reads in a directory of {blocks} blocks");
    }
}

#[test]
fn an_index_block_behind_the_end_of_the_directory_is_damage() {
    let (image, dir) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("many"));
    let root = image.block("many", 0);
    let count = image.u16_at(root + INDEX_ENTRIES + 2);
    let places: Vec<_> = (0..u64::from(count)).map(|entry| root + INDEX_ENTRIES + entry * 8 + 4).collect();
    let patches: Vec<(u64, &[u8])> = places.iter().map(|place| (*place, &[0xFF, 0xFF, 0, 0][..])).collect();
    let fs = image.with(&patches).unwrap();
    let error = fs.lookup(dir, b"a").unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("65535"), "{error}");
}

#[test]
fn a_directory_that_names_itself_is_an_ordinary_entry() {
    let image = &*NO_CHECKSUMS;
    let dir = image.node("deep/level0");
    let block = image.block("deep/level0", 0);
    // The entry behind `.` and `..`, whichever it is.
    let fs = image.with(&[(block + 24, &dir.0.to_le_bytes()[..4])]).unwrap();
    let first = names(&fs, dir).unwrap().swap_remove(0);
    assert_eq!(fs.lookup(dir, &first).unwrap(), dir);
    assert!(walk::of(&image.with_any_reads(&[(block + 24, &dir.0.to_le_bytes()[..4])]), false).len() > 1000);
}

impl Image {
    pub(super) fn with_any_reads(&self, patches: &[(u64, &[u8])]) -> Ext4 {
        let disk = patches.iter().fold(Disk::new(&self.bytes), |disk, (at, bytes)| disk.with(*at, *bytes));
        Ext4::open(Arc::new(disk)).unwrap()
    }
}

#[test]
fn entries_of_no_length_or_beyond_their_block_are_damage() {
    let image = &*NO_CHECKSUMS;
    let (dir, block) = (image.node("deep"), image.block("deep", 0));
    for length in [0_u16, 4, 8, 11, 13, 0xFFFC] {
        let fs = image.with(&[(block + 12 + 4, &length.to_le_bytes())]).unwrap();
        assert_eq!(names(&fs, dir).unwrap_err().kind, ErrorKind::Corrupt, "{length}");
        assert_eq!(fs.lookup(dir, b"level0").unwrap_err().kind, ErrorKind::Corrupt, "{length}");
    }
}

#[test]
fn a_directory_larger_than_the_file_system_is_damage() {
    let image = &*NO_CHECKSUMS;
    let fs = image.with(&[(image.inode("deep") + 4, &[0, 0xFC, 0xFF, 0xFF])]).unwrap();
    assert_eq!(names(&fs, image.node("deep")).unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(fs.lookup(image.node("deep"), b"x").unwrap_err().kind, ErrorKind::Corrupt);
}

/// An extent node with one entry: blocks from 0 on are described in `block`.
fn index_node(depth: u8, block: u64) -> [u8; 24] {
    let [b0, b1, b2, b3, b4, b5, ..] = block.to_le_bytes();
    [0x0A, 0xF3, 1, 0, 4, 0, depth, 0, 0, 0, 0, 0, 0, 0, 0, 0, b0, b1, b2, b3, b4, b5, 0, 0]
}

#[test]
fn an_extent_node_below_itself_is_damage() {
    let image = &*NO_CHECKSUMS;
    let (file, root) = (image.node("plain/f4096"), image.inode("plain/f4096") + 40);
    let at = image.block("plain/f4096", 0);
    let mut buf = [0; 100];
    for (depth_of_root, depth) in (0..=6).flat_map(|depth| (0..=6).map(move |below| (depth, below))).skip(1) {
        let node = index_node(depth, at >> 10);
        let fs = image.with(&[(root, &index_node(depth_of_root, at >> 10)), (at, &node)]).unwrap();
        let what = format!("depth {depth} below depth {depth_of_root}");
        let result = fs.read_at(file, Stream::Main, 0, &mut buf);
        let is_damage = result.as_ref().is_err_and(|error| error.kind == ErrorKind::Corrupt);
        assert!(is_damage, "{what}: {result:?}");
        assert!(fs.segment(file, 0).is_err(), "{what}");
        fs.will_read(file, 0..u64::MAX);
    }
}

#[test]
fn an_indirect_block_that_points_to_itself_is_read_and_left() {
    let image = &*EXT2;
    let (path, file) = ("plain/f65536", image.node("plain/f65536"));
    let pointer = image.get::<4>(image.inode(path) + 40 + 12 * 4);
    let at = u64::from(u32::from_le_bytes(pointer)) << 10;
    let fs = image.with(&[(at, &pointer)]).unwrap();
    let mut buf = vec![0; 65_536];
    assert_eq!(fs.read_at(file, Stream::Main, 0, &mut buf).unwrap(), 65_536);
    assert_eq!(buf[12 << 10..][..4], pointer);
    // All three levels lead to one block.
    let levels = pointer.repeat(3);
    let size = (1_u64 << 34).to_le_bytes();
    let inode = image.inode(path);
    let patches = [(inode + 40 + 48, &levels[..]), (inode + 4, &size[..4]), (inode + 108, &size[4..]), (at, &pointer)];
    let fs = image.with(&patches).unwrap();
    for offset in [0, 1 << 20, 1 << 27, (1 << 34) - 5] {
        let _ = fs.read_at(file, Stream::Main, offset, &mut buf);
        if let Ok(segment) = fs.segment(file, offset) {
            assert!(segment.range.contains(&offset), "{segment:?} at {offset}");
        }
    }
    let end = (1_u64 << 35).to_le_bytes();
    let fs = image.with(&[(inode + 4, &end[..4]), (inode + 108, &end[4..])]).unwrap();
    assert_eq!(fs.read_at(file, Stream::Main, (1 << 35) - 9, &mut buf).unwrap_err().kind, ErrorKind::Corrupt);
}

#[test]
fn a_file_longer_than_its_extents_ends_in_zeros_and_one_longer_than_any_is_damage() {
    let image = &*NO_CHECKSUMS;
    let (file, inode) = (image.node("plain/f4096"), image.inode("plain/f4096"));
    let longer = |size: u64| {
        let size = size.to_le_bytes();
        image.with(&[(inode + 4, &size[..4]), (inode + 108, &size[4..])])
    };
    let fs = longer(1 << 41).unwrap();
    let mut buf = [1; 5000];
    assert_eq!(fs.read_at(file, Stream::Main, (1 << 41) - 4999, &mut buf).unwrap(), 4999);
    assert!(buf[..4999].iter().all(|byte| *byte == 0) && buf[4999] == 1);
    let segment = fs.segment(file, 4096).unwrap();
    assert_eq!((segment.kind, segment.range), (SegmentKind::Hole, 4096..1 << 41));
    let fs = longer((1 << 63) - 1).unwrap();
    assert_eq!(fs.read_at(file, Stream::Main, 1 << 50, &mut buf).unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(fs.segment(file, 1 << 50).unwrap_err().kind, ErrorKind::Corrupt);
    fs.will_read(file, 1 << 50..u64::MAX);
    assert_eq!(longer(1 << 63).unwrap().attr(file).unwrap_err().kind, ErrorKind::Corrupt);
}

#[test]
fn names_are_found_where_nobody_wrote_down_how_their_bytes_are_hashed() {
    const FLAGS: u64 = 1024 + 0x160;
    let (image, dir) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("signs"));
    let signs = image.get::<1>(FLAGS)[0] & 3;
    let found = names(&image.fs, dir).unwrap();
    assert!(found.len() > 300 && signs != 0);
    for signs in [0, 1, 2] {
        let disk = Disk::new(&image.bytes).with(FLAGS, [signs]);
        let fs = Ext4::open(Arc::new(disk)).unwrap();
        let missing = found.iter().filter(|name| fs.lookup(dir, name).is_err()).count();
        // Told wrongly, the index leads elsewhere: this test would show nothing if it did not.
        assert_eq!(missing > 0, signs != 0 && signs != image.get::<1>(FLAGS)[0] & 3, "{signs}: {missing} missing");
    }
}

#[test]
fn an_unwritten_block_of_a_directory_is_read_as_the_kernel_does() {
    let (image, dir) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("deep"));
    let length = image.inode("deep") + 40 + 12 + 4;
    assert_eq!(image.u16_at(length), 1);
    let fs = image.with(&[(length, &0x8001_u16.to_le_bytes())]).unwrap();
    assert_eq!(names(&fs, dir).unwrap(), names(&image.fs, dir).unwrap());
    assert_eq!(fs.lookup(dir, b"level0").unwrap(), image.node("deep/level0"));
}

#[test]
fn a_directory_without_its_first_block_is_damage_and_not_empty() {
    let (image, dir) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("deep"));
    // The extent tree has no entries, or its only one begins at block 1.
    let entries = image.inode("deep") + 40 + 2;
    for (at, bytes) in [(entries, [0, 0]), (entries + 10, [1, 0])] {
        let fs = image.with(&[(at, &bytes)]).unwrap();
        assert_eq!(names(&fs, dir).unwrap_err().kind, ErrorKind::Corrupt);
        assert_eq!(fs.lookup(dir, b"level0").unwrap_err().kind, ErrorKind::Corrupt);
    }
}

#[test]
fn a_link_target_that_leaves_no_room_for_a_zero_byte_in_its_block_is_damage() {
    let (image, link) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("links/sym-1000"));
    let (size, data) = (image.inode("links/sym-1000") + 4, image.block("links/sym-1000", 0));
    let with = |length: u16| image.with(&[(size, &length.to_le_bytes()), (data, &[b'z'; 1024])]).unwrap();
    assert_eq!(with(1023).read_link(link).unwrap(), [b'z'; 1023]);
    let error = with(1024).read_link(link).unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("1024"), "{error}");
}

#[test]
fn inline_data_beside_extents_or_without_its_attribute_is_damage() {
    const INCOMPAT: u64 = 1024 + 0x60;
    let image = &*NO_CHECKSUMS;
    let (file, flags) = (image.node("plain/f61"), image.inode("plain/f61") + 0x20);
    let incompat = u32::from_le_bytes(image.get(INCOMPAT)) | 0x8000;
    for (inode_flags, what) in [(0x1008_0000_u32, "extents"), (0x1000_0000, "system.data")] {
        let patches = [(INCOMPAT, &incompat.to_le_bytes()[..]), (flags, &inode_flags.to_le_bytes())];
        let error = image.with(&patches).unwrap().read_at(file, Stream::Main, 0, &mut [0; 60]).unwrap_err();
        assert!(error.kind == ErrorKind::Corrupt && error.message.contains(what), "{error}");
    }
}

#[test]
fn the_value_of_an_attribute_that_lies_over_names_is_damage() {
    let (image, few) = (&*NO_CHECKSUMS, NO_CHECKSUMS.node("xattr/few"));
    // The first attribute behind 32 bytes of fixed fields and the magic number.
    let entry = image.inode("xattr/few") + 128 + 32 + 4;
    assert_ne!((image.u16_at(entry + 2), image.u16_at(entry + 8)), (0, 0), "there is no value in the inode");
    let error = image.with(&[(entry + 2, &[0, 0])]).unwrap().xattrs(few).unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("over a name"), "{error}");
}
