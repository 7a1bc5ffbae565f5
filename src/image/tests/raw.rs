//! Raw images, and what is taken for one and what not.

use super::support::{Memory, OPTIONS, content, read};
use crate::{Format, LocalFiles, OpenOptions, Opened};
use block::{BlockSize, ReadErrorKind};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn open(path: &Path, block_size: BlockSize) -> Result<Opened, crate::Error> {
    crate::open(&LocalFiles, path.to_str().unwrap(), &OpenOptions { block_size, ..OPTIONS })
}

fn refusal(content: &[u8]) -> String {
    open(file(content).path(), BlockSize::B512).err().expect("it was accepted").to_string()
}

#[test]
fn blocks_come_back_as_they_are_and_half_a_block_is_left_out() {
    let content: Vec<u8> = (0..5000_u32).map(|i| i as u8).collect();
    let file = file(&content);
    let opened = open(file.path(), BlockSize::B512).unwrap();
    assert_eq!((opened.format, opened.files.len()), (Format::Raw, 1));
    let disk = &*opened.disk;
    assert_eq!(disk.geometry().blocks(), 9);
    assert_eq!(read(disk, 3, 2).unwrap(), content[3 * 512..5 * 512]);
    assert_eq!(read(disk, 8, 2).unwrap_err().kind, ReadErrorKind::OutOfRange);
    let large = open(file.path(), BlockSize::B4096).unwrap().disk;
    assert_eq!(large.geometry().blocks(), 1);
    assert_eq!(read(&*large, 0, 1).unwrap(), content[..4096]);
}

#[test]
fn many_reads_are_in_flight_and_all_are_answered() {
    let file = file(&[7; 512 * 64]);
    let disk = open(file.path(), BlockSize::B512).unwrap().disk;
    let (sender, receiver) = mpsc::channel();
    for first in 0..64 {
        let sender = sender.clone();
        let done = Box::new(move |answer: Result<_, _>| sender.send(answer.is_ok()).unwrap());
        disk.submit(block::BlockRange { first, count: 1 }, done);
    }
    drop((sender, disk));
    assert_eq!(receiver.iter().filter(|ok| *ok).count(), 64);
}

#[test]
fn a_file_that_becomes_shorter_is_an_error() {
    let file = file(&[7; 4096]);
    let disk = open(file.path(), BlockSize::B512).unwrap().disk;
    file.as_file().set_len(1000).unwrap();
    let error = read(&*disk, 4, 1).unwrap_err();
    assert_eq!(error.kind, ReadErrorKind::Device);
    assert!(error.to_string().contains("shorter"), "{error}");
}

#[test]
fn a_read_that_would_take_too_much_memory_is_refused() {
    let file = file(&[]);
    file.as_file().set_len(1 << 40).unwrap();
    let disk = open(file.path(), BlockSize::B4096).unwrap().disk;
    assert_eq!(read(&*disk, 0, (64 << 20 >> 12) + 1).unwrap_err().kind, ReadErrorKind::OutOfRange);
    assert!(read(&*disk, 0, 256).is_ok());
}

#[test]
fn what_is_no_image_that_is_read_is_refused_by_name() {
    assert!(refusal(&[b"QED\0", &[0; 4096][..]].concat()).contains("QED"));
    assert!(refusal(&[b"QFI\xfb\0\0\0\x01", &[0; 4096][..]].concat()).contains("version 1"));
    assert!(refusal(&[b"\x28\xb5\x2f\xfd", &[0; 4096][..]].concat()).contains("zstd --decompress"));
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(&[1; 511]).contains("empty"));
    let missing = open(Path::new("/no/such/image"), BlockSize::B512).err().unwrap();
    assert!(missing.to_string().contains("does not exist"));
    let directory = tempfile::tempdir().unwrap();
    let directory = open(directory.path(), BlockSize::B512).err().unwrap();
    assert!(directory.to_string().contains("not a disk image"));
}

#[test]
fn a_raw_image_that_looks_like_a_container_is_read_only_when_it_is_said_to_be_raw() {
    for magic in [&b"QFI\xfb"[..], b"vhdxfile", b"conectix", b"KDMV", b"# Disk DescriptorFile", b"QED\0"] {
        let image = [magic, &[0; 4096]].concat();
        let files = Memory::default().with("disk", image.clone());
        assert!(files.open_image("disk").is_err());
        let raw = OpenOptions { format: Some(Format::Raw), ..OPTIONS };
        let opened = crate::open(&files, "disk", &raw).unwrap();
        assert_eq!(content(&*opened.disk).unwrap(), image[..4096]);
    }
    let image = [&[0; 4096][..], b"conectix", &[0; 504]].concat();
    assert!(Memory::default().with("disk", image).refusal("disk").contains("VHD"));
}

#[test]
fn formats_have_the_names_that_manifests_use() {
    for (format, name) in [(Format::Raw, "raw"), (Format::Vhd, "vhd"), (Format::Vhdx, "vhdx")] {
        assert_eq!(format_name(format), name);
    }
    assert_eq!((format_name(Format::Qcow2), format_name(Format::Vmdk)), ("qcow2".to_owned(), "vmdk".to_owned()));
}

fn format_name(format: Format) -> String {
    serde_json::to_value(format).unwrap().as_str().unwrap().to_owned()
}
