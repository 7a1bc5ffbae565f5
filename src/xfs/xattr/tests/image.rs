//! A volume with one file, whose attributes are made up block by block, in either version of the format.

use super::super::attribute::flag;
use crate::device::Device;
use crate::filesystem::Xfs;
use crate::verify::{self, Stamp};
use crate::{da_tree, inode::Inode};
use block::{BlockSize, MemoryDisk};
use std::sync::Arc;
use vfs::NodeId;

const BLOCK: usize = 1024;
const INODE: usize = 512;
/// Blocks of the volume: one allocation group.
const BLOCKS: usize = 256;
/// The file, at the start of block 64.
pub(super) const FILE: NodeId = NodeId(128);
const FILE_BLOCK: usize = 64;
/// The block of the volume that block 0 of the attribute fork is in; the others come behind it.
const FIRST: usize = 100;
const UUID: [u8; 16] = *b"made up for this";

/// An attribute to be put into a leaf.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) flags: u8,
    pub(super) name: Vec<u8>,
    pub(super) value: MadeValue,
}

#[derive(Clone)]
pub(super) enum MadeValue {
    Here(Vec<u8>),
    Remote(u32, u32),
}

pub(super) fn made(flags: u8, name: &[u8], value: &[u8]) -> Made {
    Made { flags: flags | flag::LOCAL, name: name.to_vec(), value: MadeValue::Here(value.to_vec()) }
}

pub(super) fn made_remote(flags: u8, name: &[u8], block: u32, length: u32) -> Made {
    Made { flags, name: name.to_vec(), value: MadeValue::Remote(block, length) }
}

pub(super) struct Image {
    bytes: Vec<u8>,
    is_v5: bool,
}

impl Image {
    /// The volume, with a file that has no attribute fork.
    pub(super) fn new(is_v5: bool) -> Self {
        let mut image = Self { bytes: vec![0; BLOCKS * BLOCK], is_v5 };
        let mut put = |at: usize, field: &[u8]| image.bytes[at..at + field.len()].copy_from_slice(field);
        put(0, b"XFSB");
        put(4, &(BLOCK as u32).to_be_bytes());
        put(8, &(BLOCKS as u64).to_be_bytes());
        put(32, &UUID);
        put(56, &FILE.0.to_be_bytes());
        put(80, &1_u32.to_be_bytes());
        put(84, &(BLOCKS as u32).to_be_bytes());
        put(88, &1_u32.to_be_bytes());
        put(100, &(if is_v5 { 0xB4A5_u16 } else { 0xB4A4 }).to_be_bytes());
        put(102, &512_u16.to_be_bytes());
        put(104, &(INODE as u16).to_be_bytes());
        put(106, &2_u16.to_be_bytes());
        put(120, &[10, 9, 9, 1, 8]);
        put(200, &(if is_v5 { 0x18A_u32 } else { 0x8A }).to_be_bytes());
        if is_v5 {
            put(216, &1_u32.to_be_bytes());
            stamp(&mut image.bytes[..512], 224);
        }
        image.inode(0, 0, &[]);
        image
    }

    /// The file, with attributes in the inode.
    pub(super) fn short(is_v5: bool, fork: &[u8]) -> Self {
        let mut image = Self::new(is_v5);
        image.inode(1, 0, fork);
        image
    }

    /// The file, with an attribute fork of these blocks, the first of which is a leaf or a node.
    pub(super) fn blocks(is_v5: bool, blocks: &[Vec<u8>]) -> Self {
        let mut image = Self::new(is_v5);
        let extent = (FIRST as u64) << 21 | blocks.len() as u64;
        image.inode(2, 1, &[[0; 8], extent.to_be_bytes()].concat());
        for (index, block) in blocks.iter().enumerate() {
            image.put(index, block);
        }
        image
    }

    /// Puts a block of the attribute fork into its place, and stamps it.
    pub(super) fn put(&mut self, index: usize, block: &[u8]) {
        let number = FIRST + index;
        let is_remote = block.starts_with(b"XARM");
        let place = &mut self.bytes[number * BLOCK..(number + 1) * BLOCK];
        place.copy_from_slice(block);
        if self.is_v5 {
            mark(place, if is_remote { verify::REMOTE } else { verify::DA_BLOCK }, number);
        }
    }

    /// A block of the attribute fork, to be changed behind the back of its checksum.
    pub(super) fn block_mut(&mut self, index: usize) -> &mut [u8] {
        &mut self.bytes[(FIRST + index) * BLOCK..(FIRST + index + 1) * BLOCK]
    }

    /// Gives a changed block its checksum again.
    pub(super) fn sum(&mut self, index: usize) {
        let is_remote = self.block_mut(index).starts_with(b"XARM");
        if self.is_v5 {
            stamp(self.block_mut(index), if is_remote { verify::REMOTE.crc } else { verify::DA_BLOCK.crc });
        }
    }

    pub(super) fn open(&self) -> (Xfs, Arc<Inode>) {
        let disk = MemoryDisk::new(self.bytes.clone(), BlockSize::B512);
        let fs = Xfs::over(Device::open(Arc::new(disk), None).unwrap());
        let inode = fs.inode(FILE).unwrap();
        (fs, inode)
    }

