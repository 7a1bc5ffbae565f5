//! Against `ext4-view`, another reader of the format: where both understand an image they agree. And what it does
//! otherwise, which is why it is only compared with.

use super::crafted::Image;
use super::dirty;
use super::disk::Disk;
use super::tree;
use crate::Ext4;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::{Arc, LazyLock};
use vfs::{FileSystem, FileType, NodeId, Stream};

static DEFAULT: LazyLock<Image> = LazyLock::new(|| Image::new("default"));
static NO_CHECKSUMS: LazyLock<Image> = LazyLock::new(|| Image::new("no-checksums"));
static EXT2: LazyLock<Image> = LazyLock::new(|| Image::new("ext2"));

/// Larger files are not compared: the other reader reads whole files.
const SIZE_MAX: u64 = 16 << 20;
const READ_BYTES: usize = 100_000;

impl ext4_view::Ext4Read for Disk {
    fn read(&mut self, start: u64, bytes: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.bytes(start, bytes);
        Ok(())
    }
}

fn theirs(disk: Disk) -> Result<ext4_view::Ext4, ext4_view::Ext4Error> {
    ext4_view::Ext4::load(Box::new(disk))
}

/// What both readers can say of a name.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    file_type: FileType,
    permissions: u16,
    owner: (u32, u32),
    size: u64,
    modified: (i64, u32),
    accessed: (i64, u32),
    target: Option<Vec<u8>>,
    data: Option<Vec<u8>>,
}

/// Facts by path.
type Tree = BTreeMap<Vec<u8>, Facts>;

fn ours(fs: &Ext4) -> Tree {
    let mut found = Tree::new();
    tree::each(fs, &mut |path, node| {
        found.insert(path.to_vec(), our_facts(fs, node));
        Ok(())
    })
    .unwrap();
    found
}

fn our_facts(fs: &Ext4, node: NodeId) -> Facts {
    let attr = fs.attr(node).unwrap();
    let data = (attr.file_type == FileType::Regular && attr.size <= SIZE_MAX).then(|| {
        let mut data = vec![0; attr.size as usize];
        for (index, part) in data.chunks_mut(READ_BYTES).enumerate() {
            assert_eq!(fs.read_at(node, Stream::Main, (index * READ_BYTES) as u64, part).unwrap(), part.len());
        }
        data
    });
    Facts {
        file_type: attr.file_type,
        permissions: attr.permissions,
        owner: (attr.uid, attr.gid),
        size: attr.size,
        modified: (attr.modified.seconds, attr.modified.nanoseconds),
        accessed: (attr.accessed.seconds, attr.accessed.nanoseconds),
        target: (attr.file_type == FileType::Symlink).then(|| fs.read_link(node).unwrap()),
        data,
    }
}

/// What the other reader says of the names that `tree` has, and what it cannot say.
fn their_facts(fs: &ext4_view::Ext4, path: &[u8]) -> Result<Facts, ext4_view::Ext4Error> {
    let path = if path.is_empty() { b"/" } else { path };
    let path = ext4_view::Path::try_from(path).unwrap();
    let metadata = fs.symlink_metadata(path)?;
    let is_link = metadata.file_type().is_symlink();
    let is_compared = metadata.file_type().is_regular_file() && metadata.len() <= SIZE_MAX;
    Ok(Facts {
        file_type: file_type(metadata.file_type()),
        permissions: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        size: metadata.len(),
        modified: (metadata.modified().seconds(), metadata.modified().nanoseconds()),
        accessed: (metadata.accessed().seconds(), metadata.accessed().nanoseconds()),
        target: if is_link { Some(fs.read_link(path)?.as_ref().to_vec()) } else { None },
        data: if is_compared { Some(fs.read(path)?) } else { None },
    })
}

fn file_type(file_type: ext4_view::FileType) -> FileType {
    match file_type {
        ext4_view::FileType::Regular => FileType::Regular,
        ext4_view::FileType::Directory => FileType::Directory,
        ext4_view::FileType::Symlink => FileType::Symlink,
        ext4_view::FileType::CharacterDevice => FileType::CharDevice,
        ext4_view::FileType::BlockDevice => FileType::BlockDevice,
        ext4_view::FileType::Fifo => FileType::Fifo,
        ext4_view::FileType::Socket => FileType::Socket,
    }
}

