//! Every operation, done again and undone.

use super::volume::{
    CLUSTER, DATA_AT, END_AT, ENTRY_IN_BLOCK, ENTRY_IN_ROOT, INDEX, INFORMATION_AT, MFT, MIRROR, PLAIN, ROOT_AT,
    TARGETS, entry, index_block, outcome, reason, record, record_at, replayed, resident, structure, volume,
};
use super::writer::{Body, LogWriter, open_attribute, table};
use crate::log::Outcome;

/// A log with the usual open attributes and a checkpoint.
pub(super) fn log() -> LogWriter {
    let mut log = LogWriter::new(true, 0x22, 7);
    let attributes = [open_attribute(0x80, 0, 0), open_attribute(0xA0, 5, 4096), open_attribute(0x80, 9, 0)];
    log.checkpoint(1, [&table(0x28, &attributes), &[], &[]]);
    log
}

/// A change of record 6.
pub(super) fn of_record(codes: (u16, u16), at: u16, in_attribute: u16, redo: &[u8], undo: &[u8]) -> Body {
    Body {
        redo: codes.0,
        undo: codes.1,
        redo_data: redo.to_vec(),
        undo_data: undo.to_vec(),
        target: TARGETS[0],
        record_offset: at,
        attribute_offset: in_attribute,
        cluster_offset: 4,
        vcn: 1,
        lcns: vec![MFT + 1],
    }
}

/// A change of the block of the index.
pub(super) fn of_block(codes: (u16, u16), in_block: u16, redo: &[u8], undo: &[u8]) -> Body {
    let body = of_record(codes, 0, in_block, redo, undo);
    Body { target: TARGETS[1], cluster_offset: 0, vcn: 0, lcns: vec![INDEX], ..body }
}

/// A change of plain bytes.
pub(super) fn of_plain(codes: (u16, u16), at: u16, redo: &[u8], undo: &[u8]) -> Body {
    let body = of_record(codes, at, 0, redo, undo);
    Body { target: TARGETS[2], cluster_offset: 0, vcn: 0, lcns: vec![PLAIN], ..body }
}

pub(super) fn changes() -> Vec<(&'static str, Body)> {
    let (record, block) = (record(6), index_block());
    let in_record = |at: u16, count: usize| record[at.into()..][..count].to_vec();
    let new = resident(0xC0, 12, &[], b"reparse point");
    let (root_entry, block_entry) = (entry(7, 1), entry(1, 1));
    let times = [0x77; 0x38];
    let old_time = [7; 0x38];
    let block_end = block[0xA8..0x128].to_vec();
    let mut new_end = entry(44, 4);
    new_end.extend(&block[0x110..0x128]);
    let record_end = in_record(DATA_AT, 0x50);
    vec![
        ("CreateAttribute", of_record((5, 6), END_AT, 0, &new, &[])),
        ("CreateAttribute before others", of_record((5, 6), DATA_AT, 0, &new, &[])),
        ("DeleteAttribute", of_record((6, 5), INFORMATION_AT, 0, &[], &in_record(INFORMATION_AT, 0x48))),
        ("UpdateResidentValue", of_record((7, 7), INFORMATION_AT, 0x20, &[1; 8], &[0x11; 8])),
        ("UpdateResidentValue, longer", of_record((7, 7), INFORMATION_AT, 0x18, &[2; 72], &[0x11; 48])),
        ("UpdateResidentValue, shorter", of_record((7, 7), INFORMATION_AT, 0x28, &[3; 8], &[0x11; 32])),
        ("UpdateMappingPairs", of_record((9, 9), DATA_AT, 0x43, &[0x11, 9, 5, 0], &[0; 4])),
        (
            "UpdateMappingPairs, longer",
            of_record(
                (9, 9),
                DATA_AT,
                0x41,
                &[9, 30, 0x31, 2, 1, 2, 3, 0x21, 1, 1, 1, 0x11, 1, 1, 0, 0],
                &[4, 30, 0, 0, 0, 0, 0],
            ),
        ),
        (
            "SetNewAttributeSizes",
            of_record((11, 11), DATA_AT, 0, &[5; 0x18], &record[DATA_AT as usize + 0x28..][..0x18]),
        ),
        ("AddIndexEntryRoot", of_record((12, 13), ROOT_AT, ENTRY_IN_ROOT, &entry(6, 6), &[])),
        ("AddIndexEntryRoot at the end", of_record((12, 13), ROOT_AT, ENTRY_IN_ROOT + 0xD0, &entry(6, 6), &[])),
        ("DeleteIndexEntryRoot", of_record((13, 12), ROOT_AT, ENTRY_IN_ROOT, &[], &root_entry)),
        ("SetIndexEntryVcnRoot", of_record((17, 17), ROOT_AT, ENTRY_IN_ROOT, &[9; 8], &[1, 0, 0, 0, 0, 0, 0, 0])),
        ("UpdateFileNameRoot", of_record((19, 19), ROOT_AT, ENTRY_IN_ROOT, &times, &old_time)),
        ("WriteEndOfFileRecordSegment", of_record((4, 4), DATA_AT, 0, &record_end[0x48..], &record_end)),
        ("AddIndexEntryAllocation", of_block((14, 15), ENTRY_IN_BLOCK, &entry(6, 6), &[])),
        ("DeleteIndexEntryAllocation", of_block((15, 14), ENTRY_IN_BLOCK, &[], &block_entry)),
        ("WriteEndOfIndexBuffer", of_block((16, 16), 0xA8, &new_end, &block_end)),
        ("SetIndexEntryVcnAllocation", of_block((18, 18), 0xA8, &[9; 8], &[2, 0, 0, 0, 0, 0, 0, 0])),
        ("UpdateFileNameAllocation", of_block((20, 20), ENTRY_IN_BLOCK, &times, &[1; 0x38])),
        ("UpdateNonresidentValue", of_plain((8, 8), 700, &[1; 900], &[0x55; 900])),
        ("SetBitsInNonresidentBitMap", of_plain((21, 8), 16, &[3, 0, 0, 0, 30, 0, 0, 0], &[0x55; 5])),
        ("ClearBitsInNonresidentBitMap", of_plain((22, 8), 16, &[3, 0, 0, 0, 2, 0, 0, 0], &[0x55; 1])),
    ]
}

