use super::disks::disk;
use super::initiator::{Initiator, NAME, pairs, stage};
use super::{IQN, config, serve};
use crate::Handle;
use iscsi::chap::{Challenge, ChapAlgorithm, ChapCredentials, format_binary, parse_binary};
use iscsi::pdu::{LoginResponse, NopOut, RESERVED_TAG, Stage, TransitFlags};
use iscsi::text::Pairs;
use secrecy::SecretString;

const USER: &str = "reader";
const SECRET: &str = "a secret of 16 b";
const TARGET_USER: &str = "vault";
const TARGET_SECRET: &str = "another of 16 by";
const NAMES: [(&str, &str); 2] = [("InitiatorName", NAME), ("TargetName", IQN)];

fn credentials(user: &str, secret: &str) -> ChapCredentials {
    ChapCredentials { user: user.to_owned(), secret: SecretString::from(secret) }
}

async fn serve_with_chap() -> Handle {
    let mut config = config(vec![disk(0, 4096)]);
    config.chap = Some(credentials(USER, SECRET));
    config.reverse = Some(credentials(TARGET_USER, TARGET_SECRET));
    serve(config).await
}

fn security() -> TransitFlags {
    stage(Stage::Security, None)
}

fn code(response: &LoginResponse) -> (u8, u8) {
    (response.status_class, response.status_detail)
}

/// Offers CHAP with these algorithms and gives the challenge.
async fn challenged(initiator: &mut Initiator, algorithms: &str) -> (ChapAlgorithm, Challenge) {
    let response = initiator.login(security(), &[&NAMES[..], &[("AuthMethod", "CHAP,None")]].concat()).await;
    assert_eq!(code(&response), (0, 0));
    let answer = Pairs::parse(&response.data).unwrap();
    assert_eq!(answer.value("AuthMethod"), Some("CHAP"));
    assert_eq!(answer.value("TargetPortalGroupTag"), Some("1"));
    let response = initiator.login(security(), &[("CHAP_A", algorithms)]).await;
    assert_eq!(code(&response), (0, 0));
    let answer = Pairs::parse(&response.data).unwrap();
    let value = |key| answer.value(key).unwrap();
    let algorithm = ChapAlgorithm::from_code(value("CHAP_A").parse().unwrap()).unwrap();
    (algorithm, Challenge::parse(value("CHAP_I"), value("CHAP_C")).unwrap())
}

/// Answers a challenge, and asks for the target's proof when there is one of ours.
async fn respond(initiator: &mut Initiator, user: &str, response: &[u8], ours: Option<&Challenge>) -> LoginResponse {
    let response = format_binary(response);
    let mut keys = vec![("CHAP_N", user), ("CHAP_R", response.as_str())];
    let ours = ours.map(|ours| (ours.identifier.to_string(), format_binary(&ours.bytes)));
    if let Some((identifier, challenge)) = &ours {
        keys.extend([("CHAP_I", identifier.as_str()), ("CHAP_C", challenge.as_str())]);
    }
    initiator.login(stage(Stage::Security, Some(Stage::Operational)), &keys).await
}

pub(super) async fn log_in_with_chap(initiator: &mut Initiator, user: &str, secret: &str) {
    let (algorithm, challenge) = challenged(initiator, "5").await;
    let answer = challenge.answer(algorithm, &SecretString::from(secret));
    assert_eq!(code(&respond(initiator, user, &answer, None).await), (0, 0));
    let response = initiator.login(stage(Stage::Operational, Some(Stage::FullFeature)), &[]).await;
    assert_eq!((code(&response), response.stage.transit_to), ((0, 0), Some(Stage::FullFeature)));
}

#[tokio::test]
async fn who_knows_the_secret_is_let_in_with_every_algorithm_and_the_target_proves_itself() {
    let target = serve_with_chap().await;
    for algorithm in ChapAlgorithm::ALL {
        let mut initiator = Initiator::connect(&target).await;
        let (chosen, challenge) = challenged(&mut initiator, &algorithm.code().to_string()).await;
        assert_eq!(chosen, algorithm);
        let ours = Challenge::random().unwrap();
        let answer = challenge.answer(algorithm, &SecretString::from(SECRET));
        let response = respond(&mut initiator, USER, &answer, Some(&ours)).await;
        assert_eq!((code(&response), response.stage.transit_to), ((0, 0), Some(Stage::Operational)));
        let answer = Pairs::parse(&response.data).unwrap();
        assert_eq!(answer.value("CHAP_N"), Some(TARGET_USER));
        let proof = parse_binary(answer.value("CHAP_R").unwrap()).unwrap();
        assert!(ours.is_answered_by(&proof, algorithm, &SecretString::from(TARGET_SECRET)));
        let response = initiator.login(stage(Stage::Operational, Some(Stage::FullFeature)), &[]).await;
        assert_eq!((code(&response), response.stage.transit_to), ((0, 0), Some(Stage::FullFeature)));
        assert_eq!(initiator.read(0, 0, 8).await.len(), 4096);
    }
    target.shutdown().await;
}

