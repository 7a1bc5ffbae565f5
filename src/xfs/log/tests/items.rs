//! Log items of each type.

use super::writer::{Log, UUID, buffer, disk, seal, superblock, volume};
use super::{A, After, recover_over};
use crate::log::quota::Quotas;
use crate::log::replay::{FirstPass, Replay};
use crate::log::{Intent, recover};
use vfs::replay::Memory;

/// The sector at which inode 128 is, and its buffer of 32 inodes.
const INODES: u64 = 128;
const INODE_BYTES: usize = 512;

fn le(fields: &[(usize, u64)]) -> Vec<u8> {
    fields.iter().flat_map(|(bytes, value)| value.to_le_bytes()[..*bytes].to_vec()).collect()
}

fn be(fields: &[(usize, u64)]) -> Vec<u8> {
    fields.iter().flat_map(|(bytes, value)| value.to_be_bytes()[8 - *bytes..].to_vec()).collect()
}

/// What an inode in `xfs_log_dinode` consists of, in bytes and values: a file of version `version`.
fn core(version: u64, size: u64) -> Vec<(usize, u64)> {
    let mut fields = vec![(2, 0x494E), (2, 0o100_644), (1, version), (1, 2), (2, 0)];
    // Owner, group, links, project; flush counter; times; size and blocks.
    fields.extend([(4, 1000), (4, 1001), (4, 1), (2, 5), (2, 0), (6, 0), (2, 0)]);
    fields.extend([(4, 11), (4, 12), (4, 13), (4, 14), (4, 15), (4, 16), (8, size), (8, 3)]);
    // Hints, extents, fork offset, attribute format, and the rest.
    fields.extend([(4, 0), (4, 1), (2, 0), (1, 0), (1, 2), (4, 0), (2, 0), (2, 0x40), (4, 77), (4, 0)]);
    if version == 3 {
        fields.extend([(4, 0), (8, 99), (8, 0), (8, 0), (4, 0), (8, 0), (4, 0), (4, 17), (4, 18), (8, 128)]);
        fields.extend(UUID.map(|byte| (1, byte.into())));
    }
    fields
}

/// An extent of a file: 3 blocks at 200.
fn extent() -> Vec<u8> {
    [0_u64.to_be_bytes(), (200_u64 << 21 | 3).to_be_bytes()].concat()
}

