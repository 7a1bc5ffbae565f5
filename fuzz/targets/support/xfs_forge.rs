//! Intents that no power cut was seen to leave: exchanges of ranges and changes of attributes. They are put in the
//! place of buffers that a log holds.

use crate::sparse::Image;
use crate::xfs_structures::{Kind, Map, Structure, be16, be32};

/// An inode, and its generation.
type File = (u64, u32);

/// Changes a log. What is in it of the buffers that make room is lost.
pub fn forge(image: &mut Image, map: &Map) {
    let files = files(image, map);
    let [first, second, third] = files[..3] else { panic!("an image with few files") };
    let items = [
        exchange(first, second, 2, 0),
        exchange(second, third, 1 << 20, 2 | 4),
        attribute(first, 1, 0, &[b"set-by-the-log", b"value"]),
        attribute(second, 3, 2, &[b"replaced", b"another value"]),
        attribute(third, 2, 0, &[b"removed"]),
        attribute(first, 4, 8, &[b"parent", b"0123456789ab"]),
    ];
    let places = places(image, map);
    assert!(places.len() >= items.len(), "a log with few buffers");
    for (number, ((head, data), item)) in (1..).zip(places.into_iter().rev().zip(items)) {
        put(image, map, head, data, item, number);
        map.repair(image, head);
    }
}

/// Regular files with extents.
fn files(image: &Image, map: &Map) -> Vec<File> {
    let inodes = map.kinds.iter().flatten().filter(|found| found.kind == Kind::Inode);
    let found = inodes.filter_map(|inode| {
        let at = map.place(inode, 0);
        let is_file = be16(image, at + 2) >> 12 == 8 && image.bytes(at + 5, 1) == [2] && be64_is_set(image, at + 56);
        is_file.then_some((inode.owner?, be32(image, at + 92)))
    });
    found.collect()
}

fn be64_is_set(image: &Image, at: usize) -> bool {
    image.bytes(at, 8) != [0; 8]
}

/// Descriptions of buffers that are logged in one region, with that region.
fn places<'a>(image: &Image, map: &'a Map) -> Vec<(&'a Structure, &'a Structure)> {
    let of = |kind| map.kinds.iter().flatten().filter(move |found: &&Structure| found.kind == kind);
    let mut heads = of(Kind::LogBuffer).peekable();
    let mut found = Vec::new();
    // Both are in the order of the log.
    for data in of(Kind::LogBufferData).filter(|data| data.length >= 256) {
        let before = |head: &Structure| (head.record(), head.from + head.length + 12) < (data.record(), data.from);
        while heads.next_if(|head| before(head)).is_some() {}
        let Some(head) = heads.peek() else { break };
        let is_of_it = head.record() == data.record() && head.from + head.length + 12 == data.from;
        let is_whole = [head, &data].into_iter().all(|region| bytes(image, map, region, region.from - 3, 1) == [0]);
        if is_of_it && is_whole && bytes(image, map, head, head.from + 2, 2) == [2, 0] {
            found.push((*head, data));
        }
    }
    found
}

/// Bytes of the data of the record that `of` is in.
fn bytes(image: &Image, map: &Map, of: &Structure, from: usize, length: usize) -> Vec<u8> {
    let record = &map.records[of.record().unwrap()];
    (from..from + length).map(|at| image.bytes(record.place(&map.geometry, at), 1)[0]).collect()
}

/// Puts an item where `data` is: the buffer that it belongs to is left without any, and what is left over is an item
/// that says that an intent is done which never was.
fn put(image: &mut Image, map: &Map, head: &Structure, data: &Structure, mut item: Vec<Vec<u8>>, number: u64) {
    let record = &map.records[data.record().unwrap()];
    let start = data.from - 12;
    let transaction = bytes(image, map, data, start, 4);
    item[0][8..16].copy_from_slice(&(0xF0F0_0000 + number).to_le_bytes());
    let used: usize = item.iter().map(|region| 12 + region.len()).sum();
    let mut rest = vec![0; data.length - used];
    rest[..8].copy_from_slice(&[0x37, 0x12, 1, 0, 0, 0, 0, 0]);
    rest[8..16].fill(0xEE);
    item.push(rest);
    let added = item.len() as u32 - 1;
    let operation = |region: Vec<u8>| {
        let length = (region.len() as u32).to_be_bytes();
        [&transaction[..], &length, &[0x69, 0, 0, 0], &region].concat()
    };
    let operations = item.into_iter().flat_map(operation);
    for (at, byte) in (start..).zip(operations) {
        image.write(record.place(&map.geometry, at), &[byte]);
    }
    // `blf_size` and `blf_map_size`.
    for (at, byte) in [(2, 1), (16, 0)] {
        image.write(map.place(head, at), &[byte]);
    }
    record.add_operations(image, &map.geometry, added);
}

/// `struct xfs_xmi_log_format`, without its number.
fn exchange(first: File, second: File, blocks: u64, flags: u64) -> Vec<Vec<u8>> {
    let inodes = [first.0, second.0].map(u64::to_le_bytes).concat();
    let generations = [first.1, second.1].map(u32::to_le_bytes).concat();
    let rest = [0, 0, blocks, flags, 5000, 6000].map(u64::to_le_bytes).concat();
    vec![[&[0x48, 0x12, 1, 0], &[0; 12][..], &inodes, &generations, &rest].concat()]
}

/// `struct xfs_attri_log_format`, without its number, and the regions behind it: a name, and a value.
fn attribute(file: File, change: u32, filter: u32, regions: &[&[u8]]) -> Vec<Vec<u8>> {
    let length = |number: usize| regions.get(number).map_or(0, |region| region.len() as u32);
    let rest = [change, length(0), length(1), filter].map(u32::to_le_bytes).concat();
    let format = [&[0x46, 0x12, 1 + regions.len() as u8, 0], &[0; 12][..], &file.0.to_le_bytes(), &rest].concat();
    let padded = |region: &&[u8]| [region, &[0; 3][..]].concat()[..region.len().next_multiple_of(4)].to_vec();
    [format].into_iter().chain(regions.iter().map(padded)).collect()
}
