//! Where superblocks are, which of them count, and what is not accepted.

use super::crafted::{DISK_SECTORS, Made, disk, readable, sign, write};
use crate::md::superblock::{Role, Superblock, Version, find};
use crate::md::{superblock_1, superblock_090};
use crate::{Device, scan};
use block::BlockSize;
use zerocopy::byteorder::{BE, LE};

fn found(bytes: &[u8]) -> Result<Option<Superblock>, String> {
    let device = Device { name: "disk".to_owned(), data: readable(bytes), block_size: BlockSize::B512 };
    find(&device).map_err(|unusable| unusable.error.to_string())
}

/// A superblock of version 0.90 of a mirror of two, each of `kibibytes`, made at `ctime`.
fn made_090(kibibytes: u32, ctime: u32, is_big_endian: bool) -> Vec<u8> {
    let mut words = [0_u32; 1024];
    for (word, value) in [
        (0, 0xa92b_4efc),
        (2, 90),
        (5, 0x1111_2222),
        (6, ctime),
        (7, 1),
        (8, kibibytes),
        (10, 2),
        (13, 0x3333_4444),
        (14, 0x5555_6666),
        (15, 0x7777_8888),
        (32, 5_000),
        (33, 1),
        (128, 0),
        (132, 6),
        (160, 1),
        (163, 1),
        (164, 6),
        (992, 1),
    ] {
        words[word] = value;
    }
    // The event count, in two words.
    words[if is_big_endian { 40 } else { 39 }] = 77;
    let sum = words.iter().map(|word| u64::from(*word)).sum::<u64>();
    words[38] = ((sum & 0xffff_ffff) + (sum >> 32)) as u32;
    let bytes = |word: &u32| if is_big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
    words.iter().flat_map(bytes).collect()
}

const PLACE_090: u64 = DISK_SECTORS * 512 - 65_536;

#[test]
fn superblocks_of_version_1_are_found_at_their_place_only() {
    let end = DISK_SECTORS * 512 - 8192;
    for (at, version) in [(0, Version::V1_1), (4096, Version::V1_2), (end, Version::V1_0)] {
        let made = Made { at, ..Made::new(1, 0, 2, 1) };
        let superblock = found(&disk(&made)).unwrap().unwrap();
        assert_eq!((superblock.version, superblock.at), (version, at));
        assert_eq!(superblock.role(), Role::Active(1));
        // The same bytes elsewhere are another device's.
        let mut moved = vec![0; (DISK_SECTORS * 512) as usize];
        write(&mut moved, if at == 0 { 4096 } else { 0 }, &made.bytes());
        assert_eq!(found(&moved), Ok(None));
    }
    assert_eq!(found(&[0; 4096]), Ok(None));
    assert_eq!(found(&[]), Ok(None));
}

#[test]
fn superblocks_of_version_0_90_say_the_same_in_both_byte_orders() {
    let parsed = |is_big_endian| {
        let mut bytes = vec![0; (DISK_SECTORS * 512) as usize];
        write(&mut bytes, PLACE_090, &made_090(128, 9, is_big_endian));
        found(&bytes).unwrap().unwrap()
    };
    let (little, big) = (parsed(false), parsed(true));
    assert_eq!(big.version, Version::V090BigEndian);
    assert_eq!(little, Superblock { version: Version::V090, ..big });
    assert_eq!(little.uuid(), "11112222:33334444:55556666:77778888");
    assert_eq!((little.events, little.number, little.role()), (77, 1, Role::Active(1)));
    assert_eq!(little.in_sync_to, None);
}

#[test]
fn a_wrong_checksum_is_damage() {
    let mut bytes = disk(&Made::new(1, 0, 2, 0));
    bytes[4096 + 32] ^= 1;
    assert!(found(&bytes).unwrap_err().contains("fails its checksum"));
    let mut bytes = vec![0; (DISK_SECTORS * 512) as usize];
    write(&mut bytes, PLACE_090, &made_090(128, 9, false));
    bytes[PLACE_090 as usize + 100] ^= 1;
    assert!(found(&bytes).unwrap_err().contains("fails its checksum"));
}

#[test]
fn a_damaged_superblock_at_the_end_is_not_that_of_a_disk_whose_partition_it_is_in() {
    let at = DISK_SECTORS * 512 - 8192;
    let mut bytes = disk(&Made { at, ..Made::new(1, 0, 2, 0) });
    bytes[at as usize + 32] ^= 1;
    let device = Device { name: String::new(), data: readable(&bytes), block_size: BlockSize::B512 };
    let found = scan(std::slice::from_ref(&device));
    assert!(!found.nodes[0].is_leaf());
    assert!(found.notices.iter().any(|notice| notice.contains("fails its checksum")), "{:?}", found.notices);
    // An MBR with one partition up to the end.
    bytes[446 + 4] = 0xfd;
    bytes[454..458].copy_from_slice(&64_u32.to_le_bytes());
    bytes[458..462].copy_from_slice(&((DISK_SECTORS - 64) as u32).to_le_bytes());
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    let device = Device { data: readable(&bytes), ..device };
    assert_eq!(scan(&[device]).nodes.len(), 2);
}

