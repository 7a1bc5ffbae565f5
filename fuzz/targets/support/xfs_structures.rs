//! The structures of an XFS image and their checksums: where they are in a sound image, and how each is made right
//! again after it was changed. Written apart from the reader, from the kernel's `fs/xfs/libxfs/xfs_format.h`,
//! `xfs_da_format.h` and `xfs_log_format.h`.

use crate::sparse::Image;
use crate::xfs_log::{self, Record};
use crate::xfs_walk;

/// What kind of structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Superblock,
    Agf,
    Agi,
    Agfl,
    Inode,
    Extents,
    DirectoryBlock,
    DirectoryData,
    DirectoryLeaf1,
    DirectoryLeaf,
    Node,
    DirectoryFree,
    AttributeLeaf,
    AttributeRemote,
    Symlink,
    LogHeader,
    LogOperation,
    LogTransaction,
    LogBuffer,
    LogBufferData,
    LogInode,
    LogInodeData,
    LogIntent,
    LogOther,
}

/// How a structure is made right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    None,
    /// crc32c over all of it, little-endian at this byte of it, which counts as zeros.
    Crc(usize),
    /// It lies in the data of this record of the log.
    RecordData(usize),
    /// It is the header of this record of the log.
    RecordHeader(usize),
}

/// A structure: what it is, the inode that it belongs to, if any, and where it is.
#[derive(Clone, Debug)]
pub struct Structure {
    pub kind: Kind,
    pub owner: Option<u64>,
    pub length: usize,
    pub seal: Seal,
    /// Pieces of `piece` bytes each, by their first bytes in the image; none where a record of the log says it.
    pub pieces: Vec<usize>,
    pub piece: usize,
    /// The byte of the record's data at which it begins.
    pub from: usize,
}

/// What the superblock says.
pub struct Geometry {
    pub block: usize,
    pub sector: usize,
    pub inode: usize,
    pub inodes_per_block_log: u32,
    /// Bytes of a block of a directory.
    pub directory_block: usize,
    pub group_blocks: usize,
    pub group_blocks_log: u32,
    pub groups: usize,
    pub is_v5: bool,
    pub root: u64,
    /// First byte and length of the log.
    pub log: usize,
    pub log_bytes: usize,
}

impl Geometry {
    fn new(image: &Image) -> Self {
        let group_blocks_log = u32::from(u8_at(image, 124));
        let (block, group_blocks) = (be32(image, 4) as usize, be32(image, 84) as usize);
        let geometry = Self {
            block,
            sector: be16(image, 102),
            inode: be16(image, 104),
            inodes_per_block_log: u32::from(u8_at(image, 123)),
            directory_block: block << u8_at(image, 192),
            group_blocks,
            group_blocks_log,
            groups: be32(image, 88) as usize,
            is_v5: be16(image, 100) & 0xF == 5,
            root: be64(image, 56),
            log: 0,
            log_bytes: be32(image, 96) as usize * block,
        };
        let log = geometry.address(be64(image, 48)).unwrap();
        Self { log, ..geometry }
    }

    /// The byte at which a block (`xfs_fsblock_t`) begins, unless it is outside.
    pub fn address(&self, block: u64) -> Option<usize> {
        let (group, within) = (block >> self.group_blocks_log, block & ((1 << self.group_blocks_log) - 1));
        let is_inside = group < self.groups as u64 && within < self.group_blocks as u64;
        is_inside.then_some((group as usize * self.group_blocks + within as usize) * self.block)
    }
}

/// The structures of a sound image, by kind.
pub struct Map {
    pub kinds: Vec<Vec<Structure>>,
    pub geometry: Geometry,
    pub records: Vec<Record>,
}

impl Map {
    pub fn new(image: &Image) -> Self {
        let geometry = Geometry::new(image);
        let mut found = xfs_walk::headers(image, &geometry);
        found.extend(xfs_walk::files(image, &geometry));
        let records = xfs_log::records(image, &geometry);
        found.extend(xfs_log::structures(image, &geometry, &records));
        found.sort_by_key(|structure| structure.kind);
        let kinds = found.chunk_by(|a, b| a.kind == b.kind).map(<[Structure]>::to_vec).collect();
        Self { kinds, geometry, records }
    }

    /// The byte of the image at which byte `at` of a structure is.
    pub fn place(&self, structure: &Structure, at: usize) -> usize {
        match structure.seal {
            Seal::RecordData(record) => self.records[record].place(&self.geometry, structure.from + at),
            _ => structure.place(at),
        }
    }

    /// Makes the checksum of a structure right again.
    pub fn repair(&self, image: &mut Image, structure: &Structure) {
        match structure.seal {
            Seal::None => {}
            Seal::Crc(field) => structure.repair(image, field),
            Seal::RecordData(record) | Seal::RecordHeader(record) => {
                self.records[record].repair(image, &self.geometry);
            }
        }
    }
}

impl Structure {
    /// The record of the log that it is in, whose checksum is one for all that is in it.
    pub fn record(&self) -> Option<usize> {
        match self.seal {
            Seal::RecordData(record) | Seal::RecordHeader(record) => Some(record),
            Seal::None | Seal::Crc(_) => None,
        }
    }

    fn place(&self, at: usize) -> usize {
        self.pieces[at / self.piece] + at % self.piece
    }

    fn repair(&self, image: &mut Image, field: usize) {
        let mut bytes: Vec<_> = self.pieces.iter().flat_map(|piece| image.bytes(*piece, self.piece)).collect();
        bytes[field..field + 4].fill(0);
        image.write(self.place(field), &crc32c::crc32c(&bytes).to_le_bytes());
    }

    /// Whether its checksum is what is in the image.
    pub fn is_sealed(&self, image: &Image) -> bool {
        let Seal::Crc(field) = self.seal else { return true };
        let mut bytes: Vec<_> = self.pieces.iter().flat_map(|piece| image.bytes(*piece, self.piece)).collect();
        let sum = bytes[field..field + 4].to_vec();
        bytes[field..field + 4].fill(0);
        sum == crc32c::crc32c(&bytes).to_le_bytes()
    }
}

pub fn u8_at(image: &Image, at: usize) -> u8 {
    image.bytes(at, 1)[0]
}

pub fn be16(image: &Image, at: usize) -> usize {
    usize::from(u16::from_be_bytes(image.bytes(at, 2).try_into().unwrap()))
}

pub fn be32(image: &Image, at: usize) -> u32 {
    u32::from_be_bytes(image.bytes(at, 4).try_into().unwrap())
}

pub fn be64(image: &Image, at: usize) -> u64 {
    u64::from_be_bytes(image.bytes(at, 8).try_into().unwrap())
}
