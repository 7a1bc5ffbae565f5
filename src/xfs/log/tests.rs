//! Logs that no kernel would write, or only when power fails at the right moment.

mod items;
mod writer;

use super::*;
use block::Overlay;
use proptest::prelude::*;
use writer::{BLOCK, Log, Op, VOLUME_BYTES, buffer, disk, filled, freed, op, superblock, transaction, volume};

/// The volume after the recovery, and what else came of it.
struct After {
    bytes: Vec<u8>,
    recovered: Recovered,
}

fn recover_over(volume: &[u8], log: &Log) -> Result<After> {
    let (superblock, data) = (superblock(volume), disk(volume.to_vec()));
    let recovered = recover(&superblock, &data, &log.device())?.unwrap_or_else(|| nothing(Vec::new()));
    let overlay = Overlay::new(data, Arc::clone(&recovered.patches) as Arc<dyn block::Patches>, PATCH_SHIFT);
    let mut bytes = vec![0; VOLUME_BYTES];
    overlay.read_exact_at(0, &mut bytes).unwrap();
    Ok(After { bytes, recovered })
}

/// The first byte of a sector after the recovery of a log over an empty volume.
fn byte(log: &Log, sector: usize) -> u8 {
    recover_over(&volume(5), log).unwrap().bytes[sector * 512]
}

fn error(log: &Log) -> String {
    recover_over(&volume(5), log).map(|_| ()).unwrap_err().message
}

const A: u64 = 800;
const B: u64 = 808;

#[test]
fn a_committed_change_lies_over_the_volume_and_one_without_commit_does_not() {
    let mut log = Log::new(1024);
    log.commit(&[filled(A, 7)]);
    let mut ops = transaction(5, &[filled(B, 8)]);
    ops.pop();
    log.record(&ops);
    assert_eq!((byte(&log, A as usize), byte(&log, B as usize)), (7, 0));
    let after = recover_over(&volume(5), &log).unwrap().recovered;
    assert_eq!((after.transactions, after.intents.len(), after.notices.len()), (1, 0, 0));
    assert!(is_dirty(&superblock(&volume(5)), &log.device()).unwrap());
}

#[test]
fn only_what_was_logged_of_a_buffer_changes_it() {
    let mut log = Log::new(1024);
    log.commit(&[buffer(A, 8, 0, &[(1, vec![1; 256]), (30, vec![2; 128])])]);
    let mut before = volume(4);
    before[800 * 512..808 * 512].fill(9);
    let after = recover_over(&before, &log).unwrap().bytes;
    let expected: Vec<u8> = (0..4096)
        .map(|at| match at / 128 {
            1 | 2 => 1,
            30 => 2,
            _ => 9,
        })
        .collect();
    assert!(after[800 * 512..808 * 512] == expected);
    assert!(after[..800 * 512] == before[..800 * 512] && after[808 * 512..] == before[808 * 512..]);
}

#[test]
fn a_log_that_was_emptied_never_written_or_unmounted_is_clean() {
    let superblock = superblock(&volume(5));
    let log = Log::new(1024);
    assert!(!is_dirty(&superblock, &log.device()).unwrap());
    let mut log = Log::new(1024);
    log.commit(&[filled(A, 7)]);
    log.record(&[op(9, 0x20, &[0; 8])]);
    assert!(!is_dirty(&superblock, &log.device()).unwrap());
    assert_eq!(byte(&log, A as usize), 0);
    log.commit(&[filled(A, 8)]);
    assert!(is_dirty(&superblock, &log.device()).unwrap());
}

/// What a volume says whose superblock was written when the log ended there.
fn is_dirty_after(lsn: u64, log: &Log) -> Result<bool> {
    let mut volume = volume(5);
    volume[240..248].copy_from_slice(&lsn.to_be_bytes());
    writer::seal_superblock(&mut volume);
    is_dirty(&superblock(&volume), &log.device())
}

