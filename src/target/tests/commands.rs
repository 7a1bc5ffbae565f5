use super::disks::{HeldDisk, content, disk};
use super::initiator::{Initiator, read_10};
use super::{config, serve};
use block::{BlockSize, Disk, MemoryDisk, ReadErrorKind};
use iscsi::pdu::{Digests, Residual};
use iscsi::scsi::{LunList, LunNumber};
use std::collections::BTreeSet;
use std::sync::Arc;

const KIB: usize = 1 << 10;
const DATA_PROTECT: (u8, u8, u8) = (7, 0x27, 0);

#[tokio::test]
async fn reads_give_the_disks_bytes_whatever_limits_and_digests_are_agreed() {
    let target = serve(config(vec![disk(0, 256 * KIB), disk(1, 256 * KIB)])).await;
    for (number, (segment, burst)) in
        [(512, 512), (1000, 3000), (8192, 16384), (262_144, 262_144), (16384, 8192), (16_777_215, 16_777_215)]
            .into_iter()
            .enumerate()
    {
        let digest = |on: bool| if on { "CRC32C,None" } else { "None" };
        let digests = Digests { header: number & 1 == 1, data: number & 2 == 2 };
        let (segments, bursts) = (segment.to_string(), burst.to_string());
        let keys = [
            ("HeaderDigest", digest(digests.header)),
            ("DataDigest", digest(digests.data)),
            ("MaxRecvDataSegmentLength", segments.as_str()),
            ("MaxBurstLength", bursts.as_str()),
        ];
        let mut initiator = Initiator::log_in_with(&target, &keys).await;
        assert_eq!(initiator.digests, digests);
        for (lun, lba, blocks) in [(0, 0, 1), (1, 3, 100), (0, 511, 1), (1, 0, 512)] {
            let outcome = initiator.ask(lun, &read_10(lba, blocks), u32::from(blocks) * 512).await;
            assert_eq!(outcome.residual, Residual::None);
            assert_bursts(&outcome.parts, segment, burst);
            let (from, length) = (lba as usize * 512, usize::from(blocks) * 512);
            assert_eq!(outcome.good(), content(lun as u8, 256 * KIB).slice(from..from + length));
        }
        assert_eq!(initiator.log_out(0, 0).await, 0);
        initiator.assert_closed().await;
    }
    target.shutdown().await;
}

/// No part is longer than was agreed, and each burst but the last is full and ends with F.
fn assert_bursts(parts: &[iscsi::pdu::DataIn], segment: usize, burst: usize) {
    let mut sent = 0;
    for (index, part) in parts.iter().enumerate() {
        assert!(part.data.len() <= segment);
        sent += part.data.len();
        assert!(sent <= burst);
        let last = index + 1 == parts.len();
        assert_eq!(part.status.is_some(), last);
        assert_eq!(part.is_final, last || sent == burst);
        if part.is_final {
            sent = 0;
        }
    }
}

#[tokio::test]
async fn reads_are_under_way_at_the_same_time_and_answered_in_the_order_of_the_disk() {
    let held = HeldDisk::new(512 * KIB);
    let target = serve(config(vec![held.clone()])).await;
    let mut initiator = Initiator::log_in(&target).await;
    let mut tags = Vec::new();
    for number in 0..100 {
        tags.push(initiator.begin_read(0, number * 8, 8).await);
    }
    held.until_held(100).await;
    assert_eq!(held.held(), (0..100).map(|number| number * 8).collect::<Vec<u64>>());
    for number in (0..100_usize).rev() {
        held.answer(number);
        let (tag, outcome) = initiator.outcome().await;
        assert_eq!(tag, tags[number]);
        assert_eq!(outcome.good(), content(0, 512 * KIB).slice(number * 4096..(number + 1) * 4096));
    }
    target.shutdown().await;
}

#[tokio::test]
async fn the_window_closes_when_enough_commands_are_under_way_and_opens_with_each_answer() {
    let held = HeldDisk::new(64 * KIB);
    let mut config = config(vec![held.clone()]);
    config.commands_max = 4;
    let target = serve(config).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_eq!(initiator.max_cmd_sn, initiator.cmd_sn.wrapping_add(3));
    for number in 0..4 {
        initiator.begin_read(0, number, 1).await;
    }
    held.until_held(4).await;
    // One more than is welcome is ignored; it does not count.
    let ignored = initiator.begin_read(0, 50, 1).await;
    initiator.cmd_sn = initiator.cmd_sn.wrapping_sub(1);
    assert_eq!(initiator.manage(1, 0, ignored).await, 1, "no such task");
    held.answer(3);
    let (tag, _) = initiator.outcome().await;
    assert_ne!(tag, ignored);
    assert_eq!(initiator.max_cmd_sn, initiator.cmd_sn);
    initiator.begin_read(0, 51, 1).await;
    held.until_held(4).await;
    assert_eq!(held.held(), [0, 1, 2, 51]);
    target.shutdown().await;
}

