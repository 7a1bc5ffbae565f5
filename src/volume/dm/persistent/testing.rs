//! Metadata for tests, written block by block, and what the tools say of metadata they made.

use crate::dm::fixtures::{directory, unpacked, unpacked_lines};
use block::{ReadAt, ReadError, ReadErrorKind};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// A device in memory that remembers what it was told will be needed.
pub(crate) struct Memory {
    pub(crate) data: Vec<u8>,
    pub(crate) hints: Mutex<Vec<Range<u64>>>,
    /// A byte that cannot be read.
    pub(crate) bad: Option<u64>,
}

impl Memory {
    pub(crate) fn new(data: Vec<u8>) -> Self {
        Self { data, hints: Mutex::default(), bad: None }
    }
}

impl ReadAt for Memory {
    fn size(&self) -> u64 {
        self.data.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let end = offset + buf.len() as u64;
        if self.bad.is_some_and(|bad| (offset..end).contains(&bad)) {
            return Err(ReadError::new(ReadErrorKind::Device, offset, buf.len() as u64));
        }
        let outside = ReadError::new(ReadErrorKind::OutOfRange, offset, buf.len() as u64);
        buf.copy_from_slice(self.data.get(offset as usize..end as usize).ok_or(outside)?);
        Ok(())
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        self.hints.lock().unwrap().extend_from_slice(ranges);
    }
}

/// A metadata device that the tools made.
pub(crate) fn made(name: &str) -> Vec<u8> {
    unpacked(&directory("dm").join(format!("{name}.bin.zst")))
}

/// An element of what the tools dumped of it.
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: HashMap<String, String>,
}

impl Element {
    pub(crate) fn number(&self, attribute: &str) -> u64 {
        self.attributes[attribute].parse().unwrap_or_else(|_| panic!("{attribute}: {}", self.attributes[attribute]))
    }

    pub(crate) fn text(&self, attribute: &str) -> &str {
        &self.attributes[attribute]
    }
}

/// What the tools say of it: elements that begin or are empty, in their order.
pub(crate) fn dumped(name: &str) -> Vec<Element> {
    let element = |line: String| {
        let line = line.trim().strip_prefix('<')?.trim_end_matches(['>', '/']).to_owned();
        let (name, rest) = line.split_once(' ')?;
        let pairs = rest.split("\" ").filter_map(|pair| pair.split_once("=\""));
        let attributes = pairs.map(|(key, value)| (key.to_owned(), value.trim_end_matches('"').to_owned())).collect();
        Some(Element { name: name.to_owned(), attributes })
    };
    unpacked_lines(&directory("dm").join(format!("{name}.xml.zst"))).into_iter().filter_map(element).collect()
}

/// The kernel's crc32c, four bits at a time.
fn checksum(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & 0_u32.wrapping_sub(crc & 1));
    let table: [u32; 16] = std::array::from_fn(|index| (0..4).fold(index as u32, |crc, _| bit(crc)));
    let step = |crc: u32| (crc >> 4) ^ table[crc as usize & 15];
    bytes.iter().fold(!0, |crc: u32, byte| step(step(crc ^ u32::from(*byte))))
}

/// A metadata device that is written block by block.
pub(crate) struct Writer {
    pub(crate) blocks: Vec<Vec<u8>>,
}

impl Writer {
    /// With room for a superblock.
    pub(crate) fn new() -> Self {
        Self { blocks: vec![vec![0; 4096]] }
    }

    /// Writes a number at a byte of a block.
    pub(crate) fn put<const N: usize>(&mut self, block: usize, at: usize, bytes: [u8; N]) {
        self.blocks[block][at..at + N].copy_from_slice(&bytes);
    }

    /// Makes the checksum of a block right.
    pub(crate) fn sign(&mut self, block: usize, xor: u32) {
        let crc = checksum(&self.blocks[block][4..]);
        self.put(block, 0, (crc ^ xor).to_le_bytes());
    }

    /// Which of these the checksum of a block is right with.
    pub(crate) fn xor(&self, block: usize, xors: &[u32]) -> Option<u32> {
        let found = u32::from_le_bytes(self.blocks[block][..4].try_into().unwrap());
        xors.iter().copied().find(|xor| checksum(&self.blocks[block][4..]) ^ xor == found)
    }

    /// A node with these entries; its block.
    pub(crate) fn node(&mut self, is_leaf: bool, value_bytes: usize, entries: &[(u64, Vec<u8>)]) -> u64 {
        let most = (4096 - 32) / (8 + value_bytes) / 3 * 3;
        assert!(entries.len() <= most);
        let block = self.blocks.len();
        self.blocks.push(vec![0; 4096]);
        self.put(block, 4, if is_leaf { 2_u32 } else { 1 }.to_le_bytes());
        self.put(block, 8, (block as u64).to_le_bytes());
        self.put(block, 16, (entries.len() as u32).to_le_bytes());
        self.put(block, 20, (most as u32).to_le_bytes());
        self.put(block, 24, (value_bytes as u32).to_le_bytes());
        for (index, (key, value)) in entries.iter().enumerate() {
            self.put(block, 32 + 8 * index, key.to_le_bytes());
            let at = 32 + 8 * most + value_bytes * index;
            self.blocks[block][at..at + value_bytes].copy_from_slice(value);
        }
        self.sign(block, 121_107);
        block as u64
    }

    /// A tree with these entries, so many in a node; the block of its root.
    pub(crate) fn tree(&mut self, value_bytes: usize, entries: &[(u64, Vec<u8>)], fill: usize) -> u64 {
        let (mut level, mut is_leaf, mut bytes) = (entries.to_vec(), true, value_bytes);
        loop {
            let nodes: Vec<&[_]> = if level.is_empty() { vec![&[]] } else { level.chunks(fill).collect() };
            let mut parents = Vec::new();
            for entries in nodes {
                let node = self.node(is_leaf, bytes, entries);
                parents.push((entries.first().map_or(0, |(key, _)| *key), node.to_le_bytes().to_vec()));
            }
            if let [(_, root)] = &parents[..] {
                return u64::from_le_bytes(root[..].try_into().unwrap());
            }
            (level, is_leaf, bytes) = (parents, false, 8);
        }
    }

    /// An array of these numbers; the block of its root.
    pub(crate) fn array(&mut self, values: &[u64]) -> u64 {
        let mut blocks = Vec::new();
        for (index, values) in values.chunks(509).enumerate() {
            let block = self.blocks.len();
            self.blocks.push(vec![0; 4096]);
            self.put(block, 4, 509_u32.to_le_bytes());
            self.put(block, 8, (values.len() as u32).to_le_bytes());
            self.put(block, 12, 8_u32.to_le_bytes());
            self.put(block, 16, (block as u64).to_le_bytes());
            for (index, value) in values.iter().enumerate() {
                self.put(block, 24 + 8 * index, value.to_le_bytes());
            }
            self.sign(block, 595_846_735);
            blocks.push((index as u64, (block as u64).to_le_bytes().to_vec()));
        }
        self.tree(8, &blocks, 252)
    }

    /// The device.
    pub(crate) fn device(&self) -> Arc<Memory> {
        Arc::new(Memory::new(self.blocks.concat()))
    }
}
