//! What is refused: whole file systems by name, single files alone.

use super::crafted::Image;
use super::disk::Disk;
use super::walk::{self, Aspect};
use crate::Ext4;
use std::sync::{Arc, LazyLock};
use vfs::{Cursor, ErrorKind, FileSystem, Stream};

static NO_CHECKSUMS: LazyLock<Image> = LazyLock::new(|| Image::new("no-checksums"));
static DEFAULT: LazyLock<Image> = LazyLock::new(|| Image::new("default"));

const INCOMPAT: u64 = 1024 + 0x60;
const RO_COMPAT: u64 = 1024 + 0x64;
const LAST_ORPHAN: u64 = 1024 + 0xE8;
/// Byte of `i_flags` in an inode.
const FLAGS: u64 = 0x20;

/// `image` with this bit set in the word at `at`.
fn with_bit(image: &Image, at: u64, bit: u32) -> vfs::Result<Ext4> {
    let word = u32::from_le_bytes(image.get(at)) | bit;
    image.with(&[(at, &word.to_le_bytes())])
}

#[test]
fn a_file_system_whose_root_is_not_in_use_is_damaged_not_missing() {
    let links = NO_CHECKSUMS.inode("") + 0x1A;
    let error = NO_CHECKSUMS.with(&[(links, &[0, 0])]).err().expect("it was opened");
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("inode 2"), "{error}");
}

#[test]
fn every_incompatible_feature_is_read_or_refused_by_name() {
    // What mke2fs calls them; those that are read are not here.
    let refused = [
        (0x1, "compression"),
        (0x8, "external journal"),
        (0x1000, "dirdata"),
        // In an encoding that nobody chose.
        (0x2_0000, "casefold"),
        (0x4_0000, "unknown incompatible feature 0x40000"),
        (0x8000_0000, "unknown incompatible feature 0x80000000"),
    ];
    for (bit, name) in refused {
        let error = with_bit(&NO_CHECKSUMS, INCOMPAT, bit).err().unwrap_or_else(|| panic!("{name} was opened"));
        assert!(error.kind == ErrorKind::Unsupported && error.message.contains(name), "{name}: {error}");
    }
    for bit in (18..32).map(|shift| 1 << shift) {
        assert_eq!(with_bit(&NO_CHECKSUMS, INCOMPAT, bit).err().map(|error| error.kind), Some(ErrorKind::Unsupported));
    }
}

#[test]
fn features_that_only_forbid_writing_change_nothing() {
    let expected = walk::of(&NO_CHECKSUMS.fs, true);
    for bit in [0x100, 0x1000, 0x8000, 0x4000_0000] {
        let word = u32::from_le_bytes(NO_CHECKSUMS.get(RO_COMPAT)) | bit;
        let disk = Disk::new(&NO_CHECKSUMS.bytes).with(RO_COMPAT, word.to_le_bytes());
        let found = walk::of(&Ext4::open(Arc::new(disk)).unwrap(), true);
        let values = |answers: &walk::Answers| {
            answers.iter().map(|(key, answer)| (key.clone(), answer.as_ref().ok().copied())).collect::<Vec<_>>()
        };
        assert!(values(&expected) == values(&found), "{bit:#x}");
    }
}

