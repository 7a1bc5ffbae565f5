//! Logs that no kernel would write, or only when power fails at the right moment.

use super::layout::MAGIC;
use super::{Checksums, JournalSuperblock, Log, Replay, scan};
use crate::checksum::crc32c;
use block::{BlockSize, MemoryDisk, Patches};
use std::sync::Arc;
use vfs::{Error, ErrorKind};

const BLOCK: usize = 1024;
/// The superblock's place on a device of its own, and the first block of the log.
const SUPERBLOCK: usize = 2;
const FIRST: u32 = 3;
const END: u32 = 40;
const UUID: [u8; 16] = *b"journal's own id";
const SEQUENCE: u32 = 100;
const ESCAPED: u16 = 1;

/// A block of the volume, and the first and fifth byte of what lies over it; `None` when that cannot be read.
type Found = (u64, Option<(u8, u8)>);

/// A log that is written block by block.
#[derive(Clone)]
struct Writer {
    device: Vec<u8>,
    checksums: Checksums,
    async_commit: bool,
    start: u32,
    at: u32,
    sequence: u32,
    time: u64,
}

impl Writer {
    fn new(checksums: Checksums) -> Self {
        let device = vec![0; END as usize * BLOCK];
        Self { device, checksums, async_commit: false, start: FIRST, at: FIRST, sequence: SEQUENCE, time: 1000 }
    }

    fn starting_at(mut self, start: u32) -> Self {
        (self.start, self.at) = (start, start);
        self
    }

    fn seed() -> u32 {
        crc32c(!0, &UUID)
    }

    fn has_tails(&self) -> bool {
        self.checksums != Checksums::None
    }

    fn header(&self, block_type: u32) -> Vec<u8> {
        let mut block = [MAGIC.to_be_bytes(), block_type.to_be_bytes(), self.sequence.to_be_bytes()].concat();
        block.resize(BLOCK, 0);
        block
    }

    fn put(&mut self, block: &[u8]) -> u32 {
        let at = self.at;
        self.device[at as usize * BLOCK..][..BLOCK].copy_from_slice(block);
        self.at = if at + 1 == END { FIRST } else { at + 1 };
        at
    }

    fn with_tail(&self, mut block: Vec<u8>) -> Vec<u8> {
        if self.has_tails() {
            let sum = crc32c(Self::seed(), &block);
            block[BLOCK - 4..].copy_from_slice(&sum.to_be_bytes());
        }
        block
    }

    /// A descriptor and the blocks that it describes, each filled with one value; where the data lies.
    fn data(&mut self, blocks: &[(u32, u8, u16)]) -> u32 {
        let mut descriptor = self.header(1);
        let mut at = 12;
        for (index, (number, value, flags)) in blocks.iter().enumerate() {
            let sum = crc32c(crc32c(Self::seed(), &self.sequence.to_be_bytes()), &[*value; BLOCK]);
            let last = if index + 1 == blocks.len() { 8 } else { 0 };
            // All but the first say that the UUID is the same.
            let flags = flags | last | if index == 0 { 0 } else { 2 };
            let tag = match self.checksums {
                Checksums::V3 => {
                    [number.to_be_bytes(), u32::from(flags).to_be_bytes(), [0; 4], sum.to_be_bytes()].concat()
                }
                Checksums::V2 => {
                    let low = sum as u16;
                    [&number.to_be_bytes()[..], &low.to_be_bytes(), &flags.to_be_bytes(), &[0; 2]].concat()
                }
                _ => [&number.to_be_bytes()[..], &[0; 2], &flags.to_be_bytes()].concat(),
            };
            descriptor[at..at + tag.len()].copy_from_slice(&tag);
            at += tag.len() + if index == 0 { 16 } else { 0 };
        }
        let descriptor = self.with_tail(descriptor);
        self.put(&descriptor);
        let first = self.at;
        for (_, value, _) in blocks {
            self.put(&[*value; BLOCK]);
        }
        first
    }

    fn revoke(&mut self, blocks: &[u32]) {
        let mut block = self.header(5);
        block[12..16].copy_from_slice(&(16 + 4 * blocks.len() as u32).to_be_bytes());
        for (index, number) in blocks.iter().enumerate() {
            block[16 + 4 * index..][..4].copy_from_slice(&number.to_be_bytes());
        }
        let block = self.with_tail(block);
        self.put(&block);
    }

    /// Ends the transaction; where the commit block lies.
    fn commit(&mut self) -> u32 {
        let mut block = self.header(2);
        block[48..56].copy_from_slice(&self.time.to_be_bytes());
        if self.has_tails() {
            let sum = crc32c(Self::seed(), &block);
            block[16..20].copy_from_slice(&sum.to_be_bytes());
        }
        self.time += 1;
        let at = self.put(&block);
        self.sequence += 1;
        at
    }

