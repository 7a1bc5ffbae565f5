//! Things in a volume whose place is known and that are recognized by themselves: partition tables, and what file systems
//! repeat in known places. Only their places are of interest here; readers of file systems check everything else.

use super::arrange::Finder;
use std::iter;
use std::ops::Range;

/// Whether these bytes are it.
type Check = Box<dyn Fn(&[u8]) -> bool>;

/// Something whose place in a volume is known.
pub(super) struct Landmark {
    /// First byte of the volume.
    pub(super) offset: u64,
    /// How many bytes it is recognized by.
    pub(super) length: usize,
    /// Whether these bytes are it.
    pub(super) is_it: Check,
}

/// Bytes that things are recognized by.
const SECTOR: usize = 512;
/// Block groups and allocation groups whose copies are looked at.
const GROUPS_MAX: u64 = 512;
/// Partitions that are looked at.
const PARTITIONS_MAX: usize = 32;
/// Records at the beginning of NTFS' master file table, which always lie in one piece.
const MFT_RECORDS: u64 = 16;
/// ext4's feature of checksums for all metadata.
const METADATA_CSUM: u32 = 0x400;
const SIZES: [u64; 2] = [512, 4096];

/// The landmarks of a volume.
pub(super) fn find(finder: &Finder<'_>) -> Vec<Landmark> {
    let mut found = Vec::new();
    let mut regions: Vec<_> = iter::once(0..finder.size()).collect();
    regions.extend(gpt(finder, &mut found));
    regions.extend(mbr(finder, &mut found));
    for region in regions {
        ext(finder, &region, &mut found);
        xfs(finder, &region, &mut found);
        ntfs(finder, &region, &mut found);
    }
    found
}

impl Landmark {
    fn new(offset: u64, length: usize, is_it: impl Fn(&[u8]) -> bool + 'static) -> Self {
        Self { offset, length, is_it: Box::new(is_it) }
    }
}

/// What the devices have at `offset` that is recognized, when all that have it have the same.
fn one(finder: &Finder<'_>, offset: u64, length: usize, is_it: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut found = finder.read(offset, length).into_iter().flatten().filter(|bytes| is_it(bytes));
    let first = found.next()?;
    found.all(|bytes| bytes == first).then_some(first)
}

/// A GUID partition table: its two headers, and its entries. Gives the partitions.
fn gpt(finder: &Finder<'_>, found: &mut Vec<Landmark>) -> Vec<Range<u64>> {
    for block in SIZES {
        let Some(header) = one(finder, block, SECTOR, |bytes| is_gpt_header(bytes, 1)) else { continue };
        let fields = (u64_at(&header, 32), u64_at(&header, 72), u32_at(&header, 80), u32_at(&header, 84));
        let (Some(alternate), Some(lba), Some(count), Some(entry_bytes)) = fields else { continue };
        found.push(Landmark::new(block, SECTOR, |bytes| is_gpt_header(bytes, 1)));
        if let Some(offset) = alternate.checked_mul(block) {
            let guid = header.get(56..72).map(<[u8]>::to_vec);
            let is_it =
                move |bytes: &[u8]| is_gpt_header(bytes, alternate) && bytes.get(56..72).map(<[u8]>::to_vec) == guid;
            found.push(Landmark::new(offset, SECTOR, is_it));
        }
        let sum = u32_at(&header, 88);
        let length = usize::try_from(u64::from(count).saturating_mul(entry_bytes.into())).unwrap_or(usize::MAX);
        if entry_bytes < 128 || length > 1 << 20 {
            continue;
        }
        let is_array = move |bytes: &[u8]| Some(crc32fast::hash(bytes)) == sum;
        let Some(offset) = lba.checked_mul(block) else { continue };
        let Some(array) = one(finder, offset, length, is_array) else { continue };
        found.push(Landmark::new(offset, length, is_array));
        let entries = array.chunks_exact(usize::try_from(entry_bytes).unwrap_or(usize::MAX));
        let range = |entry: &[u8]| {
            let (first, last) = (u64_at(entry, 32)?, u64_at(entry, 40)?);
            Some(first.checked_mul(block)?..last.checked_add(1)?.checked_mul(block)?).filter(|range| range.start > 0)
        };
        return entries.filter_map(range).take(PARTITIONS_MAX).collect();
    }
    Vec::new()
}

