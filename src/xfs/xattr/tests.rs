//! Attributes on made-up volumes: every form, in both versions, and what is wrong with them.

mod image;

use super::attribute::flag;
use super::{acl, names, value};
use crate::da_tree::hash;
use image::{Image, Made, made, made_remote};
use proptest::prelude::*;
use vfs::ErrorKind;

const VERSIONS: [bool; 2] = [false, true];

fn shown(image: &Image) -> vfs::Result<Vec<String>> {
    let (fs, inode) = image.open();
    Ok(names(&fs, &inode)?.into_iter().map(|name| String::from_utf8(name).unwrap()).collect())
}

fn read(image: &Image, name: &str) -> vfs::Result<Vec<u8>> {
    let (fs, inode) = image.open();
    value(&fs, &inode, name.as_bytes())
}

fn kind(image: &Image, name: &str) -> ErrorKind {
    read(image, name).unwrap_err().kind
}

/// One leaf, in block 0.
fn leaf(is_v5: bool, attributes: &[Made]) -> Image {
    Image::blocks(is_v5, &[Image::new(is_v5).leaf(attributes, 0)])
}

/// Names of one hash, 8 at most: a letter's lowest bit changes the same bit of the hash as the fourth of the letter five
/// further on.
fn one_hash(count: u8) -> Vec<Vec<u8>> {
    let name = |number: u8| {
        let bit = |at: u8| number >> at & 1;
        let low = |at| b'`' | bit(at);
        let high = |at| b'`' | bit(at) << 3;
        vec![low(0), low(1), low(2), b'!', b'!', high(0), high(1), high(2)]
    };
    let names: Vec<_> = (0..count).map(name).collect();
    assert!(names.iter().all(|name| hash(name) == hash(&names[0])));
    names
}

#[test]
fn a_file_without_a_fork_or_with_an_empty_one_has_no_attributes() {
    for is_v5 in VERSIONS {
        for image in [Image::new(is_v5), Image::short(is_v5, &[0, 4, 0, 0])] {
            assert!(shown(&image).unwrap().is_empty());
            assert_eq!(kind(&image, "user.a"), ErrorKind::NoAttribute);
            let (fs, inode) = image.open();
            assert_eq!(acl(&fs, &inode).unwrap(), vfs::Acl::default());
        }
    }
}

#[test]
fn a_name_is_looked_up_in_its_namespace_only_and_parent_pointers_in_none() {
    let short = b"\x00\x1c\x03\x00\x01\x02\x00aUS\x01\x03\x02aROO\x04\x04\x08filePARE";
    for is_v5 in VERSIONS {
        let of_leaf = [made(0, b"a", b"US"), made(flag::ROOT, b"a", b"ROO"), made(flag::PARENT, b"file", b"PARE")];
        for image in [Image::short(is_v5, short), leaf(is_v5, &of_leaf)] {
            let mut names = shown(&image).unwrap();
            names.sort();
            assert_eq!(names, ["trusted.a", "user.a"]);
            assert_eq!(read(&image, "user.a").unwrap(), b"US");
            assert_eq!(read(&image, "trusted.a").unwrap(), b"ROO");
            for name in ["security.a", "user.file", "parent.file", "trusted.file", "user.", "a", ""] {
                assert_eq!(kind(&image, name), ErrorKind::NoAttribute, "{name}");
            }
        }
    }
}

#[test]
fn the_hash_of_a_parent_pointer_is_not_that_of_its_name() {
    let mut pointer = made(flag::PARENT, b"file", &[0; 12]);
    let mut block = Image::new(true).leaf(&[pointer.clone()], 0);
    block[80] ^= 0xFF;
    assert!(shown(&Image::blocks(true, &[block.clone()])).unwrap().is_empty());
    pointer.flags = flag::LOCAL;
    block[86] = pointer.flags;
    assert!(shown(&Image::blocks(true, &[block])).unwrap_err().message.contains("whose hash is not"));
}

#[test]
fn what_was_unfinished_is_neither_listed_nor_found() {
    for is_v5 in VERSIONS {
        let attributes = [
            made(0, b"whole", b""),
            made(flag::INCOMPLETE, b"half", b"old"),
            made(0, b"half", b"new"),
            made_remote(flag::INCOMPLETE | flag::ROOT, b"begun", 0, 70_000),
        ];
        let image = leaf(is_v5, &attributes);
        let mut names = shown(&image).unwrap();
        names.sort();
        assert_eq!(names, ["user.half", "user.whole"]);
        assert_eq!(read(&image, "user.half").unwrap(), b"new");
        assert_eq!(read(&image, "user.whole").unwrap(), b"");
        assert_eq!(kind(&image, "trusted.begun"), ErrorKind::NoAttribute);
    }
}

#[test]
fn a_leaf_may_be_empty() {
    for is_v5 in VERSIONS {
        let image = leaf(is_v5, &[]);
        assert!(shown(&image).unwrap().is_empty());
        assert_eq!(kind(&image, "user.a"), ErrorKind::NoAttribute);
    }
}

