//! Headers of allocation groups, inodes, and the blocks that inodes lead to.

use crate::sparse::Image;
use crate::xfs_structures::{Geometry, Kind, Seal, Structure, be16, be32, be64, u8_at};

/// The sectors at the start of each allocation group. Of superblocks only the first counts.
pub fn headers(image: &Image, geometry: &Geometry) -> Vec<Structure> {
    // Number of the sector, byte of its checksum.
    let kinds = [(Kind::Superblock, 0, 224), (Kind::Agf, 1, 216), (Kind::Agi, 2, 312), (Kind::Agfl, 3, 32)];
    let mut found = Vec::new();
    for group in 0..geometry.groups {
        for (kind, sector, crc) in kinds {
            if group == 0 || kind != Kind::Superblock {
                let at = group * geometry.group_blocks * geometry.block + sector * geometry.sector;
                add(image, &mut found, structure(geometry, kind, None, vec![at], geometry.sector, Some(crc)));
            }
        }
    }
    found
}

/// The inodes in use, and the blocks of directories, attributes and link targets. What lies on the disk may be half of
/// a change whose other half is in the log: what is not what it should be is left out.
pub fn files(image: &Image, geometry: &Geometry) -> Vec<Structure> {
    let mut found = Vec::new();
    for at in (0..image.len()).step_by(geometry.inode) {
        let Some(number) = inode(image, geometry, at) else { continue };
        let before = found.len();
        add(image, &mut found, structure(geometry, Kind::Inode, Some(number), vec![at], geometry.inode, Some(100)));
        if found.len() > before {
            blocks(image, geometry, at, number, &mut found);
        }
    }
    found
}

/// The number of the inode that is at this byte, if there is one in use.
fn inode(image: &Image, geometry: &Geometry, at: usize) -> Option<u64> {
    let head = image.bytes(at, 6);
    let version = if geometry.is_v5 { 3..=3 } else { 1..=2 };
    if head[..2] != *b"IN" || head[2..4] == [0; 2] || !version.contains(&head[4]) || !(0..=3).contains(&head[5]) {
        return None;
    }
    let (group, block) = (at / geometry.block / geometry.group_blocks, at / geometry.block % geometry.group_blocks);
    let block = (group << geometry.group_blocks_log | block) as u64;
    let number = block << geometry.inodes_per_block_log | (at % geometry.block / geometry.inode) as u64;
    (!geometry.is_v5 || be64(image, at + 152) == number).then_some(number)
}

/// A fork: each block of it that is on the disk, by its number in the fork, and its extents.
#[derive(Default)]
struct Fork {
    extents: Vec<(u64, u64, u64)>,
}

impl Fork {
    /// First bytes of `count` blocks from `first` on.
    fn pieces(&self, geometry: &Geometry, first: u64, count: u64) -> Option<Vec<usize>> {
        (first..first + count)
            .map(|block| {
                let extent = self.extents.iter().find(|(offset, _, count)| (*offset..offset + count).contains(&block));
                extent.and_then(|(offset, start, _)| geometry.address(start + block - offset))
            })
            .collect()
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.extents.iter().flat_map(|(offset, _, count)| *offset..offset + count)
    }
}

fn blocks(image: &Image, geometry: &Geometry, at: usize, number: u64, found: &mut Vec<Structure>) {
    let core = if geometry.is_v5 { 176 } else { 100 };
    let boundary = usize::from(u8_at(image, at + 82)) * 8;
    let end = geometry.inode - core;
    if boundary > end {
        return;
    }
    let has_large_counts = geometry.is_v5 && be64(image, at + 120) & 0x10 != 0;
    let (data_extents, attribute_extents) = match has_large_counts {
        true => (be64(image, at + 24), u64::from(be32(image, at + 76))),
        false => (u64::from(be32(image, at + 76)), be16(image, at + 80) as u64),
    };
    let is_sensible = |bytes: usize, extents: u64| extents * 16 <= bytes as u64;
    let mut fork = |from: usize, bytes: usize, format: u8, extents: u64| match format {
        2 if is_sensible(bytes, extents) => Fork { extents: records(image, at + core + from, extents as usize) },
        3 => Fork { extents: tree(image, geometry, at + core + from, bytes, number, found) },
        _ => Fork::default(),
    };
    let data_bytes = if boundary == 0 { end } else { boundary };
    let data = fork(0, data_bytes, u8_at(image, at + 5), data_extents);
    let attributes = match boundary {
        0 => Fork::default(),
        _ => fork(boundary, end - boundary, u8_at(image, at + 83), attribute_extents),
    };
    match be16(image, at + 2) >> 12 {
        4 => directory(image, geometry, &data, number, found),
        0xA => link(image, geometry, &data, number, be64(image, at + 56), found),
        _ => {}
    }
    for block in attributes.numbers() {
        let Some(pieces) = attributes.pieces(geometry, block, 1) else { continue };
        let kind = match (tree_kind(image, pieces[0]), &image.bytes(pieces[0], 4)[..]) {
            (Some(kind), _) => Some((kind, 12)),
            (None, b"XARM") => Some((Kind::AttributeRemote, 12)),
            (None, _) => (!geometry.is_v5).then_some((Kind::AttributeRemote, 0)),
        };
        if let Some((kind, crc)) = kind {
            add(image, found, structure(geometry, kind, Some(number), pieces, geometry.block, Some(crc)));
        }
    }
}

