use super::*;
use secrecy::SecretString;

fn credentials(user: &str, secret: &str) -> ChapCredentials {
    ChapCredentials { user: user.into(), secret: SecretString::from(secret) }
}

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    let mut text = Pairs::default();
    pairs.iter().for_each(|(key, value)| text.push(key, *value));
    text
}

const LOGIN: (&str, &str) = ("alice", "alice's secret");
const TARGET: (&str, &str) = ("disks", "the target's secret");

fn one_way() -> Security {
    Security::new(Some(credentials(LOGIN.0, LOGIN.1)), None, &ChapAlgorithm::ALL)
}

fn mutual() -> Security {
    let (login, target) = (credentials(LOGIN.0, LOGIN.1), credentials(TARGET.0, TARGET.1));
    Security::new(Some(login), Some(target), &ChapAlgorithm::ALL)
}

/// Up to our response; gives what we sent in it.
fn challenged(security: &mut Security, algorithm: ChapAlgorithm, challenge: &[u8]) -> Result<Pairs, Error> {
    let offered = security.receive(&pairs(&[("AuthMethod", "CHAP")]))?;
    assert!(!offered.transit);
    let chosen = algorithm.code().to_string();
    let challenge = format_binary(challenge);
    let answer = security.receive(&pairs(&[("CHAP_A", &chosen), ("CHAP_I", "7"), ("CHAP_C", &challenge)]))?;
    assert!(answer.transit);
    Ok(answer.pairs)
}

/// The answer of a target that knows `secret` to the challenge in `sent`.
fn proof(sent: &Pairs, algorithm: ChapAlgorithm, secret: &str) -> String {
    let challenge = Challenge::parse(sent.value("CHAP_I").unwrap(), sent.value("CHAP_C").unwrap()).unwrap();
    format_binary(&challenge.answer(algorithm, &SecretString::from(secret)))
}

#[test]
fn algorithms_are_offered_strongest_first() {
    let mut security = one_way();
    assert_eq!(security.offer().pairs.value("AuthMethod"), Some("CHAP"));
    let answer = security.receive(&pairs(&[("AuthMethod", "CHAP")])).unwrap();
    assert_eq!(answer.pairs.value("CHAP_A"), Some("8,7,6,5"));
}

#[test]
fn every_algorithm_works_in_both_directions() {
    for algorithm in ChapAlgorithm::ALL {
        let mut security = mutual();
        let sent = challenged(&mut security, algorithm, b"a challenge").unwrap();
        let expected = algorithm.response(7, &SecretString::from(LOGIN.1), b"a challenge");
        assert_eq!(sent.value("CHAP_R"), Some(format_binary(&expected).as_str()));
        assert_eq!(sent.value("CHAP_N"), Some("alice"));
        let proof = proof(&sent, algorithm, TARGET.1);
        let done = security.receive(&pairs(&[("CHAP_N", TARGET.0), ("CHAP_R", &proof)])).unwrap();
        assert!(done.transit && security.is_done());
    }
}

#[test]
fn a_target_that_does_not_know_the_secret_is_told_from_one_that_does_not_prove_itself() {
    let mut security = mutual();
    let sent = challenged(&mut security, ChapAlgorithm::Sha256, b"a challenge").unwrap();
    let wrong = proof(&sent, ChapAlgorithm::Sha256, "another secret");
    let error = security.receive(&pairs(&[("CHAP_N", TARGET.0), ("CHAP_R", &wrong)])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TargetNotProven);
    assert!(error.message.contains("--target-secret"), "{error}");

    let mut security = mutual();
    challenged(&mut security, ChapAlgorithm::Sha256, b"a challenge").unwrap();
    let error = security.receive(&Pairs::default()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotMutual);
    assert!(error.message.contains("did not prove"), "{error}");

    let mut security = mutual();
    let sent = challenged(&mut security, ChapAlgorithm::Sha256, b"a challenge").unwrap();
    let right = proof(&sent, ChapAlgorithm::Sha256, TARGET.1);
    let error = security.receive(&pairs(&[("CHAP_N", "other"), ("CHAP_R", &right)])).unwrap_err();
    assert!(error.message.contains("`other`"), "{error}");
}

