//! Whatever is sent to a connection, the target neither panics nor stops serving others.

use super::disks::{content, disk};
use super::initiator::{Initiator, NAME, pairs, stage};
use super::{IQN, PATIENCE, config, serve};
use crate::connection::{self, Peer};
use crate::exports::Single;
use crate::shared::Shared;
use bytes::{Bytes, BytesMut};
use iscsi::ChapCredentials;
use iscsi::pdu::opcode::LOGIN_RESPONSE;
use iscsi::pdu::{Decoder, Digests, HEADER_BYTES, LoginRequest, Pdu, Stage, TargetPdu, TransitFlags, encode};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::Runtime;
use tokio::time::Instant;

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn login(flags: TransitFlags, text: Bytes) -> Bytes {
    let request = LoginRequest {
        stage: flags,
        version_max: 0,
        version_min: 0,
        isid: [0; 6],
        tsih: 0,
        initiator_task_tag: 1,
        cid: 0,
        cmd_sn: 0,
        exp_stat_sn: 0,
        data: text,
    };
    bytes(&request.into_pdu())
}

fn bytes(pdu: &Pdu) -> Bytes {
    let mut bytes = BytesMut::new();
    encode(pdu, Digests::default(), &mut bytes);
    bytes.freeze()
}

/// Serves a connection on which exactly this comes, in this task, so that a panic is the test's. It has to end.
async fn survives(shared: &Arc<Shared>, sent: &[u8]) -> Vec<u8> {
    let (ours, theirs) = duplex(1 << 14);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let peer = Peer { address, pass: shared.gate.arrive(address.ip()).unwrap() };
    let serving = connection::run(shared, theirs, (address, peer), deadline);
    let (mut from_target, mut to_target) = tokio::io::split(ours);
    let sending = async {
        // The target may close before it took everything.
        let _ = to_target.write_all(sent).await;
        let _ = to_target.shutdown().await;
    };
    let mut received = Vec::new();
    let receiving = from_target.read_to_end(&mut received);
    let all = async { tokio::join!(serving, sending, receiving) };
    let (_ended, (), read) = tokio::time::timeout(PATIENCE, all).await.expect("the connection ends");
    read.unwrap();
    received
}

fn shared(chap: bool) -> Arc<Shared> {
    let mut config = config(vec![disk(0, 4096), disk(1, 4096)]);
    config.commands_max = 16;
    if chap {
        let secret = SecretString::from("a secret of 16 b");
        config.chap = Some(ChapCredentials { user: "reader".to_owned(), secret });
    }
    let (export, portal) = config.split();
    Arc::new(Shared::new(portal, Arc::new(Single(export.unwrap())), None).unwrap())
}

/// Headers that are nearly right: every opcode, small lengths, CmdSN in or near the window.
fn nearly_a_pdu() -> impl Strategy<Value = Bytes> {
    let header = prop::collection::vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], HEADER_BYTES);
    let data = prop::collection::vec(any::<u8>(), 0..40);
    (header, data, any::<bool>(), 0..0x20_u8, 0..12_u32).prop_map(|(header, data, immediate, opcode, cmd_sn)| {
        let mut header: [u8; HEADER_BYTES] = header.try_into().unwrap();
        header[0] = opcode | if immediate { 0x40 } else { 0 };
        header[4] = 0;
        header[24..28].copy_from_slice(&cmd_sn.to_be_bytes());
        bytes(&Pdu::new(header, data.into()))
    })
}

/// SCSI commands, mostly to units that are there, with any CDB.
fn any_scsi_command() -> impl Strategy<Value = (u8, u8, u32, [u8; 16])> {
    let operation = prop::sample::select(vec![0x00, 0x03, 0x08, 0x12, 0x1a, 0x25, 0x28, 0x5a, 0x88, 0x9e, 0xa0, 0xa8]);
    let expected = prop_oneof![Just(0), Just(u32::MAX), 0_u32..8192];
    (any::<u8>(), 0..3_u8, expected, prop_oneof![operation, any::<u8>()], any::<[u8; 15]>(), any::<bool>()).prop_map(
        |(flags, lun, expected, operation, rest, small)| {
            let mut cdb = [0; 16];
            cdb[0] = operation;
            cdb[1..].copy_from_slice(&rest);
            if small {
                cdb[1..].iter_mut().for_each(|byte| *byte &= 1);
            }
            (flags, lun, expected, cdb)
        },
    )
}

fn scsi_command((flags, lun, expected, cdb): (u8, u8, u32, [u8; 16]), number: u32) -> Bytes {
    let mut header = [0; HEADER_BYTES];
    header[0] = 0x01;
    header[1] = flags | 0x80;
    header[9] = lun;
    header[16..20].copy_from_slice(&number.to_be_bytes());
    header[20..24].copy_from_slice(&expected.to_be_bytes());
    header[24..28].copy_from_slice(&number.to_be_bytes());
    header[32..].copy_from_slice(&cdb);
    bytes(&Pdu::new(header, Bytes::new()))
}