/// Whether this is the header of a GUID partition table in block `lba`, with the right checksum.
fn is_gpt_header(bytes: &[u8], lba: u64) -> bool {
    let sum = || {
        let size = usize::try_from(u32_at(bytes, 12)?).ok().filter(|size| *size >= 92)?;
        let mut header = bytes.get(..size)?.to_vec();
        header.get_mut(16..20)?.fill(0);
        Some(crc32fast::hash(&header))
    };
    bytes.starts_with(b"EFI PART") && u64_at(bytes, 24) == Some(lba) && sum() == u32_at(bytes, 16)
}

/// The primary partitions of a boot sector with a partition table; the sector itself is no landmark, as boot sectors of file
/// systems look like it.
fn mbr(finder: &Finder<'_>, found: &mut Vec<Landmark>) -> Vec<Range<u64>> {
    let is_it = |bytes: &[u8]| {
        let entries = bytes.get(446..510).unwrap_or_default();
        let is_plausible = |entry: &[u8]| matches!(entry.first(), Some(0 | 0x80));
        bytes.get(510..512) == Some(&[0x55, 0xAA])
            && entries.chunks_exact(16).all(is_plausible)
            && entries.iter().any(|byte| *byte != 0)
    };
    let Some(sector) = one(finder, 0, SECTOR, is_it) else { return Vec::new() };
    let known = sector.clone();
    found.push(Landmark::new(0, SECTOR, move |bytes| bytes == known));
    let range = |entry: &[u8]| {
        let (first, count) = (u64::from(u32_at(entry, 8)?), u64::from(u32_at(entry, 12)?));
        let (start, end) = (first.checked_mul(512)?, first.checked_add(count)?.checked_mul(512)?);
        (first > 0 && count > 0).then_some(start..end)
    };
    sector.get(446..510).unwrap_or_default().chunks_exact(16).filter_map(range).collect()
}

/// The superblocks of ext2, ext3 and ext4: each knows its block group (Linux `struct ext4_super_block`).
fn ext(finder: &Finder<'_>, region: &Range<u64>, found: &mut Vec<Landmark>) {
    const AT: u64 = 1024;
    const LENGTH: usize = 1024;
    // A parity of a superblock and of nothing much looks like it, but for the checksum.
    let is_whole = |bytes: &[u8]| {
        let has_checksum = u32_at(bytes, 100).is_some_and(|features| features & METADATA_CSUM != 0);
        !has_checksum || u32_at(bytes, 1020) == bytes.get(..1020).map(|bytes| !crc32c::crc32c(bytes))
    };
    let is_superblock = move |bytes: &[u8], group: u16| {
        bytes.get(56..58) == Some(&[0x53, 0xEF]) && bytes.get(90..92) == Some(&group.to_le_bytes()) && is_whole(bytes)
    };
    let Some(first) = region.start.checked_add(AT) else { return };
    let Some(superblock) = one(finder, first, LENGTH, |bytes| is_superblock(bytes, 0)) else { return };
    let fields = (u32_at(&superblock, 4), u32_at(&superblock, 20), u32_at(&superblock, 24), u32_at(&superblock, 32));
    let (Some(blocks), Some(first_block), Some(log), Some(per_group)) = fields else { return };
    let uuid = superblock.get(104..120).map(<[u8]>::to_vec);
    if log > 6 || per_group == 0 {
        return;
    }
    let block = 1024_u64 << log;
    let landmark = |offset: u64, group: u16| {
        let uuid = uuid.clone();
        let is_it = move |bytes: &[u8]| is_superblock(bytes, group) && bytes.get(104..120).map(<[u8]>::to_vec) == uuid;
        Landmark::new(offset, LENGTH, is_it)
    };
    found.push(landmark(first, 0));
    let groups = u64::from(blocks).div_ceil(per_group.into()).min(GROUPS_MAX);
    for group in 1..groups {
        let number = group.checked_mul(per_group.into()).and_then(|block| block.checked_add(first_block.into()));
        let offset = number.and_then(|number| number.checked_mul(block)).and_then(|at| at.checked_add(region.start));
        // Groups without a copy have anything there, and are dropped when nobody has the landmark.
        if let (Some(offset), Ok(group)) = (offset, u16::try_from(group)) {
            found.push(landmark(offset, group));
        }
    }
    inodes(finder, region, &superblock, found);
}