#[tokio::test]
async fn a_missing_command_ends_the_connection() {
    let target = serve(config(vec![disk(0, KIB)])).await;
    let mut initiator = Initiator::log_in(&target).await;
    initiator.cmd_sn = initiator.cmd_sn.wrapping_add(1);
    initiator.begin_read(0, 0, 1).await;
    initiator.assert_closed().await;
    target.shutdown().await;
}

#[tokio::test]
async fn reads_wait_until_there_is_memory_and_a_large_one_goes_alone() {
    let held = HeldDisk::new(128 * KIB);
    let mut config = config(vec![held.clone()]);
    config.bytes_in_flight_max = 8 * 512;
    let target = serve(config).await;
    let mut initiator = Initiator::log_in(&target).await;
    for (lba, blocks) in [(0, 4), (10, 4), (20, 1), (30, 100), (40, 1)] {
        initiator.begin_read(0, lba, blocks).await;
    }
    initiator.ping(b"").await;
    assert_eq!(held.held(), [0, 10]);
    held.answer(0);
    initiator.outcome().await;
    assert_eq!(held.held(), [10, 20]);
    held.answer(1);
    initiator.outcome().await;
    held.answer(0);
    initiator.outcome().await;
    assert_eq!(held.held(), [30]);
    held.answer(0);
    assert_eq!(initiator.outcome().await.1.good().len(), 100 * 512);
    assert_eq!(held.held(), [40]);
    target.shutdown().await;
}

#[tokio::test]
async fn more_or_fewer_bytes_than_expected_are_told_as_residual() {
    let target = serve(config(vec![disk(0, 64 * KIB)])).await;
    let mut initiator = Initiator::log_in(&target).await;
    for (expected, length, residual) in [
        (4096, 4096, Residual::None),
        (1000, 1000, Residual::Overflow(3096)),
        (10_000, 4096, Residual::Underflow(5904)),
        (0, 0, Residual::Overflow(4096)),
    ] {
        let outcome = initiator.ask(0, &read_10(0, 8), expected).await;
        assert_eq!((outcome.residual, outcome.data.len()), (residual, length), "{expected}");
        assert_eq!(outcome.good(), content(0, 64 * KIB).slice(..length));
    }
    let outcome = initiator.ask(0, &[0x12, 0, 0, 0, 255], 255).await;
    assert_eq!((outcome.residual, outcome.good().len()), (Residual::Underflow(159), 96));
    target.shutdown().await;
}

#[tokio::test]
async fn nothing_can_be_written() {
    let target = serve(config(vec![disk(0, 64 * KIB)])).await;
    let mut initiator = Initiator::log_in(&target).await;
    for cdb in
        [&[0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0][..], &[0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[0x42], &[0x04]]
    {
        let mut command = initiator.scsi_command(0, cdb, 512);
        (command.read, command.write) = (false, true);
        initiator.send(command.into_pdu()).await;
        let (_, outcome) = initiator.outcome().await;
        assert_eq!(outcome.sense_codes(), DATA_PROTECT);
        assert_eq!(outcome.residual, Residual::Underflow(512));
    }
    assert_eq!(initiator.read(0, 0, 128).await, content(0, 64 * KIB));
    target.shutdown().await;
}

#[tokio::test]
async fn a_disk_that_cannot_be_read_is_told_with_its_cause_and_the_session_goes_on() {
    let held = HeldDisk::new(64 * KIB);
    let target = serve(config(vec![held.clone()])).await;
    let mut initiator = Initiator::log_in(&target).await;
    for (kind, sense) in [
        (ReadErrorKind::Device, (3, 0x11, 0)),
        (ReadErrorKind::Disconnected, (0xb, 0x08, 1)),
        (ReadErrorKind::TimedOut, (0xb, 0x08, 1)),
        (ReadErrorKind::Closed, (2, 0x3a, 0)),
        (ReadErrorKind::OutOfRange, (5, 0x21, 0)),
    ] {
        let tag = initiator.begin_read(0, 0, 8).await;
        held.until_held(1).await;
        held.fail(0, kind);
        let (answered, outcome) = initiator.outcome().await;
        assert_eq!((answered, outcome.sense_codes(), outcome.data.len()), (tag, sense, 0));
    }
    initiator.begin_read(0, 0, 8).await;
    held.until_held(1).await;
    held.answer_short(0);
    assert_eq!(initiator.outcome().await.1.sense_codes(), (4, 0x44, 0), "a wrong length is never passed on");
    target.shutdown().await;
}

#[tokio::test]
async fn what_is_outside_the_disk_or_no_unit_is_refused() {
    let target = serve(config(vec![disk(0, 64 * KIB)])).await;
    let mut initiator = Initiator::log_in(&target).await;
    let outcome = initiator.ask(0, &read_10(127, 2), 1024).await;
    assert_eq!((outcome.residual, outcome.sense_codes()), (Residual::Underflow(1024), (5, 0x21, 0)));
    assert_eq!(initiator.ask(1, &read_10(0, 1), 512).await.sense_codes(), (5, 0x25, 0));
    assert_eq!(initiator.read(0, 127, 1).await.len(), 512);
    target.shutdown().await;
}

#[tokio::test]
async fn units_are_the_disks_in_their_order_also_beyond_255() {
    let disks = (0..300_u32).map(|number| {
        let bytes = number.to_be_bytes().repeat(128);
        Arc::new(MemoryDisk::new(bytes, BlockSize::B512)) as Arc<dyn Disk>
    });
    let target = serve(config(disks.collect())).await;
    let mut initiator = Initiator::log_in(&target).await;
    let list = initiator.ask(0, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0], 8192).await.good();
    let list = LunList::parse(&list).unwrap();
    assert_eq!(list.luns, (0..300).filter_map(LunNumber::from_index).collect::<Vec<_>>());
    for number in [0, 1, 255, 256, 299] {
        assert_eq!(initiator.read(number, 0, 1).await[..4], u32::from(number).to_be_bytes());
    }
    target.shutdown().await;
}