    /// Makes the inode: an empty file with an attribute fork of this format, unless it is 0.
    fn inode(&mut self, format: u8, extents: u16, fork: &[u8]) {
        let (core, boundary) = (if self.is_v5 { 176 } else { 100 }, 10);
        let mut record = vec![0; INODE];
        let mut put = |at: usize, field: &[u8]| record[at..at + field.len()].copy_from_slice(field);
        put(0, b"IN");
        put(2, &0o100_644_u16.to_be_bytes());
        put(4, &[if self.is_v5 { 3 } else { 2 }, 2]);
        put(16, &1_u32.to_be_bytes());
        if format != 0 {
            put(80, &extents.to_be_bytes());
            put(82, &[boundary, format]);
            put(core + usize::from(boundary) * 8, fork);
        } else {
            put(83, &[2]);
        }
        if self.is_v5 {
            put(152, &FILE.0.to_be_bytes());
            put(160, &UUID);
            stamp(&mut record, 100);
        }
        self.bytes[FILE_BLOCK * BLOCK..FILE_BLOCK * BLOCK + INODE].copy_from_slice(&record);
    }

    /// A leaf with these attributes in the order of their hashes, and the number of the next.
    pub(super) fn leaf(&self, attributes: &[Made], forward: u32) -> Vec<u8> {
        let mut attributes: Vec<_> = attributes.iter().map(|made| (da_tree::hash(&made.name), made)).collect();
        attributes.sort_by_key(|(hash, _)| *hash);
        let (info, header) = if self.is_v5 { (56, 80) } else { (12, 32) };
        let mut block = vec![0; BLOCK];
        let mut used = BLOCK;
        for (index, (hash, made)) in attributes.iter().enumerate() {
            let length = made.name.len() as u8;
            let name = match &made.value {
                MadeValue::Here(value) => {
                    [&(value.len() as u16).to_be_bytes()[..], &[length], &made.name, value].concat()
                }
                MadeValue::Remote(first, bytes) => {
                    [&first.to_be_bytes()[..], &bytes.to_be_bytes(), &[length], &made.name].concat()
                }
            };
            used = (used - name.len()) & !3;
            block[used..used + name.len()].copy_from_slice(&name);
            let entry = [&hash.to_be_bytes()[..], &(used as u16).to_be_bytes(), &[made.flags, 0]].concat();
            let at = header + 8 * index;
            block[at..at + 8].copy_from_slice(&entry);
        }
        assert!(header + 8 * attributes.len() <= used, "the attributes do not fit into a leaf");
        let magic = if self.is_v5 { 0x3BEE_u16 } else { 0xFBEE };
        block[..4].copy_from_slice(&forward.to_be_bytes());
        block[8..10].copy_from_slice(&magic.to_be_bytes());
        block[info..info + 2].copy_from_slice(&(attributes.len() as u16).to_be_bytes());
        block[info + 4..info + 6].copy_from_slice(&(used as u16).to_be_bytes());
        block
    }

    /// A node on level 1: the greatest hash below each block, and the block.
    pub(super) fn node(&self, below: &[(u32, u32)]) -> Vec<u8> {
        let (info, header, magic) = if self.is_v5 { (56, 64, 0x3EBE_u16) } else { (12, 16, 0xFEBE) };
        let mut block = vec![0; BLOCK];
        block[8..10].copy_from_slice(&magic.to_be_bytes());
        block[info..info + 2].copy_from_slice(&(below.len() as u16).to_be_bytes());
        block[info + 2..info + 4].copy_from_slice(&1_u16.to_be_bytes());
        for (index, (hash, number)) in below.iter().enumerate() {
            let at = header + 8 * index;
            block[at..at + 4].copy_from_slice(&hash.to_be_bytes());
            block[at + 4..at + 8].copy_from_slice(&number.to_be_bytes());
        }
        block
    }

    /// The blocks of a value.
    pub(super) fn remote(&self, value: &[u8]) -> Vec<Vec<u8>> {
        let room = if self.is_v5 { BLOCK - 56 } else { BLOCK };
        let parts = value.chunks(room).enumerate().map(|(index, part)| {
            let (offset, bytes) = ((index * room) as u32, part.len() as u32);
            let header = [&b"XARM"[..], &offset.to_be_bytes(), &bytes.to_be_bytes(), &[0; 44]].concat();
            let header = if self.is_v5 { &header[..] } else { &[] };
            let mut block = [header, part].concat();
            block.resize(BLOCK, 0);
            block
        });
        parts.collect()
    }
}

/// Fills in what a block of version 5 says of itself.
fn mark(block: &mut [u8], at: Stamp, number: usize) {
    block[at.blkno..at.blkno + 8].copy_from_slice(&((number * BLOCK / 512) as u64).to_be_bytes());
    block[at.uuid..at.uuid + 16].copy_from_slice(&UUID);
    block[at.owner..at.owner + 8].copy_from_slice(&FILE.0.to_be_bytes());
    stamp(block, at.crc);
}

fn stamp(bytes: &mut [u8], crc: usize) {
    let sum = verify::checksum(bytes, crc);
    bytes[crc..crc + 4].copy_from_slice(&sum.to_le_bytes());
}