/// All of the volume but update sequences and LSNs, and what is behind the ends of records and blocks.
fn contents(volume: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![volume[PLAIN as usize * CLUSTER..][..CLUSTER].to_vec()];
    let records = (0..16).map(|number| (record_at(number), 1024, 0x18, 0));
    for (at, bytes, used_at, base) in records.chain([(INDEX as usize * CLUSTER, 4096, 0x1C, 0x18)]) {
        let mut one = structure(volume, at, bytes);
        let used = u32::from_le_bytes(one[used_at..used_at + 4].try_into().unwrap()) as usize + base;
        one.truncate(used);
        one[8..16].fill(0);
        let (array, words) = (usize::from(one[4]), usize::from(one[6]));
        one[array..array + 2 * words].fill(0);
        all.push(one);
    }
    all
}

#[test]
fn every_operation_is_done_again_once_and_undone() {
    let before = volume();
    for (name, body) in changes() {
        let mut log = log();
        log.change(0x40, &body);
        let unfinished = log.clone();
        log.forget(0x40);
        let (after, done) = replayed(&before, &log.file());
        assert_eq!((done.summary.redone, done.summary.undone), (1, 0), "{name}");
        assert_ne!(contents(&after), contents(&before), "{name}");
        assert!(matches!(outcome(&after, &log.file()), Outcome::Clean), "{name} is not done twice");
        for start in [&before, &after] {
            let (undone, done) = replayed(start, &unfinished.file());
            assert_eq!((done.summary.undone, done.summary.unfinished), (1, 1), "{name}");
            let expected = contents(&before);
            let got = contents(&undone);
            for (number, (expected, got)) in expected.iter().zip(&got).enumerate() {
                let differing: Vec<_> =
                    (0..expected.len().max(got.len())).filter(|at| expected.get(*at) != got.get(*at)).collect();
                // A new attribute takes a new id, which is not given back.
                let is_id = differing.iter().all(|at| *at == 0x28);
                assert!(is_id, "{name}: {number} differs at {differing:x?}");
            }
        }
    }
}

