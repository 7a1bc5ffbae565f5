//! Writes logs and volumes as tests want them.

use super::super::LogDevice;
use crate::superblock::Superblock;
use crate::verify::checksum;
use block::{BlockSize, MemoryDisk, ReadAt};
use std::sync::Arc;

pub(super) const UUID: [u8; 16] = *b"the file system!";
pub(super) const BLOCK: usize = 512;
/// The volume: 4 groups of 64 blocks of 4 KiB.
pub(super) const VOLUME_BYTES: usize = 256 * 4096;

/// A superblock of version 4 or 5, in a volume that is zeros beside it.
pub(super) fn volume(version: u16) -> Vec<u8> {
    let mut bytes = vec![0; VOLUME_BYTES];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"XFSB");
    put(4, &4096_u32.to_be_bytes());
    put(8, &256_u64.to_be_bytes());
    put(32, &UUID);
    put(56, &128_u64.to_be_bytes());
    put(80, &1_u32.to_be_bytes());
    put(84, &64_u32.to_be_bytes());
    put(88, &4_u32.to_be_bytes());
    put(96, &512_u32.to_be_bytes());
    put(100, &(0xB4A0 | version).to_be_bytes());
    put(102, &512_u16.to_be_bytes());
    put(104, &512_u16.to_be_bytes());
    put(106, &8_u16.to_be_bytes());
    put(120, &[12, 9, 9, 3, 6]);
    // The alignment of inodes: clusters of 16 KiB.
    put(180, &4_u32.to_be_bytes());
    put(200, &0x18A_u32.to_be_bytes());
    seal_superblock(&mut bytes);
    bytes
}

/// Computes the checksum of the superblock of a volume.
pub(super) fn seal_superblock(volume: &mut [u8]) {
    volume[224..228].fill(0);
    seal(&mut volume[..512], 224);
}

pub(super) fn superblock(volume: &[u8]) -> Superblock {
    Superblock::parse(&volume[..512]).unwrap()
}

/// Computes the checksum at a byte of a block.
pub(super) fn seal(block: &mut [u8], crc: usize) {
    let sum = checksum(block, crc);
    block[crc..crc + 4].copy_from_slice(&sum.to_le_bytes());
}

pub(super) fn disk(bytes: Vec<u8>) -> Arc<dyn ReadAt> {
    Arc::new(MemoryDisk::new(bytes, BlockSize::B512))
}

/// An operation of a record.
#[derive(Clone)]
pub(super) struct Op {
    pub(super) id: u32,
    pub(super) flags: u8,
    pub(super) data: Vec<u8>,
}

pub(super) fn op(id: u32, flags: u8, data: &[u8]) -> Op {
    Op { id, flags, data: data.to_vec() }
}

/// The items of a transaction as operations: each is its regions.
pub(super) fn transaction(id: u32, items: &[Vec<Vec<u8>>]) -> Vec<Op> {
    let mut header = [0; 16];
    header[..4].copy_from_slice(&0x5452_414E_u32.to_le_bytes());
    let mut ops = vec![op(id, 1, &[]), op(id, 0, &header)];
    ops.extend(items.iter().flatten().map(|region| op(id, 0, region)));
    ops.push(op(id, 2, &[]));
    ops
}