#[test]
fn a_superblock_that_fails_its_checksum_does_not_keep_partitions_from_being_found() {
    for is_damaged in [true, false] {
        let mut bytes = disk(&Made::new(1, 0, 2, 0));
        bytes[4096 + 32] ^= u8::from(is_damaged);
        // An MBR with one partition, which begins behind the superblock.
        bytes[446 + 4] = 0x83;
        bytes[454..458].copy_from_slice(&64_u32.to_le_bytes());
        bytes[458..462].copy_from_slice(&((DISK_SECTORS - 64) as u32).to_le_bytes());
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        let found = scan(&[Device { name: String::new(), data: readable(&bytes), block_size: BlockSize::B512 }]);
        let kinds: Vec<_> = found.groups.iter().map(|group| group.kind.as_str()).collect();
        assert_eq!(kinds, [if is_damaged { "MBR" } else { "md RAID 1" }], "{:?}", found.notices);
        assert_eq!(found.nodes.len(), 2);
    }
}

#[test]
fn what_is_not_known_is_refused() {
    let refused = |change: &dyn Fn(&mut Made), what: &str| {
        let mut made = Made::new(1, 0, 2, 0);
        change(&mut made);
        let why = found(&disk(&made)).unwrap_err();
        assert!(why.contains(what), "{why}");
    };
    refused(&|made| made.feature_map = 0x2001, "features 0x2000");
    refused(&|made| made.level = -4, "multipath");
    refused(&|made| made.level = 7, "unknown level 7");
    refused(&|made| made.data_offset = 0, "lies in what it has for data");
    refused(&|made| made.raid_disks = 0, "array of 0 members");
    refused(&|made| made.raid_disks = u32::MAX, "members");
    refused(&|made| made.data_offset = u64::MAX, "more than any disk has");
    let mut bytes = disk(&Made::new(1, 0, 2, 0));
    bytes[4096 + 224] = 1;
    sign(&mut bytes[4096..4096 + 256 + 4]);
    assert!(found(&bytes).unwrap_err().contains("not used yet"));
}

#[test]
fn of_two_superblocks_that_of_the_younger_array_counts() {
    for (ctime, expected) in [(8, Version::V1_2), (10, Version::V090)] {
        let mut made = Made::new(1, 0, 2, 0);
        (made.ctime, made.data_size) = (9, DISK_SECTORS - made.data_offset);
        let mut bytes = disk(&made);
        write(&mut bytes, PLACE_090, &made_090(190, ctime, false));
        assert_eq!(found(&bytes).unwrap().unwrap().version, expected);
    }
    let mut made = Made::new(1, 0, 2, 0);
    (made.ctime, made.data_size) = (9, DISK_SECTORS - made.data_offset);
    let mut bytes = disk(&made);
    write(&mut bytes, PLACE_090, &made_090(190, 9, false));
    assert!(found(&bytes).unwrap_err().contains("two superblocks"));
}

#[test]
fn a_member_inside_a_mirror_is_not_taken_for_its_outer_one() {
    // An array of 1.2 that was made in an array of 0.90, whose bytes are all there are on the disk.
    let mut made = Made::new(1, 0, 2, 0);
    (made.ctime, made.data_size) = (9, PLACE_090 / 512 - made.data_offset);
    let mut bytes = disk(&made);
    write(&mut bytes, PLACE_090, &made_090((PLACE_090 / 1024) as u32, 8, false));
    assert_eq!(found(&bytes).unwrap().unwrap().version, Version::V090);
    // An array of 0.90 that was made in one of 1.2.
    let mut made = Made::new(1, 0, 2, 0);
    (made.ctime, made.data_size, made.data_offset) = (8, DISK_SECTORS - 128, 128);
    let mut bytes = disk(&made);
    write(&mut bytes, PLACE_090, &made_090(64, 9, false));
    assert_eq!(found(&bytes).unwrap().unwrap().version, Version::V1_2);
}

#[test]
fn checksums_are_those_of_the_kernel() {
    let block: [u8; 4096] = std::array::from_fn(|at| (at * 7 + at / 256) as u8);
    let words = |from: fn([u8; 4]) -> u32, count: usize, skipped: usize| {
        let words = block.as_chunks().0.iter().take(count).enumerate().filter(|(word, _)| *word != skipped);
        let sum: u64 = words.map(|(_, word)| u64::from(from(*word))).sum();
        ((sum & 0xffff_ffff) + (sum >> 32)) as u32
    };
    assert_eq!(superblock_090::checksum::<LE>(&block), words(u32::from_le_bytes, 1024, 38));
    assert_eq!(superblock_090::checksum::<BE>(&block), words(u32::from_be_bytes, 1024, 38));
    assert_eq!(superblock_1::checksum(&block, 8), words(u32::from_le_bytes, 68, 54));
}
