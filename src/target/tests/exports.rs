use super::disks::{HeldDisk, content};
use super::initiator::{Initiator, NAME, read_10, stage};
use super::vault::{
    BYTES, Vault, Visitor, config, credentials, export, iqn, log_in, offer, secret, serve, try_visit, visit,
};
use super::{PATIENCE, sessions::until_connections};
use crate::{Export, ExportConfig, PortalConfig};
use iscsi::SessionConfig;
use iscsi::pdu::{Stage, TargetPdu};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tunnel::{Address, ProxyChoice, Security, Tunnel, TunnelConfig};

const REFUSED: (u8, u8) = (2, 1);
const NOT_FOUND: (u8, u8) = (2, 3);
const REMOVED: (u8, u8) = (2, 4);
const OUT_OF_RESOURCES: (u8, u8) = (3, 2);

async fn until(what: impl Fn() -> bool) {
    let reached = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("it comes about");
}

#[tokio::test]
async fn each_user_reads_its_own_disks_and_the_same_initiator_has_a_session_with_each() {
    let vault = Arc::new(Vault::of_two());
    let portal = serve(&vault, config()).await;
    let mut first = log_in(&portal, 1, "a").await;
    let mut second = log_in(&portal, 1, "b").await;
    for (initiator, number) in [(&mut first, 1), (&mut second, 2)] {
        assert_eq!(initiator.read(0, 0, 64).await, content(number, BYTES).slice(..64 * 512));
    }
    // It comes back to one of them: the other stays.
    let mut again = log_in(&portal, 1, "a").await;
    first.assert_closed().await;
    second.ping(b"here").await;
    again.ping(b"here too").await;
    portal.shutdown().await;
}

#[tokio::test]
async fn discovery_shows_a_user_its_own_target_only_at_every_address() {
    let vault = Arc::new(Vault::of_two());
    let addresses = vec!["balancer.example:3260".to_owned(), "[2001:db8::1]:3261".to_owned()];
    let portal = serve(&vault, PortalConfig { addresses, ..config() }).await;
    for user in ["a", "b"] {
        let (status, mut initiator) =
            try_visit(&portal, 1, &Visitor { user, secret: &secret(user), target: None }).await;
        assert_eq!(status, (0, 0));
        let mine = iqn(user);
        let expected = super::initiator::pairs(&[
            ("TargetName", &mine),
            ("TargetAddress", "balancer.example:3260,1"),
            ("TargetAddress", "[2001:db8::1]:3261,1"),
        ]);
        assert_eq!(initiator.text(&[("SendTargets", "All")]).await, expected);
        assert_eq!(initiator.text(&[("SendTargets", &mine)]).await, expected);
        let other = iqn(if user == "a" { "b" } else { "a" });
        assert!(initiator.text(&[("SendTargets", &other)]).await.is_empty());
    }
    portal.shutdown().await;
}

#[tokio::test]
async fn nobody_is_told_what_there_is_without_a_secret() {
    let vault = Arc::new(Vault::of_two());
    let portal = serve(&vault, config()).await;
    let (a, nobody) = (iqn("a"), iqn("nobody"));
    for session in [
        &[("SessionType", "Discovery")][..],
        &[("SessionType", "Normal"), ("TargetName", &a)],
        &[("SessionType", "Normal"), ("TargetName", &nobody)],
    ] {
        for flags in [Stage::Security, Stage::Operational] {
            let mut initiator = Initiator::connect(&portal).await;
            let keys = [&[("InitiatorName", NAME), ("AuthMethod", "None")][..], session].concat();
            let response = initiator.login(stage(flags, Some(Stage::FullFeature)), &keys).await;
            assert_eq!((response.status_class, response.status_detail), REFUSED, "{session:?}");
        }
    }
    assert_eq!(vault.lookups.load(Ordering::Relaxed), 0);
    portal.shutdown().await;
}

#[tokio::test]
async fn a_user_that_is_not_there_and_a_wrong_secret_get_the_same_answer() {
    let vault = Arc::new(Vault::of_two());
    let portal = serve(&vault, config()).await;
    let (a, nobody) = (iqn("a"), iqn("nobody"));
    let mut answers = Vec::new();
    for (user, secret, target) in [
        ("a", secret("b"), &a),
        ("nobody", secret("nobody"), &a),
        ("nobody", secret("nobody"), &nobody),
        ("a", secret("b"), &nobody),
        // What the target itself checks responses of unknown users with.
        ("nobody", "nobody's secret!".to_owned(), &a),
    ] {
        let mut initiator = Initiator::connect(&portal).await;
        answers.push(visit(&mut initiator, &Visitor { user, secret: &secret, target: Some(target) }).await);
        initiator.assert_closed().await;
    }
    assert_eq!((answers[0].status_class, answers[0].status_detail), REFUSED);
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!(vault.lookups.load(Ordering::Relaxed), 5, "one look per login");
    // Who has proved a secret may know that it is not that of this target.
    let (status, _) = try_visit(&portal, 1, &Visitor { user: "a", secret: &secret("a"), target: Some(&nobody) }).await;
    assert_eq!(status, NOT_FOUND);
    let (status, _) =
        try_visit(&portal, 1, &Visitor { user: "a", secret: &secret("a"), target: Some(&iqn("b")) }).await;
    assert_eq!(status, NOT_FOUND);
    portal.shutdown().await;
}

