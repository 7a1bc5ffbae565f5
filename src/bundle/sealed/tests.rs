use super::*;
use secrecy::{ExposeSecret, SecretString};
use std::time::{Duration, SystemTime};
use tunnel::Address;

const PASSWORD: &str = "0123-4567-89AB-CDEF-GHJK";

fn offer() -> Offer {
    Offer {
        vm: "web".into(),
        point: "2026-11-27T02-00".into(),
        taken_at: 1_795_744_800,
        grant: "g1".into(),
        expires_at: 1_795_831_200,
        portals: vec![Address::new("a.example", 3260), Address::new("::1", 443)],
        server_name: Some("recovery.example".into()),
        trust: TrustAnchor::Pin([7; 32]),
        target: "iqn.2026-11.example:g1".into(),
    }
}

fn secrets() -> ChapSecrets {
    ChapSecrets {
        user: "user-g1".into(),
        secret: SecretString::from("the client's secret"),
        target_user: "target-g1".into(),
        target_secret: SecretString::from("the target's secret"),
    }
}

fn password() -> SecretString {
    SecretString::from(PASSWORD)
}

fn made(key: &SigningKey) -> String {
    seal(&offer(), &secrets(), &password(), key).unwrap()
}

/// The bundle with the value of one line replaced, and signed anew.
fn resigned(text: &str, change: impl Fn(&str) -> String, key: &SigningKey) -> String {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let public = BASE64_STANDARD.encode(key.public());
    let lines = text.lines().take(3).map(change).chain([format!("key {public}")]);
    let signed: String = lines.map(|line| format!("{line}\n")).collect();
    format!("{signed}signature {}\nend\n", BASE64_STANDARD.encode(key.sign(signed.as_bytes())))
}

#[test]
fn what_is_sealed_comes_back_with_the_password() {
    let key = SigningKey::generate().unwrap();
    let text = made(&key);
    let bundle = SealedBundle::parse(&text).unwrap();
    assert_eq!((bundle.offer(), bundle.fingerprint()), (&offer(), key.fingerprint()));
    let opened = bundle.open(&SecretString::from(PASSWORD.replace('-', "").to_lowercase())).unwrap();
    assert_eq!((opened.user, opened.target_user), ("user-g1".into(), "target-g1".into()));
    assert_eq!(opened.secret.expose_secret(), "the client's secret");
    assert_eq!(opened.target_secret.expose_secret(), "the target's secret");
}

#[test]
fn every_kind_of_trust_comes_back() {
    let key = SigningKey::generate().unwrap();
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    for trust in [TrustAnchor::System, TrustAnchor::Pin([255; 32]), TrustAnchor::CaPem(pem)] {
        let offer = Offer { trust, server_name: None, ..offer() };
        let text = seal(&offer, &secrets(), &password(), &key).unwrap();
        assert_eq!(SealedBundle::parse(&text).unwrap().offer(), &offer);
    }
}

#[test]
fn line_ends_of_windows_do_not_matter() {
    let text = made(&SigningKey::generate().unwrap()).replace('\n', "\r\n");
    assert!(SealedBundle::parse(&text).unwrap().open(&password()).is_ok());
}

#[test]
fn secrets_are_neither_in_the_file_nor_printed() {
    let text = made(&SigningKey::generate().unwrap());
    let bundle = SealedBundle::parse(&text).unwrap();
    let shown = format!("{text} {bundle:?} {:?} {:?}", secrets(), bundle.open(&password()));
    assert!(!shown.contains("user-g1") && !shown.contains("secret\"") && !shown.contains("client's"), "{shown}");
}

#[test]
fn a_changed_byte_anywhere_is_told_as_such() {
    let text = made(&SigningKey::generate().unwrap());
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'2' } else { b'0' };
        let changed = String::from_utf8(bytes).unwrap();
        let error = SealedBundle::parse(&changed).expect_err("it was accepted");
        let expected = match at {
            0..23 => error == BundleError::NotABundle,
            _ => matches!(error, BundleError::Damaged(_)),
        };
        assert!(expected, "byte {at}: {error}");
        assert!(looks_like_bundle(changed.as_bytes()), "byte {at}");
    }
}

#[test]
fn a_file_that_is_cut_short_is_told_as_such() {
    let text = made(&SigningKey::generate().unwrap());
    for length in 1..text.len() - 1 {
        let error = SealedBundle::parse(&text[..length]).expect_err("it was accepted");
        assert_eq!(error, BundleError::Truncated, "{length} bytes");
    }
}

#[test]
fn a_wrong_password_is_told_as_such() {
    let bundle = SealedBundle::parse(&made(&SigningKey::generate().unwrap())).unwrap();
    for wrong in ["", "0123-4567-89AB-CDEF-GHJM", "x"] {
        assert_eq!(bundle.open(&SecretString::from(wrong)).unwrap_err(), BundleError::WrongPassword);
    }
}

#[test]
fn another_version_asks_for_a_newer_program() {
    let text = made(&SigningKey::generate().unwrap());
    for version in ["2", "10", "99999999999"] {
        let newer = text.replacen("bundle 1\n", &format!("bundle {version}\n"), 1);
        assert_eq!(SealedBundle::parse(&newer).unwrap_err(), BundleError::TooNew(version.parse().unwrap()));
    }
    for wrong in ["0", "01", "+1", "-1", "x", "999999999999999999999"] {
        let wrong = text.replacen("bundle 1\n", &format!("bundle {wrong}\n"), 1);
        assert!(matches!(SealedBundle::parse(&wrong), Err(BundleError::Damaged(_))));
    }
}

