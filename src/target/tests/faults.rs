use super::disks::{content, disk};
use super::initiator::{Initiator, NAME, read_10, stage};
use super::{IQN, PATIENCE, config, serve};
use crate::{BadReads, Handle, Misdeed, Redirect, Refusal, TargetConfig};
use iscsi::pdu::{DataIn, PduError, Residual, Stage, TargetPdu};
use iscsi::scsi::status;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

const BYTES: usize = 1 << 16;

fn disks() -> TargetConfig {
    config(vec![disk(0, BYTES)])
}

/// A target of which every second read goes wrong.
async fn serve_badly(how: Misdeed) -> Handle {
    let mut config = disks();
    config.faults.bad_reads = Some(BadReads { every: NonZeroU64::new(2).unwrap(), how });
    serve(config).await
}

/// Every read but the bad ones is as it has to be.
async fn assert_good_read(initiator: &mut Initiator) {
    assert_eq!(initiator.read(0, 0, 128).await, content(0, BYTES));
}

async fn data_in(initiator: &mut Initiator) -> DataIn {
    match initiator.receive().await {
        TargetPdu::DataIn(part) => part,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_is_cut_after_exactly_so_many_bytes_and_the_next_one_too() {
    let mut config = disks();
    config.faults.cut_after_bytes = Some(10_001);
    let target = serve(config).await;
    for _ in 0..3 {
        let mut initiator = Initiator::connect(&target).await;
        let keys = [("InitiatorName", NAME), ("TargetName", IQN)];
        let request = stage(Stage::Operational, Some(Stage::FullFeature));
        let login = initiator.login_request(request, super::initiator::pairs(&keys).encode());
        initiator.send(login.into_pdu()).await;
        initiator.begin_read(0, 0, 128).await;
        let mut received = Vec::new();
        // However the end looks.
        let _ = tokio::time::timeout(PATIENCE, initiator.stream.read_to_end(&mut received)).await.unwrap();
        assert_eq!(received.len(), 10_001);
    }
    target.shutdown().await;
}

#[tokio::test]
async fn a_target_is_gone_after_so_many_connections() {
    let mut config = disks();
    config.faults.connections_total = Some(1);
    let target = serve(config).await;
    let mut initiator = Initiator::log_in(&target).await;
    let refused = async { while tokio::net::TcpStream::connect(target.address()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("the target stops listening");
    assert_good_read(&mut initiator).await;
    target.shutdown().await;
}

#[tokio::test]
async fn logins_are_redirected_so_often_and_discovery_never() {
    let mut config = disks();
    config.faults.redirect = Some(Redirect { to: "10.0.0.1:3260,1".to_owned(), permanently: false, times: 2 });
    let target = serve(config).await;
    let flags = stage(Stage::Operational, Some(Stage::FullFeature));
    for _ in 0..2 {
        let mut initiator = Initiator::connect(&target).await;
        let response = initiator.login(flags, &[("InitiatorName", NAME), ("TargetName", IQN)]).await;
        assert_eq!((response.status_class, response.status_detail), (1, 1));
        assert_eq!(response.data, "TargetAddress=10.0.0.1:3260,1\0");
        initiator.assert_closed().await;
        let mut initiator = Initiator::connect(&target).await;
        let response = initiator.login(flags, &[("InitiatorName", NAME), ("SessionType", "Discovery")]).await;
        assert_eq!(response.status_class, 0);
    }
    assert_good_read(&mut Initiator::log_in(&target).await).await;
    target.shutdown().await;
}

#[tokio::test]
async fn some_logins_are_refused_and_those_before_and_after_are_not() {
    let mut config = disks();
    config.faults.refusal = Some(Refusal { class: 3, detail: 1, after: 1, times: 1 });
    let target = serve(config).await;
    Initiator::log_in(&target).await;
    let mut initiator = Initiator::connect(&target).await;
    let flags = stage(Stage::Operational, Some(Stage::FullFeature));
    let response = initiator.login(flags, &[("InitiatorName", NAME), ("TargetName", IQN)]).await;
    assert_eq!((response.status_class, response.status_detail), (3, 1));
    Initiator::log_in(&target).await;
    target.shutdown().await;
}

#[tokio::test]
async fn the_first_command_of_each_session_meets_a_unit_attention() {
    let mut config = disks();
    config.faults.unit_attention = true;
    let target = serve(config).await;
    for _ in 0..2 {
        let mut initiator = Initiator::log_in(&target).await;
        assert_eq!(initiator.ask(0, &read_10(0, 1), 512).await.sense_codes(), (6, 0x29, 0));
        assert_good_read(&mut initiator).await;
    }
    target.shutdown().await;
}

#[tokio::test]
async fn reads_are_delayed_at_the_same_time_and_not_one_after_the_other() {
    let mut config = disks();
    config.faults.read_delay = Duration::from_millis(300);
    let target = serve(config).await;
    let mut initiator = Initiator::log_in(&target).await;
    let start = Instant::now();
    for _ in 0..100 {
        initiator.begin_read(0, 0, 1).await;
    }
    for _ in 0..100 {
        initiator.outcome().await;
    }
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(start.elapsed() < Duration::from_secs(29), "one after the other they would take 30 s");
    target.shutdown().await;
}

#[tokio::test]
async fn busy_units_and_medium_errors_are_told() {
    for (how, expected) in [(Misdeed::Busy, status::BUSY), (Misdeed::MediumError, status::CHECK_CONDITION)] {
        let target = serve_badly(how).await;
        let mut initiator = Initiator::log_in(&target).await;
        for _ in 0..2 {
            assert_good_read(&mut initiator).await;
            let outcome = initiator.ask(0, &read_10(0, 8), 4096).await;
            assert_eq!((outcome.status, outcome.residual), (expected, Residual::Underflow(4096)));
        }
        target.shutdown().await;
    }
}

#[tokio::test]
async fn reads_are_rejected_or_never_answered() {
    let target = serve_badly(Misdeed::Reject).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_good_read(&mut initiator).await;
    let command = initiator.scsi_command(0, &read_10(0, 8), 4096);
    assert_eq!(initiator.rejected(command.into_pdu()).await, 5);
    target.shutdown().await;

    let target = serve_badly(Misdeed::Silence).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_good_read(&mut initiator).await;
    initiator.begin_read(0, 0, 8).await;
    initiator.ping(b"").await;
    assert_good_read(&mut initiator).await;
    target.shutdown().await;
}

#[tokio::test]
async fn data_are_damaged_in_a_way_that_the_data_digest_shows() {
    let target = serve_badly(Misdeed::FlippedBit).await;
    let mut initiator = Initiator::log_in_with(&target, &[("DataDigest", "CRC32C")]).await;
    assert_good_read(&mut initiator).await;
    initiator.begin_read(0, 0, 1).await;
    let error = loop {
        match initiator.decoder.next_pdu() {
            Ok(None) => {
                initiator.stream.read_buf(initiator.decoder.buffer_mut()).await.unwrap();
            }
            Ok(Some(pdu)) => panic!("{pdu:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PduError::DataDigest { .. }));
    // Without digests there is nothing to notice it by.
    let mut initiator = Initiator::log_in(&target).await;
    assert_good_read(&mut initiator).await;
    assert_ne!(initiator.read(0, 0, 1).await, content(0, BYTES).slice(..512));
    target.shutdown().await;
}

#[tokio::test]
async fn data_come_in_the_wrong_order_or_not_all() {
    let target = serve_badly(Misdeed::WrongOrder).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_good_read(&mut initiator).await;
    initiator.begin_read(0, 0, 128).await;
    let mut offsets = Vec::new();
    for _ in 0..128 {
        offsets.push(data_in(&mut initiator).await.buffer_offset);
    }
    assert_eq!(offsets, (0..128).rev().map(|part| part * 512).collect::<Vec<u32>>());
    target.shutdown().await;

    let target = serve_badly(Misdeed::MissingData).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_good_read(&mut initiator).await;
    initiator.begin_read(0, 0, 128).await;
    assert_eq!(data_in(&mut initiator).await.buffer_offset, 512);
    for _ in 0..126 {
        data_in(&mut initiator).await;
    }
    assert_good_read(&mut initiator).await;
    let outcome = initiator.ask(0, &read_10(0, 1), 512).await;
    assert_eq!((outcome.status, outcome.residual, outcome.data.len()), (status::GOOD, Residual::None, 0));
    target.shutdown().await;
}

#[tokio::test]
async fn initiators_are_asked_to_leave_or_left() {
    let target = serve_badly(Misdeed::AskForLogout(5)).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_good_read(&mut initiator).await;
    initiator.begin_read(0, 0, 128).await;
    let TargetPdu::Async(message) = initiator.receive().await else { panic!("no message") };
    assert_eq!((message.async_event, message.parameter3), (1, 5));
    assert_eq!(initiator.outcome().await.1.good(), content(0, BYTES));
    assert_eq!(initiator.log_out(1, 7).await, 0);
    initiator.assert_closed().await;
    target.shutdown().await;

    let target = serve_badly(Misdeed::Drop).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_good_read(&mut initiator).await;
    initiator.begin_read(0, 0, 128).await;
    let TargetPdu::Async(message) = initiator.receive().await else { panic!("no message") };
    assert_eq!((message.async_event, message.parameter1), (2, 7));
    initiator.assert_closed().await;
    target.shutdown().await;
}
