//! Where a log begins and ends, and what checkpoints say.

use super::operations::{log, of_plain};
use super::volume::{CLUSTER, PLAIN, TARGETS, outcome, reason, replayed, volume};
use super::writer::{Body, LogWriter, PAGE, PAGES, dirty_page, open_attribute, put_page, table};
use crate::log::lsn::Lsn;
use crate::log::{Outcome, Source, replay_within};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::sync::Arc;

/// Counts up the first of the plain bytes.
fn step(log: &mut LogWriter, number: u8) -> Lsn {
    let lsn = log.change(0x40, &of_plain((8, 8), 0, &[number], &[number.wrapping_sub(1)]));
    log.forget(0x40);
    lsn
}

/// The first of the plain bytes after a replay.
fn plain(file: &[u8]) -> u8 {
    let mut start = volume();
    start[PLAIN as usize * CLUSTER] = 0;
    replayed(&start, file).0[PLAIN as usize * CLUSTER]
}

pub(super) fn open() -> Vec<u8> {
    table(0x28, &[open_attribute(0x80, 0, 0), open_attribute(0xA0, 5, 4096), open_attribute(0x80, 9, 0)])
}

#[test]
fn logs_go_on_around_their_ends_and_over_pages() {
    for is_fast in [true, false] {
        for first in [PAGES - 2, PAGES - 1, 0x22] {
            let mut log = LogWriter::new(is_fast, first, 3);
            log.checkpoint(1, [&open(), &[], &[]]);
            for number in 1..100 {
                step(&mut log, number);
                // Larger than a page.
                log.change(0x40, &of_plain((8, 8), 100, &[number; 3000], &[number; 3000]));
                log.forget(0x40);
                if number == 30 {
                    break;
                }
                assert_eq!(plain(&log.file()), number, "{is_fast} {first}");
            }
            assert_eq!(plain(&log.file()), 30);
        }
    }
}

#[test]
fn a_record_that_was_not_written_to_its_end_is_none() {
    let mut log = log();
    step(&mut log, 1);
    log.change(0x40, &of_plain((8, 8), 0, &[2; 3000], &[1; 3000]));
    log.forget(0x40);
    assert_eq!(plain(&log.file()), 2);
    let (page, ..) = log.at;
    log.pages.remove(&page);
    assert_eq!(plain(&log.file()), 1);
}

#[test]
fn the_last_pages_are_taken_from_their_copies() {
    for is_fast in [true, false] {
        let mut log = LogWriter::new(is_fast, 0x30, 3);
        log.checkpoint(1, [&open(), &[], &[]]);
        step(&mut log, 1);
        let old = log.file();
        step(&mut log, 2);
        let mut copy = log.pages[&0x30].clone();
        if is_fast {
            copy[0x3C..0x40].copy_from_slice(&(0x30 * PAGE as u32).to_le_bytes());
        } else {
            copy[8..16].copy_from_slice(&(0x30 * PAGE as u64).to_le_bytes());
        }
        assert_eq!(plain(&old), 1);
        for place in if is_fast { [2, 0x12] } else { [2, 3] } {
            let mut file = old.clone();
            put_page(&mut file, place, copy.clone());
            assert_eq!(plain(&file), 2, "the page is older than its copy");
            file[0x30 * PAGE + 510] ^= 1;
            assert_eq!(plain(&file), 2, "the page is torn");
            file[place as usize * PAGE + 1022] ^= 1;
            assert!(reason(&volume(), &file).contains("log"), "both are torn");
        }
        let mut file = log.file();
        let mut stale = LogWriter::new(is_fast, 0x30, 2);
        stale.checkpoint(1, [&open(), &[], &[]]);
        let mut stale = stale.pages[&0x30].clone();
        stale[0x3C..0x40].copy_from_slice(&(0x30 * PAGE as u32).to_le_bytes());
        put_page(&mut file, 2, stale);
        assert_eq!(plain(&file), 2, "copies of earlier rounds are nothing");
    }
}