fn logged_in() -> Bytes {
    let keys = pairs(&[("InitiatorName", NAME), ("TargetName", IQN)]);
    login(stage(Stage::Operational, Some(Stage::FullFeature)), keys.encode())
}

#[test]
fn any_bytes_are_survived() {
    let (runtime, shared) = (runtime(), shared(false));
    let sent = prop::collection::vec(any::<u8>(), 0..400);
    let run = runner(300).run(&sent, |sent| {
        runtime.block_on(survives(&shared, &sent));
        Ok(())
    });
    run.unwrap();
}

#[test]
fn any_login_text_is_survived() {
    let (runtime, targets) = (runtime(), [shared(false), shared(true)]);
    let key = prop::sample::select(vec![
        "InitiatorName",
        "TargetName",
        "SessionType",
        "AuthMethod",
        "CHAP_A",
        "CHAP_N",
        "CHAP_R",
        "CHAP_I",
        "CHAP_C",
        "HeaderDigest",
        "MaxBurstLength",
        "MaxRecvDataSegmentLength",
        "SendTargets",
        "X-other",
    ]);
    let value = prop_oneof![Just(IQN.to_owned()), Just("CHAP".to_owned()), Just("5".to_owned()), "[ -~]{0,20}"];
    let text = prop::collection::vec((key, value), 0..8);
    let request = (0..256_u32, text, prop::collection::vec(any::<u8>(), 0..8));
    let requests = prop::collection::vec(request, 1..5);
    let run = runner(500).run(&requests, |requests| {
        let mut sent = BytesMut::new();
        for (flags, text, junk) in requests {
            let text: Vec<(&str, &str)> = text.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let mut text = pairs(&text).encode().to_vec();
            if flags & 0x30 == 0 {
                text.extend(junk);
            }
            let mut request = login(stage(Stage::Security, None), text.into()).to_vec();
            request[1] = (flags & 0xff) as u8 & 0xcf;
            sent.extend_from_slice(&request);
        }
        for shared in &targets {
            runtime.block_on(survives(shared, &sent));
        }
        Ok(())
    });
    run.unwrap();
}

#[test]
fn any_bytes_and_any_headers_after_a_login_are_survived() {
    let (runtime, shared) = (runtime(), shared(false));
    let pdus = prop::collection::vec(nearly_a_pdu(), 0..8);
    let sent = (pdus, prop::collection::vec(any::<u8>(), 0..100));
    let run = runner(500).run(&sent, |(pdus, junk)| {
        let sent = [logged_in().to_vec(), pdus.concat(), junk].concat();
        runtime.block_on(survives(&shared, &sent));
        Ok(())
    });
    run.unwrap();
}

#[test]
fn any_command_is_answered() {
    let (runtime, shared) = (runtime(), shared(false));
    let commands = prop::collection::vec(any_scsi_command(), 1..12);
    let run = runner(1000).run(&commands, |commands| {
        let mut sent = logged_in().to_vec();
        for (number, command) in commands.into_iter().enumerate() {
            sent.extend_from_slice(&scsi_command(command, number as u32));
        }
        let received = runtime.block_on(survives(&shared, &sent));
        // The login response, and then answers.
        let mut decoder = Decoder::new(1 << 16);
        decoder.feed(&received);
        prop_assert_eq!(decoder.next_pdu().unwrap().unwrap().opcode(), LOGIN_RESPONSE);
        prop_assert!(matches!(
            TargetPdu::parse(decoder.next_pdu().unwrap().unwrap()),
            Ok(TargetPdu::DataIn(_) | TargetPdu::ScsiResponse(_) | TargetPdu::Reject(_))
        ));
        Ok(())
    });
    run.unwrap();
}

#[test]
fn a_target_that_was_sent_anything_serves_the_next_one() {
    let runtime = runtime();
    let target = runtime.block_on(serve(config(vec![disk(0, 4096)])));
    let sent = (any::<bool>(), prop::collection::vec(any::<u8>(), 0..400));
    let run = runner(50).run(&sent, |(after_login, junk)| {
        runtime.block_on(async {
            let mut hostile = Initiator::connect(&target).await;
            if after_login {
                hostile.begin_session(&[]).await;
            }
            let _ = hostile.stream.write_all(&junk).await;
            let mut initiator = Initiator::connect(&target).await;
            initiator.isid[5] = 7;
            initiator.begin_session(&[]).await;
            assert_eq!(initiator.read(0, 0, 8).await, content(0, 4096));
        });
        Ok(())
    });
    run.unwrap();
    runtime.block_on(target.shutdown());
}