fn inode_item(core: Vec<u8>, is_32_bit: bool, order: fn(&[(usize, u64)]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut format = vec![(2, 0x123B), (2, 3), (4, 0x5), (2, 0), (2, 16)];
    if !is_32_bit {
        format.push((4, 0));
    }
    format.extend([(8, 128), (8, 0), (8, 0), (8, INODES), (4, 32), (4, 0)]);
    vec![order(&format), core, extent()]
}

/// A log item about inode 128 of version 3, with this size.
pub(super) fn inode(size: u64) -> Vec<Vec<u8>> {
    inode_item(le(&core(3, size)), false, le)
}

/// A log item that makes inodes at a block of group 0.
pub(super) fn create(block: u64) -> Vec<Vec<u8>> {
    let fields = be(&[(4, 0), (4, block), (4, 64), (4, 512), (4, 8), (4, 0xABCD)]);
    vec![[le(&[(2, 0x123F), (2, 1)]), fields].concat()]
}

/// An intent that maps an extent of inode 128.
pub(super) fn map(id: u64) -> Vec<Vec<u8>> {
    let extent = [(8, 128), (8, 70), (8, 4), (4, 2), (4, 1 | 1 << 30)];
    vec![le(&[&[(2, 0x1244), (2, 1), (4, 1), (8, id)][..], &extent].concat())]
}

fn map_done(id: u64) -> Vec<Vec<u8>> {
    vec![le(&[(2, 0x1245), (2, 1), (4, 0), (8, id)])]
}

fn at_inode(after: &After) -> &[u8] {
    &after.bytes[INODES as usize * 512..][..INODE_BYTES]
}

/// A volume with inode 128, whose last change has this number.
fn with_inode(version: u16, lsn: u64) -> Vec<u8> {
    let mut volume = volume(version);
    let inode = &mut volume[INODES as usize * 512..][..INODE_BYTES];
    inode[..6].copy_from_slice(&[b'I', b'N', 0x81, 0xA4, if version == 5 { 3 } else { 2 }, 2]);
    inode[96..100].copy_from_slice(&0xFFFF_FFFF_u32.to_be_bytes());
    if version == 5 {
        inode[112..120].copy_from_slice(&lsn.to_be_bytes());
        seal(inode, 100);
    }
    volume
}

#[test]
fn an_inode_is_written_in_the_order_of_the_disk_whatever_machine_logged_it() {
    let mut expected = be(&core(3, 4711));
    expected[96..100].fill(0xFF);
    expected.extend(extent());
    expected.resize(INODE_BYTES, 0);
    for is_32_bit in [false, true] {
        let mut little = Log::new(1024);
        let place = little.lsn();
        little.commit(&[inode_item(le(&core(3, 4711)), is_32_bit, le)]);
        let mut big = Log::new(1024);
        big.format = 2;
        let mut ops = super::transaction(7, &[inode_item(be(&core(3, 4711)), is_32_bit, be)]);
        ops[1].data[..4].reverse();
        big.record(&ops);
        expected[112..120].copy_from_slice(&place.to_be_bytes());
        seal(&mut expected, 100);
        for log in [little, big] {
            let after = recover_over(&with_inode(5, 0), &log).unwrap();
            assert!(at_inode(&after) == expected, "{:?}", at_inode(&after));
        }
    }
}

#[test]
fn an_inode_that_is_newer_on_the_disk_stays_as_it_is() {
    let mut log = Log::new(1024);
    let lsn = log.lsn();
    log.commit(&[inode(1), inode(2)]);
    let size = |on_disk| at_inode(&recover_over(&with_inode(5, on_disk), &log).unwrap())[63];
    assert_eq!((size(lsn - 1), size(lsn), size(lsn + 1)), (2, 2, 0));
}

#[test]
fn before_version_3_the_number_of_writes_says_what_is_newer() {
    let logged = |flushes: u64| {
        let mut core = core(2, 9);
        core[11].1 = flushes;
        let mut log = Log::new(1024);
        log.commit(&[inode_item(le(&core), false, le)]);
        log
    };
    let size = |log: &Log, flushes: u16| {
        let mut volume = with_inode(4, 0);
        volume[INODES as usize * 512 + 30..][..2].copy_from_slice(&flushes.to_be_bytes());
        at_inode(&recover_over(&volume, log).unwrap())[63]
    };
    assert_eq!((size(&logged(5), 5), size(&logged(5), 6), size(&logged(5), 4)), (9, 0, 9));
    // The number began again.
    assert_eq!((size(&logged(5), 0xFFFF), size(&logged(0x8000), 0xFFFF)), (9, 0));
}

#[test]
fn of_a_buffer_of_inodes_only_the_links_of_unlinked_ones_are_replayed() {
    let mut log = Log::new(1024);
    log.commit(&[buffer(INODES, 32, 1, &[(0, vec![7; 128]), (5, vec![8; 128])])]);
    let before = with_inode(5, 0);
    let after = recover_over(&before, &log).unwrap();
    let mut expected = before[INODES as usize * 512..][..1024].to_vec();
    expected[96..100].fill(7);
    seal(&mut expected[..512], 100);
    assert!(after.bytes[INODES as usize * 512..][..1024] == expected);
}

#[test]
fn new_inodes_are_made_unless_their_buffer_was_freed() {
    let mut log = Log::new(1024);
    log.commit(&[create(16)]);
    let after = recover_over(&volume(5), &log).unwrap();
    for (number, inode) in (128_u64..192).zip(after.bytes[16 * 4096..].chunks(INODE_BYTES)) {
        let mut expected = vec![0; INODE_BYTES];
        expected[..2].copy_from_slice(b"IN");
        expected[4] = 3;
        expected[92..96].copy_from_slice(&0xABCD_u32.to_be_bytes());
        expected[96..100].fill(0xFF);
        expected[152..160].copy_from_slice(&number.to_be_bytes());
        expected[160..176].copy_from_slice(&UUID);
        seal(&mut expected, 100);
        assert!(inode == expected, "{number}");
    }
    assert!(after.bytes[24 * 4096..][..4096].iter().all(|byte| *byte == 0));
    // Clusters of 16 KiB: 32 sectors.
    log.commit(&[buffer(INODES + 32, 32, 2, &[])]);
    let after = recover_over(&volume(5), &log).unwrap();
    assert!(after.bytes[16 * 4096..][..4096].iter().all(|byte| *byte == 0));
}

#[test]
fn inodes_may_be_in_what_a_file_system_has_grown_by() {
    const SUPERBLOCK: u16 = 18 << 11;
    let grown = volume(5);
    let mut before = grown.clone();
    before[8..16].copy_from_slice(&128_u64.to_be_bytes());
    before[88..92].copy_from_slice(&2_u32.to_be_bytes());
    seal(&mut before[..512], 224);
    let mut in_group_3 = create(16);
    in_group_3[0][4..8].copy_from_slice(&3_u32.to_be_bytes());
    let mut log = Log::new(1024);
    let early = { log.clone() };
    log.commit(&[buffer(0, 1, SUPERBLOCK, &[(0, grown[..512].to_vec())])]);
    log.commit(&[in_group_3.clone()]);
    let after = recover_over(&before, &log).unwrap().bytes;
    assert!(after[(3 * 64 + 16) * 4096..].starts_with(b"IN"));
    assert_eq!(superblock(&after).ag_count, 4);
    let mut log = early;
    log.commit(&[in_group_3]);
    assert!(recover_over(&before, &log).is_err());
}

/// A block of a tree of free space, with this log sequence number.
fn tree_block(lsn: u64) -> Vec<u8> {
    let mut block = vec![0; 4096];
    block[..4].copy_from_slice(b"AB3B");
    block[24..32].copy_from_slice(&lsn.to_be_bytes());
    block[32..48].copy_from_slice(&UUID);
    seal(&mut block, 52);
    block
}

#[test]
fn blocks_get_the_number_and_the_checksum_of_their_last_change() {
    const BTREE: u16 = 4 << 11;
    let mut log = Log::new(1024);
    let lsn = log.lsn();
    let change = |value: u8| buffer(A, 8, BTREE, &[(30, vec![value; 128])]);
    // Two transactions of one record have one number, and both count.
    let ops = [super::transaction(1, &[change(1)]), super::transaction(2, &[change(2)])].concat();
    log.record(&ops);
    let with_block = |lsn: u64, uuid: u8| {
        let mut volume = volume(5);
        volume[800 * 512..][..4096].copy_from_slice(&tree_block(lsn));
        volume[800 * 512 + 32] = uuid;
        volume
    };
    let mut expected = tree_block(lsn);
    expected[30 * 128..31 * 128].fill(2);
    seal(&mut expected, 52);
    let after = |volume: &[u8]| recover_over(volume, &log).unwrap().bytes[800 * 512..][..4096].to_vec();
    assert!(after(&with_block(lsn - 1, UUID[0])) == expected);
    // One that has the number already has the change.
    assert!(after(&with_block(lsn, UUID[0])) == tree_block(lsn));
    // A block of another file system says nothing of this one.
    assert_eq!(after(&with_block(lsn + 9, 0))[30 * 128], 2);
}

#[test]
fn intents_that_were_not_done_are_left_over_in_their_order() {
    let mut log = Log::new(1024);
    log.commit(&[map(1), map(2), map(3)]);
    log.commit(&[map_done(2), map(2), map_done(77)]);
    let data = disk(volume(5));
    let found = recover(&superblock(&volume(5)), &data, &log.device()).unwrap().unwrap().intents;
    assert_eq!(found.len(), 3);
    let Intent::Map(map) = &found[0] else { panic!("{found:?}") };
    assert!(map.is_map && map.is_unwritten && !map.is_attr_fork && !map.is_realtime);
    assert_eq!((map.owner, map.start_block, map.offset, map.length), (128, 70, 4, 2));
}

#[test]
fn attributes_and_exchanges_are_read_with_all_that_finishing_them_takes() {
    let attribute = vec![
        le(&[(2, 0x1246), (2, 3), (4, 0), (8, 5), (8, 128), (4, 3), (4, 5), (4, 3), (4, 2)]),
        b"named\0\0\0".to_vec(),
        b"new\0".to_vec(),
    ];
    let mut exchange = vec![(2, 0x1248), (2, 1), (4, 0), (8, 6)];
    exchange.extend([(8, 128), (8, 129), (4, 1), (4, 2), (8, 10), (8, 20), (8, 30), (8, 2), (8, 40), (8, 50)]);
    let mut log = Log::new(1024);
    log.commit(&[attribute, vec![le(&exchange)]]);
    let found = recover(&superblock(&volume(5)), &disk(volume(5)), &log.device()).unwrap().unwrap().intents;
    let [Intent::Attribute(attribute), Intent::Exchange(exchange)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((attribute.inode, attribute.filter), (128, 2));
    assert_eq!((&attribute.name[..], &attribute.value[..]), (&b"named"[..], &b"new"[..]));
    assert_eq!((exchange.inodes, exchange.generations, exchange.offsets), ([128, 129], [1, 2], [10, 20]));
    assert_eq!((exchange.blocks, exchange.sizes, exchange.sets_sizes()), (30, [40, 50], true));
}

#[test]
fn a_tree_that_leads_to_a_block_twice_is_given_to_nobody() {
    const LEAF: usize = 50;
    let mut volume = volume(5);
    volume[LEAF * 4096..][..8].copy_from_slice(b"BMA3\0\0\0\x01");
    let quotas = Quotas::new(crate::superblock::raw(&volume).unwrap(), 0);
    let memory = Memory::new(1 << 20);
    let mut replay = Replay::new(&superblock(&volume), &disk(volume), FirstPass::default(), quotas, 8, memory);
    // Room for two keys, and two pointers behind it.
    let root = |count: u64| be(&[(2, 1), (2, count), (8, 0), (8, 1), (8, LEAF as u64), (8, LEAF as u64)]);
    let error = replay.own_tree(&root(2), 1000).unwrap_err();
    assert!(error.message.contains("twice"), "{error}");
    replay.own_tree(&root(1), 1000).unwrap();
    let block = replay.volume.read(LEAF as u64 * 8, 8).unwrap();
    assert_eq!(block[56..64], 1000_u64.to_be_bytes());
}
