//! The structures of an ext4 image with 1 KiB blocks and inodes of 256 bytes, and their checksums: where they are in a
//! sound image, and how each is made right again after it was changed. Written apart from the reader, from the kernel's
//! `Documentation/filesystems/ext4`.

use std::collections::BTreeMap;

pub const BLOCK: usize = 1024;
const INODE: usize = 256;
const SUPERBLOCK: usize = 1024;

/// What kind of structure, and which inode it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Superblock,
    Descriptor(u32),
    Inode(u32),
    Extents(u32),
    Leaf(u32),
    IndexRoot(u32),
    IndexNode(u32),
    Xattrs,
    JournalSuperblock,
    /// A descriptor or revoke block.
    JournalTail,
    JournalCommit,
    /// A copy of a block: the byte of its tag, and its transaction.
    JournalData(usize, u32),
    FastCommit,
}

impl Kind {
    /// The same number for structures of one kind.
    const fn rank(self) -> u8 {
        match self {
            Self::Superblock => 0,
            Self::Descriptor(_) => 1,
            Self::Inode(_) => 2,
            Self::Extents(_) => 3,
            Self::Leaf(_) => 4,
            Self::IndexRoot(_) => 5,
            Self::IndexNode(_) => 6,
            Self::Xattrs => 7,
            Self::JournalSuperblock => 8,
            Self::JournalTail => 9,
            Self::JournalCommit => 10,
            Self::JournalData(..) => 11,
            Self::FastCommit => 12,
        }
    }
}

/// A structure: what it is, where it begins, and how long it is.
#[derive(Clone, Copy, Debug)]
pub struct Structure {
    pub kind: Kind,
    pub at: usize,
    pub length: usize,
}

pub fn le16(image: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes(image[at..at + 2].try_into().unwrap()))
}

pub fn le32(image: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
}

fn be32(image: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(image[at..at + 4].try_into().unwrap())
}

