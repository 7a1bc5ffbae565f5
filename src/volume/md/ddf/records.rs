//! The records of a DDF structure on one disk (SNIA Common RAID Disk Data Format 2.0; mdadm `super-ddf.c`). All numbers are
//! big-endian, all blocks have 512 bytes.

use crate::{Device, Error};
use std::ops::Range;
use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// What vendors tell things by, 24 bytes of anything.
pub(super) type Guid = [u8; 24];

/// `struct ddf_header`: the anchor, the primary and the secondary header.
#[derive(Clone, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: U32,
    crc: U32,
    guid: Guid,
    revision: [u8; 8],
    seq: U32,
    timestamp: U32,
    openflag: u8,
    foreignflag: u8,
    enforcegroups: u8,
    pad0: [u8; 13],
    header_ext: [u8; 32],
    primary_lba: U64,
    secondary_lba: U64,
    kind: u8,
    pad2: [u8; 3],
    workspace_len: U32,
    workspace_lba: U64,
    max_pd_entries: U16,
    max_vd_entries: U16,
    max_partitions: U16,
    config_record_len: U16,
    max_primary_element_entries: U16,
    pad3: [u8; 54],
    controller_section: RawSection,
    phys_section: RawSection,
    virt_section: RawSection,
    config_section: RawSection,
    data_section: RawSection,
    bbm_section: RawSection,
    diag_space: RawSection,
    vendor: RawSection,
    pad4: [u8; 256],
}

/// Where a section is: blocks from the header, blocks.
#[derive(Clone, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawSection {
    offset: U32,
    length: U32,
}

/// The beginning of `struct phys_disk` and of `struct virtual_disk`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawTable {
    magic: U32,
    crc: U32,
    used: U16,
    max: U16,
    pad: [u8; 52],
}

/// `struct phys_disk_entry`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawPhysical {
    guid: Guid,
    refnum: U32,
    kind: U16,
    state: U16,
    config_size: U64,
    path: [u8; 18],
    pad: [u8; 6],
}

/// `struct virtual_entry`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawVirtual {
    guid: Guid,
    unit: U16,
    pad0: U16,
    guid_crc: U16,
    kind: U16,
    state: u8,
    init_state: u8,
    pad1: [u8; 14],
    name: [u8; 16],
}

/// `struct vd_config`, without the tables of disks that follow.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawConfig {
    magic: U32,
    crc: U32,
    guid: Guid,
    timestamp: U32,
    seqnum: U32,
    pad0: [u8; 24],
    prim_elmnt_count: U16,
    chunk_shift: u8,
    prl: u8,
    rlq: u8,
    sec_elmnt_count: u8,
    sec_elmnt_seq: u8,
    srl: u8,
    blocks: U64,
    array_blocks: U64,
    pad1: [u8; 8],
    spare_refs: [U32; 8],
    cache_pol: [u8; 8],
    bg_rate: u8,
    pad2: [u8; 55],
    pad4: [u8; 192],
    v: [u8; 96],
    vendor: [u8; 32],
}

/// `struct disk_data`: which of the physical disks this one is.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawDiskData {
    magic: U32,
    crc: U32,
    guid: Guid,
    refnum: U32,
}

/// The beginning of `struct bad_block_log`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawBadBlockLog {
    magic: U32,
    crc: U32,
    entry_count: U16,
    spare_count: U32,
    pad: [u8; 10],
    first_spare: U64,
}

/// `struct mapped_block`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawBadBlock {
    defective_start: U64,
    replacement_start: U32,
    remap_count: U16,
    pad: [u8; 2],
}

const HEADER_MAGIC: u32 = 0xDE11_DE11;
const PHYSICAL_MAGIC: u32 = 0x2222_2222;
const DATA_MAGIC: u32 = 0x3333_3333;
const VIRTUAL_MAGIC: u32 = 0xDDDD_DDDD;
const CONFIG_MAGIC: u32 = 0xEEEE_EEEE;
const BBM_MAGIC: u32 = 0xABAD_B10C;
const REVISIONS: [&[u8; 8]; 3] = [b"01.00.00", b"01.02.00", b"02.00.00"];
const BLOCK: u64 = 512;
/// The largest section that is read, in blocks.
const SECTION_BLOCKS_MAX: u64 = 16_384;
/// A number of a disk that is none.
const NO_DISK: u32 = u32::MAX;

