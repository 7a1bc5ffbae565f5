//! A small volume: records of the MFT, a block of an index, and plain clusters.

use crate::boot::Geometry;
use crate::fixup;
use crate::log::{Outcome, PATCH_SHIFT, Replayed, replay};
use block::{BlockSize, MemoryDisk, Overlay, Patches, ReadAt};
use std::sync::Arc;

pub(super) const CLUSTER: usize = 4096;
pub(super) const CLUSTERS: u64 = 64;
/// Where the MFT is: 16 records.
pub(super) const MFT: u64 = 4;
/// Where the copies of its first records are.
pub(super) const MIRROR: u64 = 2;
/// A block of an index.
pub(super) const INDEX: u64 = 20;
/// Plain bytes.
pub(super) const PLAIN: u64 = 30;
/// Indexes of the table of open attributes that tests use: the MFT, the index, plain bytes.
pub(super) const TARGETS: [u16; 3] = [0x18, 0x40, 0x68];

pub(super) fn geometry() -> Geometry {
    Geometry {
        cluster_shift: 12,
        record_bytes: 1024,
        clusters: CLUSTERS,
        mft_lcn: MFT,
        mft_mirror_lcn: MIRROR,
        serial: 1,
    }
}

/// A volume whose records all are of the same file.
pub(super) fn volume() -> Vec<u8> {
    let mut volume = vec![0; CLUSTERS as usize * CLUSTER];
    for number in 0..16 {
        put(&mut volume, record_at(number), record(number as u32));
    }
    for number in 0..4 {
        put(&mut volume, MIRROR as usize * CLUSTER + number * 1024, record(number as u32));
    }
    put(&mut volume, INDEX as usize * CLUSTER, index_block());
    volume[PLAIN as usize * CLUSTER..][..CLUSTER].fill(0x55);
    volume
}

pub(super) const fn record_at(number: usize) -> usize {
    MFT as usize * CLUSTER + number * 1024
}

pub(super) fn put(volume: &mut [u8], at: usize, mut structure: Vec<u8>) {
    fixup::redo(&mut structure).unwrap();
    volume[at..at + structure.len()].copy_from_slice(&structure);
}

/// The record or block at `at`, without its update sequence.
pub(super) fn structure(volume: &[u8], at: usize, bytes: usize) -> Vec<u8> {
    let mut structure = volume[at..at + bytes].to_vec();
    fixup::undo(&mut structure).unwrap();
    structure
}

/// Offsets of the attributes of [`record`], and of their end.
pub(super) const INFORMATION_AT: u16 = 0x38;
pub(super) const ROOT_AT: u16 = 0x80;
pub(super) const DATA_AT: u16 = 0x1A8;
pub(super) const END_AT: u16 = 0x1F0;
/// Offset of the first entry of the root in its attribute.
pub(super) const ENTRY_IN_ROOT: u16 = 0x40;