#[test]
fn a_log_that_ends_before_the_superblock_was_written_is_refused_also_if_it_seems_to_hold_nothing() {
    let empty = Log::new(1024);
    assert!(!is_dirty_after(1 << 32, &empty).unwrap());
    let mut unmounted = Log::new(1024);
    unmounted.commit(&[filled(A, 7)]);
    unmounted.record(&[op(9, 0x20, &[0; 8])]);
    assert!(!is_dirty_after(unmounted.lsn(), &unmounted).unwrap());
    for (log, lsn) in [(&empty, 1 << 32 | 1), (&unmounted, unmounted.lsn() + 1), (&unmounted, 2 << 32)] {
        let error = is_dirty_after(lsn, log).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt);
        assert!(error.message.contains("older than the rest"), "{error}");
    }
}

/// Cuts the operations into pieces of this size, as a kernel does where a record is full.
fn in_pieces(ops: &[Op], size: usize) -> Vec<Op> {
    let mut pieces = Vec::new();
    for whole in ops {
        let count = whole.data.len().div_ceil(size);
        if count < 2 {
            pieces.push(whole.clone());
            continue;
        }
        for (number, bytes) in whole.data.chunks(size).enumerate() {
            let first = if number == 0 { 0 } else { 8 };
            let last = if number + 1 == count { 0x10 } else { 4 };
            pieces.push(op(whole.id, whole.flags | first | if count > 1 { last } else { 0 }, bytes));
        }
    }
    pieces
}

#[test]
fn regions_that_are_continued_in_other_records_are_put_together() {
    for size in [8, 12, 100] {
        let mut log = Log::new(4096);
        for (number, piece) in in_pieces(&transaction(5, &[filled(A, 7), filled(B, 8)]), size).into_iter().enumerate() {
            // Another transaction between the pieces.
            let between = transaction(1000 + number as u32, &[filled(B + 8, number as u8)]);
            log.record(&[vec![piece], between].concat());
        }
        assert_eq!((byte(&log, A as usize), byte(&log, B as usize)), (7, 8), "{size}");
    }
}

#[test]
fn what_was_freed_is_not_replayed_unless_it_was_used_again_after_the_last_time() {
    let mut log = Log::new(1024);
    log.commit(&[filled(A, 1), filled(B, 1)]);
    log.commit(&[freed(A), freed(B)]);
    log.commit(&[filled(A, 2)]);
    log.commit(&[freed(A)]);
    log.commit(&[filled(B, 3)]);
    assert_eq!((byte(&log, A as usize), byte(&log, B as usize)), (0, 3));
    // Within a transaction the freeing comes last, wherever it was logged.
    let mut log = Log::new(1024);
    log.commit(&[freed(A), filled(A, 1)]);
    assert_eq!(byte(&log, A as usize), 0);
}

#[test]
fn records_lie_around_the_end_of_the_log_with_their_headers() {
    for buffer_bytes in [32 << 10, 256 << 10] {
        for start in 1000..1024 {
            let mut log = Log::at_block(1024, start);
            log.buffer_bytes = buffer_bytes;
            for value in 1..=6_u8 {
                let pieces = [(0, vec![value; 1024])];
                log.commit(&[buffer(A, 8, 0, &pieces), buffer(B, 8, 0, &pieces)]);
            }
            assert_eq!((byte(&log, A as usize), byte(&log, B as usize + 1)), (6, 6), "{start}");
        }
    }
}

#[test]
fn long_records_keep_their_words_in_further_header_blocks() {
    let mut log = Log::new(2048);
    log.buffer_bytes = 256 << 10;
    let items: Vec<_> = (0..30_u64).map(|number| buffer(A + number * 8, 8, 0, &[(0, vec![5; 4096])])).collect();
    log.commit(&items);
    let after = recover_over(&volume(5), &log).unwrap().bytes;
    assert!(after[800 * 512..][..30 * 4096].iter().all(|byte| *byte == 5));
}

