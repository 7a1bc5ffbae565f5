//! Structures on the disks of volume groups and arrays that were made by the tools themselves, found by what they begin
//! with and by their checksums. An input changes some; their checksums are then made right again, so that what stands
//! behind them is reached.

use crate::disks;
use crate::sparse::{Base, Image};
use block::{BlockSize, ReadAt, Slice};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use volume::Device;

/// Bytes of a change: the kind of structure, which of them (2), where in it (2), how wide the value is, the value (3).
const CHANGE: usize = 9;
const SECTOR: usize = 512;
const BLOCK: usize = 4096;

/// How a structure is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sum {
    None,
    /// CRC-32C without its last complement, XORed with this; over all behind it (device mapper's persistent data).
    Persistent(u32),
    /// A superblock of md, version 1.
    Md,
    /// A meta block of an md journal, whose sum begins with that of the array's UUID.
    Journal(u32),
    /// A header of a partial parity log.
    Parity,
    /// A section of DDF.
    Ddf,
    /// The parameter block of IMSM.
    Imsm,
}

/// A structure: its bytes, in one or two pieces. Those of one kind begin and are checked alike.
pub struct Structure {
    kind: (&'static str, Sum),
    pieces: Vec<Range<usize>>,
}

impl Structure {
    fn new(name: &'static str, sum: Sum, at: usize, length: usize) -> Self {
        Self { kind: (name, sum), pieces: vec![at..at + length] }
    }

    fn length(&self) -> usize {
        self.pieces.iter().map(Range::len).sum()
    }

    fn place(&self, at: usize) -> usize {
        self.pieces.iter().flat_map(Clone::clone).nth(at).unwrap()
    }

    fn bytes(&self, image: &Image) -> Vec<u8> {
        self.pieces.iter().flat_map(|piece| image.bytes(piece.start, piece.len())).collect()
    }

    /// What its checksum is to be, and where in it that stands.
    fn sum(&self, mut bytes: Vec<u8>) -> Option<(usize, [u8; 4])> {
        let cleared = |bytes: &mut Vec<u8>, at: usize, value| bytes[at..at + 4].fill(value);
        Some(match self.kind.1 {
            Sum::None => return None,
            Sum::Persistent(xor) => (0, (!crc32c::crc32c(&bytes[4..]) ^ xor).to_le_bytes()),
            Sum::Md => {
                cleared(&mut bytes, 216, 0);
                let roles = number(&bytes, 220).saturating_mul(2).saturating_add(256);
                let sum = words(&bytes[..roles.min(bytes.len())]);
                (216, ((sum & 0xffff_ffff) as u32).wrapping_add((sum >> 32) as u32).to_le_bytes())
            }
            Sum::Journal(seed) => {
                cleared(&mut bytes, 4, 0);
                (4, (!crc32c::crc32c_append(seed, &bytes)).to_le_bytes())
            }
            Sum::Parity => {
                cleared(&mut bytes, 532, 0);
                (532, crc32c::crc32c(&bytes).to_le_bytes())
            }
            Sum::Ddf => {
                cleared(&mut bytes, 4, 0xff);
                // It begins with 0 and is not inverted.
                let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
                hasher.update(&bytes);
                (4, (!hasher.finalize()).to_be_bytes())
            }
            Sum::Imsm => {
                cleared(&mut bytes, 32, 0);
                let length = number(&bytes, 36).min(bytes.len()) & !3;
                (32, (words(&bytes[..length]) as u32).to_le_bytes())
            }
        })
    }

    fn is_sound(&self, image: &Image) -> bool {
        let bytes = self.bytes(image);
        self.sum(bytes.clone()).is_none_or(|(at, sum)| bytes[at..at + 4] == sum)
    }

