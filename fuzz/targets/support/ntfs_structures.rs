//! The structures of an NTFS image: where they are in a sound image, and how the update sequence of a record, block or
//! page is made right again after it was changed. Written apart from the reader, from Linux `fs/ntfs3/ntfs.h`.

use crate::sparse::Image;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Bytes between two places that the update sequence protects.
const STRIDE: usize = 512;
const PAGE: usize = 4096;
/// The record of `$LogFile`.
const LOG: u64 = 2;
/// The record of `$UpCase`.
const UPCASE: u64 = 10;

/// What kind of structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Boot,
    Record,
    Attribute,
    Runs,
    StandardInformation,
    AttributeList,
    FileName,
    IndexRoot,
    IndexBlock,
    ViewRoot,
    ViewBlock,
    Bitmap,
    Security,
    Reparse,
    ExtendedAttributes,
    Compressed,
    Wof,
    LogRestart,
    LogPage,
    Other,
}

/// Bytes that follow each other, and where they are in the image.
#[derive(Clone, Debug, Default)]
pub struct Pieces(Vec<Range<usize>>);

impl Pieces {
    pub fn length(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// The byte of the image at which byte `at` of these is.
    pub fn place(&self, mut at: usize) -> usize {
        for piece in &self.0 {
            if at < piece.len() {
                return piece.start + at;
            }
            at -= piece.len();
        }
        panic!("byte {at} behind the end");
    }

    fn part(&self, mut from: usize, mut length: usize) -> Self {
        let mut found = Vec::new();
        for piece in &self.0 {
            let skipped = from.min(piece.len());
            let taken = length.min(piece.len() - skipped);
            found.extend((taken > 0).then(|| piece.start + skipped..piece.start + skipped + taken));
            (from, length) = (from - skipped, length - taken);
        }
        Self(found)
    }

    fn read(&self, image: &Image) -> Vec<u8> {
        self.0.iter().flat_map(|piece| image.bytes(piece.start, piece.len())).collect()
    }

    fn write(&self, image: &mut Image, bytes: &[u8]) {
        let mut at = 0;
        for piece in &self.0 {
            image.write(piece.start, &bytes[at..at + piece.len()]);
            at += piece.len();
        }
    }
}

/// A structure: what it is, the file that it belongs to, and where it is.
#[derive(Clone, Debug)]
pub struct Structure {
    pub kind: Kind,
    pub owner: Option<u64>,
    pub pieces: Pieces,
    /// What it is in that has an update sequence.
    pub block: Option<usize>,
}

/// A record, block or page with an update sequence: where it is, and the array in it.
struct Block {
    pieces: Pieces,
    array: Range<usize>,
}

/// The structures of a sound image, by kind.
pub struct Map {
    pub kinds: Vec<Vec<Structure>>,
    blocks: Vec<Block>,
}

impl Map {
    pub fn new(image: &Image) -> Self {
        let mut walk = Walk::new(image);
        walk.records();
        walk.values();
        walk.found.sort_by_key(|structure| structure.kind);
        let kinds = walk.found.chunk_by(|a, b| a.kind == b.kind).map(<[Structure]>::to_vec).collect();
        Self { kinds, blocks: walk.blocks }
    }

    /// The structures of a kind.
    pub fn of(&self, kind: Kind) -> &[Structure] {
        self.kinds.iter().find(|found| found[0].kind == kind).map_or(&[], Vec::as_slice)
    }

    /// Puts back what belongs where the number of the update sequence stands, for changes to be made.
    pub fn undo(&self, image: &mut Image, block: usize) {
        let Block { pieces, array } = &self.blocks[block];
        let mut bytes = pieces.read(image);
        undo(&mut bytes, array);
        pieces.write(image, &bytes);
    }

    /// Makes the update sequence right again.
    pub fn redo(&self, image: &mut Image, block: usize) {
        let Block { pieces, array } = &self.blocks[block];
        let mut bytes = pieces.read(image);
        let number = [bytes[array.start], bytes[array.start + 1]];
        for (end, at) in (STRIDE..=bytes.len()).step_by(STRIDE).zip((array.start + 2..array.end).step_by(2)) {
            bytes.copy_within(end - 2..end, at);
            bytes[end - 2..end].copy_from_slice(&number);
        }
        pieces.write(image, &bytes);
    }
}

fn undo(bytes: &mut [u8], array: &Range<usize>) {
    for (end, at) in (STRIDE..=bytes.len()).step_by(STRIDE).zip((array.start + 2..array.end).step_by(2)) {
        bytes.copy_within(at..at + 2, end - 2);
    }
}

fn le16(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()).into()
}