fn crc(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// The structures of a sound image, by kind.
pub struct Map {
    pub kinds: Vec<Vec<Structure>>,
    seed: u32,
    journal_seed: u32,
    /// First bytes of the blocks of fast commits, in order.
    fast_commits: Vec<usize>,
}

impl Map {
    pub fn new(image: &[u8]) -> Self {
        let mut found = Vec::new();
        let mut add = |kind, at, length| found.push(Structure { kind, at, length });
        add(Kind::Superblock, SUPERBLOCK, 1020);
        let inodes = le32(image, SUPERBLOCK);
        let per_group = le32(image, SUPERBLOCK + 0x28);
        let descriptor_bytes = if le32(image, SUPERBLOCK + 0x60) & 0x80 != 0 { 64 } else { 32 };
        let mut journal = Vec::new();
        for group in 0..inodes / per_group {
            let descriptor = 2 * BLOCK + group as usize * descriptor_bytes;
            add(Kind::Descriptor(group), descriptor, descriptor_bytes);
            let table = le32(image, descriptor + 8) as usize * BLOCK;
            for index in 0..per_group {
                let (number, at) = (group * per_group + index + 1, table + index as usize * INODE);
                if le16(image, at) == 0 || le16(image, at + 0x1A) == 0 {
                    continue;
                }
                add(Kind::Inode(number), at, INODE);
                let xattrs = le32(image, at + 0x68) as usize;
                if xattrs != 0 {
                    add(Kind::Xattrs, xattrs * BLOCK, BLOCK);
                }
                let (mode, flags) = (le16(image, at) >> 12, le32(image, at + 0x20));
                if flags & 0x8_0000 == 0 {
                    continue;
                }
                let blocks = extents(image, at + 0x28, number, &mut add);
                if number == 8 {
                    journal = blocks;
                } else if mode == 4 {
                    for (logical, block) in blocks {
                        let at = block * BLOCK;
                        let is_node = le32(image, at) == 0 && le16(image, at + 4) == BLOCK;
                        let kind = match (flags & 0x1000 != 0, logical) {
                            (true, 0) => Kind::IndexRoot(number),
                            (true, _) if is_node => Kind::IndexNode(number),
                            _ => Kind::Leaf(number),
                        };
                        add(kind, at, BLOCK);
                    }
                }
            }
        }
        let mut fast_commits = Vec::new();
        let mut journal_seed = 0;
        if !journal.is_empty() {
            let log: Vec<_> = journal.iter().map(|(_, block)| block * BLOCK).collect();
            journal_seed = crc(!0, &image[log[0] + 0x30..log[0] + 0x40]);
            fast_commits = log_structures(image, &log, &mut add);
        }
        let mut kinds = BTreeMap::new();
        for structure in found {
            kinds.entry(structure.kind.rank()).or_insert_with(Vec::new).push(structure);
        }
        let seed = crc(!0, &image[SUPERBLOCK + 0x68..SUPERBLOCK + 0x78]);
        Self { kinds: kinds.into_values().collect(), seed, journal_seed, fast_commits }
    }

    /// Makes the checksum of a structure right again, as far as what it says of itself still has a place for one.
    pub fn repair(&self, image: &mut [u8], structure: Structure) {
        let Structure { kind, at, length } = structure;
        match kind {
            Kind::Superblock => {
                let sum = crc(!0, &image[at..at + 0x3FC]);
                image[at + 0x3FC..at + 0x400].copy_from_slice(&sum.to_le_bytes());
            }
            Kind::Descriptor(group) => {
                image[at + 0x1E..at + 0x20].fill(0);
                let sum = crc(crc(self.seed, &group.to_le_bytes()), &image[at..at + length]);
                image[at + 0x1E..at + 0x20].copy_from_slice(&sum.to_le_bytes()[..2]);
            }
            Kind::Inode(number) => {
                image[at + 0x7C..at + 0x7E].fill(0);
                let has_high = le16(image, at + 0x80) >= 4;
                if has_high {
                    image[at + 0x82..at + 0x84].fill(0);
                }
                let sum = crc(self.inode_seed(image, at, number), &image[at..at + INODE]).to_le_bytes();
                image[at + 0x7C..at + 0x7E].copy_from_slice(&sum[..2]);
                if has_high {
                    image[at + 0x82..at + 0x84].copy_from_slice(&sum[2..]);
                }
            }
            Kind::Extents(number) => {
                let tail = 12 + 12 * le16(image, at + 4);
                if tail + 4 <= BLOCK {
                    let sum = crc(self.seed_of(image, number), &image[at..at + tail]);
                    image[at + tail..at + tail + 4].copy_from_slice(&sum.to_le_bytes());
                }
            }
            Kind::Leaf(number) => {
                let sum = crc(self.seed_of(image, number), &image[at..at + BLOCK - 12]);
                image[at + BLOCK - 4..at + BLOCK].copy_from_slice(&sum.to_le_bytes());
            }
            Kind::IndexRoot(number) | Kind::IndexNode(number) => {
                let entries = if matches!(kind, Kind::IndexRoot(_)) { 32 } else { 8 };
                let (limit, count) = (le16(image, at + entries), le16(image, at + entries + 2));
                let (tail, used) = (entries + 8 * limit, entries + 8 * count);
                if tail + 8 <= BLOCK && used <= BLOCK {
                    let sum = crc(self.seed_of(image, number), &image[at..at + used]);
                    let sum = crc(crc(sum, &image[at + tail..at + tail + 4]), &[0; 4]);
                    image[at + tail + 4..at + tail + 8].copy_from_slice(&sum.to_le_bytes());
                }
            }
            Kind::Xattrs => {
                image[at + 0x10..at + 0x14].fill(0);
                let number = (at / BLOCK) as u64;
                let sum = crc(crc(self.seed, &number.to_le_bytes()), &image[at..at + BLOCK]);
                image[at + 0x10..at + 0x14].copy_from_slice(&sum.to_le_bytes());
            }
            Kind::JournalSuperblock => put_be(image, at, 0xFC, !0, 1024),
            Kind::JournalTail => put_be(image, at, BLOCK - 4, self.journal_seed, BLOCK),
            Kind::JournalCommit => put_be(image, at, 16, self.journal_seed, BLOCK),
            Kind::JournalData(tag, sequence) => {
                let sum = crc(crc(self.journal_seed, &sequence.to_be_bytes()), &image[at..at + BLOCK]);
                image[tag + 12..tag + 16].copy_from_slice(&sum.to_be_bytes());
                // The tag is in a block that has a checksum as well.
                put_be(image, tag / BLOCK * BLOCK, BLOCK - 4, self.journal_seed, BLOCK);
            }
            Kind::FastCommit => self.repair_fast_commits(image),
        }
    }

    /// The seed of what belongs to an inode, whose generation may have been changed.
    fn seed_of(&self, image: &[u8], number: u32) -> u32 {
        let inodes = self.kinds.iter().flatten().filter(|structure| structure.kind == Kind::Inode(number));
        inodes.map(|inode| self.inode_seed(image, inode.at, number)).next().unwrap_or(0)
    }

    fn inode_seed(&self, image: &[u8], at: usize, number: u32) -> u32 {
        crc(crc(self.seed, &number.to_le_bytes()), &image[at + 0x64..at + 0x68])
    }

    fn repair_fast_commits(&self, image: &mut [u8]) {
        let mut sum = 0;
        for block in &self.fast_commits {
            let mut at = 0;
            while at + 4 <= BLOCK {
                let (tag, end) = (le16(image, block + at), at + 4 + le16(image, block + at + 2));
                if end > BLOCK {
                    return;
                }
                if tag == 8 && at + 12 <= BLOCK {
                    sum = crc(sum, &image[block + at..block + at + 8]);
                    image[block + at + 8..block + at + 12].copy_from_slice(&sum.to_le_bytes());
                    sum = 0;
                } else {
                    sum = crc(sum, &image[block + at..block + end]);
                }
                at = end;
            }
        }
    }
}

/// Puts a checksum over `length` bytes at `at + field`, which count as zeros.
fn put_be(image: &mut [u8], at: usize, field: usize, seed: u32, length: usize) {
    image[at + field..at + field + 4].fill(0);
    let sum = crc(seed, &image[at..at + length]);
    image[at + field..at + field + 4].copy_from_slice(&sum.to_be_bytes());
}

/// The blocks (of the file, of the volume) that an extent tree maps; adds its nodes.
fn extents(image: &[u8], at: usize, number: u32, add: &mut impl FnMut(Kind, usize, usize)) -> Vec<(usize, usize)> {
    let (count, depth) = (le16(image, at + 2), le16(image, at + 6));
    let mut blocks = Vec::new();
    for entry in (0..count).map(|index| at + 12 + 12 * index) {
        if depth > 0 {
            let below = le32(image, entry + 4) as usize * BLOCK;
            add(Kind::Extents(number), below, BLOCK);
            blocks.extend(extents(image, below, number, add));
            continue;
        }
        let (first, length, start) =
            (le32(image, entry) as usize, le16(image, entry + 4), le32(image, entry + 8) as usize);
        blocks.extend((0..length & 0x7FFF).map(|offset| (first + offset, start + offset)));
    }
    blocks
}

/// Adds what the log holds; the blocks of fast commits.
fn log_structures(image: &[u8], log: &[usize], add: &mut impl FnMut(Kind, usize, usize)) -> Vec<usize> {
    const MAGIC: u32 = 0xC03B_3998;
    let superblock = log[0];
    add(Kind::JournalSuperblock, superblock, 0xFC);
    let (maxlen, first, sequence, mut at) = (
        be32(image, superblock + 16),
        be32(image, superblock + 20),
        be32(image, superblock + 24),
        be32(image, superblock + 28),
    );
    if at == 0 {
        return Vec::new();
    }
    let has_fast = be32(image, superblock + 0x28) & 0x20 != 0;
    let fast_blocks = match be32(image, superblock + 0x54) {
        0 => 256,
        count => count,
    };
    let end = if has_fast { maxlen - fast_blocks } else { maxlen };
    let mut expected = sequence;
    let next = |at: &mut u32| {
        let now = *at;
        *at = if now + 1 == end { first } else { now + 1 };
        log[now as usize]
    };
    loop {
        let block = next(&mut at);
        if be32(image, block) != MAGIC || be32(image, block + 8) != expected {
            break;
        }
        match be32(image, block + 4) {
            1 => {
                add(Kind::JournalTail, block, BLOCK);
                let mut tag = block + 12;
                loop {
                    let flags = be32(image, tag + 4);
                    add(Kind::JournalData(tag, expected), next(&mut at), BLOCK);
                    tag += 16 + if flags & 2 == 0 { 16 } else { 0 };
                    if flags & 8 != 0 {
                        break;
                    }
                }
            }
            2 => {
                add(Kind::JournalCommit, block, 60);
                expected = expected.wrapping_add(1);
            }
            _ => add(Kind::JournalTail, block, BLOCK),
        }
    }
    let fast = if has_fast { &log[end as usize + 1..maxlen as usize] } else { &[] };
    let fast = fast_commits(image, fast, expected);
    for at in &fast {
        add(Kind::FastCommit, *at, BLOCK);
    }
    fast
}

/// The blocks up to the last tail of this transaction.
fn fast_commits(image: &[u8], blocks: &[usize], sequence: u32) -> Vec<usize> {
    let (mut whole, mut pending) = (Vec::new(), Vec::new());
    for block in blocks {
        pending.push(*block);
        let mut at = 0;
        while at + 12 <= BLOCK {
            let (tag, length) = (le16(image, block + at), le16(image, block + at + 2));
            if !(1..=9).contains(&tag) || (tag == 8 && le32(image, block + at + 4) != sequence) {
                return whole;
            }
            if tag == 8 {
                whole.append(&mut pending);
            }
            at += 4 + length;
        }
    }
    whole
}