#[test]
fn our_own_challenge_is_not_answered_on_another_connection() {
    let mut first = mutual();
    let sent = challenged(&mut first, ChapAlgorithm::Md5, b"a challenge").unwrap();
    let ours = parse_binary(sent.value("CHAP_C").unwrap()).unwrap();
    let error = challenged(&mut mutual(), ChapAlgorithm::Md5, &ours).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TargetNotProven);
}

#[test]
fn our_own_response_is_no_proof() {
    let mut security = mutual();
    let sent = challenged(&mut security, ChapAlgorithm::Md5, b"a challenge").unwrap();
    let echo = sent.value("CHAP_R").unwrap();
    let error = security.receive(&pairs(&[("CHAP_N", TARGET.0), ("CHAP_R", echo)])).unwrap_err();
    assert!(error.message.contains("sends back"), "{error}");
}

#[test]
fn a_login_with_a_secret_cannot_be_talked_down_to_none() {
    for method in ["None", "SRP", "Reject"] {
        let error = one_way().receive(&pairs(&[("AuthMethod", method)])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{method}");
    }
    assert!(one_way().receive(&Pairs::default()).is_err());
}

#[test]
fn a_target_that_wants_chap_is_told_from_one_that_does_not() {
    let nobody = || Security::new(None, None, &ChapAlgorithm::ALL);
    let offer = nobody().offer();
    assert!(offer.transit && offer.pairs.value("AuthMethod") == Some("None"));
    assert!(nobody().receive(&pairs(&[("AuthMethod", "None")])).is_ok());
    assert!(nobody().receive(&Pairs::default()).is_ok());
    let error = nobody().receive(&pairs(&[("AuthMethod", "CHAP")])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::LoginRefused);
}

#[test]
fn an_algorithm_that_was_not_offered_or_a_challenge_that_is_none_is_refused() {
    for (algorithm, challenge) in [("9", "0x01"), ("Reject", "0x01"), ("5", "01"), ("5", "0x"), ("5", "0b!")] {
        let mut security = one_way();
        security.receive(&pairs(&[("AuthMethod", "CHAP")])).unwrap();
        let said = pairs(&[("CHAP_A", algorithm), ("CHAP_I", "1"), ("CHAP_C", challenge)]);
        assert!(security.receive(&said).is_err(), "{algorithm} {challenge}");
    }
    let mut security = Security::new(Some(credentials("a", "b")), None, &ChapAlgorithm::WITHOUT_SHA256);
    assert_eq!(security.receive(&pairs(&[("AuthMethod", "CHAP")])).unwrap().pairs.value("CHAP_A"), Some("8,6,5"));
    let said = pairs(&[("CHAP_A", "7"), ("CHAP_I", "1"), ("CHAP_C", "0x01")]);
    assert!(security.receive(&said).is_err());
}

#[test]
fn secrets_are_not_in_debug_output() {
    let mut security = mutual();
    challenged(&mut security, ChapAlgorithm::Md5, b"a challenge").unwrap();
    let shown = format!("{security:?}");
    assert!(!shown.contains(LOGIN.1) && !shown.contains(TARGET.1), "{shown}");
}

#[test]
fn without_a_user_any_name_is_right_and_the_secret_proves_it() {
    for (secret, proven) in [(TARGET.1, true), ("another secret", false)] {
        let (login, target) = (credentials(LOGIN.0, LOGIN.1), credentials("", TARGET.1));
        let mut security = Security::new(Some(login), Some(target), &ChapAlgorithm::ALL);
        let sent = challenged(&mut security, ChapAlgorithm::Sha256, b"a challenge").unwrap();
        let proof = proof(&sent, ChapAlgorithm::Sha256, secret);
        let done = security.receive(&pairs(&[("CHAP_N", "whoever"), ("CHAP_R", &proof)]));
        assert_eq!(done.is_ok_and(|done| done.transit), proven);
    }
}
