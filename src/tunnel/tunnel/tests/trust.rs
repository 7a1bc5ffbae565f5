use crate::resolver::Resolver;
use crate::test_support::{
    Authority, Leaf, Seen, assert_works, error_of, far, serve_tls, serve_tls_at, soon, tls_tunnel, trusting, write,
};
use crate::{Address, ErrorKind, TlsConfig, Trust, Tunnel, format_pin, spki_sha256};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use tempfile::TempDir;

/// A CA file with these authorities.
fn ca_file(dir: &TempDir, authorities: &[&Authority]) -> Trust {
    let text: String = authorities.iter().map(|authority| authority.pem()).collect();
    Trust::CaFile(write(dir, "ca.pem", &text))
}

fn pinned(leaf: &Leaf) -> Trust {
    Trust::Pin(spki_sha256(&leaf.certificate).unwrap())
}

/// The error of dialling a server with this certificate, when `ours` is trusted.
async fn refusal(ours: &Authority, leaf: &Leaf) -> crate::Error {
    let dir = tempfile::tempdir().unwrap();
    let server = serve_tls(leaf.server()).await;
    let tunnel = tls_tunnel(trusting(ca_file(&dir, &[ours]))).unwrap();
    let error = error_of(&tunnel, &server.address(), far()).await;
    assert!(!error.advice.is_empty(), "{error}");
    error
}

#[tokio::test]
async fn a_chain_to_any_certificate_of_the_ca_file_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    let tunnel = tls_tunnel(trusting(ca_file(&dir, &[&one, &two]))).unwrap();
    for authority in [&one, &two] {
        let server = serve_tls(authority.issue(&["127.0.0.1"]).server()).await;
        assert_works(&tunnel, &server.address()).await;
    }
}

#[tokio::test]
async fn a_certificate_without_authority_is_trusted_when_it_is_in_the_ca_file_itself() {
    let dir = tempfile::tempdir().unwrap();
    let leaf = Leaf::self_signed(&["127.0.0.1"], IsCa::NoCa);
    let server = serve_tls(leaf.server()).await;
    let trust = Trust::CaFile(write(&dir, "ca.pem", &leaf.pem));
    assert_works(&tls_tunnel(trusting(trust)).unwrap(), &server.address()).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_untrusted() {
    let error = refusal(&Authority::new("ours"), &Authority::new("theirs").issue(&["127.0.0.1"])).await;
    assert_eq!(error.kind, ErrorKind::Untrusted);
    assert!(error.to_string().contains("CA file"), "{error}");
}

#[tokio::test]
async fn an_authority_of_the_same_name_and_another_key_is_untrusted() {
    let error = refusal(&Authority::new("same"), &Authority::new("same").issue(&["127.0.0.1"])).await;
    assert_eq!(error.kind, ErrorKind::Untrusted);
}

#[tokio::test]
async fn an_authoritys_certificate_used_by_a_server_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let leaf = Leaf::self_signed(&["127.0.0.1"], IsCa::Ca(BasicConstraints::Unconstrained));
    let server = serve_tls(leaf.server()).await;
    let trust = Trust::CaFile(write(&dir, "ca.pem", &leaf.pem));
    let error = error_of(&tls_tunnel(trusting(trust)).unwrap(), &server.address(), far()).await;
    assert_eq!(error.kind, ErrorKind::Untrusted);
    assert!(error.to_string().contains("openssl req -x509") && error.to_string().contains("--pin"), "{error}");
    assert_works(&tls_tunnel(trusting(pinned(&leaf))).unwrap(), &server.address()).await;
}

