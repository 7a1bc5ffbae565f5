//! Changes of a volume that mkntfs and ntfs-3g made, as records of a log.

use super::volume::resident;
use super::writer::{Body, open_attribute, table};
use crate::fixup;
use crate::log::lsn::Lsn;

pub(super) const CLUSTER: usize = 4096;
const RECORD: usize = 1024;
/// Places in the table of open attributes: the MFT and its bitmap, the index of the root directory, the bitmap of clusters.
const MFT: u16 = 0x18;
const ROOT: u16 = 0x40;
const RECORDS: u16 = 0x68;
const CLUSTERS: u16 = 0x90;
/// Types of attributes.
pub(super) const INFORMATION: usize = 0x10;
pub(super) const NAME: usize = 0x30;
pub(super) const DATA: usize = 0x80;
const BITMAP: usize = 0xB0;
/// Records of files of the file system.
const BITMAP_FILE: u64 = 6;
pub(super) const LOG_FILE: u64 = 2;
/// Where names are in `$FILE_NAME`, and that in an entry of an index.
pub(super) const NAME_IN_VALUE: usize = 0x42;
const NAME_IN_ENTRY: usize = 0x10 + NAME_IN_VALUE;
const SEQUENCE: usize = 0x10;
const NUMBER: usize = 0x2C;
const LSN: usize = 8;

/// The table of open attributes, with the sequence numbers of their files: ntfs3 marks a volume as damaged without.
pub(super) fn open_attributes() -> Vec<u8> {
    let of = |kind: usize, file: u64, sequence: u64, block| open_attribute(kind as u32, file | sequence << 48, block);
    table(0x28, &[of(DATA, 0, 1, 0), of(0xA0, 5, 5, 4096), of(BITMAP, 0, 1, 0), of(DATA, BITMAP_FILE, 6, 0)])
}

fn le16(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()).into()
}