/// Names of one hash that go over the leaves 1 to 3, in this order, with others around them; block 4 is no part of it.
fn tree(is_v5: bool, names: &[Vec<u8>]) -> Image {
    let maker = Image::new(is_v5);
    let of = |names: &[Vec<u8>]| names.iter().map(|name| made(0, name, name)).collect::<Vec<_>>();
    let same = hash(&names[0]);
    let (first, rest) = names.split_at(2);
    let (second, third) = rest.split_at(3);
    let low = (0..255).map(|byte| vec![byte + 1]).find(|name| hash(name) < same).unwrap();
    let high =
        (0..1000_u32).map(|number| format!("high-{number}").into_bytes()).find(|name| hash(name) > same).unwrap();
    let last = hash(&high);
    Image::blocks(
        is_v5,
        &[
            maker.node(&[(same, 1), (same, 2), (last, 3)]),
            maker.leaf(&[of(std::slice::from_ref(&low)), of(first)].concat(), 2),
            maker.leaf(&of(second), 3),
            maker.leaf(&[of(third), of(&[high])].concat(), 0),
            maker.leaf(&of(&[low]), 0),
        ],
    )
}

#[test]
fn names_of_one_hash_are_found_over_the_ends_of_leaves() {
    let names = one_hash(7);
    for is_v5 in VERSIONS {
        let image = tree(is_v5, &names);
        for name in &names {
            let full = format!("user.{}", String::from_utf8_lossy(name));
            assert_eq!(&read(&image, &full).unwrap(), name);
            assert_eq!(kind(&image, &full.replace("user", "trusted")), ErrorKind::NoAttribute);
        }
        let listed = shown(&image).unwrap();
        assert_eq!(listed.len(), 9);
        for name in listed {
            assert_eq!(format!("user.{}", String::from_utf8_lossy(&read(&image, &name).unwrap())), name);
        }
    }
}

#[test]
fn leaves_that_go_round_or_back_or_end_too_early_are_damage() {
    let names = one_hash(7);
    for is_v5 in VERSIONS {
        for (block, forward, why) in [
            (3, 4, "belong before"),
            (3, 1, "after itself"),
            (2, 2, "after itself"),
            (2, 0, "no leaf behind it"),
            (1, 0, "no leaf behind it"),
            (2, 9, "a hole"),
            (3, 5, "a hole"),
        ] {
            let mut image = tree(is_v5, &names);
            image.block_mut(block)[3] = forward;
            image.sum(block);
            let Err(error) = shown(&image) else { panic!("{block} before {forward} is not noticed") };
            assert!(error.message.contains(why), "{error}");
        }
    }
}

#[test]
fn values_in_blocks_of_their_own_are_read_whole() {
    for is_v5 in VERSIONS {
        let maker = Image::new(is_v5);
        for length in [0, 1, 967, 968, 969, 1024, 1025, 65_535, 65_536] {
            let expected: Vec<u8> = (0..length).map(|at: usize| (at * 7 + at / 251) as u8).collect();
            let leaf = maker.leaf(&[made_remote(0, b"large", 1, length as u32)], 0);
            let image = Image::blocks(is_v5, &[vec![leaf], maker.remote(&expected)].concat());
            assert!(read(&image, "user.large").unwrap() == expected, "{length}");
        }
    }
}

#[test]
fn values_where_there_are_none_are_damage() {
    for is_v5 in VERSIONS {
        let maker = Image::new(is_v5);
        for (block, length) in [(0, 10), (9, 10), (1, 3000), (1, 65_537), (1, u32::MAX), (u32::MAX, 10)] {
            let leaf = maker.leaf(&[made_remote(0, b"large", block, length)], 0);
            let image = Image::blocks(is_v5, &[vec![leaf], maker.remote(&[1; 900])].concat());
            assert_eq!(kind(&image, "user.large"), ErrorKind::Corrupt, "{block} {length}");
        }
    }
}

#[test]
fn a_block_of_a_value_says_what_it_is_and_is_believed_only_then() {
    let maker = Image::new(true);
    let made = |length| {
        let leaf = maker.leaf(&[made_remote(0, b"large", 1, length)], 0);
        Image::blocks(true, &[vec![leaf], maker.remote(&[1; 1500])].concat())
    };
    assert!(read(&made(1500), "user.large").is_ok());
    assert_eq!(kind(&made(1499), "user.large"), ErrorKind::Corrupt, "the length of the last part");
    // Magic number, offset, length, file system, owner, place: each with a checksum that is right.
    for at in [0, 7, 11, 16, 39, 47] {
        let mut image = made(1500);
        image.block_mut(2)[at] ^= 1;
        let error = read(&image, "user.large").unwrap_err();
        assert!(error.message.contains("checksum"), "byte {at}: {error}");
        image.block_mut(2)[at] ^= 1;
        let header_only = |image: &mut Image| {
            image.block_mut(2)[at] ^= 1;
            let sum = crate::verify::checksum(image.block_mut(2), 12);
            image.block_mut(2)[12..16].copy_from_slice(&sum.to_le_bytes());
        };
        header_only(&mut image);
        let error = read(&image, "user.large").unwrap_err();
        assert!(error.kind == ErrorKind::Corrupt && !error.message.contains("checksum"), "byte {at}: {error}");
    }
}