fn le32(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn le64(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// Which attribute, of which file.
type Key = (u64, u32, Vec<u8>);

/// A part of an attribute in clusters.
struct Part {
    lowest: usize,
    pieces: Pieces,
    size: usize,
    flags: usize,
}

struct Walk<'a> {
    image: &'a Image,
    cluster: usize,
    mft: Pieces,
    record: usize,
    found: Vec<Structure>,
    blocks: Vec<Block>,
    parts: BTreeMap<Key, Vec<Part>>,
    /// The blocks of indexes that are no directories.
    views: BTreeSet<Key>,
}

impl<'a> Walk<'a> {
    fn new(image: &'a Image) -> Self {
        let boot = image.bytes(0, 512);
        let cluster = le16(&boot, 11) * usize::from(boot[13]);
        let unit = |given: u8| if given < 0x80 { usize::from(given) * cluster } else { 1 << given.wrapping_neg() };
        let first = le64(&boot, 0x30) * cluster;
        let record = unit(boot[0x40]);
        let pieces = Pieces(vec![0..0x60]);
        let found = vec![Structure { kind: Kind::Boot, owner: None, pieces, block: None }];
        let (blocks, parts, views) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        let mft = Pieces(vec![first..first + record]);
        let mut walk = Self { image, cluster, mft, record, found, blocks, parts, views };
        walk.one_record(0);
        walk.mft = joined(&walk.parts[&(0, 0x80, Vec::new())]).0;
        (walk.found, walk.blocks, walk.parts) = (walk.found.drain(..1).collect(), Vec::new(), BTreeMap::new());
        walk
    }

    /// Remembers a record, block or page, and gives its number and bytes.
    fn block(&mut self, pieces: Pieces) -> (usize, Vec<u8>) {
        let mut bytes = pieces.read(self.image);
        let array = le16(&bytes, 4)..le16(&bytes, 4) + 2 * le16(&bytes, 6);
        undo(&mut bytes, &array);
        self.blocks.push(Block { pieces, array });
        (self.blocks.len() - 1, bytes)
    }

    fn records(&mut self) {
        for number in 0..self.mft.length() / self.record {
            self.one_record(number as u64);
        }
    }

    fn one_record(&mut self, number: u64) {
        let pieces = self.mft.part(number as usize * self.record, self.record);
        let raw = pieces.read(self.image);
        if raw[..4] != *b"FILE" || raw[0x16] & 1 == 0 {
            return;
        }
        let (block, bytes) = self.block(pieces.clone());
        let base = (le64(&bytes, 0x20) & 0xFFFF_FFFF_FFFF) as u64;
        let owner = if base == 0 { number } else { base };
        let put = |found: &mut Vec<Structure>, kind, from, length| {
            let pieces = pieces.part(from, length);
            found.extend((length > 0).then_some(Structure { kind, owner: Some(owner), pieces, block: Some(block) }));
        };
        put(&mut self.found, Kind::Record, 0, 0x38);
        let mut at = le16(&bytes, 0x14);
        while le32(&bytes, at) != 0xFFFF_FFFF {
            let raw = &bytes[at..at + le32(&bytes, at + 4)];
            let code = le32(raw, 0) as u32;
            let name = raw[le16(raw, 10)..le16(raw, 10) + 2 * usize::from(raw[9])].to_vec();
            if raw[8] == 0 {
                put(&mut self.found, Kind::Attribute, at, le16(raw, 0x14).max(0x18));
                let kind = kind(owner, code, &name, le16(raw, 12));
                put(&mut self.found, kind, at + le16(raw, 0x14), le32(raw, 0x10));
                if kind == Kind::ViewRoot {
                    self.views.insert((owner, 0xA0, name));
                }
            } else {
                let pairs = le16(raw, 0x20);
                put(&mut self.found, Kind::Attribute, at, pairs);
                put(&mut self.found, Kind::Runs, at + pairs, raw.len() - pairs);
                let lowest = le64(raw, 0x10);
                let part = Part {
                    lowest,
                    pieces: Pieces(runs(&raw[pairs..], self.cluster)),
                    size: if lowest == 0 { le64(raw, 0x30) } else { 0 },
                    flags: le16(raw, 12),
                };
                self.parts.entry((owner, code, name)).or_default().push(part);
            }
            at += raw.len();
        }
    }

    /// What is in clusters.
    fn values(&mut self) {
        for (key, parts) in std::mem::take(&mut self.parts) {
            let (owner, code, name) = &key;
            let (pieces, flags) = joined(&parts);
            let kind = if self.views.contains(&key) { Kind::ViewBlock } else { kind(*owner, *code, name, flags) };
            match kind {
                Kind::IndexBlock | Kind::ViewBlock => self.pages(kind, *owner, &pieces, &[b"INDX"]),
                Kind::LogPage => {
                    self.pages(Kind::LogRestart, *owner, &pieces, &[b"RSTR"]);
                    self.pages(kind, *owner, &pieces, &[b"RCRD"]);
                }
                Kind::Other => {}
                _ => self.found.push(Structure { kind, owner: Some(*owner), pieces, block: None }),
            }
        }
    }

    fn pages(&mut self, kind: Kind, owner: u64, pieces: &Pieces, marks: &[&[u8; 4]]) {
        for from in (0..pieces.length() / PAGE).map(|page| page * PAGE) {
            let page = pieces.part(from, PAGE);
            if marks.contains(&page.read(self.image).first_chunk().unwrap()) {
                let block = self.block(page.clone()).0;
                self.found.push(Structure { kind, owner: Some(owner), pieces: page, block: Some(block) });
            }
        }
    }
}

/// The parts of an attribute, up to its size, and its flags.
fn joined(parts: &[Part]) -> (Pieces, usize) {
    let mut parts: Vec<_> = parts.iter().collect();
    parts.sort_by_key(|part| part.lowest);
    let all = Pieces(parts.iter().flat_map(|part| part.pieces.0.clone()).collect());
    let length = parts[0].size.min(all.length());
    // Units of compression are cut off by no size.
    if parts[0].flags & 1 == 0 { (all.part(0, length), 0) } else { (all, 1) }
}

fn kind(owner: u64, code: u32, name: &[u8], flags: usize) -> Kind {
    let is_directory = name == b"$\0I\x003\x000\0";
    match code {
        0x10 => Kind::StandardInformation,
        0x20 => Kind::AttributeList,
        0x30 => Kind::FileName,
        0x50 => Kind::Security,
        0x80 if name == b"$\0S\0D\0S\0" => Kind::Security,
        0x80 if name.starts_with(b"W\0o\0f\0") => Kind::Wof,
        0x80 if owner == LOG => Kind::LogPage,
        0x80 if flags & 1 != 0 && owner != UPCASE => Kind::Compressed,
        0x90 => {
            if is_directory {
                Kind::IndexRoot
            } else {
                Kind::ViewRoot
            }
        }
        0xA0 => Kind::IndexBlock,
        0xB0 => Kind::Bitmap,
        0xC0 => Kind::Reparse,
        0xD0 | 0xE0 => Kind::ExtendedAttributes,
        _ => Kind::Other,
    }
}

/// The clusters of runs, without holes.
fn runs(mut pairs: &[u8], cluster: usize) -> Vec<Range<usize>> {
    let (mut found, mut lcn) = (Vec::new(), 0_i64);
    while let Some((header, rest)) = pairs.split_first().filter(|(header, _)| **header != 0) {
        let (length, distance) = (usize::from(header & 15), usize::from(header >> 4));
        let count = signed(&rest[..length]) as usize;
        if distance > 0 {
            lcn += signed(&rest[length..length + distance]);
            found.push(lcn as usize * cluster..(lcn as usize + count) * cluster);
        }
        pairs = &rest[length + distance..];
    }
    found
}

fn signed(bytes: &[u8]) -> i64 {
    let first = if bytes.last().is_some_and(|last| last & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().rev().fold(first, |number, byte| number << 8 | i64::from(*byte))
}