/// What a disk says.
#[derive(Clone, Debug)]
pub(super) struct Structure {
    pub(super) guid: Guid,
    /// Counted up by each change; that of a header that was left open counts as the one before.
    pub(super) sequence: i64,
    /// The number that this disk has in the tables.
    pub(super) refnum: u32,
    pub(super) physical: Vec<Physical>,
    pub(super) virtuals: Vec<Virtual>,
    pub(super) configs: Vec<Config>,
    /// Bytes of this disk that are kept elsewhere.
    pub(super) bad_blocks: Vec<Range<u64>>,
    pub(super) notices: Vec<String>,
}

/// A disk.
#[derive(Clone, Debug)]
pub(super) struct Physical {
    pub(super) refnum: u32,
    pub(super) guid: Guid,
    /// Whether its data is in use: it is online, and neither failed nor being filled.
    pub(super) is_in_use: bool,
    pub(super) is_rebuilding: bool,
    pub(super) is_spare: bool,
}

/// A volume, as the table of all volumes knows it.
#[derive(Clone, Debug)]
pub(super) struct Virtual {
    pub(super) guid: Guid,
    pub(super) name: String,
    /// Whether copies and parity agree.
    pub(super) is_consistent: bool,
    /// Whether copies and parity were ever made.
    pub(super) is_initialized: bool,
    /// Whether it is being changed to another layout.
    pub(super) is_morphing: bool,
}

/// How a volume, or a part of it, lies on disks.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) guid: Guid,
    pub(super) sequence: u32,
    /// Bytes of a chunk; 0 where there is none.
    pub(super) chunk: u64,
    /// Primary RAID level, and its qualifier.
    pub(super) level: (u8, u8),
    /// How many parts the volume has.
    pub(super) parts: u8,
    /// Which of them this is.
    pub(super) part: u8,
    pub(super) secondary_level: u8,
    /// How many disks the part has.
    pub(super) members: usize,
    /// Bytes on each disk; on this disk, where they differ.
    pub(super) bytes: u64,
    pub(super) volume_bytes: u64,
    /// Number of each disk, and first byte on it.
    pub(super) disks: Vec<(u32, u64)>,
}