#[test]
fn what_operations_do_is_what_they_say() {
    let before = volume();
    let after = |name: &str| {
        let mut log = log();
        let (_, body) = changes().into_iter().find(|(other, _)| *other == name).unwrap();
        let lsn = log.change(0x40, &body);
        log.forget(0x40);
        (replayed(&before, &log.file()).0, lsn.0)
    };
    let record_after = |name: &str| {
        let (volume, lsn) = after(name);
        let record = structure(&volume, record_at(6), 1024);
        assert_eq!(record[8..16], lsn.to_le_bytes(), "{name}: the record knows what it has");
        record
    };
    let created = record_after("CreateAttribute");
    assert_eq!(
        created[0x1F0..0x220],
        *[resident(0xC0, 12, &[], b"reparse point"), vec![0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]].concat()
    );
    assert_eq!((created[0x18], created[0x19], created[0x28]), (0x20, 2, 13));
    let longer = record_after("UpdateResidentValue, longer");
    assert_eq!((longer[0x3C], longer[0x48], &longer[0x50..0x98]), (0x60, 72, &[2; 72][..]));
    let pairs = record_after("UpdateMappingPairs");
    assert_eq!(pairs[DATA_AT as usize + 0x18], 12, "the last cluster");
    let sizes = record_after("SetNewAttributeSizes");
    assert_eq!(sizes[DATA_AT as usize + 0x28..][..0x18], [5; 0x18]);
    let added = record_after("AddIndexEntryRoot");
    assert_eq!((added[0x84], added[0x90], added[0xB4], added[0xB8]), (0x90, 0x70, 0x60, 0x60));
    let (volume, _) = after("SetBitsInNonresidentBitMap");
    let plain = &volume[PLAIN as usize * CLUSTER..];
    assert_eq!(plain[15..22], [0x55, 0xFD, 0xFF, 0xFF, 0xFF, 0x55, 0x55]);
    let (volume, _) = after("ClearBitsInNonresidentBitMap");
    assert_eq!(volume[PLAIN as usize * CLUSTER..][16], 0x45);
}

#[test]
fn records_begin_and_end() {
    let before = volume();
    let mut fresh = record(6);
    fresh.truncate(0x1F8);
    fresh[0x10] = 44;
    let mut log = log();
    log.change(0x40, &of_record((0, 3), 0, 0, &[], &[0; 8]));
    log.change(0x40, &of_record((2, 0), 0, 0, &fresh, &[]));
    let unfinished = log.clone();
    log.forget(0x40);
    let mut torn = before.clone();
    torn[record_at(6) + 510] ^= 1;
    for start in [&before, &torn] {
        let record = structure(&replayed(start, &log.file()).0, record_at(6), 1024);
        assert_eq!((record[0x10], record[0x16]), (44, 1));
        let record = structure(&replayed(start, &unfinished.file()).0, record_at(6), 1024);
        assert_eq!((record[0x10], record[0x16]), (45, 0), "it is free, and its next life has another number");
    }
    log.change(0x40, &of_record((3, 2), 0, 0, &[], &fresh));
    log.change(0x40, &of_record((0x25, 0), 0x200, 0, &[0; 0x200], &[]));
    log.forget(0x40);
    let record = structure(&replayed(&before, &log.file()).0, record_at(6), 1024);
    assert_eq!((record[0x10], record[0x16]), (45, 0));
}

#[test]
fn a_torn_record_stays_torn_and_keeps_nothing_else_from_being_done() {
    let mut torn = volume();
    torn[record_at(6) + 510] ^= 1;
    let mut log = log();
    for (_, body) in changes() {
        if body.redo == 7 || body.redo == 8 {
            log.change(0x40, &body);
        }
    }
    log.forget(0x40);
    let (after, done) = replayed(&torn, &log.file());
    assert_eq!((done.summary.redone, done.summary.torn), (1, 3));
    assert_eq!(after[record_at(6)..][..1024], torn[record_at(6)..][..1024]);
}

#[test]
fn zeros_that_the_log_left_out_are_written() {
    let mut log = log();
    // As Windows 10 clears the gaps of `$Secure:$SDS`: what stands at the offset of the new bytes are the old ones.
    let mut body = of_plain((8, 8), 700, &[], &[0x55; 8]).bytes();
    body[6] = 8;
    log.raw_change(0x40, &body, 2);
    log.raw_change(
        0x40,
        &{
            let mut body = of_record((7, 7), INFORMATION_AT, 0x18, &[], &[]).bytes();
            body[6] = 60;
            body
        },
        6,
    );
    log.forget(0x40);
    let (after, _) = replayed(&volume(), &log.file());
    assert_eq!(after[PLAIN as usize * CLUSTER + 699..][..10], [0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0x55]);
    let record = structure(&after, record_at(6), 1024);
    assert_eq!((record[0x48], &record[0x50..0x8C]), (60, &[0; 60][..]));
}