#[tokio::test]
async fn only_who_proves_the_secret_is_told_that_a_target_is_gone() {
    let mut vault = Vault::of_two();
    vault.exports[0].withdraw();
    vault.exports.push(Arc::new(Export::gone(iqn("c"), credentials("c"), None).unwrap()));
    let vault = Arc::new(vault);
    let portal = serve(&vault, config()).await;
    for user in ["a", "c"] {
        let (iqn, right) = (iqn(user), secret(user));
        for (secret, target, expected) in [
            (&right, Some(iqn.as_str()), REMOVED),
            (&right, None, REMOVED),
            (&secret("b"), Some(&iqn), REFUSED),
            (&secret("b"), None, REFUSED),
        ] {
            let (status, _) = try_visit(&portal, 1, &Visitor { user, secret, target }).await;
            assert_eq!(status, expected, "{user} {target:?}");
        }
    }
    portal.shutdown().await;
}

#[tokio::test]
async fn withdrawing_ends_every_session_of_the_export_at_once_and_no_other() {
    let held = HeldDisk::new(BYTES);
    let mut vault = Vault::of_two();
    let busy = ExportConfig { disks: vec![held.clone()], ..export("a", 1) };
    vault.exports[0] = Arc::new(Export::new(busy).unwrap());
    let vault = Arc::new(vault);
    let portal = serve(&vault, config()).await;
    let mut idle = log_in(&portal, 1, "a").await;
    let mut reading = log_in(&portal, 2, "a").await;
    let mut other = log_in(&portal, 1, "b").await;
    reading.begin_read(0, 0, 8).await;
    held.until_held(1).await;
    vault.exports[0].withdraw();
    for initiator in [&mut idle, &mut reading] {
        let TargetPdu::Async(message) = initiator.receive().await else { panic!("no message") };
        assert_eq!((message.async_event, message.parameter2), (3, 0));
        initiator.assert_closed().await;
    }
    held.answer(0);
    other.ping(b"here").await;
    until(|| vault.exports[0].usage().sessions.is_empty()).await;
    drop((idle, reading));
    until_connections(&portal, 1).await;
    portal.shutdown().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_does_not_hold_up_a_withdrawal() {
    let vault = Arc::new(Vault::of_two());
    let portal = serve(&vault, config()).await;
    let mut stuck = log_in(&portal, 1, "a").await;
    for _ in 0..100 {
        stuck.begin_read(0, 0, 2048).await;
    }
    until(|| vault.exports[0].usage().bytes_read > 0).await;
    vault.exports[0].withdraw();
    until(|| vault.exports[0].usage().sessions.is_empty()).await;
    portal.shutdown().await;
}

#[tokio::test]
async fn it_is_told_who_reads_and_how_much_and_what_happened() {
    let vault = Arc::new(Vault::of_two());
    let portal = serve(&vault, config()).await;
    let mut first = log_in(&portal, 1, "a").await;
    let mut second = log_in(&portal, 2, "a").await;
    first.read(0, 0, 8).await;
    second.read(0, 0, 3).await;
    let usage = vault.exports[0].usage();
    assert_eq!(usage.bytes_read, 11 * 512);
    let sessions: Vec<_> = usage.sessions.iter().map(|session| (&*session.initiator, session.bytes_read)).collect();
    assert_eq!(sessions, [(NAME, 8 * 512), (NAME, 3 * 512)]);
    assert_eq!(usage.sessions[0].peer, first.stream.local_addr().unwrap());
    assert!(vault.exports[1].usage().sessions.is_empty());
    first.log_out(0, 0).await;
    first.assert_closed().await;
    drop(first);
    until_connections(&portal, 1).await;
    drop(second);
    until_connections(&portal, 0).await;
    let (status, _) = try_visit(&portal, 1, &Visitor { user: "x", secret: "y", target: None }).await;
    assert_eq!(status, REFUSED);
    until(|| vault.told().len() == 5).await;
    let iqn = iqn("a");
    assert_eq!(
        vault.told(),
        [
            format!("{iqn} {NAME} LoggedIn"),
            format!("{iqn} {NAME} LoggedIn"),
            format!("{iqn} {NAME} Ended {{ bytes_read: 4096, why: \"the initiator logged out\" }}"),
            format!("{iqn} {NAME} Ended {{ bytes_read: 1536, why: \"the initiator closed it\" }}"),
            format!("- {NAME} Refused {{ user: Some(\"x\"), status: 513 }}"),
        ]
    );
    assert_eq!(vault.exports[0].usage().bytes_read, 11 * 512, "the sum outlives the sessions");
    portal.shutdown().await;
}

#[tokio::test]
async fn the_end_of_a_session_is_told_also_when_the_portal_stops() {
    let vault = Arc::new(Vault::of_two());
    let portal = serve(&vault, config()).await;
    let _initiator = log_in(&portal, 1, "a").await;
    portal.shutdown().await;
    let told = vault.told();
    assert!(told[1].contains("the portal closed its connections"), "{told:?}");
}

#[tokio::test]
async fn sessions_of_an_export_are_bounded_but_who_comes_back_is_let_in() {
    let mut vault = Vault::of_two();
    let narrow = ExportConfig { sessions_max: 2, ..export("a", 1) };
    vault.exports[0] = Arc::new(Export::new(narrow).unwrap());
    let vault = Arc::new(vault);
    let portal = serve(&vault, config()).await;
    let _first = log_in(&portal, 1, "a").await;
    let mut second = log_in(&portal, 2, "a").await;
    let visitor = Visitor { user: "a", secret: &secret("a"), target: Some(&iqn("a")) };
    assert_eq!(try_visit(&portal, 3, &visitor).await.0, OUT_OF_RESOURCES);
    let mut again = log_in(&portal, 1, "a").await;
    for initiator in [&mut second, &mut again] {
        initiator.ping(b"here").await;
    }
    log_in(&portal, 1, "b").await.ping(b"and others").await;
    portal.shutdown().await;
}

#[tokio::test]
async fn connections_that_are_logged_in_are_bounded_for_one_peer() {
    let vault = Arc::new(Vault::of_two());
    let portal = serve(&vault, PortalConfig { connections_per_peer_max: 2, ..config() }).await;
    let _first = log_in(&portal, 1, "a").await;
    let _second = log_in(&portal, 1, "b").await;
    let visitor = Visitor { user: "a", secret: &secret("a"), target: Some(&iqn("a")) };
    assert_eq!(try_visit(&portal, 2, &visitor).await.0, OUT_OF_RESOURCES);
    let _again = log_in(&portal, 1, "a").await;
    portal.shutdown().await;
}

#[tokio::test]
async fn a_look_that_takes_longer_than_a_login_may_ends_the_connection_and_one_that_fails_is_told() {
    let mut vault = Vault::of_two();
    vault.lookup_time = Duration::from_secs(3600);
    let vault = Arc::new(vault);
    let portal = serve(&vault, PortalConfig { login_timeout: Duration::from_millis(300), ..config() }).await;
    let mut initiator = Initiator::connect(&portal).await;
    let (target, right) = (iqn("a"), secret("a"));
    let visitor = Visitor { user: "a", secret: &right, target: Some(&target) };
    offer(&mut initiator, &visitor).await;
    initiator.assert_closed().await;
    portal.shutdown().await;

    let mut vault = Vault::of_two();
    vault.is_busy = true;
    let portal = serve(&Arc::new(vault), config()).await;
    assert_eq!(try_visit(&portal, 1, &visitor).await.0, OUT_OF_RESOURCES);
    portal.shutdown().await;
}

#[tokio::test]
async fn our_own_initiator_discovers_what_is_its_own() {
    let vault = Arc::new(Vault::of_two());
    let portal = serve(&vault, config()).await;
    let address = Address::new("127.0.0.1", portal.address().port());
    let (security, proxy) = (Security::Plain { allow_remote: false }, ProxyChoice::None);
    let dial = Arc::new(Tunnel::new(TunnelConfig { security, proxy }).unwrap());
    let mut session = SessionConfig::new(address);
    assert!(iscsi::discover(dial.clone(), &session).await.is_err(), "as nobody");
    session.login = Some(credentials("b"));
    let found = iscsi::discover(dial, &session).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, iqn("b"));
    portal.shutdown().await;
}