#[test]
fn secrets_beside_another_offer_or_key_are_told_as_a_forgery() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let text = made(&key);
    let moved = resigned(&text, |line| line.replace("a.example", "evil.example"), &other);
    let bundle = SealedBundle::parse(&moved).unwrap();
    assert_eq!(bundle.offer().portals[0].host, "evil.example");
    assert_eq!(bundle.open(&password()).unwrap_err(), BundleError::Forged);
    let taken = SealedBundle::parse(&resigned(&text, str::to_owned, &other)).unwrap();
    assert_eq!(taken.open(&password()).unwrap_err(), BundleError::Forged);
    // Whether the forger has the service's own key or not.
    let changed = SealedBundle::parse(&resigned(&text, |line| line.replace("web", "db"), &key)).unwrap();
    assert_eq!(changed.open(&password()).unwrap_err(), BundleError::Forged);
    // The helper of this test does not break what it does not change.
    assert!(SealedBundle::parse(&resigned(&text, str::to_owned, &key)).unwrap().open(&password()).is_ok());
}

#[test]
fn another_service_than_the_one_insisted_on_is_refused() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let bundle = SealedBundle::parse(&made(&key)).unwrap();
    assert_eq!(bundle.check_service(key.fingerprint()), Ok(()));
    let error = bundle.check_service(other.fingerprint()).unwrap_err();
    assert!(error.to_string().contains(&other.fingerprint().to_string()), "{error}");
}

#[test]
fn a_bundle_ends_at_its_second() {
    let bundle = SealedBundle::parse(&made(&SigningKey::generate().unwrap())).unwrap();
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(bundle.check_time(at(1_795_831_199)), Ok(()));
    let error = bundle.check_time(at(1_795_831_200)).unwrap_err();
    assert!(matches!(error, BundleError::Expired { .. }));
    assert!(error.to_string().contains("2026-11-28T02:00:00Z"), "{error}");
}

#[test]
fn a_signed_offer_with_a_field_that_makes_no_sense_is_refused() {
    let key = SigningKey::generate().unwrap();
    let text = made(&key);
    for (from, to) in [
        ("\"vm\":\"web\"", "\"vm\":\"\""),
        ("\"vm\":\"web\"", "\"vm\":\"a\\u0007b\""),
        ("1795831200", "999999999999"),
        ("1795831200", "-1"),
        ("a.example:3260", "a.example"),
        ("a.example:3260", "a b:1"),
        ("recovery.example", "not a name"),
        ("sha256:07", "sha256:"),
        ("{\"pin\":\"sha256:", "{\"ca\":\""),
        ("iqn.2026-11.example:g1", "g1"),
        ("{\"vm\"", "{\"other\":1,\"vm\""),
        ("\"grant\":\"g1\",", ""),
    ] {
        let changed = resigned(&text, |line| line.replace(from, to), &key);
        assert_ne!(changed, text, "{from}");
        assert!(matches!(SealedBundle::parse(&changed), Err(BundleError::Invalid(_))), "{from} -> {to}");
    }
    assert!(seal(&Offer { portals: Vec::new(), ..offer() }, &secrets(), &password(), &key).is_err());
}

#[test]
fn secrets_that_prove_nothing_are_not_sealed() {
    let key = SigningKey::generate().unwrap();
    let short = ChapSecrets { secret: SecretString::from("short"), ..secrets() };
    let same = ChapSecrets { target_secret: secrets().secret, ..secrets() };
    let nameless = ChapSecrets { user: String::new(), ..secrets() };
    for wrong in [short, same, nameless] {
        assert!(matches!(seal(&offer(), &wrong, &password(), &key), Err(BundleError::Invalid(_))));
    }
}

#[test]
fn a_bundle_that_would_take_hours_to_open_is_refused_at_once() {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let key = SigningKey::generate().unwrap();
    let text = made(&key);
    let harder = |line: &str| match line.strip_prefix("sealed ") {
        None => line.to_owned(),
        Some(sealed) => {
            let age = BASE64_STANDARD.decode(sealed).unwrap();
            let at = age.windows(4).position(|window| window == b" 15\n").unwrap();
            let age = [&age[..at], b" 30\n", &age[at + 4..]].concat();
            format!("sealed {}", BASE64_STANDARD.encode(age))
        }
    };
    let error = SealedBundle::parse(&resigned(&text, harder, &key)).unwrap().open(&password()).unwrap_err();
    assert!(error.to_string().contains("2^30"), "{error}");
}

#[test]
fn a_file_that_is_no_bundle_is_not_taken_for_one() {
    for other in ["", "x", "#!/usr/bin/env python\n"] {
        assert_eq!(SealedBundle::parse(other).unwrap_err(), BundleError::NotABundle);
    }
    assert_eq!(SealedBundle::parse(&"x".repeat(FILE_BYTES_MAX + 1)).unwrap_err(), BundleError::TooLarge);
    assert!(!looks_like_bundle(&[0; 512]) && !looks_like_bundle(b"#!/usr/bin/env python\nimport os\n"));
}