#[test]
fn new_blocks_of_indexes_are_written_whatever_was_there() {
    let mut log = log();
    let mut fresh = index_block();
    fresh.truncate(0x128);
    log.change(0x40, &of_block((8, 0), 0, &fresh, &[]));
    log.change(0x40, &of_block((14, 15), ENTRY_IN_BLOCK, &entry(6, 6), &[]));
    log.forget(0x40);
    let mut start = volume();
    start[INDEX as usize * CLUSTER..][..CLUSTER].fill(0x99);
    let (after, done) = replayed(&start, &log.file());
    assert_eq!((done.summary.redone, done.summary.torn), (2, 0));
    let block = structure(&after, INDEX as usize * CLUSTER, CLUSTER);
    assert_eq!((block[0x1C], block[0x40], block[0xA8], block[0x1000 - 1]), (0x78, 6, 1, 0));
}

#[test]
fn copies_of_the_first_records_follow_them() {
    let mut log = log();
    let body = of_record((7, 7), INFORMATION_AT, 0x20, &[1; 8], &[0x11; 8]);
    log.change(0x40, &Body { cluster_offset: 6, vcn: 0, lcns: vec![MFT], ..body });
    log.forget(0x40);
    let (after, _) = replayed(&volume(), &log.file());
    assert_eq!(after[MIRROR as usize * CLUSTER + 3072..][..1024], after[record_at(3)..][..1024]);
    assert_eq!(after[record_at(3) + 0x58], 1);
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let before = volume();
    let fits = of_record((7, 7), INFORMATION_AT, 0x20, &[1; 8], &[0x11; 8]);
    let bad = [
        ("no attribute there", Body { record_offset: 0x40, ..fits.clone() }),
        ("beyond the attribute", Body { attribute_offset: 0x41, ..fits.clone() }),
        ("beyond the record", Body { record_offset: 0x3F8, ..fits.clone() }),
        ("too long", of_record((7, 7), INFORMATION_AT, 0x18, &[2; 900], &[])),
        ("another record", Body { vcn: 2, ..fits.clone() }),
        ("between records", Body { cluster_offset: 5, ..fits.clone() }),
        ("outside the volume", Body { lcns: vec![64], ..fits.clone() }),
        ("not the MFT", Body { target: TARGETS[2], ..fits.clone() }),
        ("not open", Body { target: 0x19, ..fits.clone() }),
        ("no index", of_record((14, 15), 0, ENTRY_IN_BLOCK, &entry(6, 6), &[])),
        ("no entry there", of_block((15, 14), ENTRY_IN_BLOCK + 8, &[], &[])),
        ("the last entry", of_block((15, 14), 0x110, &[], &[])),
        ("another block", Body { vcn: 1, ..of_block((15, 14), ENTRY_IN_BLOCK, &[], &[]) }),
        ("no entry", of_block((14, 15), ENTRY_IN_BLOCK, &[0; 8], &[])),
        ("no end", of_block((16, 16), ENTRY_IN_BLOCK, &entry(6, 6), &[])),
        ("short times", of_block((20, 20), ENTRY_IN_BLOCK, &[0; 0x30], &[])),
        ("a root that is none", of_record((12, 13), DATA_AT, ENTRY_IN_ROOT, &entry(6, 6), &[])),
        ("runs without an end", of_record((9, 9), DATA_AT, 0x40, &[0x11, 4, 30, 0x11], &[])),
        ("runs of a value", of_record((9, 9), INFORMATION_AT, 0x40, &[0], &[])),
        ("sizes of a value", of_record((11, 11), INFORMATION_AT, 0, &[0; 0x18], &[])),
        ("an attribute that is none", of_record((5, 6), END_AT, 0, &[0; 0x20], &[])),
        ("no record", of_record((2, 0), 0, 0, &[0x46; 0x100], &[])),
        ("zeros over attributes", of_record((0x25, 0), 0x100, 0, &[0; 0x100], &[])),
        ("plain bytes of the MFT", Body { redo: 8, ..fits.clone() }),
        ("too many bits", of_plain((21, 22), 0, &[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF], &[])),
        ("an operation that nobody knows", Body { redo: 0x23, ..fits.clone() }),
        ("another one", Body { redo: 0x99, ..fits.clone() }),
    ];
    for (name, body) in bad {
        let mut log = log();
        log.change(0x40, &fits);
        log.change(0x40, &body);
        log.forget(0x40);
        let reason = reason(&before, &log.file());
        assert!(!reason.starts_with("replayed") && reason != "clean", "{name}: {reason}");
    }
}