#[tokio::test]
async fn who_does_not_know_the_secret_is_not_let_in() {
    let target = serve_with_chap().await;
    for (user, secret) in [(USER, "not the secret.."), ("somebody", SECRET), (USER, TARGET_SECRET), ("", "")] {
        let mut initiator = Initiator::connect(&target).await;
        let (algorithm, challenge) = challenged(&mut initiator, "8,7,6,5").await;
        assert_eq!(algorithm, ChapAlgorithm::Sha3_256, "the first of the offer");
        let answer = challenge.answer(algorithm, &SecretString::from(secret));
        assert_eq!(code(&respond(&mut initiator, user, &answer, None).await), (2, 1), "{user} {secret}");
        initiator.assert_closed().await;
    }
    target.shutdown().await;
}

#[tokio::test]
async fn there_is_no_way_around_chap() {
    let target = serve_with_chap().await;
    let into_full_feature = |current| stage(current, Some(Stage::FullFeature));
    for (flags, key) in [
        (into_full_feature(Stage::Operational), ("HeaderDigest", "None")),
        (into_full_feature(Stage::Security), ("AuthMethod", "None")),
        (into_full_feature(Stage::Security), ("AuthMethod", "SRP,None")),
    ] {
        let mut initiator = Initiator::connect(&target).await;
        let response = initiator.login(flags, &[&NAMES[..], &[key]].concat()).await;
        assert_eq!(code(&response), (2, 1));
        initiator.assert_closed().await;
        // Nor for discovery.
        let mut initiator = Initiator::connect(&target).await;
        let names = [("InitiatorName", NAME), ("SessionType", "Discovery")];
        let response = initiator.login(flags, &[&names[..], &[key]].concat()).await;
        assert_eq!(code(&response), (2, 1));
    }
    // To want to go on is not to go on.
    let mut initiator = Initiator::connect(&target).await;
    for _ in 0..3 {
        let keys: &[_] = if initiator.max_cmd_sn == 0 { &NAMES } else { &[] };
        let response = initiator.login(into_full_feature(Stage::Security), keys).await;
        assert_eq!((code(&response), response.stage.transit_to), ((0, 0), None));
    }
    let response = initiator.login(into_full_feature(Stage::Operational), &[]).await;
    assert_eq!(code(&response), (2, 0));
    target.shutdown().await;
}

#[tokio::test]
async fn our_own_challenge_does_not_come_back_answered() {
    let target = serve_with_chap().await;
    let mut initiator = Initiator::connect(&target).await;
    let (algorithm, challenge) = challenged(&mut initiator, "7").await;
    let answer = challenge.answer(algorithm, &SecretString::from(SECRET));
    let response = respond(&mut initiator, USER, &answer, Some(&challenge)).await;
    assert_eq!((code(&response), response.data.len()), ((2, 1), 0));
    target.shutdown().await;
}

#[tokio::test]
async fn a_target_that_cannot_prove_itself_refuses_who_asks_for_it() {
    let mut config = config(vec![]);
    config.chap = Some(credentials(USER, SECRET));
    config.chap_algorithms = vec![ChapAlgorithm::Sha256];
    let target = serve(config).await;
    let mut initiator = Initiator::connect(&target).await;
    let (algorithm, challenge) = challenged(&mut initiator, "8,6,5,0x7,99").await;
    assert_eq!(algorithm, ChapAlgorithm::Sha256, "the only one that is configured");
    let answer = challenge.answer(algorithm, &SecretString::from(SECRET));
    let ours = Challenge::random().unwrap();
    assert_eq!(code(&respond(&mut initiator, USER, &answer, Some(&ours)).await), (2, 1));
    let mut initiator = Initiator::connect(&target).await;
    initiator.login(security(), &[&NAMES[..], &[("AuthMethod", "CHAP")]].concat()).await;
    let response = initiator.login(security(), &[("CHAP_A", "5,6,99")]).await;
    assert_eq!(code(&response), (2, 1), "no algorithm in common");
    target.shutdown().await;
}