/// The inodes of the first block group, in steps of a block: their checksums are made of their numbers (Linux
/// `ext4_inode_csum`).
fn inodes(finder: &Finder<'_>, region: &Range<u64>, superblock: &[u8], found: &mut Vec<Landmark>) {
    const CSUM_SEED: u32 = 0x2000;
    const IS_64BIT: u32 = 0x80;
    const STEP: u64 = 4096;
    let log = u32_at(superblock, 24).unwrap_or(0);
    let first_block = u32_at(superblock, 20).unwrap_or(0);
    let block = 1024_u64 << log.min(6);
    let has_checksums = u32_at(superblock, 100).is_some_and(|features| features & METADATA_CSUM != 0);
    let seed = match u32_at(superblock, 96) {
        Some(features) if features & CSUM_SEED != 0 => u32_at(superblock, 0x270).map(|seed| !seed),
        _ => superblock.get(104..120).map(crc32c::crc32c),
    };
    let inode_bytes = u16_at(superblock, 88).map_or(0, u64::from);
    let (Some(seed), Some(per_group), true) = (seed, u32_at(superblock, 40), has_checksums && inode_bytes >= 128)
    else {
        return;
    };
    let descriptors = u64::from(first_block).saturating_add(1).saturating_mul(block).saturating_add(region.start);
    let is_descriptor = move |bytes: &[u8]| {
        let (before, after) = (bytes.get(..30).unwrap_or_default(), bytes.get(32..).unwrap_or_default());
        let sum = crc32c::crc32c_append(seed, &0_u32.to_le_bytes());
        let sum = [before, &[0, 0], after].into_iter().fold(sum, crc32c::crc32c_append);
        u16_at(bytes, 30).map(u32::from) == Some(!sum & 0xFFFF)
    };
    let descriptor_bytes = match u32_at(superblock, 96) {
        Some(features) if features & IS_64BIT != 0 => u16_at(superblock, 254).map_or(32, usize::from),
        _ => 32,
    };
    let Some(group) = one(finder, descriptors, descriptor_bytes.min(SECTOR), is_descriptor) else { return };
    let table = u32_at(&group, 8).map_or(0, u64::from).saturating_mul(block).saturating_add(region.start);
    let length = usize::try_from(inode_bytes).unwrap_or(usize::MAX);
    let count = u64::from(per_group).saturating_mul(inode_bytes).div_ceil(STEP).min(GROUPS_MAX);
    for step in 0..count {
        let offset = step.saturating_mul(STEP);
        let number = offset.checked_div(inode_bytes).and_then(|index| u32::try_from(index.checked_add(1)?).ok());
        let Some(number) = number else { break };
        let is_it = move |inode: &[u8]| is_inode(inode, number, seed);
        found.push(Landmark::new(table.saturating_add(offset), length, is_it));
    }
}

/// Whether this is the inode with this number; `seed` is the checksum of the file system's UUID.
fn is_inode(inode: &[u8], number: u32, seed: u32) -> bool {
    let sum = || {
        let has_high = inode.len() > 128 && u16_at(inode, 128)? >= 4;
        let stored = u32::from(u16_at(inode, 124)?) | if has_high { u32::from(u16_at(inode, 130)?) << 16 } else { 0 };
        let mut blank = inode.to_vec();
        blank.get_mut(124..126)?.fill(0);
        if has_high {
            blank.get_mut(130..132)?.fill(0);
        }
        let sum = crc32c::crc32c_append(seed, &number.to_le_bytes());
        let sum = !crc32c::crc32c_append(crc32c::crc32c_append(sum, inode.get(100..104)?), &blank);
        Some(stored == if has_high { sum } else { sum & 0xFFFF })
    };
    u16_at(inode, 0).is_some_and(|mode| mode != 0) && sum() == Some(true)
}