#[tokio::test]
async fn a_certificate_for_clients_only_is_untrusted() {
    let ours = Authority::new("ours");
    let leaf = ours.issue_with(&["127.0.0.1"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let error = refusal(&ours, &leaf).await;
    assert_eq!(error.kind, ErrorKind::Untrusted);
    assert!(error.to_string().contains("not meant for servers"), "{error}");
}

#[tokio::test]
async fn a_wrong_name_is_told_with_the_names_that_would_be_right() {
    let ours = Authority::new("ours");
    let error = refusal(&ours, &ours.issue(&["backup.example", "*.lab.example", "10.0.0.9"])).await;
    assert_eq!(error.kind, ErrorKind::WrongName);
    for name in ["`127.0.0.1`", "backup.example", "*.lab.example", "10.0.0.9", "--server-name"] {
        assert!(error.to_string().contains(name), "{name} in {error}");
    }
    let nameless = refusal(&ours, &ours.issue(&[])).await;
    assert_eq!(nameless.kind, ErrorKind::WrongName);
    assert!(nameless.to_string().contains("no name that could be checked"), "{nameless}");
}

#[tokio::test]
async fn an_expired_certificate_is_told_with_its_date() {
    let ours = Authority::new("ours");
    let leaf = ours.issue_with(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2020, 2, 3));
    let error = refusal(&ours, &leaf).await;
    assert_eq!(error.kind, ErrorKind::Expired);
    assert!(error.to_string().contains("2020-02-03"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_the_future_is_told_with_its_date() {
    let ours = Authority::new("ours");
    let leaf = ours.issue_with(&["127.0.0.1"], |params| params.not_before = date_time_ymd(3000, 2, 3));
    let error = refusal(&ours, &leaf).await;
    assert_eq!(error.kind, ErrorKind::NotYetValid);
    assert!(error.to_string().contains("3000-02-03"), "{error}");
}

#[tokio::test]
async fn a_pinned_key_needs_no_authority_name_or_date() {
    let leaf = Authority::new("theirs").issue_with(&["other.example"], |params| {
        params.not_after = date_time_ymd(2020, 2, 3);
    });
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let server = serve_tls(leaf.server_of(versions, None)).await;
        assert_works(&tls_tunnel(trusting(pinned(&leaf))).unwrap(), &server.address()).await;
    }
}

#[tokio::test]
async fn another_key_than_the_pinned_one_is_told_with_its_pin() {
    let authority = Authority::new("any");
    let (shown, wanted) = (authority.issue(&["127.0.0.1"]), authority.issue(&["127.0.0.1"]));
    let server = serve_tls(shown.server()).await;
    let error = error_of(&tls_tunnel(trusting(pinned(&wanted))).unwrap(), &server.address(), far()).await;
    assert_eq!(error.kind, ErrorKind::PinMismatch);
    for leaf in [&shown, &wanted] {
        let pin = format_pin(&spki_sha256(&leaf.certificate).unwrap());
        assert!(error.to_string().contains(&pin), "{error}");
    }
}

/// Shows one certificate and signs with the key of another.
#[derive(Debug)]
struct Impostor(Arc<CertifiedKey>);

impl ResolvesServerCert for Impostor {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn the_pinned_certificate_without_its_private_key_is_not_enough() {
    let authority = Authority::new("any");
    let (stolen, own) = (authority.issue(&["127.0.0.1"]), authority.issue(&["127.0.0.1"]));
    let key = rustls::crypto::ring::sign::any_supported_type(&own.private_key()).unwrap();
    let impostor = Arc::new(Impostor(Arc::new(CertifiedKey::new(vec![stolen.certificate.clone()], key))));
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&impostor) as Arc<dyn ResolvesServerCert>);
        let server = serve_tls(config).await;
        let error = error_of(&tls_tunnel(trusting(pinned(&stolen))).unwrap(), &server.address(), far()).await;
        assert_eq!(error.kind, ErrorKind::Untrusted);
        assert!(error.to_string().contains("cannot prove"), "{error}");
    }
}

#[tokio::test]
async fn the_name_that_is_sent_and_checked_may_differ_from_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let server = serve_tls(ours.issue(&["backup.example"]).server()).await;
    let named = |name: &str| {
        let trust = ca_file(&dir, &[&ours]);
        tls_tunnel(TlsConfig { server_name: Some(name.into()), ..trusting(trust) }).unwrap()
    };
    assert_works(&named("backup.example"), &server.address()).await;
    let sent = server.seen.lock().unwrap().last().unwrap().server_name.clone();
    assert_eq!(sent.as_deref(), Some("backup.example"));
    let error = error_of(&named("other.example"), &server.address(), far()).await;
    assert_eq!(error.kind, ErrorKind::WrongName);
}

#[tokio::test]
async fn the_dialled_name_is_sent_and_an_address_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let server = serve_tls(ours.issue(&["backup.example", "127.0.0.1"]).server()).await;
    let resolver = Resolver::Table(vec![("backup.example", vec![server.address])]);
    let tunnel = Tunnel { resolver, ..tls_tunnel(trusting(ca_file(&dir, &[&ours]))).unwrap() };
    assert_works(&tunnel, &Address::new("Backup.Example.", 1)).await;
    assert_works(&tunnel, &server.address()).await;
    let seen: Vec<_> = server.seen.lock().unwrap().iter().map(|seen: &Seen| seen.server_name.clone()).collect();
    assert_eq!(seen, [Some("backup.example".to_owned()), None]);
}