impl Structure {
    /// The structure on a disk; `None` when there is none.
    ///
    /// # Errors
    /// When the disk cannot be read, or the anchor is there and nothing that it points to can be used.
    pub(super) fn read(device: &Device) -> Result<Option<Self>, Error> {
        let Some(at) = device.data.size().checked_sub(BLOCK).map(|last| last & !(BLOCK - 1)) else { return Ok(None) };
        let anchor = read(device, at, 1)?;
        let Some(anchor) = header(&anchor) else { return Ok(None) };
        if !REVISIONS.contains(&&anchor.revision) {
            let revision = String::from_utf8_lossy(&anchor.revision);
            return Err(Error::Damaged(format!(
                "the DDF anchor at byte {at} has revision {revision}, which is not known"
            )));
        }
        let mut problem = String::new();
        let mut found: Vec<Self> = Vec::new();
        for (lba, kind) in [(anchor.primary_lba.get(), 1), (anchor.secondary_lba.get(), 2)] {
            match Self::at(device, &anchor, lba, kind) {
                Ok(structure) => found.push(structure),
                Err(Error::Damaged(what)) if problem.is_empty() => problem = what,
                Err(Error::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        // The first of several that are as new.
        let newest = found.into_iter().rev().max_by_key(|structure| structure.sequence);
        newest.map(Some).ok_or(Error::Damaged(problem))
    }

    /// The structure whose header is in block `lba`.
    fn at(device: &Device, anchor: &RawHeader, lba: u64, kind: u8) -> Result<Self, Error> {
        let damaged = |what: &str| Error::Damaged(format!("the DDF header in block {lba}: {what}"));
        let start = lba.checked_mul(BLOCK).filter(|start| *start < device.data.size());
        let start = start.ok_or_else(|| damaged("it is not on the disk"))?;
        let bytes = read(device, start, 1)?;
        let header = header(&bytes).ok_or_else(|| damaged("there is none, or its checksum is wrong"))?;
        if header.guid != anchor.guid || header.kind != kind || header.primary_lba != anchor.primary_lba {
            return Err(damaged("it is not that of the anchor"));
        }
        let section = |raw: &RawSection| {
            let at = u64::from(raw.offset.get()).checked_mul(BLOCK).and_then(|offset| offset.checked_add(start));
            let blocks = u64::from(raw.length.get());
            match at.filter(|_| blocks > 0 && blocks <= SECTION_BLOCKS_MAX) {
                Some(at) => read(device, at, blocks),
                None => Err(damaged(&format!("a section of {blocks} blocks"))),
            }
        };
        let mut notices = Vec::new();
        let configs = section(&header.config_section)?;
        let bad_blocks = section(&header.bbm_section).ok().map(|log| bad_blocks(&log)).unwrap_or_default();
        Ok(Self {
            guid: header.guid,
            sequence: i64::from(header.seq.get()).saturating_sub(i64::from(header.openflag != 0)),
            refnum: refnum(&section(&header.data_section)?)
                .ok_or_else(|| damaged("nothing says which disk this is"))?,
            physical: physical(&section(&header.phys_section)?)
                .ok_or_else(|| damaged("its table of disks is damaged"))?,
            virtuals: virtuals(&section(&header.virt_section)?)
                .ok_or_else(|| damaged("its table of volumes is damaged"))?,
            configs: configurations(&header, &configs, &mut notices),
            bad_blocks,
            notices,
        })
    }
}

fn read(device: &Device, at: u64, blocks: u64) -> Result<Vec<u8>, Error> {
    let length = usize::try_from(blocks.saturating_mul(BLOCK)).unwrap_or(usize::MAX);
    if blocks > SECTION_BLOCKS_MAX || at.saturating_add(blocks.saturating_mul(BLOCK)) > device.data.size() {
        return Err(Error::Damaged(format!("the DDF section at byte {at} of {blocks} blocks is not on the disk")));
    }
    let mut bytes = vec![0; length];
    device.data.read_exact_at(at, &mut bytes)?;
    Ok(bytes)
}

/// A header with the right checksum.
fn header(block: &[u8]) -> Option<RawHeader> {
    let (header, _) = RawHeader::ref_from_prefix(block).ok()?;
    (header.magic.get() == HEADER_MAGIC && is_whole(block)).then(|| header.clone())
}

/// Whether the checksum of a record is right: it is computed with itself as all ones, begins with 0 and is not inverted
/// (mdadm `calc_crc`).
fn is_whole(record: &[u8]) -> bool {
    let (Some(before), Some(stored), Some(after)) = (record.get(..4), record.get(4..8), record.get(8..)) else {
        return false;
    };
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
    for part in [before, &[0xFF; 4], after] {
        hasher.update(part);
    }
    stored == (!hasher.finalize()).to_be_bytes()
}

/// The table in a section, when its checksum is right: its entries.
fn table<Entry: FromBytes + Immutable + KnownLayout + Unaligned>(section: &[u8], magic: u32) -> Option<&[Entry]> {
    let (head, rest) = RawTable::ref_from_prefix(section).ok()?;
    if head.magic.get() != magic || !is_whole(section) {
        return None;
    }
    let fits = rest.len().checked_div(size_of::<Entry>())?;
    let count = usize::from(head.max.get()).min(fits);
    let (entries, _) = <[Entry]>::ref_from_prefix_with_elems(rest, count).ok()?;
    Some(entries)
}

fn physical(section: &[u8]) -> Option<Vec<Physical>> {
    const ONLINE: u16 = 1;
    const FAILED: u16 = 2;
    const REBUILDING: u16 = 4;
    const SPARE: u16 = 4 | 8;
    let disk = |raw: &RawPhysical| Physical {
        refnum: raw.refnum.get(),
        guid: raw.guid,
        is_in_use: raw.state.get() & (ONLINE | FAILED | REBUILDING) == ONLINE,
        is_rebuilding: raw.state.get() & (FAILED | REBUILDING) == REBUILDING,
        is_spare: raw.kind.get() & SPARE != 0,
    };
    // Older versions of `mdadm` began this table like the record of one disk; none looks at it.
    let entries =
        table::<RawPhysical>(section, PHYSICAL_MAGIC).or_else(|| table::<RawPhysical>(section, DATA_MAGIC))?;
    Some(entries.iter().filter(|raw| raw.refnum.get() != NO_DISK).map(disk).collect())
}

fn virtuals(section: &[u8]) -> Option<Vec<Virtual>> {
    const MORPHING: u8 = 8;
    const INCONSISTENT: u8 = 16;
    const INIT_MASK: u8 = 3;
    const INIT_FULL: u8 = 2;
    let volume = |raw: &RawVirtual| Virtual {
        guid: raw.guid,
        name: text(&raw.name),
        is_consistent: raw.state & INCONSISTENT == 0,
        is_initialized: raw.init_state & INIT_MASK == INIT_FULL,
        is_morphing: raw.state & MORPHING != 0,
    };
    let entries = table::<RawVirtual>(section, VIRTUAL_MAGIC)?;
    Some(entries.iter().filter(|raw| raw.guid.iter().any(|byte| *byte != 0xFF)).map(volume).collect())
}

fn refnum(section: &[u8]) -> Option<u32> {
    let block = section.get(..usize::try_from(BLOCK).ok()?)?;
    let (raw, _) = RawDiskData::ref_from_prefix(block).ok()?;
    (raw.magic.get() == DATA_MAGIC && is_whole(block)).then(|| raw.refnum.get())
}

/// The configuration records that are whole.
fn configurations(header: &RawHeader, section: &[u8], notices: &mut Vec<String>) -> Vec<Config> {
    let length = usize::from(header.config_record_len.get()).saturating_mul(512);
    let entries = usize::from(header.max_primary_element_entries.get());
    if length == 0 {
        return Vec::new();
    }
    let mut configs = Vec::new();
    for record in section.chunks_exact(length) {
        let Ok((raw, rest)) = RawConfig::ref_from_prefix(record) else { continue };
        if raw.magic.get() != CONFIG_MAGIC {
            continue;
        }
        match Config::new(raw, rest, entries).filter(|_| is_whole(record)) {
            Some(config) => configs.push(config),
            None => notices.push("a damaged configuration record is left out".to_owned()),
        }
    }
    configs
}

impl Config {
    fn new(raw: &RawConfig, rest: &[u8], entries: usize) -> Option<Self> {
        let (numbers, rest) = <[U32]>::ref_from_prefix_with_elems(rest, entries).ok()?;
        let (starts, _) = <[U64]>::ref_from_prefix_with_elems(rest, entries).ok()?;
        let bytes = |blocks: U64| blocks.get().checked_mul(BLOCK);
        let is_used = |(number, _): &(&U32, &U64)| number.get() != NO_DISK;
        let disks = numbers.iter().zip(starts).filter(is_used);
        let disks = disks.map(|(number, start)| Some((number.get(), bytes(*start)?))).collect::<Option<Vec<_>>>()?;
        Some(Self {
            guid: raw.guid,
            sequence: raw.seqnum.get(),
            // Mirrors have none.
            chunk: if raw.chunk_shift < 32 { BLOCK << raw.chunk_shift } else { 0 },
            level: (raw.prl, raw.rlq),
            parts: raw.sec_elmnt_count.max(1),
            // The only part has no number.
            part: if raw.sec_elmnt_count > 1 { raw.sec_elmnt_seq } else { 0 },
            secondary_level: raw.srl,
            members: raw.prim_elmnt_count.get().into(),
            bytes: bytes(raw.blocks)?,
            volume_bytes: bytes(raw.array_blocks)?,
            disks,
        })
    }
}

/// Where data is kept elsewhere; without a log there is none.
fn bad_blocks(section: &[u8]) -> Vec<Range<u64>> {
    let Ok((head, rest)) = RawBadBlockLog::ref_from_prefix(section) else { return Vec::new() };
    if head.magic.get() != BBM_MAGIC || !is_whole(section) {
        return Vec::new();
    }
    let fits = rest.len().checked_div(size_of::<RawBadBlock>()).unwrap_or(0);
    let count = usize::from(head.entry_count.get()).min(fits);
    let Ok((entries, _)) = <[RawBadBlock]>::ref_from_prefix_with_elems(rest, count) else { return Vec::new() };
    let range = |entry: &RawBadBlock| {
        let start = entry.defective_start.get().saturating_mul(BLOCK);
        start..start.saturating_add(u64::from(entry.remap_count.get()).saturating_mul(BLOCK))
    };
    entries.iter().map(range).collect()
}

/// Text that is padded with blanks or zeros.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).trim().to_owned()
}
