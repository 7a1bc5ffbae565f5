use super::disks::{HeldDisk, disk};
use super::initiator::{Initiator, NAME, pairs, read_10, stage};
use super::{IQN, PATIENCE, config, serve};
use crate::{Handle, Target};
use iscsi::ChapCredentials;
use iscsi::pdu::{CommandNumbers, NopOut, RESERVED_TAG, Stage, TargetPdu};
use secrecy::SecretString;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

async fn discover(target: &Handle) -> Initiator {
    let mut initiator = Initiator::connect(target).await;
    let keys = [("InitiatorName", NAME), ("SessionType", "Discovery")];
    let response = initiator.login(stage(Stage::Operational, Some(Stage::FullFeature)), &keys).await;
    assert_eq!(response.status_class, 0);
    initiator
}

/// Waits until the target counts so many connections.
pub(super) async fn until_connections(target: &Handle, count: usize) {
    let reached = async {
        while target.connections() != count {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("connections come and go");
}

#[tokio::test]
async fn discovery_tells_the_target_and_where_it_is() {
    let target = serve(config(vec![disk(0, 4096)])).await;
    let address = format!("{},1", target.address());
    let mut initiator = discover(&target).await;
    let all = pairs(&[("TargetName", IQN), ("TargetAddress", &address)]);
    assert_eq!(initiator.text(&[("SendTargets", "All")]).await, all);
    assert_eq!(initiator.text(&[("SendTargets", IQN)]).await, all);
    assert!(initiator.text(&[("SendTargets", "iqn.other")]).await.is_empty());
    assert_eq!(initiator.text(&[("SendTargets", "")]).await.value("SendTargets"), Some("Reject"));
    assert_eq!(initiator.text(&[("X-what", "1")]).await.value("X-what"), Some("NotUnderstood"));
    let command = initiator.scsi_command(0, &read_10(0, 1), 512);
    assert_eq!(initiator.rejected(command.into_pdu()).await, 4, "no commands in a discovery session");
    assert_eq!(initiator.log_out(0, 0).await, 0);
    initiator.assert_closed().await;
    target.shutdown().await;
}

#[tokio::test]
async fn discovery_tells_the_configured_address_of_a_target_behind_something() {
    let mut config = config(vec![]);
    config.portal = Some("gateway.example:4000".to_owned());
    let target = serve(config).await;
    let told = discover(&target).await.text(&[("SendTargets", "All")]).await;
    assert_eq!(told.value("TargetAddress"), Some("gateway.example:4000,1"));
    target.shutdown().await;
}

#[tokio::test]
async fn a_normal_session_may_ask_about_its_own_target_only() {
    let target = serve(config(vec![])).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_eq!(initiator.text(&[("SendTargets", "")]).await.value("TargetName"), Some(IQN));
    assert_eq!(initiator.text(&[("SendTargets", "All")]).await.value("SendTargets"), Some("Reject"));
    target.shutdown().await;
}

#[tokio::test]
async fn the_same_initiator_port_replaces_its_session_and_others_stay() {
    let held = HeldDisk::new(4096);
    let target = serve(config(vec![held.clone()])).await;
    let mut old = Initiator::log_in(&target).await;
    let mut other = Initiator::connect(&target).await;
    other.isid[5] = 2;
    other.begin_session(&[]).await;
    old.begin_read(0, 0, 1).await;
    held.until_held(1).await;
    let mut new = Initiator::log_in(&target).await;
    old.assert_closed().await;
    held.answer(0);
    assert_eq!(new.ping(b"still here").await, "still here");
    assert_eq!(other.ping(b"here too").await, "here too");
    target.shutdown().await;
}

#[tokio::test]
async fn a_failed_login_does_not_replace_a_session() {
    let mut config = config(vec![]);
    config.chap = Some(ChapCredentials { user: "reader".to_owned(), secret: SecretString::from("a secret of 16 b") });
    let target = serve(config).await;
    let mut initiator = Initiator::connect(&target).await;
    super::logins::log_in_with_chap(&mut initiator, "reader", "a secret of 16 b").await;
    let mut stranger = Initiator::connect(&target).await;
    let keys = [("InitiatorName", NAME), ("TargetName", IQN)];
    let response = stranger.login(stage(Stage::Operational, Some(Stage::FullFeature)), &keys).await;
    assert_eq!((response.status_class, response.status_detail), (2, 1));
    assert_eq!(initiator.ping(b"here").await, "here");
    target.shutdown().await;
}

#[tokio::test]
async fn logouts_are_answered_and_only_the_right_ones_close() {
    let target = serve(config(vec![])).await;
    let mut initiator = Initiator::log_in(&target).await;
    assert_eq!(initiator.log_out(1, 99).await, 1, "another connection");
    assert_eq!(initiator.log_out(2, 7).await, 2, "recovery");
    initiator.ping(b"").await;
    assert_eq!(initiator.log_out(1, 7).await, 0);
    initiator.assert_closed().await;
    until_connections(&target, 0).await;
    target.shutdown().await;
}

#[tokio::test]
async fn a_silent_initiator_is_asked_and_then_left() {
    let mut config = config(vec![]);
    config.ping_interval = Duration::from_millis(20);
    config.silence_max = Duration::from_millis(200);
    let target = serve(config).await;
    let mut answering = Initiator::log_in(&target).await;
    for _ in 0..20 {
        let TargetPdu::NopIn(ping) = answering.receive().await else { panic!("no ping") };
        assert_eq!(ping.initiator_task_tag, RESERVED_TAG);
        assert_ne!(ping.target_transfer_tag, RESERVED_TAG);
        let pong = NopOut {
            lun: ping.lun,
            initiator_task_tag: RESERVED_TAG,
            target_transfer_tag: ping.target_transfer_tag,
            numbers: CommandNumbers { immediate: true, cmd_sn: answering.cmd_sn, exp_stat_sn: 0 },
            data: bytes::Bytes::new(),
        };
        answering.send(pong.into_pdu()).await;
    }
    // It says nothing more.
    while let Some(pdu) = answering.receive_or_end().await {
        assert!(matches!(pdu, TargetPdu::NopIn(_)), "{pdu:?}");
    }
    until_connections(&target, 0).await;
    target.shutdown().await;
}

#[tokio::test]
async fn a_connection_that_does_not_log_in_is_closed() {
    let mut config = config(vec![]);
    config.login_timeout = Duration::from_millis(50);
    let target = serve(config).await;
    Initiator::connect(&target).await.assert_closed().await;
    target.shutdown().await;
}

#[tokio::test]
async fn no_more_connections_than_configured_are_open() {
    let mut config = config(vec![]);
    config.connections_max = 1;
    config.login_timeout = Duration::from_secs(3600);
    let target = serve(config).await;
    let mut first = Initiator::log_in(&target).await;
    let mut second = Initiator::connect(&target).await;
    second.isid[5] = 2;
    let keys = [("InitiatorName", NAME), ("TargetName", IQN)];
    let response = second.login(stage(Stage::Operational, Some(Stage::FullFeature)), &keys).await;
    assert_eq!((response.status_class, response.status_detail), (3, 2));
    second.assert_closed().await;
    until_connections(&target, 1).await;
    first.ping(b"").await;
    assert_eq!(target.connections(), 1);
    drop(first);
    until_connections(&target, 0).await;
    Initiator::log_in(&target).await.ping(b"").await;
    target.shutdown().await;
}

#[tokio::test]
async fn dropping_connections_leaves_the_target_listening() {
    let target = serve(config(vec![])).await;
    let mut old = Initiator::log_in(&target).await;
    target.drop_connections();
    old.assert_closed().await;
    let mut new = Initiator::log_in(&target).await;
    new.ping(b"").await;
    target.stop_listening();
    // The listening socket is closed a moment later.
    let refused = async { while TcpStream::connect(target.address()).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("the target stops listening");
    new.ping(b"").await;
    target.shutdown().await;
}

#[tokio::test]
async fn shutting_down_ends_everything_also_in_the_middle_of_a_read() {
    let held = HeldDisk::new(4096);
    let target = serve(config(vec![held.clone()])).await;
    let address = target.address();
    let mut busy = Initiator::log_in(&target).await;
    busy.begin_read(0, 0, 1).await;
    held.until_held(1).await;
    let mut fresh = Initiator::connect(&target).await;
    target.shutdown().await;
    busy.assert_closed().await;
    fresh.assert_closed().await;
    assert!(TcpStream::connect(address).await.is_err());
    held.answer(0);
}

#[tokio::test]
async fn a_target_whose_handle_is_dropped_ends() {
    let target = serve(config(vec![])).await;
    let mut initiator = Initiator::log_in(&target).await;
    drop(target);
    initiator.assert_closed().await;
}

#[tokio::test]
async fn configurations_that_make_no_sense_are_refused() {
    let credentials = |secret: &str| ChapCredentials { user: "u".to_owned(), secret: SecretString::from(secret) };
    for (number, expected) in
        ["name", "CHAP", "different secrets", "algorithm", "commands", "pings", "4096"].into_iter().enumerate()
    {
        let mut config = config(vec![]);
        config.chap = Some(credentials("one secret here"));
        match number {
            0 => config.iqn = String::new(),
            1 => (config.chap, config.reverse) = (None, Some(credentials("one secret here"))),
            2 => config.reverse = Some(credentials("one secret here")),
            3 => config.chap_algorithms.clear(),
            4 => config.commands_max = 0,
            5 => config.ping_interval = Duration::ZERO,
            _ => config.read_bytes_max = 512,
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let error = Target::new(config).serve(listener, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
