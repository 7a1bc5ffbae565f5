//! Images with what misleads whoever reads them: made on purpose, or left so by Windows.

use super::crafted::{Image, attribute, content, find, le32, put64};
use std::ops::{ControlFlow, Range};
use vfs::{Cursor, ErrorKind, FileSystem};

const STANDARD_INFORMATION: u32 = 0x10;
const ATTRIBUTE_LIST: u32 = 0x20;
const SECURITY_DESCRIPTOR: u32 = 0x50;
const DATA: u32 = 0x80;
const INDEX_ROOT: u32 = 0x90;
const INDEX_ALLOCATION: u32 = 0xA0;

/// Where in the image the first run of an attribute is, whose clusters have 512 bytes.
fn first_run(record: &[u8], at: usize) -> Range<usize> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte));
    let pairs = &record[at + usize::from(record[at + 0x20])..];
    let (length_bytes, place_bytes) = (usize::from(pairs[0] & 15), usize::from(pairs[0] >> 4));
    let (length, place) = (&pairs[1..=length_bytes], &pairs[1 + length_bytes..][..place_bytes]);
    number(place) * 512..(number(place) + number(length)) * 512
}

/// Where in the image the entries of a file's list of attributes are, as far as its first run goes.
fn entries(image: &Image, number: u64) -> Vec<usize> {
    let record = image.record(number);
    let list = attribute(&record, ATTRIBUTE_LIST, "");
    let run = first_run(&record, list);
    let end = run.end.min(run.start + le32(&record, list + 0x30) as usize);
    let (mut found, mut at) = (Vec::new(), run.start);
    while at < end {
        found.push(at);
        at += usize::from(image.bytes[at + 4]).max(8);
    }
    found
}

#[test]
fn no_cluster_is_read_from_two_parts_of_an_attribute_that_overlap() {
    let mut image = Image::small();
    let node = find(&image.open().unwrap(), "runs/a").unwrap();
    let last = *entries(&image, node.0).last().unwrap();
    let (number, lowest) = (le32(&image.bytes, last + 0x10), u64::from(le32(&image.bytes, last + 8)));
    assert!(le32(&image.bytes, last) == DATA && lowest > 0);
    put64(&mut image.bytes, last + 8, lowest - 1);
    image.edit(number.into(), |record| {
        let at = attribute(record, DATA, "");
        let highest = u64::from(le32(record, at + 0x18));
        put64(record, at + 0x10, lowest - 1);
        put64(record, at + 0x18, highest - 1);
    });
    let fs = image.open().unwrap();
    let read =
        |cluster: u64| fs.read_at(node, vfs::Stream::Main, cluster * 512, &mut [0; 512]).map_err(|error| error.kind);
    // Cluster `lowest - 1` is in both parts: it is only ever taken from the last, as what the other has cannot be read.
    assert_eq!((read(lowest - 1), read(lowest - 2)), (Ok(512), Err(ErrorKind::Corrupt)));
    assert_eq!(content(&fs, "runs/a").unwrap_err().kind, ErrorKind::Corrupt);
}

#[test]
fn a_list_of_attributes_that_was_written_in_part_is_an_error() {
    let mut image = Image::small();
    let node = find(&image.open().unwrap(), "runs/a").unwrap();
    image.edit(node.0, |record| {
        let at = attribute(record, ATTRIBUTE_LIST, "");
        put64(record, at + 0x38, u64::from(le32(record, at + 0x30)) - 1);
    });
    assert_eq!(image.open().unwrap().attr(node).unwrap_err().kind, ErrorKind::Corrupt);
}

#[test]
fn a_first_record_that_names_no_data_is_replaced_by_its_copy() {
    let mut image = Image::small();
    let expected = content(&image.open().unwrap(), "packed/text").unwrap();
    image.edit(0, |record| {
        let at = attribute(record, DATA, "");
        record[at] = 0x81;
    });
    let fs = image.open().unwrap();
    assert!(fs.info().notices.iter().any(|notice| notice.contains("$MFTMirr")));
    assert_eq!(content(&fs, "packed/text").unwrap(), expected);
}

/// Linux takes the rights of a link for those of its target, so that a link gives all of them; what else the file holds
/// keeps those of its descriptor.
#[test]
fn the_stream_of_a_link_is_as_secret_as_its_descriptor_says() {
    let mut image = Image::small();
    let node = find(&image.open().unwrap(), "streams/file").unwrap();
    let stream = |image: &Image| {
        let fs = image.open().unwrap();
        let name = fs.streams(node).unwrap().swap_remove(0).name;
        let stream = find(&fs, &format!("streams/file:{}", String::from_utf8(name).unwrap())).unwrap();
        let (own, attr) = (fs.attr(node).unwrap(), fs.attr(stream).unwrap());
        (own.file_type, attr.file_type, attr.permissions, fs.acl(stream).unwrap().access.is_some())
    };
    // Without a descriptor it is root's alone.
    let list = entries(&image, node.0);
    let descriptor = list.into_iter().find(|at| le32(&image.bytes, *at) == SECURITY_DESCRIPTOR).unwrap();
    image.bytes[descriptor] += 1;
    image.edit(node.0, |record| {
        let standard = attribute(record, STANDARD_INFORMATION, "");
        let value = standard + usize::from(record[standard + 0x14]);
        // The mark of a system file.
        record[value + 0x20] |= 4;
    });
    assert_eq!(stream(&image), (vfs::FileType::Regular, vfs::FileType::Regular, 0o600, false));
    let record = image.record(node.0);
    let value = first_run(&record, attribute(&record, DATA, "")).start;
    image.bytes[value..value + 8].copy_from_slice(b"IntxLNK\x01");
    assert_eq!(stream(&image), (vfs::FileType::Symlink, vfs::FileType::Regular, 0o600, false));
}

#[test]
fn what_a_packed_file_is_unpacked_from_is_given_and_not_listed() {
    let image = Image::small();
    let fs = image.open().unwrap();
    let node = find(&fs, "links/wof-0").unwrap();
    let listed = fs.xattrs(node).unwrap();
    assert!(!listed.iter().any(|name| name.starts_with(b"user.")), "{listed:?}");
    assert!(!fs.xattr(node, b"user.WofCompressedData").unwrap().is_empty());
    assert!(fs.xattrs(find(&fs, "streams/file").unwrap()).unwrap().iter().any(|name| name.starts_with(b"user.")));
}

/// As Windows marks a directory whose new files it is to encrypt or to compress: no index itself is either.
#[test]
fn directories_whose_new_files_are_encrypted_or_compressed_are_listed() {
    let image = Image::small();
    let node = find(&image.open().unwrap(), "many").unwrap();
    let names = |image: &Image| {
        let (fs, mut names) = (image.open().unwrap(), Vec::new());
        fs.read_dir(node, Cursor::START, &mut |entry| {
            names.push(entry.name.to_vec());
            ControlFlow::Continue(())
        })
        .map(|()| names)
    };
    let expected = names(&image).unwrap();
    assert!(expected.len() > 20);
    for flag in [0x4000_u16, 1] {
        let mut marked = image.clone();
        marked.edit(node.0, |record| {
            for kind in [INDEX_ROOT, INDEX_ALLOCATION] {
                let at = attribute(record, kind, "$I30");
                record[at + 12..at + 14].copy_from_slice(&flag.to_le_bytes());
            }
        });
        assert_eq!(names(&marked).unwrap(), expected, "{flag:#x}");
        assert!(find(&marked.open().unwrap(), "many/a-rather-long-name-of-number-7").is_ok());
    }
}
