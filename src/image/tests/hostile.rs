//! Images that are damaged, or made to do harm.

use super::fixtures::{directory, unpacked};
use super::support::{Dice, Memory, OPTIONS, content, read};
use crate::{Error, Files, Format, OpenOptions};
use block::{ReadAt, ReadErrorKind};
use std::sync::Arc;

/// A qcow2 image of 1 MiB in which nothing is written, over `backing`.
fn qcow2(backing: &str) -> Vec<u8> {
    let mut image = vec![0; 3 << 16];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb\0\0\0\x03");
    if !backing.is_empty() {
        put(8, &512_u64.to_be_bytes());
        put(16, &(backing.len() as u32).to_be_bytes());
        put(512, backing.as_bytes());
    }
    put(20, &16_u32.to_be_bytes());
    put(24, &(1_u64 << 20).to_be_bytes());
    put(36, &1_u32.to_be_bytes());
    put(40, &(1_u64 << 16).to_be_bytes());
    put(96, &4_u32.to_be_bytes());
    put(100, &104_u32.to_be_bytes());
    image
}

fn with(image: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    image[at..at + bytes.len()].copy_from_slice(bytes);
    image
}

#[test]
fn a_chain_that_comes_back_to_itself_is_refused() {
    let itself = Memory::default().with("disk", qcow2("disk")).refusal("disk");
    assert!(itself.contains("has no end"), "{itself}");
    let two = Memory::default().with("a", qcow2("./b")).with("b", qcow2("././a")).refusal("a");
    assert!(two.contains("has no end"), "{two}");
}

#[test]
fn the_sectors_of_a_disk_are_those_of_what_its_image_builds_on() {
    let base = unpacked(&directory("image").join("sectors-4096.vhdx.zst"));
    let files = Memory::default().with("base.vhdx", base).with("disk", qcow2("base.vhdx"));
    let opened = files.open_image("disk").unwrap();
    assert_eq!(opened.disk.geometry().block_size(), block::BlockSize::B4096);
    assert_eq!(opened.files, ["disk", "base.vhdx"]);
}

#[test]
fn a_chain_of_more_images_than_anybody_makes_is_refused() {
    let chain = |length: usize| {
        let last = Memory::default().with(&length.to_string(), vec![0; 1 << 20]);
        (0..length).fold(last, |files, at| files.with(&at.to_string(), qcow2(&(at + 1).to_string())))
    };
    assert_eq!(content(&*chain(60).open_image("0").unwrap().disk).unwrap(), vec![0; 1 << 20]);
    let refusal = chain(80).refusal("0");
    assert!(refusal.contains("64 images on top"), "{refusal}");
}

#[test]
fn an_image_gets_only_the_files_that_are_given_to_it() {
    struct Only(Memory);
    impl Files for Only {
        fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, Error> {
            if name.starts_with('/') || name.contains("..") {
                return Err(Error::Unreadable { image: name.to_owned(), reason: "it lies elsewhere".to_owned() });
            }
            self.0.open(name)
        }
    }
    for outside in ["/etc/passwd", "../../etc/passwd", "file:/etc/passwd"] {
        let files = Only(Memory::default().with("point/disk", qcow2(outside)));
        let refusal = crate::open(&files, "point/disk", &OPTIONS).err().unwrap().to_string();
        assert!(refusal.contains("it lies elsewhere"), "{refusal}");
    }
    for other in ["nbd://host/disk", "json:{}", "http://host/disk"] {
        let refusal = Memory::default().with("disk", qcow2(other)).refusal("disk");
        assert!(refusal.contains("not named by a path"), "{refusal}");
    }
}

#[test]
fn headers_of_qcow2_that_say_what_cannot_be_are_refused() {
    let good = qcow2("");
    assert!(Memory::default().with("disk", good.clone()).open_image("disk").is_ok());
    let refusal = |at: usize, bytes: &[u8]| Memory::default().with("disk", with(&good, at, bytes)).refusal("disk");
    assert!(refusal(20, &8_u32.to_be_bytes()).contains("clusters"));
    assert!(refusal(20, &30_u32.to_be_bytes()).contains("clusters"));
    assert!(refusal(24, &u64::MAX.to_be_bytes()).contains("bytes"));
    assert!(refusal(24, &(1_u64 << 50).to_be_bytes()).contains("too short for its disk"));
    assert!(refusal(36, &u32::MAX.to_be_bytes()).contains("first table"));
    assert!(refusal(40, &7_u64.to_be_bytes()).contains("first table"));
    assert!(refusal(72, &(1_u64 << 5).to_be_bytes()).contains("features of a newer version"));
    assert!(refusal(72, &4_u64.to_be_bytes()).contains("which file its data are in"));
    assert!(refusal(32, &1_u32.to_be_bytes()).contains("encryption"));
    assert!(refusal(7, &[4]).contains("version"));
}