#[test]
fn damage_of_a_leaf_is_an_error_with_and_without_a_checksum() {
    let attributes = [made(0, b"colour", b"green"), made(flag::SECURE, b"selinux", b"label"), made(0, b"x", b"y")];
    for is_v5 in VERSIONS {
        let good = leaf(is_v5, &attributes);
        assert_eq!(shown(&good).unwrap().len(), 3);
        let (info, header) = if is_v5 { (56, 80) } else { (12, 32) };
        // Kind, number, first name, free space, hash, place of a name, a byte of a name, length of a name and of a value.
        for (at, bits) in [
            (9, 1),
            (info, 1),
            (info + 1, 7),
            (info + 4, 0x80),
            (info + 5, 0x07),
            (info + 9, 1),
            (info + 10, 0xF0),
            (header + 3, 1),
            (header, 0x80),
            (header + 5, 4),
            (header + 4, 2),
            (header + 6, 6),
            (1019, 0x20),
            (1002, 0x80),
            (1001, 0x40),
        ] {
            let mut image = leaf(is_v5, &attributes);
            image.block_mut(0)[at] ^= bits;
            if is_v5 {
                assert!(shown(&image).unwrap_err().message.contains("checksum"));
            }
            image.sum(0);
            let Err(error) = shown(&image) else { panic!("byte {at} changed by {bits:#x} is not noticed") };
            assert!(error.kind == ErrorKind::Corrupt && !error.message.contains("checksum"), "byte {at}: {error}");
        }
    }
}

#[test]
fn acls_are_attributes_of_the_superuser_and_lists_of_entries() {
    let entry = |tag: u8, permissions: u8| [0, 0, 0, tag, 255, 255, 255, 255, 0, permissions, 0, 0];
    let raw = [&[0, 0, 0, 3][..], &entry(1, 6), &entry(4, 4), &entry(32, 0)].concat();
    for is_v5 in VERSIONS {
        let image = leaf(is_v5, &[made(flag::ROOT, b"SGI_ACL_FILE", &raw), made(0, b"SGI_ACL_DEFAULT", b"of a user")]);
        let (fs, inode) = image.open();
        let acls = acl(&fs, &inode).unwrap();
        assert_eq!(acls.access.unwrap().entries().len(), 3);
        assert!(acls.default.is_none());
        assert_eq!(read(&image, "trusted.SGI_ACL_FILE").unwrap(), raw);
        assert_eq!(kind(&image, "system.posix_acl_access"), ErrorKind::NoAttribute);
        let image = leaf(is_v5, &[made(flag::ROOT, b"SGI_ACL_FILE", &raw[1..]), made(0, b"other", b"1")]);
        let (fs, inode) = image.open();
        assert_eq!(acl(&fs, &inode).unwrap_err().kind, ErrorKind::Corrupt);
        assert_eq!(read(&image, "user.other").unwrap(), b"1");
    }
}

/// A tree with every kind of block, for [`no_damage_makes_it_panic`].
fn everything(is_v5: bool) -> Image {
    let maker = Image::new(is_v5);
    let low = [made(0, b"a", b"1"), made(flag::ROOT, b"b", b"2"), made(flag::PARENT, b"c", b"3")];
    let (middle, high) = (hash(b"c"), hash(b"large value"));
    let leaves = [
        maker.node(&[(middle, 1), (high, 2)]),
        maker.leaf(&low, 2),
        maker.leaf(&[made_remote(0, b"large value", 3, 2500), made(flag::INCOMPLETE, b"unfinished", b"")], 0),
    ];
    Image::blocks(is_v5, &[&leaves[..], &maker.remote(&[7; 2500])].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn no_damage_makes_it_panic(
        is_v5: bool,
        changes in proptest::collection::vec((0_usize..5, 0_usize..1024, any::<u8>()), 1..4),
    ) {
        let mut image = everything(is_v5);
        for (block, at, byte) in changes {
            // What is in a block is mostly at its ends.
            let at = if at % 3 == 0 { at / 8 } else { at };
            image.block_mut(block)[at] = byte;
            image.sum(block);
        }
        let names = shown(&image).unwrap_or_default();
        for name in names.iter().map(String::as_str).chain(["user.a", "trusted.b", "user.large value"]) {
            let _ = read(&image, name);
        }
        let (fs, inode) = image.open();
        let _ = acl(&fs, &inode);
    }
}