#[tokio::test]
async fn unsolicited_data_of_a_refused_write_are_swallowed() {
    let vault = Arc::new(Vault::of_two());
    let portal = serve(&vault, config()).await;
    let mut initiator = log_in(&portal, 1, "a").await;
    let mut write = initiator.scsi_command(0, &[0x2a, 0, 0, 0, 0, 0, 0, 0, 8], 4096);
    (write.read, write.write, write.data) = (false, true, vec![1; 1024].into());
    let tag = write.initiator_task_tag;
    initiator.send(write.into_pdu()).await;
    let data_out = |target_transfer_tag: u32| {
        let mut header = [0; 48];
        header[0] = 0x05;
        header[1] = 0x80;
        header[16..20].copy_from_slice(&tag.to_be_bytes());
        header[20..24].copy_from_slice(&target_transfer_tag.to_be_bytes());
        iscsi::pdu::Pdu::new(header, vec![2; 3072].into())
    };
    initiator.send(data_out(u32::MAX)).await;
    let (answered, outcome) = initiator.outcome().await;
    assert_eq!((answered, outcome.sense_codes()), (tag, (7, 0x27, 0)));
    assert_eq!(outcome.residual, iscsi::pdu::Residual::Underflow(4096));
    initiator.ping(b"and nothing else").await;
    assert_eq!(initiator.rejected(data_out(5)).await, 4, "it was not asked for");
    assert_eq!(initiator.ask(0, &read_10(0, 1), 512).await.good().len(), 512);
    portal.shutdown().await;
}
