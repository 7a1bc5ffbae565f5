//! A file system of version 4 with one directory, byte by byte.

use crate::device::Device;
use crate::directory::entry::data_bytes;
use crate::filesystem::Xfs;
use block::{BlockSize, MemoryDisk, ReadAt, ReadError};
use proptest::prelude::prop::sample::Index;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use vfs::NodeId;

/// The directory, and the one above it.
pub(super) const DIR: NodeId = NodeId(40);
pub(super) const PARENT: u64 = 48;
/// Bytes of a block, of an inode, and of the entries that fit into that.
pub(super) const BLOCK: usize = 1024;
const INODE: usize = 256;
const BLOCKS: usize = 256;
/// An inode of the second group of a vast file system has this bit.
pub(super) const VAST: u64 = 1 << 32;
/// The block of the fork that is the root of the index.
const LEAVES: u64 = (1 << 35) / BLOCK as u64;
pub(super) const ONLY_LEAF: u16 = 0xD2F1;
pub(super) const LEAF: u16 = 0xD2FF;

#[derive(Clone)]
pub(super) struct Image {
    pub(super) has_type: bool,
    pub(super) ignores_case: bool,
    /// It says that it has so many blocks that there are inode numbers of 33 bits.
    pub(super) is_vast: bool,
    pub(super) size: u64,
    short: Option<Vec<u8>>,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Image {
    pub(super) fn new() -> Self {
        let (short, blocks) = (None, BTreeMap::new());
        Self { has_type: false, ignores_case: false, is_vast: false, size: 0, short, blocks }
    }

    /// Makes these the entries in the inode.
    pub(super) fn put_short(&mut self, bytes: &[u8]) {
        (self.size, self.short) = (bytes.len() as u64, Some(bytes.to_vec()));
    }

    /// Makes this block `number` of the entries.
    pub(super) fn put(&mut self, number: u64, bytes: Vec<u8>) {
        self.size = self.size.max((number + 1) * BLOCK as u64);
        self.blocks.insert(number, bytes);
    }

    /// Makes this block `number` of the index.
    pub(super) fn put_leaf(&mut self, number: u64, bytes: Vec<u8>) {
        self.blocks.insert(LEAVES + number, bytes);
    }

    pub(super) fn take(&mut self, number: u64) {
        self.blocks.remove(&number);
    }

    pub(super) fn change(&mut self, number: u64, at: usize, bytes: &[u8]) {
        self.blocks.get_mut(&number).unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Removes an entry of a single block, as the kernel does that.
    pub(super) fn remove(&mut self, number: u64, name: &[u8]) {
        let (at, length) = (entry_at(self, number, name), data_bytes(name.len(), self.has_type));
        self.change(number, at, &[0xFF, 0xFF, 0, length as u8]);
        let bytes = self.blocks.get_mut(&number).unwrap();
        let count = u32::from_be_bytes(bytes[BLOCK - 8..BLOCK - 4].try_into().unwrap()) as usize;
        for index_at in (0..count).map(|index| BLOCK - 8 - (count - index) * 8 + 4) {
            if bytes[index_at..index_at + 4] == (at as u32 / 8).to_be_bytes() {
                bytes[index_at..index_at + 4].fill(0);
            }
        }
        bytes[BLOCK - 1] += 1;
    }

    /// Flips a bit of one of the blocks, or of the entries in the inode.
    pub(super) fn flip(&mut self, block: &Index, at: &Index, bit: u32) {
        let bytes = match &mut self.short {
            Some(short) => short,
            None => {
                let number = *block.get(&self.blocks.keys().copied().collect::<Vec<_>>());
                self.blocks.get_mut(&number).unwrap()
            }
        };
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
    }

    pub(super) fn open(&self) -> Xfs {
        self.open_seen().0
    }

    /// The file system, and the disk that it is on.
    pub(super) fn open_seen(&self) -> (Xfs, Arc<Disk>) {
        let mut bytes = vec![0; BLOCKS * BLOCK];
        self.superblock(&mut bytes);
        let inode = DIR.0 as usize * INODE;
        let fields: [(usize, &[u8]); 7] = [
            (0, b"IN"),
            (2, &0o40755_u16.to_be_bytes()),
            (4, &[2, if self.short.is_some() { 1 } else { 2 }]),
            (16, &2_u32.to_be_bytes()),
            (56, &self.size.to_be_bytes()),
            (76, &(self.blocks.len() as u32).to_be_bytes()),
            (100, self.short.as_deref().unwrap_or(&[])),
        ];
        for (at, field) in fields {
            bytes[inode + at..inode + at + field.len()].copy_from_slice(field);
        }
        for (index, (number, block)) in self.blocks.iter().enumerate() {
            // Blocks that do not lie one behind the other.
            let at = 64 + index * 3;
            let (high, low) = (number << 9, (at as u64) << 21 | 1);
            let extent = inode + 100 + index * 16;
            bytes[extent..extent + 8].copy_from_slice(&high.to_be_bytes());
            bytes[extent + 8..extent + 16].copy_from_slice(&low.to_be_bytes());
            bytes[at * BLOCK..at * BLOCK + block.len()].copy_from_slice(block);
        }
        let bytes = MemoryDisk::new(bytes, BlockSize::B512);
        let disk = Arc::new(Disk { bytes, reads: AtomicUsize::new(0), hints: Mutex::default() });
        let fs = Xfs::over(Device::open(Arc::clone(&disk) as Arc<dyn ReadAt>, None).unwrap());
        (fs, disk)
    }

    fn superblock(&self, bytes: &mut [u8]) {
        let case = if self.ignores_case { 0x4000 } else { 0 };
        let features: u32 = if self.has_type { 0x200 } else { 0 };
        // A group of 1 TiB has inode numbers of 32 bits here.
        let (ag_blocks, ag_count, log) = if self.is_vast { (1_u32 << 30, 2_u32, 30) } else { (BLOCKS as u32, 1, 8) };
        let fields: [(usize, &[u8]); 13] = [
            (0, b"XFSB"),
            (4, &(BLOCK as u32).to_be_bytes()),
            (8, &(u64::from(ag_blocks) * u64::from(ag_count)).to_be_bytes()),
            (56, &DIR.0.to_be_bytes()),
            (84, &ag_blocks.to_be_bytes()),
            (88, &ag_count.to_be_bytes()),
            (100, &(0xB024_u16 | case).to_be_bytes()),
            (102, &512_u16.to_be_bytes()),
            (104, &(INODE as u16).to_be_bytes()),
            (106, &((BLOCK / INODE) as u16).to_be_bytes()),
            (120, &[10, 9, 8, 2, log]),
            (200, &features.to_be_bytes()),
            (204, &features.to_be_bytes()),
        ];
        for (at, field) in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
        }
    }
}

/// A disk that seems to be larger than it is, and sees what is asked of it.
pub(super) struct Disk {
    bytes: MemoryDisk,
    reads: AtomicUsize,
    hints: Mutex<Vec<Range<u64>>>,
}

impl Disk {
    /// How often it was read, and what was hinted at, since the last call.
    pub(super) fn take_seen(&self) -> (usize, Vec<Range<u64>>) {
        (self.reads.swap(0, Ordering::Relaxed), std::mem::take(&mut self.hints.lock().unwrap()))
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        1 << 42
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.read_exact_at(offset, buf)
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        self.hints.lock().unwrap().extend_from_slice(ranges);
    }
}

/// Names behind `.` and `..`.
pub(super) fn with_dots(names: &[(Vec<u8>, u64)]) -> Vec<(Vec<u8>, u64)> {
    let dots = [(b".".to_vec(), DIR.0), (b"..".to_vec(), PARENT)];
    dots.into_iter().chain(names.iter().cloned()).collect()
}

/// A directory in its inode: `struct xfs_dir2_sf_hdr` and entries.
pub(super) fn short_form(image: &Image, parent: u64, names: &[(Vec<u8>, u64)], large_count: u8) -> Vec<u8> {
    let number = |inode: u64| {
        if large_count == 0 { (inode as u32).to_be_bytes().to_vec() } else { inode.to_be_bytes().to_vec() }
    };
    let mut bytes = [&[names.len() as u8, large_count][..], &number(parent)].concat();
    let mut offset = 16 + data_bytes(1, image.has_type) + data_bytes(2, image.has_type);
    for (name, inode) in names {
        bytes.push(name.len() as u8);
        bytes.extend((offset as u16).to_be_bytes());
        bytes.extend(name);
        bytes.extend(image.has_type.then_some(1));
        bytes.extend(number(*inode));
        offset += data_bytes(name.len(), image.has_type);
    }
    bytes
}

/// A block of entries, with its own index if it is the only one.
pub(super) fn data_block(image: &Image, names: &[(Vec<u8>, u64)], is_single: bool) -> Vec<u8> {
    let mut bytes = if is_single { b"XD2B".to_vec() } else { b"XD2D".to_vec() };
    bytes.resize(16, 0);
    for (name, inode) in names {
        let at = bytes.len();
        bytes.extend(inode.to_be_bytes());
        bytes.push(name.len() as u8);
        bytes.extend(name);
        bytes.extend(image.has_type.then_some(1));
        bytes.resize(at + data_bytes(name.len(), image.has_type) - 2, 0);
        bytes.extend((at as u16).to_be_bytes());
    }
    let mut tail = Vec::new();
    if is_single {
        let mut index = indexed(image, 0, names);
        index.sort_unstable();
        tail.extend(index.iter().flat_map(|(hash, address)| [hash.to_be_bytes(), address.to_be_bytes()].concat()));
        tail.extend([(names.len() as u32).to_be_bytes(), [0; 4]].concat());
    }
    let (at, unused) = (bytes.len(), BLOCK - bytes.len() - tail.len());
    if unused > 0 {
        bytes.extend([0xFF, 0xFF]);
        bytes.extend((unused as u16).to_be_bytes());
        bytes.resize(at + unused - 2, 0);
        bytes.extend((at as u16).to_be_bytes());
    }
    bytes.extend(tail);
    bytes
}

/// What the index says of the names in block `number`: hash and address. Where case is ignored, only ASCII is folded.
pub(super) fn indexed(image: &Image, number: u64, names: &[(Vec<u8>, u64)]) -> Vec<(u32, u32)> {
    let mut at = number as usize * BLOCK + 16;
    let entry = |(name, _): &(Vec<u8>, u64)| {
        let address = at as u32 / 8;
        at += data_bytes(name.len(), image.has_type);
        let folded = if image.ignores_case { name.to_ascii_lowercase() } else { name.clone() };
        (crate::da_tree::hash(&folded), address)
    };
    names.iter().map(entry).collect()
}

/// Where in block `number` the entry with a name begins.
pub(super) fn entry_at(image: &Image, number: u64, name: &[u8]) -> usize {
    let sought = [&[name.len() as u8][..], name].concat();
    let found = image.blocks[&number].windows(sought.len()).position(|bytes| bytes == sought);
    found.unwrap() - 8
}

/// A leaf of the index: `struct xfs_dir2_leaf`.
pub(super) fn leaf(magic: u16, entries: &[(u32, u32)], stale: u16, next: u32) -> Vec<u8> {
    let mut bytes = [next.to_be_bytes(), [0; 4]].concat();
    bytes.extend([magic.to_be_bytes(), [0; 2], (entries.len() as u16).to_be_bytes(), stale.to_be_bytes()].concat());
    bytes.extend(entries.iter().flat_map(|(hash, address)| [hash.to_be_bytes(), address.to_be_bytes()].concat()));
    bytes.resize(BLOCK, 0);
    bytes
}

/// A node of the index: `struct xfs_da_intnode`.
pub(super) fn node(level: u16, entries: &[(u32, u32)]) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    bytes.extend([0xFEBE_u16, 0, entries.len() as u16, level].map(u16::to_be_bytes).concat());
    bytes.extend(entries.iter().flat_map(|(hash, before)| [hash.to_be_bytes(), before.to_be_bytes()].concat()));
    bytes.resize(BLOCK, 0);
    bytes
}

/// How the index names its block `number`.
pub(super) fn leaf_number(number: u64) -> u32 {
    (LEAVES + number) as u32
}

/// Names that all have the same hash: in each pair of bytes, the lowest bit of the first and the highest of the second
/// go together.
pub(super) fn colliding(number: u64) -> Vec<u8> {
    (0..4).flat_map(|pair| if number >> pair & 1 == 0 { [0x61, 0x62] } else { [0x60, 0xE2] }).collect()
}
