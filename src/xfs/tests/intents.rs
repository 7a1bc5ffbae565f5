//! What a kernel finishes after the replay, carried out on an image of which everything is known.

use super::fixture::open;
use crate::Xfs;
use crate::fork::Which;
use crate::inode::Inode;
use crate::intents::finish;
use crate::log::{AttributeChange, AttributeIntent, ExchangeIntent, Intent, MapIntent};
use crate::mapping::{self, Place};
use vfs::{ErrorKind, FileSystem, NodeId, SegmentKind, Stream};

const BLOCK: usize = 4096;
const SET_SIZES: u64 = 2;
const ONLY_WRITTEN: u64 = 4;

fn node(fs: &Xfs, path: &str) -> NodeId {
    path.split('/').fold(fs.root(), |directory, name| fs.lookup(directory, name.as_bytes()).unwrap())
}

fn data(fs: &Xfs, path: &str) -> Vec<u8> {
    let node = node(fs, path);
    let mut bytes = vec![0; fs.attr(node).unwrap().size as usize];
    assert_eq!(fs.read_at(node, Stream::Main, 0, &mut bytes).unwrap(), bytes.len());
    bytes
}

/// The image after these intents; nothing was read of it before.
fn after(intents: impl FnOnce(&Xfs) -> Vec<Intent>) -> Xfs {
    let intents = intents(&open("default", true).unwrap());
    let mut fs = Xfs::over(open("default", true).unwrap().device);
    finish(&mut fs, intents).unwrap();
    fs
}

fn exchange(fs: &Xfs, paths: [&str; 2], offsets: [u64; 2], blocks: u64, flags: u64) -> Vec<Intent> {
    let inodes = paths.map(|path| node(fs, path));
    let generations = inodes.map(|inode| Inode::read(&fs.device, inode).unwrap().generation());
    let [first, second] = inodes.map(|inode| fs.attr(inode).unwrap().size);
    let inodes = inodes.map(|inode| inode.0);
    vec![Intent::Exchange(ExchangeIntent { inodes, generations, offsets, blocks, flags, sizes: [second, first] })]
}

const A: &str = "plain/f65537";
const B: &str = "shared/cut";

#[test]
fn an_exchange_of_all_of_two_files_exchanges_data_sizes_and_blocks() {
    let before = open("default", true).unwrap();
    let fs = after(|fs| exchange(fs, [A, B], [0, 0], 49, SET_SIZES));
    assert!(data(&fs, A) == data(&before, B) && data(&fs, B) == data(&before, A));
    let blocks = |fs: &Xfs, path| fs.attr(node(fs, path)).unwrap().allocated;
    assert_eq!((blocks(&fs, A), blocks(&fs, B)), (blocks(&before, B), blocks(&before, A)));
}

#[test]
fn an_exchange_in_the_middle_leaves_the_rest_as_it_was() {
    let before = open("default", true).unwrap();
    let fs = after(|fs| exchange(fs, [A, B], [2, 5], 3, 0));
    let (mut a, mut b) = (data(&before, A), data(&before, B));
    a[2 * BLOCK..5 * BLOCK].swap_with_slice(&mut b[5 * BLOCK..8 * BLOCK]);
    assert!(data(&fs, A) == a && data(&fs, B) == b);
}

/// A file with holes, and where they are, by blocks.
fn holes(fs: &Xfs, path: &str) -> Vec<bool> {
    let node = node(fs, path);
    let blocks = fs.attr(node).unwrap().size.div_ceil(BLOCK as u64);
    (0..blocks).map(|block| fs.segment(node, block * BLOCK as u64).unwrap().kind == SegmentKind::Hole).collect()
}

#[test]
fn an_exchange_of_what_is_written_leaves_holes_alone() {
    const SPARSE: &str = "sparse/punched";
    let before = open("default", true).unwrap();
    let holes = holes(&before, SPARSE);
    let count = holes.len().min(40);
    assert!(holes[..count].contains(&true) && holes[..count].contains(&false), "{holes:?}");
    let fs = after(|fs| exchange(fs, [SPARSE, B], [0, 0], count as u64, ONLY_WRITTEN));
    let (mut sparse, mut b) = (data(&before, SPARSE), data(&before, B));
    for block in (0..count).filter(|block| !holes[*block]) {
        let range = block * BLOCK..(block + 1) * BLOCK;
        sparse[range.clone()].swap_with_slice(&mut b[range]);
    }
    assert!(data(&fs, SPARSE) == sparse && data(&fs, B) == b);
}