#[tokio::test]
async fn an_ipv6_address_is_checked_as_a_name_where_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let tunnel = tls_tunnel(trusting(ca_file(&dir, &[&ours]))).unwrap();
    let Ok(server) = serve_tls_at("[::1]:0", ours.issue(&["::1"]).server()).await else {
        println!("skipped: this machine has no ::1");
        return;
    };
    assert_works(&tunnel, &server.address()).await;
    let other = serve_tls_at("[::1]:0", ours.issue(&["::2"]).server()).await.unwrap();
    assert_eq!(error_of(&tunnel, &other.address(), far()).await.kind, ErrorKind::WrongName);
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = |trust| tls_tunnel(trusting(trust)).err().unwrap();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let good = Authority::new("good").pem();
    for (text, said) in [
        ("", "no certificate"),
        ("hello\n", "no certificate"),
        (garbage, "number 1"),
        (&format!("{good}{garbage}"), "number 2"),
        ("-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n", "damaged"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "damaged"),
    ] {
        let error = error(Trust::CaFile(write(&dir, "ca.pem", text)));
        assert_eq!(error.kind, ErrorKind::BadConfig);
        assert!(error.to_string().contains(said) && error.to_string().contains("ca.pem"), "{error}");
    }
    let missing = error(Trust::CaFile(dir.path().join("missing.pem")));
    assert_eq!(missing.kind, ErrorKind::BadConfig);
    assert!(missing.to_string().contains("missing.pem") && !missing.to_string().contains("os error"), "{missing}");
}

#[test]
fn a_name_that_no_certificate_can_have_is_refused() {
    for name in ["", "a b", "-", "a..b", "a/b"] {
        let config = TlsConfig { server_name: Some(name.into()), ..trusting(Trust::Pin([0; 32])) };
        assert_eq!(tls_tunnel(config).expect_err(name).kind, ErrorKind::BadConfig);
    }
}

#[tokio::test]
async fn the_systems_authorities_do_not_vouch_for_ours() {
    let server = serve_tls(Authority::new("ours").issue(&["127.0.0.1"]).server()).await;
    match tls_tunnel(trusting(Trust::SystemRoots)) {
        Ok(tunnel) => {
            let error = error_of(&tunnel, &server.address(), far()).await;
            assert_eq!(error.kind, ErrorKind::Untrusted);
            assert!(error.to_string().contains("--ca"), "{error}");
        }
        // A machine without any, such as a small container.
        Err(error) => assert!(error.kind == ErrorKind::BadConfig && error.to_string().contains("--ca"), "{error}"),
    }
}

/// The system's authorities are read from where this variable says, which only another process can be given.
#[cfg(target_os = "linux")]
const SYSTEM_FILE: &str = "SSL_CERT_FILE";

#[cfg(target_os = "linux")]
#[test]
fn the_systems_authorities_are_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new("system");
    let leaf = ours.issue(&["127.0.0.1"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(serve_tls(leaf.server()));
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tunnel::tests::trust::dials_with_the_systems_authorities", "--ignored"])
        .env(SYSTEM_FILE, write(&dir, "system.pem", &ours.pem()))
        .env("FR_TUNNEL_TEST_SERVER", server.address.to_string())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(server.seen.lock().unwrap().len(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "run by the test above in a process of its own"]
async fn dials_with_the_systems_authorities() {
    let Ok(server) = std::env::var("FR_TUNNEL_TEST_SERVER") else { return };
    let tunnel = tls_tunnel(trusting(Trust::SystemRoots)).unwrap();
    assert_works(&tunnel, &server.parse().unwrap()).await;
}

#[tokio::test]
async fn a_deadline_in_the_past_is_a_time_out() {
    let server = serve_tls(Authority::new("any").issue(&["127.0.0.1"]).server()).await;
    let tunnel = tls_tunnel(trusting(Trust::Pin([0; 32]))).unwrap();
    let past = soon() - std::time::Duration::from_secs(1);
    assert_eq!(error_of(&tunnel, &server.address(), past).await.kind, ErrorKind::TimedOut);
}