#[test]
fn a_page_that_is_lost_in_the_middle_is_told() {
    let mut log = log();
    let mut pages = Vec::new();
    for number in 1..4 {
        step(&mut log, number);
        pages.push(log.at.0);
        log.at.1 = PAGE;
    }
    let whole = log.file();
    assert_eq!(plain(&whole), 3);
    let mut file = whole.clone();
    file[pages[2] as usize * PAGE + 510] ^= 1;
    assert_eq!(plain(&file), 2, "the last page is torn: that is where the log ended");
    let mut file = whole;
    file[pages[1] as usize * PAGE + 510] ^= 1;
    assert!(reason(&volume(), &file).contains("a page is missing"), "{}", reason(&volume(), &file));
    // Pages of one transfer reach the disk in any order.
    for (position, page) in (1_u8..).zip(&pages[1..]) {
        let mut page_bytes = log.pages[page].clone();
        page_bytes[0x14..0x18].copy_from_slice(&[2, 0, position, 0]);
        log.pages.insert(*page, page_bytes);
    }
    let mut file = log.file();
    file[pages[1] as usize * PAGE + 510] ^= 1;
    assert_eq!(plain(&file), 1);
}

#[test]
fn a_log_that_ends_before_its_restart_page_says_is_refused() {
    let mut log = log();
    step(&mut log, 1);
    log.at.1 = PAGE;
    log.current = Some(step(&mut log, 2));
    assert_eq!(plain(&log.file()), 2);
    let (page, ..) = log.at;
    log.pages.remove(&page);
    assert!(reason(&volume(), &log.file()).contains("should go on"), "{}", reason(&volume(), &log.file()));
}

#[test]
fn what_was_dirty_at_a_checkpoint_is_done_again_from_its_oldest_record_on() {
    let mut log = log();
    step(&mut log, 1);
    let second = log.change(0x40, &of_plain((8, 8), 1, &[2], &[0]));
    log.change(0x40, &of_plain((8, 8), 2, &[3], &[0]));
    log.forget(0x40);
    let pages = table(0x28, &[dirty_page(TARGETS[2].into(), 0, second, PLAIN)]);
    log.checkpoint(1, [&open(), &pages, &[]]);
    let (after, done) = replayed(&volume(), &log.file());
    assert_eq!(after[PLAIN as usize * CLUSTER..][..4], [0x55, 2, 3, 0x55]);
    assert_eq!(done.summary.redone, 2);
    // Nothing is dirty any more.
    log.checkpoint(1, [&open(), &[], &[]]);
    assert!(matches!(outcome(&volume(), &log.file()), Outcome::Clean));
    let pages = table(0x28, &[dirty_page(TARGETS[2].into(), 0, Lsn(second.0 - 8), PLAIN)]);
    log.checkpoint(1, [&open(), &pages, &[]]);
    assert!(reason(&volume(), &log.file()).contains("no record"));
}

#[test]
fn transactions_of_a_checkpoint_are_undone_with_all_they_did() {
    let mut log = log();
    let start = {
        let mut start = volume();
        start[PLAIN as usize * CLUSTER..][..3].copy_from_slice(&[1, 2, 0x55]);
        start
    };
    log.change(0x40, &of_plain((8, 8), 0, &[1], &[0x55]));
    let last = log.change(0x40, &of_plain((8, 8), 1, &[2], &[0x55]));
    let transaction = |state: u8| {
        let mut entry = vec![0xFF; 4];
        entry.extend([state, 0, 0, 0]);
        entry.extend([0; 16]);
        entry.extend(last.0.to_le_bytes());
        table(0x28, &[vec![0; 0x28], entry])
    };
    let before = log.clone();
    log.checkpoint(1, [&open(), &[], &transaction(1)]);
    // Its two records were flushed before, and are found where they said.
    let (after, done) = replayed(&start, &log.file());
    assert_eq!(after, volume());
    assert_eq!((done.summary.undone, done.summary.unfinished), (2, 1));
    let mut freeing = log.clone();
    for state in [2, 3] {
        let mut log = before.clone();
        log.checkpoint(1, [&open(), &[], &transaction(state)]);
        assert!(matches!(outcome(&start, &log.file()), Outcome::Clean), "{state}");
    }
    // What it was is free now, and may hold anything.
    let mut range = PLAIN.to_le_bytes().to_vec();
    range.extend(1_u64.to_le_bytes());
    freeing.change(0x68, &Body { redo: 0x0A, redo_data: range, ..Body::default() });
    freeing.forget(0x68);
    let (after, _) = replayed(&start, &freeing.file());
    assert_eq!(after, start);
}

