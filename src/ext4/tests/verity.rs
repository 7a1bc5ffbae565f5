//! fs-verity files that a kernel made: verified whole, and with every part of them changed.

use super::crafted::Image;
use super::disk::Disk;
use super::fixture::{assert_same, kernel_manifest};
use super::manifest;
use crate::{Ext4, OpenOptions};
use block::ReadAt;
use std::ops::ControlFlow;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use vfs::{Cursor, Error, ErrorKind, FileSystem, Stream};

static VERITY: LazyLock<Image> = LazyLock::new(|| Image::new("verity"));
static VERITY_4K: LazyLock<Image> = LazyLock::new(|| Image::new("verity-4k"));

fn verifying(disk: &Arc<Disk>) -> Ext4 {
    let disk: Arc<dyn ReadAt> = Arc::clone(disk) as _;
    Ext4::open_with(&disk, &OpenOptions { verify: true, ..OpenOptions::default() }).unwrap()
}

/// What the name of a file says of it, and where its parts are.
struct Sample {
    path: String,
    hash_bytes: u64,
    tree_block: u64,
    salt_bytes: u64,
    size: u64,
}

impl Sample {
    fn all(image: &Image) -> Vec<Self> {
        let mut found = Vec::new();
        let root = image.fs.root();
        image
            .fs
            .read_dir(root, Cursor::START, &mut |entry| {
                found.extend(Self::of(std::str::from_utf8(entry.name).unwrap()));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(found.len() > 20);
        found
    }

    fn of(name: &str) -> Option<Self> {
        let fields: Vec<_> = name.split('-').collect();
        let [algorithm, tree_block, salt, size] = fields[..] else { return None };
        let number = |text: &str| text.parse::<u64>().unwrap();
        Some(Self {
            path: name.to_owned(),
            hash_bytes: if algorithm == "sha256" { 32 } else { 64 },
            tree_block: number(tree_block),
            salt_bytes: number(salt),
            size: number(size),
        })
    }

    fn tree_start(&self) -> u64 {
        self.size.next_multiple_of(1 << 16)
    }

    /// Bytes of the Merkle tree, counted in another way than the reader does.
    fn tree_bytes(&self) -> u64 {
        let (mut blocks, mut total) = (self.size.div_ceil(self.tree_block), 0);
        while blocks > 1 {
            blocks = (blocks * self.hash_bytes).div_ceil(self.tree_block);
            total += blocks;
        }
        total * self.tree_block
    }

    fn descriptor(&self, image: &Image) -> u64 {
        (self.tree_start() + self.tree_bytes()).next_multiple_of(image.fs.device.superblock.block_bytes())
    }

    /// The place on the disk of a byte of the file.
    fn place(&self, image: &Image, at: u64) -> u64 {
        let block_bytes = image.fs.device.superblock.block_bytes();
        image.block(&self.path, at / block_bytes) + at % block_bytes
    }

    fn flipped(&self, image: &Image, at: u64) -> Ext4 {
        let place = self.place(image, at);
        let [byte] = image.get::<1>(place);
        verifying(&Arc::new(Disk::new(&image.bytes).with(place, [byte ^ 0x10])))
    }

    fn read(&self, image: &Image, fs: &Ext4, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let mut buf = vec![0xEE; (range.end - range.start) as usize];
        assert_eq!(fs.read_at(image.node(&self.path), Stream::Main, range.start, &mut buf)?, buf.len());
        Ok(buf)
    }
}

#[test]
fn every_verity_file_is_read_whole_when_it_is_verified() {
    for (name, image) in [("verity", &*VERITY), ("verity-4k", &*VERITY_4K)] {
        let fs = verifying(&Arc::new(Disk::new(&image.bytes)));
        assert_same(name, &kernel_manifest(name), &manifest::of(&fs).unwrap());
    }
}

#[test]
fn a_changed_byte_of_data_fails_its_block_and_no_other() {
    for image in [&*VERITY, &*VERITY_4K] {
        for sample in Sample::all(image).iter().filter(|sample| sample.size > 0) {
            for at in [0, sample.size / 3, sample.size / 2, sample.size - 1] {
                let fs = sample.flipped(image, at);
                let bad = at / sample.tree_block;
                let error = sample.read(image, &fs, 0..sample.size).unwrap_err();
                assert_eq!(error.kind, ErrorKind::Corrupt);
                let place = format!("inode {}: block {bad} ", image.node(&sample.path).0);
                assert!(error.message.starts_with(&place), "{}: {error}", sample.path);
                assert_eq!(sample.read(image, &fs, at..at + 1).unwrap_err().kind, ErrorKind::Corrupt);
                for other in (0..sample.size).step_by(sample.tree_block as usize) {
                    let range = other..(other + sample.tree_block).min(sample.size);
                    let expected = sample.read(image, &image.fs, range.clone()).unwrap();
                    if other / sample.tree_block != bad {
                        assert!(sample.read(image, &fs, range).unwrap() == expected, "{} at {other}", sample.path);
                    }
                }
            }
        }
    }
}

#[test]
fn a_changed_byte_anywhere_in_the_tree_is_found() {
    for image in [&*VERITY, &*VERITY_4K] {
        for sample in Sample::all(image) {
            let blocks = sample.tree_bytes() / sample.tree_block;
            assert_eq!(blocks > 0, sample.size > sample.tree_block);
            // The first bytes and the last: hashes, and the zeros behind them.
            for (block, at) in (0..blocks).flat_map(|block| [(block, 0), (block, sample.tree_block - 1)]) {
                let fs = sample.flipped(image, sample.tree_start() + block * sample.tree_block + at);
                let error = sample.read(image, &fs, 0..sample.size).unwrap_err();
                assert_eq!(error.kind, ErrorKind::Corrupt);
                assert!(error.message.contains(&format!("block {block} of its Merkle tree")), "{error}");
            }
        }
    }
}

#[test]
fn a_change_of_the_descriptor_is_found() {
    for image in [&*VERITY, &*VERITY_4K] {
        for sample in Sample::all(image) {
            // What is hashed by nothing but a signature: the rest of the fields for root hash and salt.
            let unused = [16 + sample.hash_bytes..16 + 64, 80 + sample.salt_bytes..80 + 32];
            let descriptor = sample.descriptor(image);
            for at in 0..256 {
                let fs = sample.flipped(image, descriptor + at);
                let read = sample.read(image, &fs, 0..sample.size);
                // A salt counts as filled up with zeros, so that one more of them changes nothing; and where there is no data,
                // nothing is hashed.
                let is_same_salt = at == 3 && (sample.salt_bytes == 4 || sample.size == 0);
                let is_salt_of_nothing = sample.size == 0 && (80..112).contains(&at);
                let is_unused = unused.iter().any(|unused| unused.contains(&at));
                let matters = !(is_unused || is_same_salt || is_salt_of_nothing);
                assert!(read.is_err() || !matters, "{}: byte {at} of the descriptor", sample.path);
                if let Err(error) = read {
                    assert!(matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported), "{error}");
                    assert!(error.message.starts_with("inode "), "{error}");
                }
            }
            let end = descriptor + image.fs.device.superblock.block_bytes();
            for at in [end - 3, end - 2, end - 1] {
                let fs = sample.flipped(image, at);
                assert!(sample.read(image, &fs, 0..sample.size).is_err(), "{}: size of the descriptor", sample.path);
            }
        }
    }
}

#[test]
fn a_verity_file_without_its_descriptor_is_an_error_only_when_it_is_verified() {
    let image = &*VERITY;
    let sample = Sample::of("sha256-1024-0-4097").unwrap();
    let descriptor = sample.place(image, sample.descriptor(image));
    let disk = Arc::new(Disk::new(&image.bytes).with(descriptor, vec![0; 1024]));
    let unverified = Ext4::open(disk.clone()).unwrap();
    let expected = sample.read(image, &image.fs, 0..4097).unwrap();
    assert!(sample.read(image, &unverified, 0..4097).unwrap() == expected);
    assert_eq!(sample.read(image, &verifying(&disk), 0..4097).unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(sample.read(image, &verifying(&disk), 0..0).unwrap_err().kind, ErrorKind::Corrupt, "when it is opened");
}

/// What is read of the volume for one read of a file.
fn seen(image: &Image, path: &str, verify: bool) -> Vec<Range<u64>> {
    let disk = Arc::new(Disk::new(&image.bytes));
    let volume: Arc<dyn ReadAt> = disk.clone();
    let fs = Ext4::open_with(&volume, &OpenOptions { verify, ..OpenOptions::default() }).unwrap();
    let node = image.node(path);
    fs.attr(node).unwrap();
    disk.take_seen();
    fs.read_at(node, Stream::Main, 0, &mut [0; 4096]).unwrap();
    fs.read_at(node, Stream::Main, 0, &mut [0; 4096]).unwrap();
    disk.take_seen()
}

#[test]
fn nothing_more_is_read_without_verification_or_of_other_files() {
    let image = &*VERITY_4K;
    assert_eq!(seen(image, "plain", true), seen(image, "plain", false));
    assert_eq!(seen(image, "sha256-4096-0-614400", false).len(), 2);
    // Size and fields of the descriptor, two levels of tree blocks, all of it once, and the data each time.
    assert_eq!(seen(image, "sha256-4096-0-614400", true).len(), 2 + 2 + 2);
}