    fn transaction(&mut self, blocks: &[(u32, u8, u16)]) {
        self.data(blocks);
        self.commit();
    }

    fn superblock(&self) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        let mut word = |at: usize, value: u32| block[at..at + 4].copy_from_slice(&value.to_be_bytes());
        for (at, value) in
            [(0, MAGIC), (4, 4), (12, BLOCK as u32), (16, END), (20, FIRST), (24, SEQUENCE), (28, self.start)]
        {
            word(at, value);
        }
        let checksums = match self.checksums {
            Checksums::V2 => 0x8,
            Checksums::V3 => 0x10,
            _ => 0,
        };
        word(0x28, 1 | checksums | if self.async_commit { 4 } else { 0 });
        block[0x30..0x40].copy_from_slice(&UUID);
        block[0x50] = 4;
        let sum = crc32c(!0, &block);
        block[0xFC..0x100].copy_from_slice(&sum.to_be_bytes());
        block
    }

    fn damage(mut self, block: u32, byte: usize) -> Self {
        self.device[block as usize * BLOCK + byte] ^= 0x40;
        self
    }

    fn open(&self) -> (Log, JournalSuperblock) {
        let mut device = self.device.clone();
        device[SUPERBLOCK * BLOCK..][..BLOCK].copy_from_slice(&self.superblock());
        let log = Log::on_device(Arc::new(MemoryDisk::new(device, BlockSize::B512)), 10);
        let superblock =
            JournalSuperblock::parse(&log.read(log.superblock).unwrap(), BLOCK as u64, log.blocks).unwrap();
        (log, superblock)
    }

    /// What lies over the blocks of the volume.
    fn replayed(&self) -> Result<Vec<Found>, Error> {
        let (log, journal) = self.open();
        let found = scan(&log, &journal)?;
        let replay = Replay::new(Arc::new(log), journal.checksums, journal.checksum_seed, found.blocks);
        let (mut all, mut from) = (Vec::new(), 0);
        while let Some(block) = replay.next(from) {
            let mut bytes = [0; BLOCK];
            let read = replay.read(block, &mut bytes).is_ok();
            all.push((block, read.then_some((bytes[0], bytes[4]))));
            from = block + 1;
        }
        Ok(all)
    }

    /// The blocks and their values.
    fn values(&self) -> Vec<(u64, u8)> {
        self.replayed().unwrap().into_iter().map(|(block, bytes)| (block, bytes.unwrap().0)).collect()
    }
}

const ALL: [Checksums; 3] = [Checksums::None, Checksums::V2, Checksums::V3];

#[test]
fn the_newest_copy_of_each_block_counts() {
    for checksums in ALL {
        let mut log = Writer::new(checksums);
        log.transaction(&[(7, 0x11, 0), (9, 0x12, 0)]);
        log.transaction(&[(9, 0x22, 0), (8, 0x23, 0)]);
        assert_eq!(log.values(), [(7, 0x11), (8, 0x23), (9, 0x22)], "{checksums:?}");
    }
}

#[test]
fn a_revoke_holds_for_all_copies_up_to_its_own_transaction_and_no_later_ones() {
    for checksums in ALL {
        let mut log = Writer::new(checksums);
        log.transaction(&[(7, 0x11, 0), (8, 0x12, 0), (9, 0x13, 0)]);
        log.transaction(&[(7, 0x21, 0)]);
        // In its own transaction, whichever comes first.
        log.revoke(&[7, 8]);
        log.data(&[(8, 0x32, 0), (6, 0x33, 0)]);
        log.commit();
        log.transaction(&[(7, 0x41, 0)]);
        assert_eq!(log.values(), [(6, 0x33), (7, 0x41), (9, 0x13)], "{checksums:?}");
    }
}

#[test]
fn a_revoke_of_a_transaction_that_did_not_end_holds_for_nothing() {
    let mut log = Writer::new(Checksums::V3);
    log.transaction(&[(7, 0x11, 0)]);
    log.revoke(&[7]);
    log.data(&[(8, 0x22, 0)]);
    assert_eq!(log.values(), [(7, 0x11)]);
}

#[test]
fn a_log_goes_round() {
    for start in [30, 36, 37, 38, 39] {
        let mut log = Writer::new(Checksums::V3).starting_at(start);
        log.transaction(&[(7, 0x11, 0), (8, 0x12, 0)]);
        log.transaction(&[(8, 0x22, 0), (9, 0x23, 0), (10, 0x24, 0)]);
        assert_eq!(log.values(), [(7, 0x11), (8, 0x22), (9, 0x23), (10, 0x24)], "{start}");
    }
}

#[test]
fn a_log_without_an_end_is_damage() {
    let mut log = Writer::new(Checksums::None);
    // Blocks of one transaction all around.
    for _ in FIRST..END {
        log.revoke(&[7]);
    }
    let error = log.replayed().unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("no end"), "{error}");
}