#[test]
fn what_a_transaction_undid_itself_is_not_undone_again() {
    let mut log = log();
    let first = log.change(0x40, &of_plain((8, 8), 0, &[1], &[0x55]));
    log.change(0x40, &of_plain((8, 8), 0, &[2], &[1]));
    log.change_with(0x40, &of_plain((8, 1), 0, &[1], &[]), 0, Some(first));
    let (after, done) = replayed(&volume(), &log.file());
    assert_eq!((after[PLAIN as usize * CLUSTER], done.summary.undone), (0x55, 1));
    // The end of a part that is to stay: nothing before it is undone.
    log.change_with(0x40, &Body { redo: 0x18, undo: 1, ..Body::default() }, 0, Some(Lsn(0)));
    log.change(0x40, &of_plain((8, 8), 0, &[3], &[9]));
    let (after, done) = replayed(&volume(), &log.file());
    assert_eq!((after[PLAIN as usize * CLUSTER], done.summary.undone), (9, 1));
}

#[test]
fn clusters_that_were_freed_are_not_written() {
    let mut log = log();
    step(&mut log, 1);
    let mut range = PLAIN.to_le_bytes().to_vec();
    range.extend(1_u64.to_le_bytes());
    log.change(0x40, &Body { redo: 0x0A, redo_data: range, ..Body::default() });
    log.forget(0x40);
    assert!(matches!(outcome(&volume(), &log.file()), Outcome::Clean));
    step(&mut log, 2);
    assert_eq!(plain(&log.file()), 2, "they are used again");
}

#[test]
fn an_index_of_an_attribute_that_was_opened_anew_means_another_one() {
    let mut log = log();
    step(&mut log, 1);
    let entry = open_attribute(0x80, 11, 0);
    log.change(0x68, &Body { redo: 0x1C, redo_data: entry, target: TARGETS[2], ..Body::default() });
    log.forget(0x68);
    log.change(0x40, &Body { lcns: vec![PLAIN + 1], ..of_plain((8, 8), 0, &[7], &[0]) });
    log.forget(0x40);
    let (after, _) = replayed(&volume(), &log.file());
    assert_eq!((after[PLAIN as usize * CLUSTER], after[(PLAIN as usize + 1) * CLUSTER]), (1, 7));
}

#[test]
fn what_was_closed_before_the_tables_were_written_needs_nothing() {
    let mut log = log();
    let start = log.change(0x18, &Body::default());
    let body = Body { target: 0x90, ..of_plain((8, 8), 0, &[7], &[0]) };
    log.change(0x40, &body);
    log.forget(0x40);
    let pages = table(0x28, &[dirty_page(0xB8, 0, start, PLAIN)]);
    log.checkpoint_from(start, 1, [&open(), &pages, &[]]);
    step(&mut log, 1);
    let (after, _) = replayed(&volume(), &log.file());
    assert_eq!(after[PLAIN as usize * CLUSTER], 1);
    log.change(0x40, &body);
    assert!(reason(&volume(), &log.file()).contains("nobody opened"));
}