/// The paths that the other reader lists below the root, as far as it can.
fn their_paths(fs: &ext4_view::Ext4) -> BTreeSet<Vec<u8>> {
    let (mut found, mut todo) = (BTreeSet::from([Vec::new()]), vec![b"/".to_vec()]);
    while let Some(path) = todo.pop() {
        for entry in fs.read_dir(&path[..]).unwrap() {
            let entry = entry.unwrap();
            if matches!(entry.file_name().as_ref(), b"." | b"..") {
                continue;
            }
            let path = entry.path().as_ref().to_vec();
            if entry.file_type().unwrap().is_dir() {
                todo.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// Compares everything but the paths in `not_understood`, of which the other reader says nothing.
fn assert_both_agree(image: &Image, not_understood: &[&str]) {
    let (ours, theirs) = (ours(&image.fs), theirs(Disk::new(&image.bytes)).unwrap());
    assert_eq!(their_paths(&theirs), ours.keys().cloned().collect());
    let mut failed = Vec::new();
    for (path, ours) in &ours {
        let shown = String::from_utf8_lossy(path).into_owned();
        match their_facts(&theirs, path) {
            Ok(theirs) if theirs == *ours => {}
            Ok(theirs) => {
                let same_data = theirs.data == ours.data;
                let (theirs, ours) =
                    (Facts { data: None, ..theirs }, Facts { target: ours.target.clone(), data: None, ..*ours });
                panic!("{shown}: same data: {same_data}\ntheirs: {theirs:?}\nours: {ours:?}");
            }
            Err(_) => failed.push(shown),
        }
    }
    assert_eq!(failed, not_understood);
}

/// Times before 1970 and after 2038, and a link target with a name of more than 255 bytes.
const NOT_UNDERSTOOD: [&str; 4] = ["/acl/y1930", "/acl/y2040", "/acl/y2100", "/links/sym-1000"];

#[test]
fn ext4_view_finds_the_same_tree_and_data_on_a_default_image() {
    assert_both_agree(&DEFAULT, &NOT_UNDERSTOOD);
}

#[test]
fn ext4_view_finds_the_same_tree_and_data_without_checksums() {
    assert_both_agree(&NO_CHECKSUMS, &NOT_UNDERSTOOD);
}

#[test]
fn ext4_view_finds_the_same_tree_and_data_on_ext2_but_cannot_read_sparse_files() {
    let sparse = ["/sparse/all-hole", "/sparse/middle", "/sparse/tail"];
    assert_both_agree(&EXT2, &[&NOT_UNDERSTOOD[..], &sparse].concat());
}

#[test]
fn ext4_view_shows_what_was_on_the_disk_before_in_an_unwritten_extent_where_we_show_zeros() {
    const STALE: [u8; 4096] = [0xAA; 4096];
    let image = &*DEFAULT;
    let (path, root) = ("sparse/prealloc", image.inode("sparse/prealloc") + 40);
    // The first extent, in the inode: at block 0 of the file, unwritten.
    assert_eq!(image.get::<6>(root + 12)[..4], [0; 4]);
    assert!(u16::from_le_bytes(image.get(root + 16)) > 32_768, "the first extent of {path} is not unwritten");
    let block = u64::from(u32::from_le_bytes(image.get(root + 20)));
    let stale = || Disk::new(&image.bytes).with(block << 12, STALE);
    let theirs = theirs(stale()).unwrap().read("/sparse/prealloc").unwrap();
    assert_eq!(theirs[..4096], STALE);
    let fs = Ext4::open(Arc::new(stale())).unwrap();
    let mut ours = [1; 4096];
    assert_eq!(fs.read_at(image.node(path), Stream::Main, 0, &mut ours).unwrap(), 4096);
    assert_eq!(ours, [0; 4096]);
}

#[test]
fn ext4_view_refuses_meta_bg_mmp_and_large_dir_which_we_read() {
    const INCOMPAT: u64 = 1024 + 0x60;
    const FIRST_META_BG: u64 = 1024 + 0x104;
    let (image, sound) = (&*NO_CHECKSUMS, ours(&NO_CHECKSUMS.fs));
    for feature in [0x10, 0x100, 0x4000] {
        let incompat = u32::from_le_bytes(image.get(INCOMPAT)) | feature;
        // All descriptors are in the one block before the first meta group.
        let with = || Disk::new(&image.bytes).with(INCOMPAT, incompat.to_le_bytes()).with(FIRST_META_BG, [1, 0, 0, 0]);
        assert!(matches!(theirs(with()), Err(ext4_view::Ext4Error::Incompatible(_))), "{feature:#x}");
        assert!(ours(&Ext4::open(Arc::new(with())).unwrap()) == sound, "{feature:#x}");
    }
}

/// How many files of an image with a dirty journal the other reader shows with other data, without an error, and how
/// many it does not show at all; ours were compared with the kernel's in `dirty.rs`.
fn wrong_in_theirs(kind: &str) -> Option<(usize, usize)> {
    let image = dirty::image(kind)?;
    let ours = ours(&Ext4::open(Arc::new(Disk::new(&image))).unwrap());
    let theirs = theirs(Disk::new(&image)).unwrap();
    let (mut different, mut missing) = (0, 0);
    for (path, facts) in ours.iter().filter(|(_, facts)| facts.file_type == FileType::Regular) {
        match their_facts(&theirs, path) {
            Ok(found) => different += usize::from(found.data != facts.data),
            Err(ext4_view::Ext4Error::NotFound) => missing += 1,
            Err(_) => {}
        }
    }
    Some((different, missing))
}

#[test]
fn ext4_view_brings_back_revoked_blocks_where_we_leave_them_out() {
    if let Some((different, _)) = wrong_in_theirs("revoked-later") {
        assert!(different > 0, "it has learned revokes");
    }
}

#[test]
fn ext4_view_cuts_a_wrapped_journal_short_where_we_read_it_to_its_end() {
    if let Some((_, missing)) = wrong_in_theirs("wrapped") {
        assert!(missing > 0, "it has learned to go round");
    }
}