#[test]
fn an_escaped_block_gets_its_number_back() {
    let mut log = Writer::new(Checksums::V3);
    log.transaction(&[(7, 0x00, ESCAPED), (8, 0x77, 0)]);
    assert_eq!(log.replayed().unwrap(), [(7, Some((0xC0, 0x00))), (8, Some((0x77, 0x77)))]);
}

#[test]
fn what_an_earlier_use_of_the_log_left_behind_ends_it() {
    for checksums in ALL {
        let mut log = Writer::new(checksums);
        log.transaction(&[(7, 0x11, 0)]);
        let end = log.clone();
        log.sequence -= 1;
        log.transaction(&[(8, 0x22, 0)]);
        assert_eq!(log.values(), [(7, 0x11)], "{checksums:?}");
        // The very number that is expected, but from before: its checksum is wrong and its time has passed.
        if checksums != Checksums::None {
            let mut log = end;
            log.time = 5;
            let commit = log.at + 2;
            log.transaction(&[(8, 0x22, 0)]);
            assert_eq!(log.damage(commit, 17).values(), [(7, 0x11)], "{checksums:?}");
        }
    }
}

#[test]
fn a_transaction_that_fails_its_checksum_while_the_log_goes_on_is_damage() {
    for checksums in [Checksums::V2, Checksums::V3] {
        let mut log = Writer::new(checksums);
        log.transaction(&[(7, 0x11, 0)]);
        let descriptor = log.at;
        log.data(&[(8, 0x22, 0)]);
        let revoke = log.at;
        log.revoke(&[100]);
        let commit = log.commit();
        log.transaction(&[(9, 0x33, 0)]);
        for (block, byte) in [(descriptor, 500), (revoke, 700), (commit, 17), (commit, 56)] {
            let error = log.clone().damage(block, byte).replayed().unwrap_err();
            let says = error.message.contains(&format!("transaction {}", SEQUENCE + 1));
            assert!(error.kind == ErrorKind::Corrupt && says, "{checksums:?} {block} {byte}: {error}");
        }
    }
}

#[test]
fn where_commits_may_come_early_one_without_its_transaction_is_left_out() {
    let mut log = Writer::new(Checksums::V3);
    log.async_commit = true;
    log.transaction(&[(7, 0x11, 0)]);
    log.data(&[(8, 0x22, 0)]);
    let commit = log.commit();
    let damaged = log.damage(commit, 50);
    assert_eq!(damaged.values(), [(7, 0x11)]);
    let (log, journal) = damaged.open();
    assert_eq!(scan(&log, &journal).unwrap().next_sequence, SEQUENCE + 1);
}

#[test]
fn a_damaged_copy_is_an_error_on_its_block_alone() {
    for checksums in [Checksums::V2, Checksums::V3] {
        let mut log = Writer::new(checksums);
        let first = log.data(&[(7, 0x11, 0), (8, 0x12, 0)]);
        log.commit();
        assert_eq!(log.damage(first, 600).replayed().unwrap(), [(7, None), (8, Some((0x12, 0x12)))], "{checksums:?}");
    }
}

#[test]
fn an_empty_log_replaces_nothing() {
    let mut log = Writer::new(Checksums::V3);
    log.transaction(&[(7, 0x11, 0)]);
    log.start = 0;
    assert_eq!(log.values(), []);
    assert_eq!(Writer::new(Checksums::None).values(), []);
}

#[test]
fn a_superblock_that_cannot_be_is_refused() {
    let sound = Writer::new(Checksums::None).superblock();
    let refusal = |at: usize, value: u32| {
        let mut block = sound.clone();
        block[at..at + 4].copy_from_slice(&value.to_be_bytes());
        JournalSuperblock::parse(&block, BLOCK as u64, END.into()).unwrap_err().kind
    };
    for (at, value) in [(0, 1), (4, 2), (12, 2048), (16, END + 1), (20, 0), (20, END), (28, 1), (28, END)] {
        assert_eq!(refusal(at, value), ErrorKind::Corrupt, "{at:#x} = {value}");
    }
    assert_eq!(refusal(0x28, 0x40), ErrorKind::Unsupported);
    assert_eq!(refusal(0x28, 0x18), ErrorKind::Corrupt);
    // With checksums its own is verified.
    assert_eq!(refusal(0x28, 0x10), ErrorKind::Corrupt);
}

#[test]
fn the_first_version_has_no_features_whatever_its_bytes_say() {
    let mut log = Writer::new(Checksums::None);
    log.transaction(&[(7, 0x11, 0)]);
    let mut block = log.superblock();
    block[7] = 3;
    block[0x28..0x2C].copy_from_slice(&0xFFFF_FFFF_u32.to_be_bytes());
    let journal = JournalSuperblock::parse(&block, BLOCK as u64, END.into()).unwrap();
    assert_eq!((journal.checksums, journal.is_64bit, journal.fast_commits), (Checksums::None, false, None));
}
