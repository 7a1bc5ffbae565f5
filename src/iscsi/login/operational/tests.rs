use super::*;

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    let mut text = Pairs::default();
    pairs.iter().for_each(|(key, value)| text.push(key, *value));
    text
}

fn agreed(policy: DigestPolicy, said: &[(&str, &str)]) -> Result<Parameters, Error> {
    let mut stage = Operational::new(policy, false);
    stage.receive(&pairs(said))?;
    stage.finish()
}

#[test]
fn keys_that_only_concern_writing_leave_nothing_to_the_target() {
    let offer = Operational::new(DigestPolicy::Prefer, false).offer();
    for (key, value) in [("InitialR2T", "Yes"), ("ImmediateData", "No"), ("ErrorRecoveryLevel", "0")] {
        assert_eq!(offer.value(key), Some(value));
    }
}

#[test]
fn digests_follow_the_policy() {
    let both = [("HeaderDigest", "CRC32C"), ("DataDigest", "CRC32C")];
    let none = [("HeaderDigest", "None"), ("DataDigest", "None")];
    let digests = |policy, said| agreed(policy, said).map(|parameters| parameters.digests);
    assert_eq!(digests(DigestPolicy::Require, &both), Ok(Digests { header: true, data: true }));
    assert_eq!(digests(DigestPolicy::Prefer, &none), Ok(Digests::default()));
    assert!(digests(DigestPolicy::Require, &none).is_err(), "was not offered");
    assert!(digests(DigestPolicy::Refuse, &both).is_err(), "was not offered");
    assert_eq!(digests(DigestPolicy::Require, &[]).unwrap_err().kind, ErrorKind::Config, "never answered");
    assert_eq!(digests(DigestPolicy::Require, &[("DataDigest", "Reject")]).unwrap_err().kind, ErrorKind::Config);
    let one = [("HeaderDigest", "CRC32C"), ("DataDigest", "None")];
    assert_eq!(digests(DigestPolicy::Prefer, &one), Ok(Digests { header: true, data: false }));
}

#[test]
fn numbers_outside_their_range_or_against_their_rule_are_refused() {
    for (key, value) in [
        ("MaxRecvDataSegmentLength", "511"),
        ("MaxRecvDataSegmentLength", "16777216"),
        ("MaxRecvDataSegmentLength", "lots"),
        ("MaxBurstLength", "1048577"),
        ("MaxBurstLength", "0"),
        ("FirstBurstLength", "65537"),
        ("MaxOutstandingR2T", "2"),
        ("MaxConnections", "2"),
        ("ErrorRecoveryLevel", "1"),
        ("DefaultTime2Wait", "3601"),
        ("DefaultTime2Retain", "1"),
        ("InitialR2T", "No"),
        ("ImmediateData", "Yes"),
        ("DataPDUInOrder", "No"),
        ("DataSequenceInOrder", "No"),
        ("HeaderDigest", "CRC64"),
        ("MaxConnections", "Reject"),
    ] {
        assert!(agreed(DigestPolicy::Prefer, &[(key, value)]).is_err(), "{key}={value}");
    }
}

#[test]
fn what_was_agreed_is_kept() {
    let parameters = agreed(
        DigestPolicy::Prefer,
        &[("MaxRecvDataSegmentLength", "0x20000"), ("MaxBurstLength", "262144"), ("DefaultTime2Wait", "2")],
    );
    let parameters = parameters.unwrap();
    assert_eq!((parameters.target_segment_bytes, parameters.time2wait), (131_072, Duration::from_secs(2)));
    assert_eq!(agreed(DigestPolicy::Prefer, &[]), Ok(Parameters::default()));
}

#[test]
fn irrelevant_and_not_understood_leave_the_default() {
    let said = [("FirstBurstLength", "Irrelevant"), ("MaxOutstandingR2T", "NotUnderstood")];
    assert_eq!(agreed(DigestPolicy::Prefer, &said), Ok(Parameters::default()));
}

#[test]
fn keys_of_the_target_s_own_are_answered() {
    let mut stage = Operational::new(DigestPolicy::Prefer, false);
    let said = [
        ("TargetAlias", "disks"),
        ("TargetPortalGroupTag", "1"),
        ("X-com.example", "1"),
        ("TaskReporting", "FastAbort"),
    ];
    let reply = stage.receive(&pairs(&said)).unwrap();
    let reply: Vec<_> = reply.iter().collect();
    assert_eq!(reply, [("X-com.example", "NotUnderstood"), ("TaskReporting", "NotUnderstood")]);
}

#[test]
fn a_key_twice_or_one_that_only_an_initiator_sends_breaks_the_protocol() {
    let mut stage = Operational::new(DigestPolicy::Prefer, false);
    stage.receive(&pairs(&[("MaxBurstLength", "512")])).unwrap();
    assert!(stage.receive(&pairs(&[("MaxBurstLength", "512")])).is_err());
    assert!(agreed(DigestPolicy::Prefer, &[("InitiatorName", "iqn.x")]).is_err());
}

#[test]
fn a_discovery_session_negotiates_no_digests() {
    let offer = Operational::new(DigestPolicy::Require, true).offer();
    assert_eq!(offer.value("HeaderDigest"), None);
    assert!(Operational::new(DigestPolicy::Require, true).finish().is_ok());
}