#[tokio::test]
async fn incomplete_answers_to_a_challenge_are_refused() {
    let target = serve_with_chap().await;
    for (keys, status) in [
        (&[][..], (2, 7)),
        (&[("CHAP_N", USER)], (2, 7)),
        (&[("CHAP_N", USER), ("CHAP_R", "0xnothing")], (2, 1)),
        (&[("CHAP_N", USER), ("CHAP_R", "")], (2, 1)),
    ] {
        let mut initiator = Initiator::connect(&target).await;
        challenged(&mut initiator, "5").await;
        assert_eq!(code(&initiator.login(security(), keys).await), status, "{keys:?}");
    }
    target.shutdown().await;
}

#[tokio::test]
async fn logins_that_make_no_sense_are_refused_with_the_right_status() {
    let target = serve(config(vec![])).await;
    let other = [("InitiatorName", NAME), ("TargetName", "iqn.other")];
    let long = "n".repeat(224);
    for (keys, status) in [
        (&NAMES[..1], (2, 7)),
        (&NAMES[1..], (2, 7)),
        (&[("InitiatorName", ""), NAMES[1]], (2, 7)),
        (&[("InitiatorName", long.as_str()), NAMES[1]], (2, 0)),
        (&other, (2, 3)),
        (&[NAMES[0], NAMES[1], ("SessionType", "Strange")], (2, 9)),
        (&[NAMES[0], NAMES[1], ("HeaderDigest", "None"), ("HeaderDigest", "CRC32C")], (2, 0)),
    ] {
        let mut initiator = Initiator::connect(&target).await;
        let response = initiator.login(stage(Stage::Operational, Some(Stage::FullFeature)), keys).await;
        assert_eq!(code(&response), status, "{keys:?}");
        initiator.assert_closed().await;
    }
    target.shutdown().await;
}

#[tokio::test]
async fn headers_that_make_no_sense_are_refused_with_the_right_status() {
    let target = serve(config(vec![])).await;
    let mut existing = Initiator::connect(&target).await;
    existing.isid[5] = 9;
    let response = existing.login(stage(Stage::Operational, Some(Stage::FullFeature)), &NAMES).await;
    for (version, tsih, status) in [(1, 0, (2, 5)), (0, 999, (2, 10)), (0, response.tsih, (2, 8))] {
        let mut initiator = Initiator::connect(&target).await;
        let mut request =
            initiator.login_request(stage(Stage::Operational, Some(Stage::FullFeature)), pairs(&NAMES).encode());
        (request.version_max, request.version_min, request.tsih) = (version, version, tsih);
        initiator.send(request.into_pdu()).await;
        assert_eq!(code(&initiator.login_response().await), status);
    }
    let mut initiator = Initiator::connect(&target).await;
    initiator.cmd_sn = 0;
    let numbers = initiator.immediate();
    let ping = NopOut {
        lun: iscsi::LunNumber(0),
        initiator_task_tag: 0x1234,
        target_transfer_tag: RESERVED_TAG,
        numbers,
        data: bytes::Bytes::new(),
    };
    initiator.isid = [0; 6];
    initiator.send(ping.into_pdu()).await;
    assert_eq!(code(&initiator.login_response().await), (2, 11));
    target.shutdown().await;
}

#[tokio::test]
async fn a_login_keeps_its_tag_its_names_and_its_stage() {
    let target = serve(config(vec![])).await;
    for change in 0..4 {
        let mut initiator = Initiator::connect(&target).await;
        let response = initiator.login(stage(Stage::Operational, None), &NAMES).await;
        assert_eq!((code(&response), response.tsih), ((0, 0), 0));
        let mut request = initiator.login_request(stage(Stage::Operational, None), pairs(&[]).encode());
        match change {
            0 => request.stage.current = Stage::Security,
            1 => request.cid = 8,
            2 => request.tsih = 5,
            _ => {}
        }
        initiator.send(request.into_pdu()).await;
        assert_eq!(code(&initiator.login_response().await), if change < 3 { (2, 0) } else { (0, 0) }, "{change}");
    }
    target.shutdown().await;
}