#[test]
fn what_is_marked_as_encrypted_is_never_shown_as_if_it_were_not() {
    let image = &*NO_CHECKSUMS;
    let marked = |path| (with_bit(image, image.inode(path) + FLAGS, 0x800).unwrap(), image.node(path));
    let (fs, file) = marked("plain/f4096");
    assert_eq!(fs.read_at(file, Stream::Main, 0, &mut [0; 10]).unwrap_err().kind, ErrorKind::KeyMissing);
    assert_eq!(fs.segment(file, 0).unwrap_err().kind, ErrorKind::KeyMissing);
    assert_eq!(fs.attr(file).unwrap(), image.fs.attr(file).unwrap());
    let mut buf = [0; 10];
    assert_eq!(fs.read_at(image.node("plain/f4097"), Stream::Main, 0, &mut buf).unwrap(), 10);
    // No ciphertext is as short as these names are, and no length of one is where these targets begin.
    let (fs, directory) = marked("deep");
    let listed = fs.read_dir(directory, Cursor::START, &mut |_| std::ops::ControlFlow::Continue(()));
    assert_eq!(listed.unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(fs.lookup(directory, b"name").unwrap_err().kind, ErrorKind::NotFound);
    for path in ["links/sym-1000", "links/sym-short"] {
        let (fs, link) = marked(path);
        assert_eq!(fs.read_link(link).unwrap_err().kind, ErrorKind::Corrupt);
        assert_eq!(fs.attr(link).unwrap_err().kind, ErrorKind::Corrupt);
    }
}

#[test]
fn an_unfinished_deletion_is_told() {
    let notices = |fs: vfs::Result<Ext4>| fs.unwrap().info().notices;
    assert_eq!(notices(image_with(&[])), [""; 0]);
    assert_eq!(notices(image_with(&[(LAST_ORPHAN, &[12, 0, 0, 0])])).len(), 1);
    assert_eq!(notices(with_bit(&NO_CHECKSUMS, RO_COMPAT, 0x1_0000)).len(), 1);
}

fn image_with(patches: &[(u64, &[u8])]) -> vfs::Result<Ext4> {
    NO_CHECKSUMS.with(patches)
}

#[test]
fn an_inode_with_a_wrong_checksum_is_an_error_and_every_other_file_is_right() {
    let image = &*DEFAULT;
    let sound = walk::of(&image.fs, true);
    for path in ["plain/f4096", "acl/access", "links/sym-short", "xattr/dir"] {
        // One second earlier.
        let at = image.inode(path) + 8;
        let disk = Disk::new(&image.bytes).with(at, [image.get::<1>(at)[0] ^ 1]);
        let found = walk::of(&Ext4::open(Arc::new(disk)).unwrap(), true);
        let wrong = format!("/{path}").into_bytes();
        assert_eq!(sound.len() - found.len(), sound.keys().filter(|(path, _)| *path == wrong).count() - 4);
        for (key, answer) in &found {
            let is_wrong = key.0 == wrong && key.1 != Aspect::Lookup;
            match answer {
                Ok(answer) => assert!(!is_wrong && sound[key].as_ref().ok() == Some(answer), "{key:?}"),
                Err(error) => {
                    assert!(is_wrong && error.kind == ErrorKind::Corrupt, "{key:?}: {error}");
                    assert!(error.message.contains("checksum"), "{error}");
                }
            }
        }
    }
}

#[test]
fn inline_data_and_values_in_other_inodes_without_their_feature_are_damage() {
    let image = &*NO_CHECKSUMS;
    let mut buf = [0; 10];
    let fs = with_bit(image, image.inode("plain/f60") + FLAGS, 0x1000_0000).unwrap();
    let error = fs.read_at(image.node("plain/f60"), Stream::Main, 0, &mut buf).unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("inline data"), "{error}");
    // The first attribute behind 32 bytes of fixed fields and the magic number.
    let (few, entry) = (image.node("xattr/few"), image.inode("xattr/few") + 128 + 32 + 4);
    assert_ne!(image.get::<1>(entry), [0], "there is no attribute in the inode");
    let inode = image.node("plain/f4096").0.to_le_bytes();
    let fs = image.with(&[(entry + 4, &inode[..4])]).unwrap();
    assert_eq!(fs.xattrs(few).unwrap_err().kind, ErrorKind::Corrupt);
    // With the feature, the inode would still have to be one that holds a value.
    let incompat = u32::from_le_bytes(image.get(INCOMPAT)) | 0x400;
    let fs = image.with(&[(entry + 4, &inode[..4]), (INCOMPAT, &incompat.to_le_bytes())]).unwrap();
    let errors = fs.xattrs(few).unwrap().into_iter().filter_map(|name| fs.xattr(few, &name).err());
    assert_eq!(errors.map(|error| error.kind).collect::<Vec<_>>(), [ErrorKind::Corrupt]);
}
