use super::*;
use secrecy::ExposeSecret;

/// Written for these tests in the form that scripts have.
const SCRIPT: &str = include_str!("../../../tests/fixtures/azure/script-2024.py");
const OLDER: &str = include_str!("../../../tests/fixtures/azure/script-2020.py");
const OLDEST: &str = include_str!("../../../tests/fixtures/azure/script-2018.sh");

fn parse(text: &str) -> AzureScript {
    AzureScript::parse("script.py", text).unwrap()
}

fn with(from: &str, to: &str) -> Result<AzureScript, AzureError> {
    assert!(SCRIPT.contains(from), "{from}");
    AzureScript::parse("script.py", &SCRIPT.replace(from, to))
}

#[test]
fn a_script_of_2024_is_understood() {
    let script = parse(SCRIPT);
    assert_eq!((script.vm.as_str(), script.several_targets), ("web-01", true));
    assert_eq!(script.portal, Address::new("pod01-rec2.test.backup.windowsazure.com", 3260));
    assert_eq!(script.server_name, "pod01-rec2.test.backup.windowsazure.com");
    let target = "iqn.2016-01.microsoft.azure.backup:1000000000000000001-100001-200000000000001-300000000000001.638999999999999999";
    assert_eq!(script.target, target);
    assert_eq!(script.user, "1000000000000000001-00000000-1111-2222-3333-444444444444");
    assert!(script.password.is_none());
    assert_eq!(script.target_secret.as_ref().unwrap().expose_secret(), "00112233445566");
    assert_eq!(script.named_at, Some(1_764_403_199));
    assert_eq!(script.notices(), [""; 0]);
}

#[test]
fn older_scripts_are_understood() {
    for text in [OLDER, OLDEST] {
        let script = parse(text);
        assert_eq!((script.vm.as_str(), script.several_targets, script.portal.port), ("db-01", false, 3260));
        assert_eq!(script.user, "1000000000000000002-00000000-1111-2222-3333-555555555555");
        assert_eq!(script.target_secret.as_ref().unwrap().expose_secret(), "66554433221100");
    }
}

#[test]
fn a_password_that_was_filled_in_is_used() {
    let script = with("UserInput012345", "0a1b2c3d4e5f6a7").unwrap();
    assert_eq!(script.password.as_ref().unwrap().expose_secret(), "0a1b2c3d4e5f6a7");
    assert!(!format!("{script:?}").contains("0a1b2c"));
    let error = with("UserInput012345", "too short").unwrap_err();
    assert!(error.to_string().contains("15 characters") && !error.to_string().contains("too short"), "{error}");
}

#[test]
fn a_private_endpoint_has_the_certificate_of_the_public_name() {
    let private = "abc-de-pod01-rec2.privatelink.test.backup.windowsazure.com";
    let script = with("pod01-rec2.test.backup.windowsazure.com", private).unwrap();
    assert_eq!(script.portal.host, private);
    assert_eq!(script.server_name, "pod01-rec2.test.backup.windowsazure.com");
    assert_eq!(public_name("single.privatelink.x"), "single.x");
    assert_eq!(public_name("privatelink"), "privatelink");
}

#[test]
fn what_is_missing_or_makes_no_sense_is_told() {
    for (from, to, said) in [
        ("TargetNodeAddress=\"iqn", "TargetNodeAddress=x+\"iqn", "TargetNodeAddress"),
        ("TargetNodeAddress=\"iqn", "TargetNodeAddress=\"nothing", "iSCSI name"),
        ("TargetUserName=", "Other=", "TargetUserName"),
        ("1000000000000000001-00000000-", "a b=c;d e", "TargetUserName"),
        ("\"3260\"", "\"0\"", "port"),
        ("pod01-rec2.test.", "pod 01", "TargetPortalAddress"),
        ("00112233445566", "0011223344556", "14 hexadecimal digits"),
        ("\"iaasvmcontainerv2;group;web-01\"", "\"a;\"", "VMName"),
    ] {
        let error = with(from, to).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("ownload it again"), "{to}: {error}");
    }
    let cut = AzureScript::parse("script.py", SCRIPT.split("TargetNodeAddress=\"").next().unwrap()).unwrap_err();
    assert!(cut.to_string().contains("cut short"), "{cut}");
    assert_eq!(AzureScript::parse("x", &"x".repeat(SCRIPT_BYTES_MAX + 1)).unwrap_err(), AzureError::TooLarge);
}

#[test]
fn the_file_name_gives_the_targets_secret_where_the_script_does_not() {
    let name = "web_weu_1_123456789012_00112233445566778899aabbccddeeff77777777777777.py";
    let text = SCRIPT.replace("InitiatorChapPassword=\"", "Other=\"");
    let script = AzureScript::parse(name, &text).unwrap();
    assert_eq!(script.target_secret.unwrap().expose_secret(), "77777777777777");
}

#[test]
fn a_portal_elsewhere_is_told() {
    let script = with("pod01-rec2.test.backup.windowsazure.com", "portal.example").unwrap();
    assert!(script.notices()[0].contains("portal.example"));
}

#[test]
fn scripts_are_recognised_whole_or_cut() {
    for text in [SCRIPT, OLDER, OLDEST, SCRIPT.get(..1200).unwrap()] {
        assert!(looks_like_script(text), "{text}");
    }
    assert!(!looks_like_script("#!/usr/bin/python\nimport os\n") && !looks_like_script(""));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn names_that_discovery_shows_say_how_things_stand() {
    let script = parse(OLDER);
    let target = script.target.as_str();
    let (notready, other) = (format!("{target}-notready"), target.replace("638999999999999998", "638000000000000000"));
    assert_eq!(script.discovered(&names(&[&other, target])), Discovered::Ready(names(&[target])));
    assert_eq!(script.discovered(&names(&[&notready])), Discovered::NotReady);
    assert_eq!(script.discovered(&names(&[&target.replace("azure", "blocked")])), Discovered::Blocked);
    assert_eq!(script.discovered(&names(&[&other])), Discovered::Gone);
    assert_eq!(script.discovered(&[]), Discovered::Gone);
}

#[test]
fn several_targets_have_the_same_beginning_and_ticks() {
    let script = parse(SCRIPT);
    let target = script.target.as_str();
    let second = target.replace("300000000000001.", "300000000000002.");
    let (others_ticks, other) = (target.replace(".638999", ".638000"), target.replace("-100001-", "-100002-"));
    let shown = names(&[target, &others_ticks, &second, &other]);
    assert_eq!(script.discovered(&shown), Discovered::Ready(names(&[target, &second])));
    let single = AzureScript { several_targets: false, ..script.clone() };
    assert_eq!(single.discovered(&shown), Discovered::Ready(names(&[target])));
}