#[tokio::test]
async fn text_may_come_in_parts() {
    let target = serve(config(vec![disk(0, 4096)])).await;
    let mut initiator = Initiator::connect(&target).await;
    let text = pairs(&[NAMES[0], NAMES[1], ("HeaderDigest", "CRC32C"), ("MaxBurstLength", "65536")]).encode();
    for part in text.chunks(10) {
        let flags = TransitFlags { continues: true, ..stage(Stage::Operational, None) };
        let request = initiator.login_request(flags, bytes::Bytes::copy_from_slice(part));
        initiator.send(request.into_pdu()).await;
        let response = initiator.login_response().await;
        assert_eq!((code(&response), response.stage.transit_to, response.data.len()), ((0, 0), None, 0));
    }
    let response = initiator.login(stage(Stage::Operational, Some(Stage::FullFeature)), &[]).await;
    assert_eq!((code(&response), response.stage.transit_to), ((0, 0), Some(Stage::FullFeature)));
    let answer = Pairs::parse(&response.data).unwrap();
    assert_eq!(answer.value("HeaderDigest"), Some("CRC32C"));
    assert_eq!(answer.value("MaxBurstLength"), Some("65536"));
    assert_eq!(answer.value("MaxRecvDataSegmentLength"), Some("8192"));
    initiator.begin_full_feature(&answer);
    assert_eq!(initiator.read(0, 0, 8).await.len(), 4096);
    target.shutdown().await;
}

#[tokio::test]
async fn endless_logins_are_ended() {
    let target = serve(config(vec![])).await;
    let mut initiator = Initiator::connect(&target).await;
    initiator.login(stage(Stage::Operational, None), &NAMES).await;
    let mut requests = 1;
    while code(&initiator.login(stage(Stage::Operational, None), &[]).await) == (0, 0) {
        requests += 1;
        assert!(requests < 1000);
    }
    initiator.assert_closed().await;
    target.shutdown().await;
}

/// What is offered and what has to be answered, in one.
type Offers<'a> = &'a [(&'a str, &'a str, Option<&'a str>)];

const OPEN_ISCSI: Offers<'_> = &[
    ("InitiatorAlias", "host", None),
    ("HeaderDigest", "None", Some("None")),
    ("DataDigest", "None", Some("None")),
    ("DefaultTime2Wait", "2", Some("2")),
    ("DefaultTime2Retain", "0", Some("0")),
    ("IFMarker", "No", Some("No")),
    ("OFMarker", "No", Some("No")),
    ("ErrorRecoveryLevel", "0", Some("0")),
    ("InitialR2T", "No", Some("Yes")),
    ("ImmediateData", "Yes", Some("No")),
    ("MaxBurstLength", "16776192", Some("16776192")),
    ("FirstBurstLength", "262144", Some("65536")),
    ("MaxOutstandingR2T", "1", Some("1")),
    ("MaxConnections", "1", Some("1")),
    ("DataPDUInOrder", "Yes", Some("Yes")),
    ("DataSequenceInOrder", "Yes", Some("Yes")),
    ("MaxRecvDataSegmentLength", "262144", None),
];

const WINDOWS: Offers<'_> = &[
    ("HeaderDigest", "None,CRC32C", Some("None")),
    ("DataDigest", "None,CRC32C", Some("None")),
    ("ErrorRecoveryLevel", "2", Some("0")),
    ("InitialR2T", "No", Some("Yes")),
    ("ImmediateData", "Yes", Some("No")),
    ("MaxRecvDataSegmentLength", "65536", None),
    ("MaxBurstLength", "262144", Some("262144")),
    ("FirstBurstLength", "65536", Some("65536")),
    ("MaxConnections", "8", Some("1")),
    ("DataPDUInOrder", "Yes", Some("Yes")),
    ("DataSequenceInOrder", "Yes", Some("Yes")),
    ("DefaultTime2Wait", "0", Some("0")),
    ("DefaultTime2Retain", "60", Some("0")),
    ("MaxOutstandingR2T", "16", Some("1")),
];

/// Everything else that an initiator may come with.
const OTHERS: Offers<'_> = &[
    ("HeaderDigest", "CRC32C,None", Some("CRC32C")),
    ("DataDigest", "X-fast,CRC32C", Some("CRC32C")),
    ("IFMarker", "Yes", Some("No")),
    ("OFMarkInt", "2048~4096", Some("Reject")),
    ("TaskReporting", "FastAbort,ResponseFence,RFC3720", Some("RFC3720")),
    ("iSCSIProtocolLevel", "2", Some("1")),
    ("MaxRecvDataSegmentLength", "0x1000", None),
    ("X-org.example.speed", "fast", Some("NotUnderstood")),
    ("X#NodeArchitecture", "os=1,cpu=2", Some("NotUnderstood")),
    ("RDMAExtensions", "Yes", Some("NotUnderstood")),
];

