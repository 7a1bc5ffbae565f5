use super::*;
use crate::{DigestPolicy, ErrorKind};
use bytes::Bytes;

const ISID: [u8; 6] = [0x80, 1, 2, 3, 4, 5];

fn login() -> Login {
    let mut config = SessionConfig::new(Address::new("h", 3260));
    config.digests = DigestPolicy::Prefer;
    Login::new(&config, Some("iqn.2001-04.com.example:disks"), &ChapAlgorithm::ALL, ISID, 9)
}

fn pairs(pairs: &[(&str, &str)]) -> Bytes {
    let mut text = Pairs::default();
    pairs.iter().for_each(|(key, value)| text.push(key, *value));
    text.encode()
}

/// A response that agrees to what `request` asks for.
fn response(request: &LoginRequest, stat_sn: u32, said: &[(&str, &str)]) -> LoginResponse {
    LoginResponse {
        stage: request.stage,
        version_max: 0,
        version_active: 0,
        isid: request.isid,
        tsih: 1,
        initiator_task_tag: request.initiator_task_tag,
        numbers: StatusNumbers { stat_sn, exp_cmd_sn: 9, max_cmd_sn: 40 },
        status_class: 0,
        status_detail: 0,
        data: pairs(said),
    }
}

fn sent(step: Result<Step, Error>) -> LoginRequest {
    match step {
        Ok(Step::Send(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_login_without_authentication_takes_two_requests() {
    let mut login = login();
    let first = login.start().unwrap();
    let text = Pairs::parse(&first.data).unwrap();
    assert_eq!(text.value("TargetName"), Some("iqn.2001-04.com.example:disks"));
    assert_eq!(text.value("SessionType"), Some("Normal"));
    assert_eq!((first.stage.current, first.stage.transit_to), (Stage::Security, Some(Stage::Operational)));
    assert_eq!((first.cmd_sn, first.tsih, first.exp_stat_sn), (9, 0, 0));
    let second = sent(login.receive(&response(&first, 100, &[("AuthMethod", "None")])));
    assert_eq!((second.stage.current, second.stage.transit_to), (Stage::Operational, Some(Stage::FullFeature)));
    assert_eq!(second.exp_stat_sn, 101);
    let Ok(Step::Done(done)) = login.receive(&response(&second, 101, &[("HeaderDigest", "CRC32C")])) else { panic!() };
    assert_eq!((done.cmd_sn, done.exp_stat_sn, done.numbers.max_cmd_sn), (9, 102, 40));
    assert!(done.parameters.digests.header && !done.parameters.digests.data);
}

#[test]
fn text_in_parts_is_asked_for_part_by_part() {
    let mut login = login();
    let first = login.start().unwrap();
    let mut part = response(&first, 5, &[]);
    part.stage = TransitFlags { current: Stage::Security, transit_to: None, continues: true };
    part.data = Bytes::from_static(b"AuthMethod=No");
    let empty = sent(login.receive(&part));
    assert!(empty.data.is_empty() && empty.stage.transit_to.is_none());
    let mut last = response(&empty, 6, &[]);
    last.data = Bytes::from_static(b"ne\0");
    let next = sent(login.receive(&last));
    assert_eq!(next.stage.transit_to, Some(Stage::Operational), "still in the same stage: T was not set with the part");
}

#[test]
fn redirects_are_told_with_their_address() {
    let mut login = login();
    let first = login.start().unwrap();
    let mut moved = response(&first, 1, &[("TargetAddress", "10.9.8.7:3261,1")]);
    (moved.status_class, moved.status_detail) = (1, 2);
    let Ok(Step::Redirect(redirect)) = login.receive(&moved) else { panic!() };
    assert_eq!(redirect, Redirect { address: Address::new("10.9.8.7", 3261), permanent: true });
    moved.data = Bytes::new();
    assert!(login.receive(&moved).is_err(), "to where?");
}

#[test]
fn what_a_target_must_not_answer_is_refused() {
    type Spoil = fn(&mut LoginResponse);
    let spoils: [(&str, Spoil); 6] = [
        ("tag", |response| response.initiator_task_tag = 77),
        ("ISID", |response| response.isid = [0; 6]),
        ("version", |response| response.version_active = 1),
        ("stage", |response| response.stage.current = Stage::Operational),
        ("next stage", |response| response.stage.transit_to = Some(Stage::FullFeature)),
        ("twice", |response| response.data = pairs(&[("AuthMethod", "None"), ("AuthMethod", "None")])),
    ];
    for (what, spoil) in spoils {
        let mut login = login();
        let first = login.start().unwrap();
        let mut answer = response(&first, 1, &[("AuthMethod", "None")]);
        spoil(&mut answer);
        assert_eq!(login.receive(&answer).unwrap_err().kind, ErrorKind::Protocol, "{what}");
    }
}

#[test]
fn numbers_out_of_turn_and_a_session_without_handle_are_refused() {
    let mut first = login();
    let request = first.start().unwrap();
    let second = sent(first.receive(&response(&request, 1, &[])));
    assert!(first.receive(&response(&second, 3, &[])).is_err(), "StatSN");

    let mut other = login();
    let request = other.start().unwrap();
    let second = sent(other.receive(&response(&request, 1, &[])));
    let mut last = response(&second, 2, &[]);
    last.tsih = 0;
    assert!(other.receive(&last).is_err(), "TSIH");
}

#[test]
fn a_login_that_does_not_end_is_given_up() {
    let mut login = login();
    let mut request = login.start().unwrap();
    for turn in 0..1000 {
        let mut answer = response(&request, turn, &[]);
        answer.stage.transit_to = None;
        match login.receive(&answer) {
            Ok(Step::Send(next)) => request = next,
            Err(error) => {
                assert!(error.message.contains("does not come to an end"));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("no end");
}
