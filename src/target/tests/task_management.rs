use super::disks::HeldDisk;
use super::initiator::{Initiator, read_10};
use super::{config, serve};
use iscsi::LunNumber;
use iscsi::pdu::{HEADER_BYTES, Pdu, RESERVED_TAG, TextRequest};

const ABORT_TASK: u8 = 1;
const ABORT_TASK_SET: u8 = 2;
const CLEAR_TASK_SET: u8 = 4;
const LOGICAL_UNIT_RESET: u8 = 5;
const TARGET_WARM_RESET: u8 = 6;

const COMPLETE: u8 = 0;
const NO_TASK: u8 = 1;
const NO_LUN: u8 = 2;

#[tokio::test]
async fn an_aborted_read_is_never_answered_and_makes_room_in_the_window() {
    let held = HeldDisk::new(1 << 16);
    let target = serve(config(vec![held.clone()])).await;
    let mut initiator = Initiator::log_in(&target).await;
    let first = initiator.begin_read(0, 0, 1).await;
    let second = initiator.begin_read(0, 1, 1).await;
    held.until_held(2).await;
    assert_eq!(initiator.manage(ABORT_TASK, 0, first).await, COMPLETE);
    assert_eq!(initiator.max_cmd_sn, initiator.cmd_sn.wrapping_add(126), "128, less the one under way");
    assert_eq!(initiator.manage(ABORT_TASK, 0, first).await, NO_TASK);
    held.answer(0);
    held.answer(0);
    assert_eq!(initiator.outcome().await.0, second);
    initiator.ping(b"").await;
    assert_eq!(initiator.manage(ABORT_TASK, 0, second).await, NO_TASK);
    target.shutdown().await;
}

#[tokio::test]
async fn a_task_tag_may_be_used_again_after_an_abort_and_the_old_read_stays_dead() {
    let held = HeldDisk::new(1 << 16);
    let target = serve(config(vec![held.clone()])).await;
    let mut initiator = Initiator::log_in(&target).await;
    let tag = initiator.begin_read(0, 0, 1).await;
    assert_eq!(initiator.manage(ABORT_TASK, 0, tag).await, COMPLETE);
    let mut again = initiator.scsi_command(0, &read_10(5, 1), 512);
    again.initiator_task_tag = tag;
    initiator.send(again.into_pdu()).await;
    held.until_held(2).await;
    held.answer(0);
    held.answer(0);
    let (answered, outcome) = initiator.outcome().await;
    assert_eq!((answered, outcome.good()), (tag, super::disks::content(0, 1 << 16).slice(5 * 512..6 * 512)));
    target.shutdown().await;
}

#[tokio::test]
async fn resets_end_the_reads_of_their_unit_or_of_all() {
    for (function, ended) in [(ABORT_TASK_SET, 1), (CLEAR_TASK_SET, 1), (LOGICAL_UNIT_RESET, 1), (TARGET_WARM_RESET, 2)]
    {
        let disks = [HeldDisk::new(4096), HeldDisk::new(4096)];
        let target = serve(config(vec![disks[0].clone(), disks[1].clone()])).await;
        let mut initiator = Initiator::log_in(&target).await;
        initiator.begin_read(0, 0, 1).await;
        let other = initiator.begin_read(1, 0, 1).await;
        assert_eq!(initiator.manage(function, 0, RESERVED_TAG).await, COMPLETE);
        for disk in &disks {
            disk.until_held(1).await;
            disk.answer(0);
        }
        if ended == 1 {
            assert_eq!(initiator.outcome().await.0, other);
        }
        initiator.ping(b"").await;
        target.shutdown().await;
    }
}

#[tokio::test]
async fn functions_that_make_no_sense_are_refused() {
    let target = serve(config(vec![HeldDisk::new(4096)])).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_eq!(initiator.manage(LOGICAL_UNIT_RESET, 3, RESERVED_TAG).await, NO_LUN);
    assert_eq!(initiator.manage(ABORT_TASK, 0, 0x7777).await, NO_TASK);
    assert_eq!(initiator.manage(8, 0, 0x7777).await, 4, "task reassign");
    assert_eq!(initiator.manage(3, 0, RESERVED_TAG).await, 5, "clear ACA");
    target.shutdown().await;
}

#[tokio::test]
async fn reads_that_were_aborted_while_they_waited_for_memory_do_not_hold_up_others() {
    let held = HeldDisk::new(1 << 16);
    let mut config = config(vec![held.clone()]);
    config.bytes_in_flight_max = 1024;
    let target = serve(config).await;
    let mut initiator = Initiator::log_in(&target).await;
    initiator.begin_read(0, 0, 1).await;
    let large = initiator.begin_read(0, 10, 100).await;
    initiator.begin_read(0, 20, 1).await;
    initiator.ping(b"").await;
    assert_eq!(held.held(), [0]);
    assert_eq!(initiator.manage(ABORT_TASK, 0, large).await, COMPLETE);
    assert_eq!(held.held(), [0, 20]);
    target.shutdown().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_rejected_with_its_reason_and_the_session_goes_on() {
    let held = HeldDisk::new(4096);
    let target = serve(config(vec![held.clone()])).await;
    let mut initiator = Initiator::log_in(&target).await;
    let tag = initiator.begin_read(0, 0, 1).await;
    let mut same_tag = initiator.scsi_command(0, &read_10(0, 1), 512);
    same_tag.initiator_task_tag = tag;
    assert_eq!(initiator.rejected(same_tag.into_pdu()).await, 7, "task in progress");
    for (opcode, reason) in [(0x05, 4), (0x10, 3), (0x1c, 5), (0x3f, 5)] {
        let mut header = [0; HEADER_BYTES];
        header[0] = opcode;
        assert_eq!(initiator.rejected(Pdu::new(header, bytes::Bytes::new())).await, reason, "{opcode:#x}");
    }
    let mut malformed = initiator.scsi_command(0, &read_10(0, 1), 512).into_pdu();
    malformed.header[1] |= 7; // an attribute that there is not
    assert_eq!(initiator.rejected(malformed).await, 9, "and it counts as a command");
    let text = TextRequest {
        is_final: true,
        continues: false,
        lun: LunNumber(0),
        initiator_task_tag: initiator.tag(),
        target_transfer_tag: RESERVED_TAG,
        numbers: initiator.numbered(),
        data: bytes::Bytes::from_static(b"no pairs"),
    };
    assert_eq!(initiator.rejected(text.into_pdu()).await, 4);
    held.until_held(1).await;
    held.answer(0);
    assert_eq!(initiator.outcome().await.0, tag);
    target.shutdown().await;
}