#[tokio::test]
async fn well_known_initiators_get_the_answers_they_need() {
    let target = serve(config(vec![disk(0, 4096)])).await;
    for offers in [OPEN_ISCSI, WINDOWS, OTHERS] {
        let mut initiator = Initiator::connect(&target).await;
        let keys = [&NAMES[..], &[("SessionType", "Normal"), ("AuthMethod", "CHAP,None")]].concat();
        let response = initiator.login(stage(Stage::Security, Some(Stage::Operational)), &keys).await;
        assert_eq!((code(&response), response.stage.transit_to), ((0, 0), Some(Stage::Operational)));
        let answer = Pairs::parse(&response.data).unwrap();
        assert_eq!(answer, pairs(&[("TargetPortalGroupTag", "1"), ("AuthMethod", "None")]));
        let keys: Vec<_> = offers.iter().map(|(key, offer, _)| (*key, *offer)).collect();
        let response = initiator.login(stage(Stage::Operational, Some(Stage::FullFeature)), &keys).await;
        assert_eq!((code(&response), response.stage.transit_to), ((0, 0), Some(Stage::FullFeature)));
        let answers = offers.iter().filter_map(|(key, _, answer)| Some((*key, (*answer)?)));
        let expected: Vec<_> = answers.chain([("MaxRecvDataSegmentLength", "8192")]).collect();
        let answer = Pairs::parse(&response.data).unwrap();
        assert_eq!(answer, pairs(&expected));
        initiator.begin_full_feature(&answer);
        assert_eq!(initiator.read(0, 0, 8).await.len(), 4096);
    }
    target.shutdown().await;
}

#[tokio::test]
async fn binary_values_may_be_in_base64() {
    let base64 = |bytes: &[u8]| {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = "0b".to_owned();
        for group in bytes.chunks(3) {
            let value = group.iter().chain([&0; 2]).take(3).fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            for place in 0..4 {
                let digit = DIGITS[(value >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= group.len() { char::from(digit) } else { '=' });
            }
        }
        text
    };
    let target = serve_with_chap().await;
    let mut initiator = Initiator::connect(&target).await;
    let (algorithm, challenge) = challenged(&mut initiator, "5,7").await;
    assert_eq!(algorithm, ChapAlgorithm::Md5);
    let ours = Challenge::random().unwrap();
    let response = base64(&challenge.answer(algorithm, &SecretString::from(SECRET)));
    let (identifier, bytes) = (ours.identifier.to_string(), base64(&ours.bytes));
    let keys = [("CHAP_N", USER), ("CHAP_R", &response), ("CHAP_I", &identifier), ("CHAP_C", &bytes)];
    let response = initiator.login(stage(Stage::Security, Some(Stage::Operational)), &keys).await;
    assert_eq!(code(&response), (0, 0));
    let answer = Pairs::parse(&response.data).unwrap();
    let proof = parse_binary(answer.value("CHAP_R").unwrap()).unwrap();
    assert!(ours.is_answered_by(&proof, algorithm, &SecretString::from(TARGET_SECRET)));
    target.shutdown().await;
}

#[tokio::test]
async fn a_login_with_endless_text_or_keys_is_refused() {
    let target = serve(config(vec![])).await;
    let mut initiator = Initiator::connect(&target).await;
    let part = pairs(&[("X-long", &"x".repeat(2000))]).encode();
    let mut sent = 0;
    let refused = loop {
        let flags = TransitFlags { continues: true, ..stage(Stage::Operational, None) };
        let request = initiator.login_request(flags, part.clone());
        initiator.send(request.into_pdu()).await;
        let response = initiator.login_response().await;
        if code(&response) != (0, 0) {
            break code(&response);
        }
        sent += part.len();
    };
    assert_eq!(refused, (2, 0));
    assert!((8 << 10..=16 << 10).contains(&sent), "{sent}");
    let mut initiator = Initiator::connect(&target).await;
    let keys: Vec<_> = (0..300).map(|number| format!("X-{number}")).collect();
    let keys: Vec<_> = keys.iter().map(|key| (key.as_str(), "1")).collect();
    let response = initiator.login(stage(Stage::Operational, None), &[&NAMES[..], &keys].concat()).await;
    assert_eq!(code(&response), (2, 0));
    target.shutdown().await;
}
