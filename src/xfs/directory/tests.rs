//! Made-up directories of version 4, in which nothing has a checksum: whatever is changed reaches the parsers.

mod image;

use super::*;
use image::{DIR, Image, PARENT, colliding, data_block, entry_at, leaf, node, short_form};
use proptest::prelude::*;
use proptest::sample::Index;

type Listed = Vec<(Vec<u8>, u64)>;

fn listed(fs: &Xfs, from: Cursor, most: usize) -> (Listed, Cursor, Result<()>) {
    let (mut found, mut last) = (Vec::new(), from);
    let dir = match fs.inode(DIR) {
        Ok(dir) => dir,
        Err(error) => return (found, last, Err(error)),
    };
    let result = list(fs, &dir, from, &mut |entry| {
        assert!(entry.next > last && entry.next < Cursor::END);
        last = entry.next;
        found.push((entry.name.to_vec(), entry.node.0));
        if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    (found, last, result)
}

fn all(fs: &Xfs) -> Result<Listed> {
    let (found, _, result) = listed(fs, Cursor::START, usize::MAX);
    result.map(|()| found)
}

fn find(fs: &Xfs, name: &[u8]) -> Result<u64> {
    lookup(fs, fs.inode(DIR)?.as_ref(), name).map(|node| node.0)
}

fn is_missing(fs: &Xfs, name: &[u8]) -> bool {
    find(fs, name).is_err_and(|error| error.kind == ErrorKind::NotFound)
}

/// Fails unless the directory ends in damage after `names` names.
fn assert_damaged(image: &Image, names: usize, why: &str) {
    let (found, _, result) = listed(&image.open(), Cursor::START, usize::MAX);
    let error = result.expect_err(why);
    assert_eq!((error.kind, found.len()), (ErrorKind::Corrupt, names), "{why}: {error}");
    assert!(error.message.contains(why), "{error}");
}

fn names(count: u64) -> Listed {
    (0..count).map(|number| (format!("name-{number}").into_bytes(), 100 + number)).collect()
}

/// A single block with `.`, `..` and these names.
fn single(names: &[(Vec<u8>, u64)]) -> Image {
    let mut image = Image::new();
    let block = data_block(&image, &image::with_dots(names), true);
    image.put(0, block);
    image
}

/// Two blocks with a hole between them, and a leaf; and the entries of that.
fn two_blocks(first: &[(Vec<u8>, u64)], second: &[(Vec<u8>, u64)]) -> (Image, Vec<(u32, u32)>) {
    let mut image = Image::new();
    let first = image::with_dots(first);
    let (blocks, mut index) = ([(0, first), (2, second.to_vec())], Vec::new());
    for (number, names) in blocks {
        index.extend(image::indexed(&image, number, &names));
        let block = data_block(&image, &names, false);
        image.put(number, block);
    }
    index.sort_unstable();
    image.put_leaf(0, leaf(image::ONLY_LEAF, &index, 0, 0));
    (image, index)
}

#[test]
fn entries_in_the_inode_are_listed_and_found_with_inode_numbers_of_4_and_of_8_bytes() {
    for is_large in [false, true] {
        for has_type in [false, true] {
            let mut image = Image::new();
            (image.has_type, image.is_vast) = (has_type, is_large);
            let large = if is_large { image::VAST } else { 0 };
            let names: Listed = names(4).into_iter().map(|(name, inode)| (name, inode | large)).collect();
            image.put_short(&short_form(&image, PARENT, &names, u8::from(is_large) * 4));
            let fs = image.open();
            assert_eq!(all(&fs).unwrap(), names);
            assert_eq!((find(&fs, b".").unwrap(), find(&fs, b"..").unwrap()), (DIR.0, PARENT));
            for (name, inode) in &names {
                assert_eq!(find(&fs, name).unwrap(), *inode);
            }
            assert!(is_missing(&fs, b"name-4") && is_missing(&fs, b"") && is_missing(&fs, &[b'a'; 256]));
        }
    }
}

#[test]
fn damage_of_entries_in_the_inode_is_an_error_behind_the_names_before_it() {
    let change = |at: usize, byte: u8, names_before: usize, why: &str| {
        let mut image = Image::new();
        let mut bytes = short_form(&image, PARENT, &names(3), 0);
        bytes[at] = byte;
        image.put_short(&bytes);
        assert_damaged(&image, names_before, why);
    };
    // Header of 6 bytes; entries of 1, 2, 6 for the name and 4 for the inode number.
    change(0, 2, 2, "2 entries that do not end where its size says, 45");
    change(0, 4, 3, "an entry is cut short");
    change(5, 3, 3, "inode 3 as its parent");
    change(6, 0, 0, "a name that no file can have");
    change(9, b'/', 0, "a name that no file can have");
    change(6 + 13 + 4, 0, 1, "a name that no file can have");
    change(6 + 13 + 9, 0xFF, 1, "inode 4278190181, which cannot exist");
    change(6 + 13 + 2, 0, 1, "an entry with offset");
    change(6 + 26 + 1, 4, 3, "an entry that would lie outside of a block");
}

#[test]
fn the_size_and_the_large_numbers_of_entries_in_the_inode_have_to_be_right() {
    let mut image = Image::new();
    image.is_vast = true;
    image.put_short(&short_form(&image, PARENT, &names(1), 1));
    assert_damaged(&image, 1, "0 large inode numbers, not 1");
    image.size = 1000;
    assert_damaged(&image, 0, "1000 bytes of entries in room for");
    image.size = 1;
    assert_damaged(&image, 0, "1 bytes of entries");
}

#[test]
fn a_single_block_is_listed_and_searched_by_its_own_index() {
    let names = names(20);
    let image = single(&names);
    let fs = image.open();
    assert_eq!(all(&fs).unwrap(), names);
    assert_eq!(find(&fs, b"..").unwrap(), PARENT);
    for (name, inode) in &names {
        assert_eq!(find(&fs, name).unwrap(), *inode);
    }
    assert!(is_missing(&fs, b"name-20"));
}

#[test]
fn a_listing_goes_on_behind_any_entry() {
    let (image, _) = two_blocks(&names(20), &names(30)[20..]);
    let fs = image.open();
    let expected = all(&fs).unwrap();
    assert_eq!(expected, names(30));
    for step in 1..5 {
        let (mut found, mut at) = (Vec::new(), Cursor::START);
        loop {
            let (mut some, next, result) = listed(&fs, at, step);
            result.unwrap();
            found.append(&mut some);
            if next == at {
                break;
            }
            at = next;
        }
        assert_eq!(found, expected, "{step} at a time");
    }
}

#[test]
fn a_listing_reads_each_block_once_and_hints_at_what_comes_next() {
    let (image, _) = two_blocks(&names(10), &names(20)[10..]);
    let (fs, disk) = image.open_seen();
    fs.inode(DIR).unwrap();
    disk.take_seen();
    let (_, at, _) = listed(&fs, Cursor::START, 1);
    let (reads, hints) = disk.take_seen();
    let inodes = 100 * 256_u64..120 * 256;
    let is_hinted = |range: &std::ops::Range<u64>| range.start <= inodes.start && range.end >= inodes.end;
    assert!(reads == 1 && hints.iter().any(is_hinted), "{reads} reads, {hints:?}");
    // The other block lies behind the first, with two blocks of something else between them.
    assert!(hints.contains(&(67 << 10..68 << 10)), "{hints:?}");
    let (found, _, _) = listed(&fs, at, usize::MAX);
    assert_eq!((disk.take_seen().0, found.len()), (1, 19));
    for (name, inode) in names(20) {
        assert_eq!(find(&fs, &name).unwrap(), inode);
    }
    assert_eq!(disk.take_seen().0, 1, "what is left is the index");
}

#[test]
fn removed_entries_are_passed_over_in_blocks_and_in_the_index() {
    let names = names(10);
    let mut image = single(&names);
    image.remove(0, &names[3].0);
    let fs = image.open();
    assert_eq!(all(&fs).unwrap().len(), 9);
    assert!(is_missing(&fs, &names[3].0));
    assert_eq!(find(&fs, &names[4].0).unwrap(), names[4].1);
}

#[test]
fn names_with_the_same_hash_are_told_apart_over_several_leaves() {
    let collide: Listed = (0..12).map(|number| (colliding(number), 100 + number)).collect();
    let mut image = Image::new();
    let all_names = image::with_dots(&collide);
    let mut index = image::indexed(&image, 0, &all_names);
    index.sort_unstable();
    let block = data_block(&image, &all_names, false);
    image.put(0, block);
    // Three leaves and a node; in each a removed entry with the same hash.
    let same = index.iter().map(|(hash, _)| *hash).find(|hash| *hash == crate::da_tree::hash(&colliding(0))).unwrap();
    let mut nodes = Vec::new();
    for (number, part) in index.chunks(5).enumerate() {
        let mut part = part.to_vec();
        if part[0].0 == same {
            part.insert(0, (same, 0));
        }
        let next = if number == 2 { 0 } else { image::leaf_number(number as u64 + 2) };
        let stale = part.iter().filter(|(_, address)| *address == 0).count() as u16;
        nodes.push((part.last().unwrap().0, image::leaf_number(number as u64 + 1)));
        image.put_leaf(number as u64 + 1, leaf(image::LEAF, &part, stale, next));
    }
    image.put_leaf(0, node(1, &nodes));
    let fs = image.open();
    for (name, inode) in &collide {
        assert_eq!(find(&fs, name).unwrap(), *inode);
    }
    assert!(is_missing(&fs, &colliding(12)) && is_missing(&fs, b"zzzzzz"));
}

#[test]
fn damage_in_a_block_is_an_error_behind_the_names_before_it() {
    let sound = single(&names(10));
    let at = entry_at(&sound, 0, b"name-4");
    let change = |at: usize, bytes: &[u8], names_before: usize, why: &str| {
        let mut image = sound.clone();
        image.change(0, at, bytes);
        assert_damaged(&image, names_before, why);
    };
    change(at + 7, &[0], 4, "an entry for inode 0, which cannot exist");
    change(at, &[1], 4, "which cannot exist");
    change(at + 8, &[0], 4, "that say that they begin at byte");
    change(at + 8, &[255], 4, "that say that they begin at byte");
    change(at + 9, b"/", 4, "a name that no file can have");
    change(at + 10, &[0], 4, "a name that no file can have");
    change(at + 22, &[0xEE], 4, "that say that they begin at byte");
    change(at, &[0xFF, 0xFF, 0, 24], 9, "an index of 12 entries for 11");
    change(at, &[0xFF, 0xFF, 0, 0], 4, "0 unused bytes");
    change(at, &[0xFF, 0xFF, 0, 20], 4, "20 unused bytes");
    change(at, &[0xFF, 0xFF, 0xFF, 0xF8], 4, "65528 unused bytes");
    change(0, b"XD2D", 0, "it holds something else");
    change(image::BLOCK - 8, &[0xFF], 0, "an index of");
}

#[test]
fn unused_bytes_in_two_pieces_are_damage() {
    let names = names(10);
    let mut image = single(&names);
    image.remove(0, &names[3].0);
    image.remove(0, &names[4].0);
    assert_damaged(&image, 3, "unused bytes in two pieces");
}

#[test]
fn entries_of_another_directory_are_damage() {
    let mut image = single(&names(3));
    let at = entry_at(&image, 0, b".");
    image.change(0, at + 7, &[77]);
    assert_damaged(&image, 0, "its entries are those of inode 77");
}

#[test]
fn blocks_may_be_missing_between_others_but_not_at_the_ends() {
    let (sound, _) = two_blocks(&names(10), &names(20)[10..]);
    assert_eq!(all(&sound.open()).unwrap(), names(20));
    let without = |number: u64| {
        let mut image = sound.clone();
        image.take(number);
        image
    };
    assert_damaged(&without(0), 0, "block 0 of the directory: it is missing");
    assert_damaged(&without(2), 10, "it is missing");
    let mut image = sound.clone();
    image.size = image::BLOCK as u64;
    assert_damaged(&image, 10, "blocks of entries behind its size");
    for size in [0, 7, image::BLOCK as u64 + 1, (1 << 35) + image::BLOCK as u64] {
        image.size = size;
        assert_damaged(&image, 0, &format!("a directory of {size} bytes"));
    }
}

#[test]
fn where_the_index_is_damaged_names_are_searched_for() {
    let (sound, index) = two_blocks(&names(10), &names(20)[10..]);
    let swapped: Vec<_> = index.iter().rev().copied().collect();
    // Each entry leads to the next one's name.
    let addresses = index.iter().cycle().skip(1).map(|(_, address)| *address);
    let moved: Vec<_> = index.iter().map(|(hash, _)| *hash).zip(addresses).collect();
    let outside: Vec<_> = index.iter().map(|(hash, _)| (*hash, 0x0FFF_FFFF)).collect();
    let damaged = [
        leaf(image::ONLY_LEAF, &swapped, 0, 0),
        leaf(image::ONLY_LEAF, &moved, 0, 0),
        leaf(image::ONLY_LEAF, &outside, 0, 0),
        leaf(image::ONLY_LEAF, &index, 1, 0),
        leaf(0x1234, &index, 0, 0),
        node(9, &[(u32::MAX, image::leaf_number(0))]),
        node(1, &[(u32::MAX, image::leaf_number(0))]),
        node(1, &[(u32::MAX, image::leaf_number(5))]),
        vec![0xFF; image::BLOCK],
    ];
    for (number, bytes) in damaged.into_iter().enumerate() {
        let mut image = sound.clone();
        image.put_leaf(0, bytes);
        let fs = image.open();
        for (name, inode) in names(20) {
            assert_eq!(find(&fs, &name).unwrap(), inode, "index {number}");
        }
        assert!(is_missing(&fs, b"name-99"), "index {number}: all of the directory was searched");
        let at = entry_at(&image, 2, b"name-15");
        image.change(2, at + 7, &[0]);
        let fs = image.open();
        assert_eq!(find(&fs, b"name-14").unwrap(), 114, "index {number}");
        assert_eq!(find(&fs, b"name-16").unwrap_err().kind, ErrorKind::Corrupt, "index {number}: nobody knows");
    }
}

#[test]
fn leaves_that_come_after_themselves_end() {
    let (mut image, index) = two_blocks(&names(10), &names(20)[10..]);
    let last = index.last().unwrap().0;
    image.put_leaf(0, node(1, &[(last, image::leaf_number(1))]));
    image.put_leaf(1, leaf(image::LEAF, &index, 0, image::leaf_number(2)));
    image.put_leaf(2, leaf(image::LEAF, &[], 0, image::leaf_number(1)));
    let fs = image.open();
    for (name, inode) in names(20) {
        assert_eq!(find(&fs, &name).unwrap(), inode);
    }
    assert!(is_missing(&fs, b"name-99"));
}

#[test]
fn where_case_is_ignored_the_very_name_comes_before_one_that_is_alike() {
    let latin = [b"caf".as_slice(), &[0xC9]].concat();
    let names: Listed =
        [&b"README"[..], b"ReadMe", b"other", &latin].iter().map(|name| name.to_vec()).zip(100..).collect();
    for in_inode in [false, true] {
        let mut image = Image::new();
        image.ignores_case = true;
        if in_inode {
            image.put_short(&short_form(&image, PARENT, &names, 0));
        } else {
            let block = data_block(&image, &image::with_dots(&names), true);
            image.put(0, block);
        }
        let fs = image.open();
        let found = |name: &[u8]| find(&fs, name).unwrap();
        assert_eq!((found(b"README"), found(b"ReadMe"), found(b"OTHER")), (100, 101, 102));
        assert!(matches!(found(b"readme"), 100 | 101));
        // The index here was written by who folds ASCII only.
        assert_eq!(found(&[b"CAF".as_slice(), &[0xE9]].concat()), 103);
        assert!(is_missing(&fs, b"others"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is damaged, there is an answer or an error; and where the listing shows no damage, a name leads to what
    /// it shows, or to an error.
    #[test]
    fn flipped_bits_end_in_an_answer_or_an_error(
        form in 0_usize..4,
        flips in proptest::collection::vec((any::<Index>(), any::<Index>(), 0_u32..8), 1..6),
    ) {
        let names = names(12);
        let mut image = match form {
            0 => {
                let mut image = Image::new();
                image.put_short(&short_form(&image, PARENT, &names[..6], 0));
                image
            }
            1 => single(&names),
            2 => two_blocks(&names[..6], &names[6..]).0,
            _ => {
                let (mut image, index) = two_blocks(&names[..6], &names[6..]);
                let last = index.last().unwrap().0;
                image.put_leaf(0, node(1, &[(index[6].0, image::leaf_number(1)), (last, image::leaf_number(2))]));
                image.put_leaf(1, leaf(image::LEAF, &index[..7], 0, image::leaf_number(2)));
                image.put_leaf(2, leaf(image::LEAF, &index[7..], 0, 0));
                image
            }
        };
        for (block, at, bit) in flips {
            image.flip(&block, &at, bit);
        }
        let fs = image.open();
        for (name, _) in &names {
            let _ = find(&fs, name);
        }
        let _ = (find(&fs, b".."), find(&fs, b"name-99"));
        if let Ok(listed) = all(&fs) {
            // A name may have become that of another.
            for (name, _) in &listed {
                let found = find(&fs, name);
                let is_listed = |inode: &u64| listed.contains(&(name.clone(), *inode));
                prop_assert!(found.as_ref().map_or(true, is_listed), "{name:?}: {found:?}");
            }
        }
    }
}