#[tokio::test]
async fn blocks_of_4096_bytes_are_served() {
    let bytes = content(0, 64 * KIB);
    let target = serve(config(vec![Arc::new(MemoryDisk::new(bytes.clone(), BlockSize::B4096))])).await;
    let mut initiator = Initiator::log_in(&target).await;
    let capacity = initiator.ask(0, &[0x25], 8).await.good();
    assert_eq!(capacity, [0, 0, 0, 15, 0, 0, 0x10, 0][..]);
    let outcome = initiator.ask(0, &read_10(3, 2), 8192).await;
    assert_eq!(outcome.good(), bytes.slice(3 * 4096..5 * 4096));
    target.shutdown().await;
}

#[tokio::test]
async fn immediate_commands_are_carried_out_and_do_not_count() {
    let target = serve(config(vec![disk(0, 64 * KIB)])).await;
    let mut initiator = Initiator::log_in(&target).await;
    let max_cmd_sn = initiator.max_cmd_sn;
    let mut command = initiator.scsi_command(0, &read_10(1, 1), 512);
    initiator.cmd_sn = initiator.cmd_sn.wrapping_sub(1);
    command.numbers.immediate = true;
    initiator.send(command.into_pdu()).await;
    assert_eq!(initiator.outcome().await.1.good(), content(0, 64 * KIB).slice(512..1024));
    assert_eq!(initiator.max_cmd_sn, max_cmd_sn);
    target.shutdown().await;
}

#[tokio::test]
async fn many_initiators_read_at_the_same_time() {
    let target = Arc::new(serve(config(vec![disk(0, 1024 * KIB), disk(1, 1024 * KIB)])).await);
    let expected = [content(0, 1024 * KIB), content(1, 1024 * KIB)];
    let tasks = (0..8_u8).map(|number| {
        let (target, expected) = (Arc::clone(&target), expected.clone());
        tokio::spawn(async move {
            let mut initiator = Initiator::connect(&target).await;
            initiator.isid[5] = number;
            initiator.begin_session(&[("MaxRecvDataSegmentLength", "65536")]).await;
            let mut waiting = BTreeSet::new();
            for lba in (0..2048_u32).step_by(128) {
                waiting.insert((initiator.begin_read(u16::from(number & 1), lba, 128).await, lba));
            }
            while !waiting.is_empty() {
                let (tag, outcome) = initiator.outcome().await;
                let found = *waiting.iter().find(|(waiting, _)| *waiting == tag).unwrap();
                waiting.remove(&found);
                let from = found.1 as usize * 512;
                assert_eq!(outcome.good(), expected[usize::from(number & 1)].slice(from..from + 65536));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    Arc::into_inner(target).unwrap().shutdown().await;
}

#[tokio::test]
async fn the_segment_length_may_change_in_the_middle_of_a_session() {
    let target = serve(config(vec![disk(0, 64 * KIB)])).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_eq!(initiator.ask(0, &read_10(0, 128), 65536).await.parts.len(), 8);
    assert!(initiator.text(&[("MaxRecvDataSegmentLength", "65536")]).await.is_empty());
    assert_eq!(initiator.ask(0, &read_10(0, 128), 65536).await.parts.len(), 1);
    target.shutdown().await;
}