    fn repair(&self, image: &mut Image) {
        if let Some((at, sum)) = self.sum(self.bytes(image)) {
            sum.iter().zip(at..).for_each(|(byte, at)| image.write(self.place(at), &[*byte]));
        }
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn words(bytes: &[u8]) -> u64 {
    bytes.chunks(4).map(|word| word.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))).sum()
}

/// The superblocks of thin pools and caches, nodes, blocks of arrays, bitmaps and the index of them.
const PERSISTENT: [(&str, u32); 6] = [
    ("thin pool", 160_774),
    ("cache", 9_031_977),
    ("node", 121_107),
    ("array", 595_846_735),
    ("index", 160_478),
    ("bitmap", 240_779),
];
const DDF: [(&str, u32); 6] = [
    ("DDF header", 0xDE11_DE11),
    ("DDF disks", 0x2222_2222),
    ("DDF disk", 0x3333_3333),
    ("DDF volumes", 0xDDDD_DDDD),
    ("DDF configuration", 0xEEEE_EEEE),
    ("DDF bad blocks", 0xABAD_B10C),
];
/// What has no checksum: magic number, length that is changed.
const BARE: [(&str, [u8; 4], usize); 4] = [
    ("write cache", 0x2348_9321_u32.to_le_bytes(), 8192),
    ("RAID image", *b"DmRd", SECTOR),
    ("mirror log", 0x4D69_5272_u32.to_le_bytes(), 1088),
    ("snapshot", *b"SnAp", BLOCK + 1024),
];
const IMSM: &[u8] = b"Intel Raid ISM Cfg Sig. ";
const MD: [u8; 8] = [0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0];
const JOURNAL: [u8; 4] = 0x6433_C509_u32.to_le_bytes();
/// The longest section of DDF that is looked for.
const SECTORS_MAX: usize = 128;

/// How an image is divided into disks.
#[allow(dead_code, reason = "not every target has both")]
pub enum Disks {
    /// So many of one size.
    Equal(usize),
    /// They begin so far before each of these.
    At(usize, &'static [u8]),
}

/// Disks, and what is on them.
pub struct Seed {
    base: Arc<Base>,
    disks: Vec<Range<usize>>,
    kinds: Vec<Vec<Structure>>,
}

impl Seed {
    /// Reads an image. These kinds of structures are known to be on it; a target whose map is wrong would find nothing.
    pub fn read(name: &str, disks: &Disks, expected: &[&str]) -> Self {
        let base = Base::read(name);
        let image = Image::of(&base);
        let length = image.len();
        let mut starts: Vec<_> = match disks {
            Disks::Equal(count) => (0..*count).map(|number| length / count * number).collect(),
            Disks::At(before, magic) => (0..length)
                .step_by(BLOCK)
                .filter(|at| at + before + magic.len() <= length && image.bytes(at + before, magic.len()) == *magic)
                .collect(),
        };
        starts.push(length);
        let disks: Vec<_> = starts.windows(2).map(|pair| pair[0]..pair[1]).collect();
        let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for structure in structures(&image, &disks) {
            kinds.entry(structure.kind).or_default().push(structure);
        }
        let seed = Self { base, disks, kinds: kinds.into_values().collect() };
        seed.check(name, expected);
        seed
    }

    /// Nothing but what was changed is different when all checksums were made, and volumes are found.
    fn check(&self, name: &str, expected: &[&str]) {
        let mut image = Image::of(&self.base);
        let found: BTreeSet<_> = self.kinds.iter().map(|kind| kind[0].kind.0).collect();
        assert!(expected.iter().all(|kind| found.contains(kind)), "{name}: {found:?} of {expected:?}");
        self.kinds.iter().flatten().for_each(|structure| structure.repair(&mut image));
        assert!(image.is_unchanged(), "{name}: a checksum is made otherwise");
        let volumes = self.look(image);
        assert!(volumes > self.disks.len(), "{name}: {volumes} readable volumes of {} disks", self.disks.len());
    }

    /// Looks at the disks with what an input changes.
    pub fn change(&self, changes: &[u8]) {
        let mut image = Image::of(&self.base);
        let mut touched = BTreeSet::new();
        for input in changes.chunks_exact(CHANGE) {
            let kind = usize::from(input[0]) % self.kinds.len();
            let which = usize::from(u16::from_le_bytes([input[1], input[2]])) % self.kinds[kind].len();
            change(&mut image, &self.kinds[kind][which], input);
            touched.insert((kind, which));
        }
        touched.into_iter().for_each(|(kind, which)| self.kinds[kind][which].repair(&mut image));
        self.look(image);
    }