/// A log item about a buffer: where it is, its flags, and pieces of 128 bytes of it.
pub(super) fn buffer(sector: u64, sectors: u16, flags: u16, pieces: &[(u32, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut map = [0_u32; 4];
    for (piece, bytes) in pieces {
        for bit in *piece..*piece + (bytes.len() / 128) as u32 {
            map[bit as usize / 32] |= 1 << (bit % 32);
        }
    }
    let mut format = Vec::new();
    for field in [0x123C, pieces.len() as u16 + 1, flags, sectors] {
        format.extend(field.to_le_bytes());
    }
    format.extend(sector.to_le_bytes());
    format.extend(4_u32.to_le_bytes());
    map.iter().for_each(|word| format.extend(word.to_le_bytes()));
    let mut regions = vec![format];
    regions.extend(pieces.iter().map(|(_, bytes)| bytes.clone()));
    regions
}

/// A buffer whose first piece is filled with one value.
pub(super) fn filled(sector: u64, value: u8) -> Vec<Vec<u8>> {
    buffer(sector, 8, 0, &[(0, vec![value; 128])])
}

/// That a buffer was freed.
pub(super) fn freed(sector: u64) -> Vec<Vec<u8>> {
    buffer(sector, 8, 2, &[])
}

/// A log that is written record by record.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) bytes: Vec<u8>,
    /// The next block, and the cycle in which it will be written.
    pub(super) at: u64,
    pub(super) cycle: u32,
    /// Where the log begins: cycle and block.
    pub(super) tail: u64,
    /// `h_size`.
    pub(super) buffer_bytes: u32,
    pub(super) format: u32,
}

impl Log {
    pub(super) fn new(blocks: usize) -> Self {
        let bytes = vec![0; blocks * BLOCK];
        Self { bytes, at: 0, cycle: 1, tail: 1 << 32, buffer_bytes: 32 << 10, format: 1 }
    }

    /// The same with everything written once, up to this block, where the next record and the log begin.
    pub(super) fn at_block(blocks: usize, at: u64) -> Self {
        let mut log = Self::new(blocks);
        log.bytes.chunks_mut(BLOCK).for_each(|block| block[..4].copy_from_slice(&1_u32.to_be_bytes()));
        (0..at as usize).for_each(|block| log.bytes[block * BLOCK + 3] = 2);
        (log.at, log.cycle, log.tail) = (at, 2, 2 << 32 | at);
        log
    }

    pub(super) fn lsn(&self) -> u64 {
        u64::from(self.cycle) << 32 | self.at
    }

    /// Writes a record; its place in the log.
    pub(super) fn record(&mut self, ops: &[Op]) -> u64 {
        let mut data = Vec::new();
        for op in ops {
            data.extend(op.id.to_be_bytes());
            data.extend((op.data.len() as u32).to_be_bytes());
            data.extend([0x69, op.flags, 0, 0]);
            data.extend(&op.data);
        }
        data.resize(data.len().next_multiple_of(BLOCK), 0);
        let headers = (self.buffer_bytes as usize).div_ceil(32 << 10);
        let mut header = vec![0; headers * BLOCK];
        let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
        put(0, &0xFEED_BABE_u32.to_be_bytes());
        put(4, &self.cycle.to_be_bytes());
        put(8, &2_u32.to_be_bytes());
        put(12, &(data.len() as u32).to_be_bytes());
        put(16, &self.lsn().to_be_bytes());
        put(24, &self.tail.to_be_bytes());
        put(40, &(ops.len() as u32).to_be_bytes());
        put(300, &self.format.to_be_bytes());
        put(304, &UUID);
        put(320, &self.buffer_bytes.to_be_bytes());
        (1..headers).for_each(|number| put(number * BLOCK, &self.cycle.to_be_bytes()));
        let (blocks, start) = (self.bytes.len() / BLOCK, self.at as usize);
        // What lies behind the end of the log belongs to the next cycle.
        let cycle_of = |block: usize| if start + block >= blocks { self.cycle + 1 } else { self.cycle };
        for (number, block) in data.chunks_mut(BLOCK).enumerate() {
            let slot = if number < 64 { 44 + number * 4 } else { number / 64 * BLOCK + 4 + number % 64 * 4 };
            header[slot..slot + 4].copy_from_slice(&block[..4]);
            block[..4].copy_from_slice(&cycle_of(headers + number).to_be_bytes());
        }
        for number in 1..headers {
            header[number * BLOCK..][..4].copy_from_slice(&cycle_of(number).to_be_bytes());
        }
        let mut summed = header[..328].to_vec();
        for number in 1..data.len().div_ceil(32 << 10) {
            summed.extend(&header[number * BLOCK..][..260]);
        }
        summed.extend(&data);
        let sum = crc32c::crc32c(&summed);
        header[32..36].copy_from_slice(&sum.to_le_bytes());
        let place = self.at;
        for block in [header, data].concat().chunks(BLOCK) {
            self.bytes[self.at as usize * BLOCK..][..BLOCK].copy_from_slice(block);
            self.at += 1;
            if self.at as usize == blocks {
                (self.at, self.cycle) = (0, self.cycle + 1);
            }
        }
        place
    }

    /// Writes one transaction in a record.
    pub(super) fn commit(&mut self, items: &[Vec<Vec<u8>>]) -> u64 {
        let id = self.at as u32 + 7;
        self.record(&transaction(id, items))
    }

    pub(super) fn device(&self) -> LogDevice {
        let length = self.bytes.len() as u64;
        LogDevice::new(disk(self.bytes.clone()), 0, length).unwrap()
    }
}
