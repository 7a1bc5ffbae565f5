use super::*;
use crate::{Scan, Table, scan};
use block::{BlockSize, MemoryDisk};
use proptest::prelude::*;
use std::sync::Arc;

/// kind, first, count
type Slot = (u8, u32, u32);

fn put_table(disk: &mut [u8], block: usize, slots: &[Slot]) {
    let sector = &mut disk[block * 512..block * 512 + 512];
    for (slot, (kind, first, count)) in slots.iter().enumerate() {
        let at = 446 + 16 * slot;
        sector[at + 4] = *kind;
        sector[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
        sector[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
    }
    sector[510..].copy_from_slice(&MAGIC);
}

/// Two primary partitions and an extended one with two logical ones.
fn sample() -> Vec<u8> {
    let mut disk = vec![0; 2048 * 512];
    disk[440..444].copy_from_slice(&0xDEAD_BEEF_u32.to_le_bytes());
    put_table(&mut disk, 0, &[(0x83, 64, 100), (0x07, 200, 50), (0x05, 300, 1000)]);
    put_table(&mut disk, 300, &[(0x83, 8, 80), (0x05, 200, 100)]);
    put_table(&mut disk, 500, &[(0x82, 8, 90)]);
    disk
}

fn device(disk: Vec<u8>) -> Device {
    let block_size = BlockSize::B512;
    Device { name: "disk".into(), data: Arc::new(MemoryDisk::new(disk, block_size)), block_size }
}

/// What a file system can be in.
fn leaves(found: &Scan) -> Vec<&Volume> {
    found.volumes().map(|node| &node.volume).collect()
}

/// Number, first block, blocks of each volume; the notices.
fn look(disk: Vec<u8>) -> (Vec<(u32, u64, u64)>, Vec<String>) {
    let found = scan(&[device(disk)]);
    let volumes = leaves(&found).iter().map(|v| (v.partition.unwrap_or(0), v.start / 512, v.bytes / 512)).collect();
    (volumes, found.notices)
}

#[test]
fn primary_and_logical_partitions_are_numbered_as_linux_does() {
    let (volumes, notices) = look(sample());
    assert_eq!(volumes, [(1, 64, 100), (2, 200, 50), (5, 308, 80), (6, 508, 90)]);
    assert_eq!(notices, [""; 0]);
    let found = scan(&[device(sample())]);
    assert_eq!(found.tables, [Table::Managed("MBR")]);
    assert_eq!(leaves(&found)[2].uuid.as_deref(), Some("deadbeef-05"));
    let identity = Some(Identity::Mbr { disk_signature: 0xDEAD_BEEF });
    assert!(leaves(&found).iter().all(|volume| volume.identity == identity));
    assert_eq!(leaves(&found)[3].kind.to_string(), "Linux swap");
}

#[test]
fn partitions_of_a_disk_without_signature_have_no_identity() {
    let mut disk = sample();
    disk[440..444].fill(0);
    let found = scan(&[device(disk)]);
    assert!(leaves(&found).iter().all(|volume| volume.identity.is_none() && volume.uuid.is_none()));
}

#[test]
fn a_chain_that_bites_its_tail_ends() {
    let mut disk = sample();
    put_table(&mut disk, 500, &[(0x82, 8, 90), (0x05, 0, 1000)]);
    assert_eq!(look(disk).0, [(1, 64, 100), (2, 200, 50), (5, 308, 80), (6, 508, 90)]);
}

#[test]
fn a_broken_chain_keeps_what_came_before_and_is_told() {
    let mut disk = sample();
    disk[500 * 512 + 510] = 0;
    let (volumes, notices) = look(disk);
    assert_eq!(volumes.len(), 3);
    assert!(notices[0].contains("broken at block 500"), "{notices:?}");
}

#[test]
fn a_partition_is_cut_at_the_end_of_the_disk_or_left_out_behind_it() {
    let mut disk = sample();
    put_table(&mut disk, 0, &[(0x83, 2000, 100), (0x83, 2048, 10), (0, 0, 0)]);
    let (volumes, notices) = look(disk);
    assert_eq!(volumes, [(1, 2000, 48)]);
    assert!(notices[0].contains("ends after 48") && notices[1].contains("left out"), "{notices:?}");
}

#[test]
fn what_begins_a_file_system_is_no_table() {
    for (at, text) in [(3, &b"NTFS    "[..]), (54, b"FAT16   "), (82, b"FAT32   "), (3, b"EXFAT   ")] {
        let mut disk = sample();
        disk[at..at + text.len()].copy_from_slice(text);
        assert_eq!(look(disk).0, [(0, 0, 2048)]);
    }
    let mut boot_code = sample();
    boot_code[446] = 0x33;
    assert_eq!(look(boot_code).0, [(0, 0, 2048)]);
}

#[test]
fn a_disk_without_a_table_is_one_volume() {
    assert_eq!(look(vec![0; 64 * 512]).0, [(0, 0, 64)]);
    let mut empty_table = vec![0; 64 * 512];
    put_table(&mut empty_table, 0, &[]);
    assert_eq!(look(empty_table).0, [(0, 0, 64)]);
}

/// The crate `mbrman` agrees on what it can read.
#[test]
fn the_mbrman_crate_reads_the_same_partitions() {
    let disk = sample();
    let oracle = mbrman::MBR::read_from(&mut std::io::Cursor::new(&disk), 512).unwrap();
    let theirs: Vec<_> = oracle
        .iter()
        .filter(|(_, partition)| partition.is_used() && !partition.is_extended())
        .map(|(number, partition)| (number as u32, u64::from(partition.starting_lba), u64::from(partition.sectors)))
        .collect();
    let ours = look(disk).0;
    assert_eq!(ours[..2], theirs[..2]);
    assert_eq!(
        ours.iter().map(|v| (v.0, v.2)).collect::<Vec<_>>(),
        theirs.iter().map(|v| (v.0, v.2)).collect::<Vec<_>>()
    );
}

/// Why the crate `mbrman` is not the reader: one broken link, and nothing at all is read.
#[test]
fn the_mbrman_crate_gives_up_on_one_broken_link() {
    let mut disk = sample();
    disk[500 * 512 + 510] = 0;
    assert!(mbrman::MBR::read_from(&mut std::io::Cursor::new(&disk), 512).is_err());
    assert_eq!(look(disk).0.len(), 3);
}

proptest! {
    #[test]
    fn damage_never_panics_never_loops_and_never_leaves_the_disk(
        flips in proptest::collection::vec(((0_usize..3), 440_usize..510, any::<u8>()), 1..20),
        length in 1_usize..2049,
    ) {
        let mut disk = sample();
        for (link, at, value) in flips {
            disk[[0, 300, 500][link] * 512 + at] = value;
        }
        disk.truncate(length * 512);
        for (_, first, count) in look(disk).0 {
            prop_assert!(first + count <= length as u64);
        }
    }
}