#[test]
fn tables_of_32_bit_systems_are_read() {
    let attribute = |kind: u32, file: u8, block: u32| {
        let mut entry = vec![0; 0x2C];
        entry[..4].fill(0xFF);
        entry[8] = file;
        entry[0x1C..0x20].copy_from_slice(&kind.to_le_bytes());
        entry[0x28..0x2C].copy_from_slice(&block.to_le_bytes());
        entry
    };
    let mut log = LogWriter::new(false, 4, 3);
    let open = table(0x2C, &[attribute(0x80, 0, 0), attribute(0x80, 9, 0)]);
    log.checkpoint(0, [&open, &[], &[]]);
    let body = Body { target: 0x44, ..of_plain((8, 8), 0, &[1], &[0]) };
    let lsn = log.change(0x40, &body);
    log.forget(0x40);
    assert_eq!(plain(&log.file()), 1);
    let mut page = dirty_page(0x44, 0, lsn, PLAIN);
    page.splice(0x10..0x10, [0; 4]);
    log.checkpoint(0, [&open, &table(0x2C, &[page]), &[]]);
    assert_eq!(plain(&log.file()), 1);
}

#[test]
fn restart_pages_are_taken_by_age_and_wholeness() {
    let mut log = log();
    step(&mut log, 1);
    let old = log.file();
    log.checkpoint(1, [&open(), &[], &[]]);
    step(&mut log, 2);
    let new = log.file();
    let done = |file: &[u8]| replayed(&volume(), file).1.summary.redone;
    assert_eq!((done(&old), done(&new)), (1, 1));
    for (newer, older) in [(0, PAGE), (PAGE, 0)] {
        let mut file = new.clone();
        file[older..older + PAGE].copy_from_slice(&old[..PAGE]);
        assert_eq!(done(&file), 1, "the newer one counts");
        file[newer + 510] ^= 1;
        assert_eq!(done(&file), 2, "the newer one is torn");
    }
    let mut file = new;
    file[510] ^= 1;
    file[PAGE + 510] ^= 1;
    assert!(reason(&volume(), &file).contains("no restart page"));
}

#[test]
fn logs_that_hold_nothing_are_clean_and_unknown_ones_refused() {
    let is_clean = |file: &[u8]| matches!(outcome(&volume(), file), Outcome::Clean);
    let mut log = log();
    assert!(is_clean(&log.file()), "a checkpoint alone");
    step(&mut log, 1);
    assert!(is_clean(&vec![0xFF; PAGES as usize * PAGE]), "emptied");
    assert!(!is_clean(&vec![0; PAGES as usize * PAGE]), "zeros are no log");
    let change = |at: usize, bytes: &[u8]| {
        let mut file = log.file();
        for page in [0, PAGE] {
            file[page + at..page + at + bytes.len()].copy_from_slice(bytes);
        }
        file
    };
    assert!(is_clean(&change(0, b"CHKD")), "repaired by chkdsk");
    assert!(is_clean(&change(0x3C, &[0xFF, 0xFF])), "nobody uses it");
    assert!(reason(&volume(), &change(0x1A, &[0, 0, 1, 0])).contains("version 1.0"));
    assert!(reason(&volume(), &change(0x1A, &[0, 0, 3, 0])).contains("version 3.0"));
    assert!(reason(&volume(), &change(0x90, b"L")).contains("something else than NTFS"));
    assert!(reason(&volume(), &change(0x40, &[40])).contains("bits"));
    assert!(reason(&volume(), &change(0x48, &[0, 0, 0, 1])).contains("bytes"));
    assert!(reason(&volume(), &change(0x54, &[0x40, 0])).contains("restart page"));
    let short = log.file()[..0x30 * PAGE].to_vec();
    assert!(reason(&volume(), &short).contains("bytes"));
    let mut other = log.clone();
    other.checkpoint(2, [&open(), &[], &[]]);
    assert!(reason(&volume(), &other.file()).contains("checkpoints of version 2"));
}

#[test]
fn what_takes_too_much_memory_is_refused() {
    let mut log = log();
    step(&mut log, 1);
    let file = log.file();
    let read = |offset: u64, buf: &mut [u8]| {
        buf.copy_from_slice(&file[offset as usize..][..buf.len()]);
        Ok(())
    };
    let source = Source { read: &read, bytes: file.len() as u64 };
    let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(volume(), BlockSize::B512));
    let within = |bytes| replay_within(&disk, &super::volume::geometry(), &source, bytes, true);
    assert!(within(2000).is_ok());
    assert_eq!(within(700).err().unwrap().kind, vfs::ErrorKind::Unsupported);
}