fn map(fs: &Xfs, path: &str, is_map: bool, from: (&str, u64), offset: u64, length: u32) -> Intent {
    let source = Inode::read(&fs.device, node(fs, from.0)).unwrap();
    let Place::Stored(start_block) = mapping::run(fs, &source, Which::Data, from.1).unwrap().place else {
        panic!("block {} of {} is a hole", from.1, from.0)
    };
    let owner = node(fs, path).0;
    let (is_attr_fork, is_unwritten, is_realtime) = (false, false, false);
    Intent::Map(MapIntent { owner, is_map, start_block, offset, length, is_attr_fork, is_unwritten, is_realtime })
}

#[test]
fn a_mapping_that_was_to_take_the_place_of_another_does() {
    let before = open("default", true).unwrap();
    let fs = after(|fs| vec![map(fs, A, false, (A, 3), 3, 2), map(fs, A, true, (B, 7), 3, 2)]);
    let mut expected = data(&before, A);
    expected[3 * BLOCK..5 * BLOCK].copy_from_slice(&data(&before, B)[7 * BLOCK..9 * BLOCK]);
    assert!(data(&fs, A) == expected);
    let fs = after(|fs| vec![map(fs, A, false, (A, 3), 3, 2)]);
    expected[3 * BLOCK..5 * BLOCK].fill(0);
    assert!(data(&fs, A) == expected);
    let allocated = |fs: &Xfs| fs.attr(node(fs, A)).unwrap().allocated;
    assert_eq!(allocated(&fs) + 2 * BLOCK as u64, allocated(&before));
}

#[test]
fn only_the_file_whose_change_cannot_be_finished_is_refused() {
    let before = open("default", true).unwrap();
    let fs = after(|fs| vec![map(fs, A, true, (B, 7), 3, 2)]);
    let error = fs.attr(node(&fs, A)).unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("mapped already"), "{error}");
    assert!(data(&fs, B) == data(&before, B));
    let another_generation = |fs: &Xfs| {
        let mut intents = exchange(fs, [A, B], [0, 0], 1, 0);
        let Intent::Exchange(exchange) = &mut intents[0] else { panic!("no exchange") };
        exchange.generations[1] ^= 1;
        intents
    };
    let fs = after(another_generation);
    assert!(fs.attr(node(&fs, A)).is_err() && fs.attr(node(&fs, B)).is_err());
}

#[test]
fn attributes_are_set_replaced_and_removed() {
    const PATH: &str = "attributes/directory-few";
    let change = |fs: &Xfs, change, filter, name: &[u8], value: &[u8]| {
        Intent::Attribute(AttributeIntent {
            inode: node(fs, PATH).0,
            generation: 0,
            change,
            filter,
            name: name.to_vec(),
            value: value.to_vec(),
            new_name: Vec::new(),
            new_value: Vec::new(),
        })
    };
    let fs = after(|fs| {
        vec![
            change(fs, AttributeChange::Set, 2, b"made", b"1"),
            change(fs, AttributeChange::Replace, 0, b"attribute-number-00000", b"other"),
            change(fs, AttributeChange::Remove, 0, b"attribute-number-00001", b""),
            change(fs, AttributeChange::Set, 0, b"gone", b"2"),
            change(fs, AttributeChange::Remove, 0, b"gone", b""),
            change(fs, AttributeChange::SetParent, 8, b"no attribute", b"3"),
        ]
    });
    for (filter, name) in [(0, &b""[..]), (0, b"a\0b"), (6, b"two namespaces"), (1, b"none")] {
        let fs = after(|fs| vec![change(fs, AttributeChange::Set, filter, name, b"4")]);
        assert_eq!(fs.xattrs(self::node(&fs, PATH)).unwrap_err().kind, ErrorKind::Corrupt, "{filter} {name:?}");
    }
    let node = node(&fs, PATH);
    let value = |name: &str| fs.xattr(node, name.as_bytes()).ok();
    assert_eq!(value("trusted.made"), Some(b"1".to_vec()));
    assert_eq!(value("user.attribute-number-00000"), Some(b"other".to_vec()));
    assert_eq!((value("user.attribute-number-00001"), value("user.gone")), (None, None));
    let before = open("default", true).unwrap();
    let names = |fs: &Xfs| {
        let mut names = fs.xattrs(self::node(fs, PATH)).unwrap();
        names.sort();
        names
    };
    let mut expected = names(&before);
    expected.retain(|name| name != b"user.attribute-number-00001");
    expected.push(b"trusted.made".to_vec());
    expected.sort();
    assert_eq!(names(&fs), expected);
}