#[test]
fn a_write_that_was_not_finished_is_left_out() {
    let mut whole = Log::new(2048);
    for value in 1..=12 {
        whole.commit(&[filled(A, value)]);
    }
    let mut torn = whole;
    let last = torn.commit(&[filled(A, 99)]) as usize;
    // A sector of it is what was there before, but for its cycle.
    torn.bytes[(last + 1) * BLOCK + 40] ^= 1;
    let after = recover_over(&volume(5), &torn).unwrap();
    assert_eq!(after.bytes[800 * 512], 12);
    assert!(after.recovered.notices[0].contains("not finished"), "{:?}", after.recovered.notices);
    // Or it was not written at all, and the log ends before it.
    torn.bytes[(last + 1) * BLOCK..][..BLOCK].fill(0);
    assert_eq!(byte(&torn, A as usize), 12);
}

#[test]
fn damage_further_in_the_past_than_what_was_being_written_is_an_error() {
    let mut log = Log::new(8192);
    let places: Vec<_> = (1..=40).map(|value| log.commit(&[buffer(A, 8, 0, &[(0, vec![value; 4096])])])).collect();
    log.bytes[(places[2] as usize + 1) * BLOCK + 40] ^= 1;
    assert!(error(&log).contains("is not whole"), "{}", error(&log));
}

#[test]
fn a_log_of_another_file_system_or_of_irix_or_unknown_items_is_refused() {
    let mut log = Log::new(1024);
    log.commit(&[filled(A, 7)]);
    let mut other = volume(5);
    other[32] ^= 1;
    writer::seal(&mut other[..512], 224);
    let message = recover_over(&other, &log).map(|_| ()).unwrap_err().message;
    assert!(message.contains("another file system"), "{message}");
    let mut irix = Log::new(1024);
    irix.format = 3;
    irix.commit(&[filled(A, 7)]);
    assert!(error(&irix).contains("IRIX"), "{}", error(&irix));
    let mut unknown = Log::new(1024);
    unknown.commit(&[vec![[0x99, 0x12, 1, 0].repeat(4)]]);
    assert!(error(&unknown).contains("0x1299"), "{}", error(&unknown));
}

#[test]
fn what_takes_too_much_memory_is_refused() {
    let mut log = Log::new(2048);
    let items: Vec<_> = (0..30_u64).map(|number| buffer(A + number * 8, 8, 0, &[(0, vec![5; 4096])])).collect();
    log.buffer_bytes = 256 << 10;
    log.commit(&items);
    let (superblock, data) = (superblock(&volume(5)), disk(volume(5)));
    for bytes in [1 << 10, 130 << 10, 200 << 10] {
        let result = recover_within(&superblock, &data, &log.device(), bytes);
        assert_eq!(result.map(|_| ()).unwrap_err().kind, ErrorKind::Unsupported, "{bytes}");
    }
    assert!(recover_within(&superblock, &data, &log.device(), 1 << 20).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Nothing in a log makes the recovery panic or go on for ever.
    #[test]
    fn damaged_logs_end_in_an_answer(
        damage in proptest::collection::vec((0..200_usize, 0..512_usize, any::<u8>()), 1..12),
        start in prop_oneof![Just(0_u64), 1000..1024_u64],
        is_v5 in any::<bool>(),
        keeps_sums in any::<bool>(),
    ) {
        let mut log = if start == 0 { Log::new(1024) } else { Log::at_block(1024, start) };
        for value in 1..=8 {
            log.commit(&[filled(A, value), items::inode(u64::from(value)), items::map(1), items::create(16)]);
        }
        for (block, at, value) in damage {
            let block = (block + start as usize) % 1024;
            log.bytes[block * BLOCK + at] = value;
            // Without checksums everything behind them is reached.
            if !keeps_sums {
                log.bytes.chunks_mut(BLOCK).filter(|block| block.starts_with(&[0xFE, 0xED, 0xBA, 0xBE])).for_each(
                    |header| header[32..36].fill(0),
                );
            }
        }
        let _ = recover_over(&volume(if is_v5 { 5 } else { 4 }), &log);
    }
}