pub(super) fn record(number: u32) -> Vec<u8> {
    let mut record = vec![0; 1024];
    record[..8].copy_from_slice(b"FILE\x30\0\x03\0");
    record[8] = 1;
    record[0x10..0x18].copy_from_slice(&[3, 0, 1, 0, 0x38, 0, 1, 0]);
    record[0x1C..0x20].copy_from_slice(&1024_u32.to_le_bytes());
    record[0x28] = 9;
    record[0x2C..0x30].copy_from_slice(&number.to_le_bytes());
    record.truncate(0x38);
    record.extend(resident(0x10, 1, &[], &[0x11; 48]));
    let name: Vec<u8> = "$I30".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut root = vec![0x30, 0, 0, 0, 1, 0, 0, 0, 0, 16, 0, 0, 1, 0, 0, 0];
    root.extend(node(&[entry(7, 1), entry(8, 1), last(true)], 0x10, 0));
    record.extend(resident(0x90, 2, &name, &root));
    assert_eq!(record.len(), DATA_AT.into());
    record.extend(nonresident(&[0x11, 4, 30, 0]));
    assert_eq!(record.len(), END_AT.into());
    record.extend([0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
    let used = record.len() as u32;
    record[0x18..0x1C].copy_from_slice(&used.to_le_bytes());
    record.resize(1024, 0);
    record
}

/// An attribute in the record.
pub(super) fn resident(kind: u32, id: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let value_at = (0x18 + name.len()).next_multiple_of(8);
    let size = (value_at + value.len()).next_multiple_of(8);
    let mut attribute = vec![0; size];
    attribute[..4].copy_from_slice(&kind.to_le_bytes());
    attribute[4..8].copy_from_slice(&(size as u32).to_le_bytes());
    attribute[9] = (name.len() / 2) as u8;
    attribute[0xA] = 0x18;
    attribute[0xE] = id;
    attribute[0x10..0x14].copy_from_slice(&(value.len() as u32).to_le_bytes());
    attribute[0x14] = value_at as u8;
    attribute[0x18..0x18 + name.len()].copy_from_slice(name);
    attribute[value_at..value_at + value.len()].copy_from_slice(value);
    attribute
}

fn nonresident(pairs: &[u8]) -> Vec<u8> {
    let mut attribute = vec![0; 0x48];
    attribute[0] = 0x80;
    attribute[4] = 0x48;
    attribute[8] = 1;
    attribute[0xA] = 0x40;
    attribute[0xE] = 3;
    attribute[0x18] = 3;
    attribute[0x20] = 0x40;
    attribute[0x28..0x30].copy_from_slice(&0x4000_u64.to_le_bytes());
    attribute[0x40..0x40 + pairs.len()].copy_from_slice(pairs);
    attribute
}

/// An entry with a node below it: a header, room for a name, the number of the node.
pub(super) fn entry(file: u8, vcn: u8) -> Vec<u8> {
    let mut entry = vec![0; 0x68];
    entry[0] = file;
    // Where an entry of another index would have its data.
    entry[8] = 0x68;
    entry[0xA] = 0x50;
    entry[0xC] = 1;
    entry[0x10..0x60].fill(file);
    entry[0x60] = vcn;
    entry
}

fn last(has_subnode: bool) -> Vec<u8> {
    let size = if has_subnode { 0x18 } else { 0x10 };
    let mut entry = vec![0; size];
    entry[8] = size as u8;
    entry[0xC] = if has_subnode { 3 } else { 2 };
    entry
}

fn node(entries: &[Vec<u8>], first: usize, total: usize) -> Vec<u8> {
    let mut node = vec![0; first];
    let all: Vec<u8> = entries.concat();
    let used = first + all.len();
    node[0] = first as u8;
    node[4..8].copy_from_slice(&(used as u32).to_le_bytes());
    node[8..12].copy_from_slice(&(total.max(used) as u32).to_le_bytes());
    node[12] = 1;
    node.extend(all);
    node
}

/// Offset of the first entry of [`index_block`].
pub(super) const ENTRY_IN_BLOCK: u16 = 0x40;

pub(super) fn index_block() -> Vec<u8> {
    let mut block = vec![0; 0x18];
    block[..8].copy_from_slice(b"INDX\x28\0\x09\0");
    block[8] = 1;
    block.extend(node(&[entry(1, 1), entry(2, 2), last(true)], 0x28, 4096 - 0x18));
    block.resize(4096, 0);
    block
}

/// Replays a log over a volume.
pub(super) fn outcome(volume: &[u8], log: &[u8]) -> Outcome {
    let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(volume.to_vec(), BlockSize::B512));
    let read = |offset: u64, buf: &mut [u8]| {
        buf.copy_from_slice(&log[offset as usize..][..buf.len()]);
        Ok(())
    };
    replay(&disk, &geometry(), &read, log.len() as u64, true).unwrap()
}

/// The volume after the replay, and what it did.
pub(super) fn replayed(volume: &[u8], log: &[u8]) -> (Vec<u8>, Replayed) {
    let done = match outcome(volume, log) {
        Outcome::Replayed(done) => done,
        Outcome::Clean | Outcome::NotReplayed => panic!("the log is clean"),
        Outcome::NotReplayable { reason } => panic!("{reason}"),
    };
    let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(volume.to_vec(), BlockSize::B512));
    let overlay = Overlay::new(disk, Arc::clone(&done.patches) as Arc<dyn Patches>, PATCH_SHIFT);
    let mut after = vec![0; volume.len()];
    overlay.read_exact_at(0, &mut after).unwrap();
    (after, done)
}

/// Why a log is not replayed.
pub(super) fn reason(volume: &[u8], log: &[u8]) -> String {
    match outcome(volume, log) {
        Outcome::NotReplayable { reason } => reason,
        Outcome::Clean | Outcome::NotReplayed => "clean".to_owned(),
        Outcome::Replayed(done) => format!("replayed: {:?}", done.summary),
    }
}
