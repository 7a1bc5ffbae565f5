use super::*;
use crate::ErrorKind;

const MINIMAL: &str = "vault = \"v\"\nkey = \"k.pem\"\n[iscsi]\nlisten = [\"[::]:3260\"]\nportals = [\"backup.example:3260\"]\n\
    [https]\nlisten = [\"0.0.0.0:443\"]\n[tls]\ncertificate = \"c.pem\"\nkey = \"c.key\"\ntrust = \"system\"\n";

fn parse(text: &str) -> Result<Config, Error> {
    Config::parse(text, Path::new("conf"))
}

/// What is said about the minimal configuration with something replaced in it.
fn problem(from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from}");
    let error = parse(&MINIMAL.replace(from, to)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

#[test]
fn what_is_not_said_is_the_usual_and_paths_begin_at_the_file() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.vault.root, "conf/v");
    assert_eq!(config.key_file, Path::new("conf/k.pem"));
    assert_eq!((config.lifetime_max, config.cache_bytes), (LIFETIME_MAX, 512 << 20));
    assert_eq!((config.audit, config.tls.trust), (AuditLog::Stdout, Trust::System));
    assert_eq!(config.iscsi.iqn_prefix, "iqn.2026-11.io.fr-mount");
    assert_eq!(config.iscsi.portals[0].to_string(), "backup.example:3260");
    let elsewhere = parse(&MINIMAL.replace("vault = \"v\"", "vault = \"s3://bucket/x\"")).unwrap();
    assert_eq!(elsewhere.vault.root, "s3://bucket/x");
}

#[test]
fn keys_that_are_not_known_are_errors_wherever_they_stand() {
    assert!(problem("vault = ", "valt = \"x\"\nvault = ").contains("valt"));
    for section in ["[iscsi]\n", "[https]\n", "[tls]\n"] {
        assert!(problem(section, &format!("{section}surprise = 1\n")).contains("surprise"), "{section}");
    }
}

#[test]
fn nobody_configures_more_than_twelve_hours() {
    for time in ["12h 1s", "0s", "2days", "soon", "-1h"] {
        let line = format!("maximum_lifetime = \"{time}\"\nvault = ");
        assert!(problem("vault = ", &line).contains("12 hours"), "{time}");
    }
    let short = parse(&MINIMAL.replace("vault = ", "maximum_lifetime = \"20s\"\nvault = ")).unwrap();
    assert_eq!(short.lifetime_max, Duration::from_secs(20));
}

#[test]
fn a_secret_does_not_stand_in_a_configuration_and_is_not_repeated() {
    let text = format!("{MINIMAL}[vault_options]\naws_secret_access_key = \"hush-hush\"\n");
    let message = parse(&text).unwrap_err().to_string();
    assert!(message.contains("vault_secret_files") && !message.contains("hush"), "{message}");
    let broken = format!("{MINIMAL}[[users]]\nname = \"a\"\nroles = []\ntoken_sha256 = hush-hush\n");
    let message = parse(&broken).unwrap_err().to_string();
    assert!(!message.contains("hush"), "{message}");
}

#[test]
fn users_have_roles_that_there_are_and_tokens_of_their_own() {
    let hash = "ab".repeat(32);
    let user = |name: &str, role: &str, hash: &str| {
        format!("[[users]]\nname = \"{name}\"\nroles = [\"{role}\"]\ntoken_sha256 = \"{hash}\"\n")
    };
    let roles = format!("{MINIMAL}[roles.web]\nvms = [\"web-*\"]\n");
    assert_eq!(parse(&format!("{roles}{}", user("ann", "web", &hash))).unwrap().users.len(), 1);
    let bad = [
        user("ann", "other", &hash),
        user("ann", "web", "abcd"),
        user("oidc:ann", "web", &hash),
        user("", "web", &hash),
        format!("{}{}", user("ann", "web", &hash), user("bob", "web", &hash)),
        format!("{}{}", user("ann", "web", &hash), user("ann", "web", &"cd".repeat(32))),
    ];
    for users in bad {
        assert!(parse(&format!("{roles}{users}")).is_err(), "{users}");
    }
    assert!(parse(&format!("{MINIMAL}[roles.web]\nvms = [\"web/1\"]\n")).is_err());
}

#[test]
fn what_clients_are_told_has_to_make_sense() {
    assert!(problem("[\"backup.example:3260\"]", "[]").contains("portals"));
    assert!(problem("backup.example:3260", "backup.example").contains("portals"));
    assert!(problem("portals", "iqn_prefix = \"iqn.Bad Name\"\nportals").contains("iqn_prefix"));
    assert!(problem("trust = \"system\"", "trust = \"maybe\"").contains("maybe"));
    let ca = parse(&MINIMAL.replace("trust = \"system\"", "trust = { ca = \"ca.pem\" }")).unwrap();
    assert_eq!(ca.tls.trust, Trust::Ca("conf/ca.pem".into()));
}

#[test]
fn the_keys_of_a_provider_are_in_a_file_or_behind_https() {
    let oidc = |keys: &str| format!("{MINIMAL}[oidc]\nissuer = \"https://i\"\naudience = \"a\"\n{keys}\n");
    assert!(parse(&oidc("keys_file = \"jwks.json\"")).is_ok());
    assert!(parse(&oidc("keys_url = \"https://i/jwks\"")).is_ok());
    for keys in ["", "keys_url = \"http://i/jwks\"", "keys_file = \"x\"\nkeys_url = \"https://i/jwks\""] {
        assert!(parse(&oidc(keys)).is_err(), "{keys}");
    }
}