fn le32(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A structure of the volume, its update sequence undone.
fn structure(volume: &[u8], at: usize, bytes: usize) -> Vec<u8> {
    let mut structure = volume[at..at + bytes].to_vec();
    fixup::undo(&mut structure).unwrap();
    structure
}

fn record_at(volume: &[u8], number: u64) -> usize {
    let is_it = |at: &usize| volume[*at..].starts_with(b"FILE0\0") && le32(volume, *at + NUMBER) == number as usize;
    (0..volume.len() - RECORD).step_by(RECORD).find(is_it).unwrap()
}

fn record(volume: &[u8], number: u64) -> Vec<u8> {
    structure(volume, record_at(volume, number), RECORD)
}

fn attribute(record: &[u8], kind: usize) -> usize {
    named(record, kind, "")
}

fn named(record: &[u8], kind: usize, name: &str) -> usize {
    let name = utf16(name);
    let mut at = le16(record, 0x14);
    let is_it = |at: usize| {
        let name_at = at + le16(record, at + 0xA);
        le32(record, at) == kind && record[name_at..][..usize::from(record[at + 9]) * 2] == name
    };
    while !is_it(at) {
        at += le32(record, at + 4);
    }
    at
}

/// Where an attribute of one run is on the volume, in clusters.
pub(super) fn lcn(volume: &[u8], number: u64, kind: usize) -> usize {
    let record = record(volume, number);
    let at = attribute(&record, kind);
    let run = at + le16(&record, at + 0x20);
    let (length, width) = (usize::from(record[run] & 15), usize::from(record[run] >> 4));
    (0..width).fold(0, |lcn, byte| lcn | usize::from(record[run + 1 + length + byte]) << (8 * byte))
}

/// A free record among those of files.
pub(super) fn free_record(volume: &[u8]) -> u64 {
    (64..).find(|number| record(volume, *number)[0x16] & 1 == 0).unwrap()
}

fn entry_bytes(block: &[u8], entry: usize) -> usize {
    le16(block, entry + 8)
}

/// The block of the root directory, and where the entry of a name is in it; without one, where the last entry is.
fn entry_of(volume: &[u8], name: &str) -> (usize, usize) {
    let at = (0..volume.len()).step_by(CLUSTER).find(|at| volume[*at..].starts_with(b"INDX")).unwrap();
    let (block, sought) = (structure(volume, at, CLUSTER), utf16(name));
    let mut entry = 0x18 + le32(&block, 0x18);
    while block[entry + 12] & 2 == 0 {
        if block[entry + NAME_IN_ENTRY..].starts_with(&sought) && usize::from(block[entry + 0x50]) * 2 == sought.len() {
            break;
        }
        entry += entry_bytes(&block, entry);
    }
    (at, entry)
}

/// A change of a record of the MFT, at an attribute and a place in it.
fn in_record(volume: &[u8], number: u64, at: usize, in_attribute: usize) -> Body {
    let place = record_at(volume, number);
    Body {
        target: MFT,
        record_offset: at as u16,
        attribute_offset: in_attribute as u16,
        cluster_offset: (place % CLUSTER / 512) as u16,
        vcn: number / 4,
        lcns: vec![(place / CLUSTER) as u64],
        ..Body::default()
    }
}

/// A change of the root directory at an entry.
fn in_block(volume: &[u8], (at, entry): (usize, usize)) -> Body {
    let vcn = u64::from_le_bytes(structure(volume, at, CLUSTER)[0x10..0x18].try_into().unwrap());
    Body { target: ROOT, attribute_offset: entry as u16, vcn, lcns: vec![(at / CLUSTER) as u64], ..Body::default() }
}

/// A bit of a bitmap is set, or cleared.
fn bit(volume: &[u8], target: u16, number: u64, is_set: bool) -> Body {
    let (file, kind) = if target == RECORDS { (0, BITMAP) } else { (BITMAP_FILE, DATA) };
    let range = [(number as u32).to_le_bytes(), 1_u32.to_le_bytes()].concat();
    let (redo, undo) = if is_set { (0x15, 0x16) } else { (0x16, 0x15) };
    let lcns = vec![lcn(volume, file, kind) as u64];
    Body { redo, undo, redo_data: range.clone(), undo_data: range, target, lcns, ..Body::default() }
}

/// A change of the value of a resident attribute of a record.
pub(super) fn update(volume: &[u8], number: u64, kind: usize, at: usize, new: &[u8]) -> Body {
    let record = record(volume, number);
    let attribute = attribute(&record, kind);
    let in_attribute = le16(&record, attribute + 0x14) + at;
    Body {
        redo: 7,
        undo: 7,
        redo_data: new.to_vec(),
        undo_data: record[attribute + in_attribute..][..new.len()].to_vec(),
        ..in_record(volume, number, attribute, in_attribute)
    }
}

/// The entry of a name is taken out of the root directory.
pub(super) fn unlisting(volume: &[u8], name: &str) -> Body {
    let (at, entry) = entry_of(volume, name);
    let block = structure(volume, at, CLUSTER);
    let undo_data = block[entry..][..entry_bytes(&block, entry)].to_vec();
    Body { redo: 15, undo: 14, undo_data, ..in_block(volume, (at, entry)) }
}

/// Another letter for the last but four of a name, in its directory.
pub(super) fn renaming(volume: &[u8], name: &str, letter: u8) -> [Body; 2] {
    let old = unlisting(volume, name);
    let mut redo_data = old.undo_data.clone();
    redo_data[NAME_IN_ENTRY + 2 * (name.len() - 5)] = letter;
    let new = Body { redo: 14, undo: 15, redo_data, undo_data: Vec::new(), ..old.clone() };
    [old, new]
}

/// A file like another, with another first letter and other data, which comes last in its directory.
pub(super) fn creation(volume: &[u8], (like, name): (u64, &str), letter: u8, data: &[u8]) -> [Body; 3] {
    let number = free_record(volume);
    let (old, mut new) = (record(volume, number), record(volume, like));
    new[SEQUENCE..SEQUENCE + 2].copy_from_slice(&old[SEQUENCE..SEQUENCE + 2]);
    new[NUMBER] = number as u8;
    let value = |record: &[u8], kind| {
        let at = attribute(record, kind);
        at + le16(record, at + 0x14)
    };
    let name_at = value(&new, NAME) + NAME_IN_VALUE;
    new[name_at] = letter;
    let data_at = value(&new, DATA);
    new[data_at..data_at + data.len()].copy_from_slice(data);
    new.truncate(le32(&new, 0x18));
    let mut entry = unlisting(volume, name).undo_data;
    entry[..6].copy_from_slice(&[number as u8, 0, 0, 0, 0, 0]);
    entry[6..8].copy_from_slice(&old[SEQUENCE..SEQUENCE + 2]);
    entry[NAME_IN_ENTRY] = letter;
    [
        bit(volume, RECORDS, number, true),
        Body { redo: 2, redo_data: new, ..in_record(volume, number, 0, 0) },
        Body { redo: 14, undo: 15, redo_data: entry, ..in_block(volume, entry_of(volume, "")) },
    ]
}

/// A file and its name go.
pub(super) fn removal(volume: &[u8], number: u64, name: &str) -> [Body; 3] {
    let undo_data = record(volume, number)[..0x18].to_vec();
    let record = Body { redo: 3, undo: 2, undo_data, ..in_record(volume, number, 0, 0) };
    [unlisting(volume, name), record, bit(volume, RECORDS, number, false)]
}

/// A stream of a file goes, another comes in its place.
pub(super) fn exchange(volume: &[u8], number: u64, (goes, comes): (&str, &str), value: &[u8]) -> [Body; 2] {
    let record = record(volume, number);
    let at = named(&record, DATA, goes);
    let old = record[at..][..le32(&record, at + 4)].to_vec();
    let new = resident(DATA as u32, record[0x28], &utf16(comes), value);
    let place = in_record(volume, number, at, 0);
    [Body { redo: 6, undo: 5, undo_data: old, ..place.clone() }, Body { redo: 5, undo: 6, redo_data: new, ..place }]
}

/// A file of one cluster gets another one, and so many bytes.
pub(super) fn growth(volume: &[u8], (number, name): (u64, &str), lcn_now: usize, bytes: u64) -> [Body; 4] {
    let record = record(volume, number);
    let at = attribute(&record, DATA);
    let pairs_at = le16(&record, at + 0x20);
    let old_pairs = [0x21, 1, lcn(volume, number, DATA) as u8, 0, 0];
    assert!(lcn(volume, number, DATA) < 0x100 && record[at + pairs_at..].starts_with(&old_pairs), "one run");
    let step = (lcn_now - lcn(volume, number, DATA)) as u16;
    let new_pairs = [&old_pairs[..4], &[0x21, 1], &step.to_le_bytes(), &[0]].concat();
    // Allocated, valid and whole size; the attribute has the last two the other way round.
    let old_sizes = [&record[at + 0x28..at + 0x30], &record[at + 0x38..at + 0x40], &record[at + 0x30..at + 0x38]];
    let new_sizes = [2 * CLUSTER as u64, bytes, bytes].map(u64::to_le_bytes);
    let place = entry_of(volume, name);
    let old_name = structure(volume, place.0, CLUSTER)[place.1 + 0x18..][..0x38].to_vec();
    let mut new_name = old_name.clone();
    new_name[0x20..0x30].copy_from_slice(&new_sizes[..2].concat());
    let codes = |code, redo_data, undo_data, body| Body { redo: code, undo: code, redo_data, undo_data, ..body };
    [
        bit(volume, CLUSTERS, lcn_now as u64, true),
        codes(9, new_pairs, old_pairs.to_vec(), in_record(volume, number, at, pairs_at)),
        codes(11, new_sizes.concat(), old_sizes.concat(), in_record(volume, number, at, 0)),
        codes(0x14, new_name, old_name, in_block(volume, place)),
    ]
}

/// A cluster that is free.
pub(super) fn free_cluster(volume: &[u8]) -> usize {
    let bitmap = &volume[lcn(volume, BITMAP_FILE, DATA) * CLUSTER..];
    (0..volume.len() / CLUSTER).rev().find(|lcn| bitmap[lcn / 8] & 1 << (lcn % 8) == 0).unwrap()
}

/// Does a change of a record or a block on the volume as well, as if it had been written before the power went.
pub(super) fn write(volume: &mut [u8], body: &Body, lsn: Lsn) {
    let at = body.lcns[0] as usize * CLUSTER + usize::from(body.cluster_offset) * 512;
    let bytes = if body.target == MFT { RECORD } else { CLUSTER };
    let mut all = structure(volume, at, bytes);
    let place = usize::from(body.record_offset) + usize::from(body.attribute_offset);
    match body.redo {
        7 => all[place..place + body.redo_data.len()].copy_from_slice(&body.redo_data),
        15 => {
            let gone = body.undo_data.len();
            all.copy_within(place + gone.., place);
            let used = le32(&all, 0x1C) - gone;
            all[0x1C..0x20].copy_from_slice(&(used as u32).to_le_bytes());
        }
        _ => panic!("other changes are in the log alone"),
    }
    all[LSN..LSN + 8].copy_from_slice(&lsn.0.to_le_bytes());
    fixup::redo(&mut all).unwrap();
    volume[at..at + bytes].copy_from_slice(&all);
}