#[test]
fn tables_of_qcow2_that_point_nowhere_are_errors_and_not_zeros() {
    let (good, table) = (qcow2(""), 1_usize << 16);
    let error = |image: Vec<u8>| {
        let opened = Memory::default().with("disk", image).open_image("disk").unwrap();
        read(&*opened.disk, 0, 1).unwrap_err()
    };
    let l2 = with(&good, table, &(2_u64 << 16).to_be_bytes());
    assert!(read(&*Memory::default().with("disk", l2.clone()).open_image("disk").unwrap().disk, 0, 1).is_ok());
    for (image, at, entry) in [
        (&good, table, 1_u64 << 40),
        (&good, table, 512),
        (&good, table, 1 << 60),
        (&l2, 2 << 16, 1 << 40),
        (&l2, 2 << 16, 512),
        (&l2, 2 << 16, 2),
        // A compressed cluster at which there is none.
        (&l2, 2 << 16, 1 << 62),
        (&l2, 2 << 16, 1 << 62 | 1 << 40),
    ] {
        let error = error(with(image, at, &entry.to_be_bytes()));
        assert_eq!(error.kind, ReadErrorKind::Damaged, "entry {entry:#x}: {error}");
        assert!(error.to_string().contains("'disk'"), "{error}");
    }
}

#[test]
fn an_image_that_is_cut_short_is_never_read_as_zeros() {
    for name in ["sectors-4096.vhdx", "no-end.vhd"] {
        let whole = unpacked(&directory("image").join(format!("{name}.zst")));
        let disk = Memory::default().with("disk", whole.clone()).open_image("disk").unwrap().disk;
        let expected = content(&*disk).unwrap();
        let cut = whole[..whole.len() - 8192].to_vec();
        let disk = Memory::default().with("disk", cut).open_image("disk").unwrap().disk;
        let blocks = disk.geometry().blocks();
        let block_bytes = disk.geometry().block_size().bytes() as usize;
        let mut errors = 0;
        for first in 0..blocks {
            match read(&*disk, first, 1) {
                Ok(found) => assert_eq!(found, expected[first as usize * block_bytes..][..block_bytes]),
                Err(error) => {
                    assert!(error.to_string().contains("cut short"), "{error}");
                    errors += 1;
                }
            }
        }
        assert!(errors > 0, "{name}");
    }
}

#[test]
fn images_with_bytes_that_were_changed_are_read_or_refused_and_nothing_worse() {
    let mut dice = Dice::new();
    let names = ["middle.vhd", "sectors.vhd", "child.vhdx", "log-ring.vhdx", "log-many.vhdx", "top.vhdx"];
    let images: Vec<_> = names.map(|name| unpacked(&directory("image").join(format!("{name}.zst")))).into();
    let formats = [Format::Vhd, Format::Vhd, Format::Vhdx, Format::Vhdx, Format::Vhdx, Format::Vhdx];
    for _ in 0..200 {
        let which = dice.below(names.len() as u64) as usize;
        let mut image = images[which].clone();
        for _ in 0..1 + dice.below(4) {
            // Mostly where tables are.
            let end = if dice.below(4) == 0 { image.len() as u64 } else { 4096 };
            let start = [0, 64 << 10, 1 << 20, 2 << 20, 3 << 20][dice.below(5) as usize];
            let at = (start + dice.below(end)) as usize % image.len();
            image[at] = dice.below(256) as u8;
        }
        let files = Memory::default().with("disk", image).with("base.vhd", images[1].clone());
        let options = OpenOptions { format: Some(formats[which]), ..OPTIONS };
        if let Ok(opened) = crate::open(&files, "disk", &options) {
            let blocks = opened.disk.geometry().blocks();
            for _ in 0..20 {
                let first = dice.below(blocks);
                let _ = read(&*opened.disk, first, (1 + dice.below(300)).min(blocks - first) as u32);
            }
        }
    }
}