fn directory(image: &Image, geometry: &Geometry, fork: &Fork, number: u64, found: &mut Vec<Structure>) {
    let count = (geometry.directory_block / geometry.block) as u64;
    for first in fork.numbers().filter(|block| block.is_multiple_of(count)) {
        let Some(pieces) = fork.pieces(geometry, first, count) else { continue };
        let kind = match (&image.bytes(pieces[0], 4)[..], tree_kind(image, pieces[0])) {
            (b"XDB3" | b"XD2B", _) => Some((Kind::DirectoryBlock, 4)),
            (b"XDD3" | b"XD2D", _) => Some((Kind::DirectoryData, 4)),
            (b"XDF3" | b"XD2F", _) => Some((Kind::DirectoryFree, 4)),
            (_, kind) => kind.map(|kind| (kind, 12)),
        };
        if let Some((kind, crc)) = kind {
            add(image, found, structure(geometry, kind, Some(number), pieces, geometry.block, Some(crc)));
        }
    }
}

/// What kind of block of a tree it is, if any.
fn tree_kind(image: &Image, at: usize) -> Option<Kind> {
    match be16(image, at + 8) {
        0xD2F1 | 0x3DF1 => Some(Kind::DirectoryLeaf1),
        0xD2FF | 0x3DFF => Some(Kind::DirectoryLeaf),
        0xFEBE | 0x3EBE => Some(Kind::Node),
        0xFBEE | 0x3BEE => Some(Kind::AttributeLeaf),
        _ => None,
    }
}

/// The target is summed extent by extent, as far as its blocks are needed.
fn link(image: &Image, geometry: &Geometry, fork: &Fork, number: u64, size: u64, found: &mut Vec<Structure>) {
    let header = if geometry.is_v5 { 56 } else { 0 };
    let mut left = size.div_ceil(geometry.block as u64 - header);
    for (offset, _, count) in &fork.extents {
        let count = left.min(*count);
        left -= count;
        let pieces = fork.pieces(geometry, *offset, count).unwrap_or_default();
        if !pieces.is_empty() {
            add(image, found, structure(geometry, Kind::Symlink, Some(number), pieces, geometry.block, Some(12)));
        }
    }
}

/// `count` of `struct xfs_bmbt_rec`.
fn records(image: &Image, at: usize, count: usize) -> Vec<(u64, u64, u64)> {
    let record = |index| {
        let (high, low) = (be64(image, at + index * 16), be64(image, at + index * 16 + 8));
        ((high & !(1 << 63)) >> 9, (high & 0x1FF) << 43 | low >> 21, low & 0x1F_FFFF)
    };
    (0..count).map(record).collect()
}

/// The extents of the tree whose root is in an inode; adds its blocks.
fn tree(
    image: &Image,
    geometry: &Geometry,
    root: usize,
    bytes: usize,
    number: u64,
    found: &mut Vec<Structure>,
) -> Vec<(u64, u64, u64)> {
    let header = if geometry.is_v5 { 72 } else { 24 };
    let children = |at: usize, count: usize, room: usize| -> Vec<u64> {
        (0..count.min(room)).map(|index| be64(image, at + room * 8 + index * 8)).collect()
    };
    let mut level = children(root + 4, be16(image, root + 2), (bytes - 4) / 16);
    let mut extents = Vec::new();
    for _ in 0..be16(image, root).min(8) {
        let mut below = Vec::new();
        for block in level {
            let Some(at) = geometry.address(block) else { continue };
            if !matches!(&image.bytes(at, 4)[..], b"BMA3" | b"BMAP") {
                continue;
            }
            let before = found.len();
            add(image, found, structure(geometry, Kind::Extents, Some(number), vec![at], geometry.block, Some(64)));
            let (count, room) = (be16(image, at + 6), (geometry.block - header) / 16);
            match be16(image, at + 4) {
                _ if found.len() == before => {}
                0 => extents.extend(records(image, at + header, count.min(room))),
                _ => below.extend(children(at + header, count, room)),
            }
        }
        level = below;
    }
    extents
}

/// A structure in whole pieces; `crc` is the byte of its checksum, which version 4 does not have.
fn structure(
    geometry: &Geometry,
    kind: Kind,
    owner: Option<u64>,
    pieces: Vec<usize>,
    piece: usize,
    crc: Option<usize>,
) -> Structure {
    let seal = crc.filter(|_| geometry.is_v5).map_or(Seal::None, Seal::Crc);
    Structure { kind, owner, length: pieces.len() * piece, seal, pieces, piece, from: 0 }
}

/// Adds it if its checksum is right.
fn add(image: &Image, found: &mut Vec<Structure>, structure: Structure) {
    if structure.is_sealed(image) {
        found.push(structure);
    }
}