/// The headers of XFS' allocation groups: each knows its number (Linux `struct xfs_agf`).
fn xfs(finder: &Finder<'_>, region: &Range<u64>, found: &mut Vec<Landmark>) {
    let is_superblock = |bytes: &[u8]| bytes.starts_with(b"XFSB");
    let Some(superblock) = one(finder, region.start, SECTOR, is_superblock) else { return };
    let be = |at| u32_at(&superblock, at).map(u32::swap_bytes);
    let (Some(block), Some(ag_blocks), Some(ags)) = (be(4), be(84), be(88)) else { return };
    let sector = u16_at(&superblock, 102).map_or(0, |sector| u64::from(sector.swap_bytes()));
    let uuid = superblock.get(32..48).map(<[u8]>::to_vec);
    let ag_bytes = u64::from(ag_blocks).saturating_mul(block.into());
    for ag in 0..ags.min(u32::try_from(GROUPS_MAX).unwrap_or(u32::MAX)) {
        let start = ag_bytes.checked_mul(ag.into()).and_then(|offset| offset.checked_add(region.start));
        let Some(start) = start else { break };
        let uuid = uuid.clone();
        let is_copy = move |bytes: &[u8]| is_superblock(bytes) && bytes.get(32..48).map(<[u8]>::to_vec) == uuid;
        found.push(Landmark::new(start, SECTOR, is_copy));
        let headers: [(u64, &[u8; 4]); 2] = [(1, b"XAGF"), (2, b"XAGI")];
        for (number, magic) in headers {
            let is_it =
                move |bytes: &[u8]| bytes.starts_with(magic) && u32_at(bytes, 8).map(u32::swap_bytes) == Some(ag);
            found.push(Landmark::new(start.saturating_add(sector.saturating_mul(number)), SECTOR, is_it));
        }
    }
}

/// The boot sectors of NTFS and the first records of its master file table, which know their numbers.
fn ntfs(finder: &Finder<'_>, region: &Range<u64>, found: &mut Vec<Landmark>) {
    let is_boot_sector = |bytes: &[u8]| bytes.get(3..11) == Some(b"NTFS    ");
    let Some(boot) = one(finder, region.start, SECTOR, is_boot_sector) else { return };
    let sector = u16_at(&boot, 11).map_or(0, u64::from);
    let fields = (boot.get(13), u64_at(&boot, 40), u64_at(&boot, 48), boot.get(64));
    let (Some(per_cluster), Some(sectors), Some(mft), Some(record)) = fields else { return };
    let known = boot.clone();
    for offset in [0, sectors.saturating_mul(sector)] {
        let known = known.clone();
        found.push(Landmark::new(region.start.saturating_add(offset), SECTOR, move |bytes| bytes == known));
    }
    // Large clusters are written as a negative power of two, as are small records.
    let power = |raw: u8| u32::from(raw.wrapping_neg());
    let per_cluster =
        if *per_cluster > 0x80 { 1_u64.checked_shl(power(*per_cluster)) } else { Some((*per_cluster).into()) };
    let cluster = per_cluster.map(|sectors| sectors.saturating_mul(sector)).unwrap_or(0);
    let record_bytes = if *record > 0x80 { 1_u64.checked_shl(power(*record)).unwrap_or(0) } else { cluster };
    let Some(first) = mft.checked_mul(cluster).and_then(|at| at.checked_add(region.start)) else { return };
    let records = one(finder, first, SECTOR, |bytes| is_record(bytes, 0)).map(|record| first_run(&record));
    let records = records.unwrap_or(0).saturating_mul(cluster).checked_div(record_bytes).unwrap_or(0);
    // One in each block, as records are smaller.
    let step = 4096_u64.checked_div(record_bytes).unwrap_or(0).max(1);
    let numbers = (0..GROUPS_MAX).map(|number| number.saturating_mul(step)).take_while(|number| *number < records);
    for number in (0..MFT_RECORDS).chain(numbers) {
        let offset = mft.checked_mul(cluster).and_then(|at| at.checked_add(record_bytes.checked_mul(number)?));
        let Some(offset) = offset.and_then(|offset| offset.checked_add(region.start)) else { break };
        found.push(Landmark::new(offset, SECTOR, move |bytes| is_record(bytes, number)));
    }
}

fn is_record(bytes: &[u8], number: u64) -> bool {
    bytes.starts_with(b"FILE") && u32_at(bytes, 44).map(u64::from) == Some(number)
}

/// How many clusters the first run of the table's own record has.
fn first_run(record: &[u8]) -> u64 {
    const DATA: u32 = 0x80;
    let mut at = u16_at(record, 20).map_or(0, usize::from);
    for _ in 0..16 {
        let (Some(kind), Some(length)) = (u32_at(record, at), u32_at(record, at.saturating_add(4))) else { return 0 };
        if kind == DATA {
            let runs = u16_at(record, at.saturating_add(32)).map_or(0, usize::from);
            let run = record.get(at.saturating_add(runs)..).unwrap_or_default();
            let bytes = run.first().map_or(0, |head| usize::from(head & 0xF));
            let length = run.get(1..bytes.saturating_add(1)).filter(|bytes| bytes.len() <= 8).unwrap_or_default();
            return length.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        }
        at = at.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    }
    0
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|word| u16::from_le_bytes(*word))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}