    fn look(&self, image: Image) -> usize {
        let image: Arc<dyn ReadAt> = Arc::new(image);
        let device = |disk: &Range<usize>| Device {
            name: "disk".into(),
            data: Arc::new(Slice::new(Arc::clone(&image), disk.start as u64, disk.len() as u64).unwrap()),
            block_size: BlockSize::B512,
        };
        disks::look(&self.disks.iter().map(device).collect::<Vec<_>>(), 1 << 20)
    }
}

/// Numbers that code stumbles over, for one in two values.
const INTERESTING: [u64; 16] = [
    0,
    1,
    2,
    3,
    4,
    8,
    16,
    255,
    512,
    0x7FFF,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
    0xFFFF_FFFF_FFFF_FFFF,
];

/// Makes one change.
fn change(image: &mut Image, structure: &Structure, input: &[u8]) {
    // Long tables are of free entries mostly.
    let length = structure.length().min(2 * BLOCK);
    let place = usize::from(u16::from_le_bytes([input[3], input[4]])) % length;
    // Fields are where their sizes say.
    let width = [1, 2, 4, 8][usize::from(input[5] & 3)];
    let place = if input[5] & 0x40 == 0 { place } else { place / width * width };
    let value = match input[5] & 0x80 {
        0 => u64::from(u32::from_le_bytes([input[6], input[7], input[8], 0])),
        _ => INTERESTING[usize::from(input[6]) % INTERESTING.len()],
    };
    let mut value = value.to_le_bytes()[..width].to_vec();
    if input[5] & 0x20 != 0 {
        value.reverse();
    }
    for (at, byte) in (place..length).zip(value) {
        image.write(structure.place(at), &[byte]);
    }
}

fn structures(image: &Image, disks: &[Range<usize>]) -> Vec<Structure> {
    let mut found = Vec::new();
    for disk in disks {
        let uuid = image.bytes(disk.start + BLOCK + 16, 16);
        for at in disk.clone().step_by(SECTOR) {
            let sector = image.bytes(at, SECTOR);
            if sector.iter().all(|byte| *byte == 0) {
                continue;
            }
            let sections = DDF.iter().filter(|(_, magic)| sector.starts_with(&magic.to_be_bytes()));
            found.extend(sections.filter_map(|(name, _)| ddf(image, name, at..disk.end)));
            if sector.starts_with(IMSM) {
                found.push(imsm(&sector, at));
            }
            let bare = BARE.iter().filter(|(_, magic, length)| sector.starts_with(magic) && at + length <= disk.end);
            found.extend(bare.map(|(name, _, length)| Structure::new(name, Sum::None, at, *length)));
            if at.is_multiple_of(BLOCK) && at + BLOCK <= disk.end {
                found.extend(block(&sector, at, &uuid).into_iter().filter(|structure| structure.is_sound(image)));
            }
        }
    }
    found
}

/// What a block of 4 KiB may be.
fn block(sector: &[u8], at: usize, uuid: &[u8]) -> Vec<Structure> {
    let block = |name, sum| Structure::new(name, sum, at, BLOCK);
    if sector.starts_with(&MD) {
        return vec![block("md", Sum::Md)];
    }
    if sector.starts_with(&JOURNAL) {
        return vec![block("journal", Sum::Journal(crc32c::crc32c(uuid)))];
    }
    if sector.iter().all(|byte| *byte == 0xff) {
        return vec![block("partial parity", Sum::Parity)];
    }
    PERSISTENT.iter().map(|(name, xor)| block(name, Sum::Persistent(*xor))).collect()
}

/// A section is as long as its checksum says.
fn ddf(image: &Image, name: &'static str, within: Range<usize>) -> Option<Structure> {
    let longest = (within.len() / SECTOR).min(SECTORS_MAX);
    let of = |sectors| Structure::new(name, Sum::Ddf, within.start, sectors * SECTOR);
    (1..=longest).map(of).find(|structure| structure.is_sound(image))
}

/// What does not fit in the last sector but one is before it.
fn imsm(sector: &[u8], at: usize) -> Structure {
    let before = (number(sector, 36).div_ceil(SECTOR) - 1) * SECTOR;
    Structure { kind: ("IMSM", Sum::Imsm), pieces: vec![at..at + SECTOR, at - before..at] }
}
