//! What the fuzz target `ntfs_log` changes: a volume and a log with every operation in it.

use super::operations::{changes, log, of_block, of_plain, of_record};
use super::pages::open;
use super::volume::{MFT, MIRROR, PLAIN, TARGETS, index_block, record, replayed, volume};
use super::writer::{Body, dirty_page, open_attribute, table};
use std::path::Path;

/// The volume, with its units in its first bytes, and the log behind it.
fn seed() -> Vec<u8> {
    let mut volume = volume();
    let head = [12, 0, MFT as u32, MIRROR as u32];
    for (number, place) in head.iter().zip(volume.chunks_exact_mut(4)) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let mut log = log();
    let first = log.change(0x40, &of_plain((8, 8), 0, &[1; 3000], &[0x55; 3000]));
    log.forget(0x40);
    let pages = table(0x28, &[dirty_page(TARGETS[2].into(), 0, first, PLAIN)]);
    let last = log.change(0x68, &of_plain((8, 8), 3000, &[2], &[0x55]));
    let mut transaction = vec![0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0];
    transaction.extend([0; 16]);
    transaction.extend(last.0.to_le_bytes());
    log.checkpoint(1, [&open(), &pages, &table(0x28, &[vec![0; 0x28], vec![0; 0x28], transaction])]);
    // Each on a record of its own, or once more on the block of the index, so that all fit.
    for (number, (_, body)) in (0..12).cycle().zip(changes()) {
        let (vcn, cluster_offset) = (number / 4, (number % 4 * 2) as u16);
        let body =
            if body.target == TARGETS[0] { Body { vcn, cluster_offset, lcns: vec![MFT + vcn], ..body } } else { body };
        let mut fresh = record(number as u32);
        fresh.truncate(0x1F8);
        if body.target == TARGETS[0] {
            let start = of_record((2, 0), 0, 0, &fresh, &[]);
            log.change(0x40, &Body { vcn, cluster_offset, lcns: vec![MFT + vcn], ..start });
        } else if body.target == TARGETS[1] {
            log.change(0x40, &of_block((8, 0), 0, &index_block()[..0x128], &[]));
        }
        log.change(0x40, &body);
        log.forget(0x40);
    }
    let entry = open_attribute(0x80, 11, 0);
    log.change(0x90, &Body { redo: 0x1C, redo_data: entry, target: 0x90, ..Body::default() });
    log.change(0x90, &Body { target: 0x90, lcns: vec![PLAIN + 1], ..of_plain((8, 8), 0, &[7; 40], &[0; 40]) });
    let mut range = (PLAIN + 2).to_le_bytes().to_vec();
    range.extend(4_u64.to_le_bytes());
    log.change(0x90, &Body { redo: 0x0A, redo_data: range, ..Body::default() });
    log.change(0x90, &Body { redo: 0x18, undo: 1, ..Body::default() });
    log.change(0x90, &of_plain((8, 8), 9, &[7; 40], &[0x55; 40]));
    volume.extend(log.file());
    volume
}

#[test]
fn the_seed_of_the_fuzz_target_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/ntfs-log.img.zst");
    let seed = seed();
    let (volume, log) = seed.split_at(volume().len());
    let (_, done) = replayed(volume, log);
    eprintln!("{:?}", done.summary);
    assert!(done.summary.redone > 20 && done.summary.undone == 3 && done.summary.unfinished == 2);
    if std::env::var_os("FR_WRITE_SEEDS").is_some() {
        std::fs::write(&path, zstd::encode_all(seed.as_slice(), 19).unwrap()).unwrap();
    }
    let there = std::fs::read(&path).unwrap();
    assert!(zstd::decode_all(there.as_slice()).unwrap() == seed, "run this test with FR_WRITE_SEEDS=1");
}
