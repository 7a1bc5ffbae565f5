use super::*;
use crate::testing::{Installation, USERS, signed_in, token};
use bundle::sealed::SealedBundle;
use secrecy::ExposeSecret;
use sha2::Digest;
use target::{Exports, Unavailable};

fn request(vm: &str, point: &str) -> GrantRequest {
    GrantRequest { vm: vm.parse().unwrap(), point: point.parse().unwrap(), lifetime: Some(Duration::from_secs(600)) }
}

async fn granted(service: &Service, user: &str, vm: &str) -> Granted {
    let user = signed_in(service, user).await;
    service.grant(&user, "192.0.2.1", request(vm, "p1")).await.unwrap()
}

/// The CHAP user that a bundle holds.
fn chap_user(granted: &Granted) -> String {
    let bundle = SealedBundle::parse(&granted.bundle).unwrap();
    bundle.open(&granted.password).unwrap().user
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_tokens_sign_in_and_the_log_tells_both() {
    let installation = Installation::new();
    let service = installation.service().await;
    for user in USERS {
        assert_eq!(signed_in(&service, user).await.name(), user);
    }
    let refused = service.sign_in(&token("mallory"), "198.51.100.9").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotSignedIn);
    signed_in(&service, "ann").await;
    service.audit.record(Line::new(Event::ServiceEnded)).await.unwrap();
    let lines = installation.audit();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["signed-in", "signed-in", "signed-in", "sign-in-refused", "service-ended"]);
    assert_eq!(lines[3]["from"], "198.51.100.9");
    let log = std::fs::read_to_string(installation.path().join("audit")).unwrap();
    assert!(!log.contains("nobody-guesses"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_decides_which_vms_are_seen_and_granted() {
    let installation = Installation::new();
    let service = installation.service().await;
    for (vm, point, byte) in [("web-1", "p1", 1), ("web-1", "p2", 2), ("db", "p1", 3)] {
        installation.point(&service, vm, point, byte).await;
    }
    let names = |vms: Vec<VmSummary>| vms.iter().map(|vm| (vm.vm.to_string(), vm.points)).collect::<Vec<_>>();
    let (ann, bob) = (signed_in(&service, "ann").await, signed_in(&service, "bob").await);
    assert_eq!(names(service.vms(&ann).await.unwrap()), [("web-1".to_owned(), 2)]);
    assert_eq!(names(service.vms(&bob).await.unwrap()).len(), 2);
    let points = service.points(&ann, &"web-1".parse().unwrap()).await.unwrap();
    assert_eq!(points.iter().map(|point| point.point.as_str()).collect::<Vec<_>>(), ["p2", "p1"], "newest first");
    let hidden = service.points(&ann, &"db".parse().unwrap()).await.unwrap_err().to_string();
    let missing = service.points(&ann, &"xy".parse().unwrap()).await.unwrap_err().to_string();
    assert_eq!(hidden.replace("db", "xy"), missing, "which VMs there are is told by the message");
    let refused = service.grant(&ann, "192.0.2.1", request("db", "p1")).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    let eve = signed_in(&service, "eve").await;
    assert!(service.vms(&eve).await.unwrap().is_empty());
    assert!(service.grant(&eve, "192.0.2.1", request("web-1", "p1")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_sealed_logged_and_without_a_secret_in_the_vault() {
    let installation = Installation::new();
    let service = installation.service().await;
    installation.point(&service, "web-1", "p1", 1).await;
    let granted = granted(&service, "ann", "web-1").await;
    let bundle = SealedBundle::parse(&granted.bundle).unwrap();
    assert_eq!((bundle.offer().vm.as_str(), bundle.offer().target.as_str()), ("web-1", granted.grant.target.as_str()));
    assert_eq!(bundle.offer().expires_at, granted.grant.expires_at.seconds());
    let chap = bundle.open(&granted.password).unwrap();
    assert!(bundle.open(&"AAAA-AAAA-AAAA-AAAA-AAAA".into()).is_err());
    let made = installation.audit().pop().unwrap();
    assert_eq!((&made["event"], &made["grant"]), (&"grant-made".into(), &granted.grant.id.as_str().into()));
    let kept = std::fs::read_to_string(installation.path().join(format!("vault/grants/{}.json", granted.grant.id)));
    let secrets = [chap.secret.expose_secret(), chap.target_secret.expose_secret(), granted.password.expose_secret()];
    for text in [kept.unwrap(), std::fs::read_to_string(installation.path().join("audit")).unwrap()] {
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grant_outlives_what_is_allowed_and_nobody_has_too_many() {
    let installation = Installation::new();
    let service = installation.service().await;
    installation.point(&service, "web-1", "p1", 1).await;
    let ann = signed_in(&service, "ann").await;
    for lifetime in [Duration::ZERO, Duration::from_secs(12 * 3600 + 1), Duration::MAX] {
        let request = GrantRequest { lifetime: Some(lifetime), ..request("web-1", "p1") };
        let refused = service.grant(&ann, "192.0.2.1", request).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
    for _ in 0..4 {
        granted(&service, "ann", "web-1").await;
    }
    let refused = service.grant(&ann, "192.0.2.1", request("web-1", "p1")).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    let oldest = service.grants(&ann).await.unwrap().pop().unwrap();
    service.revoke(&ann, "192.0.2.1", &oldest.grant.id).await.unwrap();
    granted(&service, "ann", "web-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_on_one_vault_see_each_others_grants_and_revocations() {
    let installation = Installation::new();
    let (one, other) = (installation.service().await, installation.service().await);
    installation.point(&one, "web-1", "p1", 1).await;
    let granted = granted(&one, "ann", "web-1").await;
    let user = chap_user(&granted);
    let export = other.exports().by_user(&user).await.unwrap();
    assert_eq!(export.iqn(), granted.grant.target);
    let again = other.exports().by_user(&user).await.unwrap();
    assert!(Arc::ptr_eq(&export, &again), "sessions of one grant are apart");
    let ann = signed_in(&one, "ann").await;
    one.revoke(&ann, "192.0.2.1", &granted.grant.id).await.unwrap();
    assert!(!export.is_withdrawn());
    other.exports().tend().await.unwrap();
    assert!(export.is_withdrawn(), "a process that looks does not see the revocation");
    let late = installation.service().await;
    assert!(late.exports().by_user(&user).await.unwrap().is_withdrawn());
    let status = other.grants(&ann).await.unwrap().pop().unwrap();
    assert!(matches!(status.state, GrantState::Revoked { ref by, .. } if by == "ann"), "{status:?}");
    assert_eq!(status.seconds_left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_sees_a_revocation_without_waiting_for_anybody_to_look() {
    let installation = Installation::new();
    let (one, other) = (installation.service().await, installation.service().await);
    installation.point(&one, "web-1", "p1", 1).await;
    let granted = granted(&one, "ann", "web-1").await;
    let user = chap_user(&granted);
    let export = other.exports().by_user(&user).await.unwrap();
    let bob = signed_in(&one, "bob").await;
    one.revoke(&bob, "192.0.2.2", &granted.grant.id).await.unwrap();
    assert!(other.exports().by_user(&user).await.unwrap().is_withdrawn());
    assert!(export.is_withdrawn(), "the sessions that there are go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_grant_is_withdrawn_and_cannot_be_used_again() {
    let installation = Installation::new();
    let service = installation.service().await;
    installation.point(&service, "web-1", "p1", 1).await;
    let ann = signed_in(&service, "ann").await;
    let short = GrantRequest { lifetime: Some(Duration::from_secs(1)), ..request("web-1", "p1") };
    let granted = service.grant(&ann, "192.0.2.1", short).await.unwrap();
    let user = chap_user(&granted);
    // It may be over already where this machine is slow.
    let first = service.exports().by_user(&user).await.unwrap();
    while UnixTime::now() < granted.grant.expires_at.after(Duration::from_secs(1)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    service.exports().tend().await.unwrap();
    assert!(first.is_withdrawn());
    assert!(service.exports().by_user(&user).await.unwrap().is_withdrawn());
    assert_eq!(service.grants(&ann).await.unwrap()[0].state, GrantState::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_chap_that_nobody_was_granted_are_not_found() {
    let installation = Installation::new();
    let service = installation.service().await;
    for user in ["", "restore-", "restore-../../points", &format!("restore-{}", "0".repeat(32)), "service-x"] {
        assert_eq!(service.exports().by_user(user).await.err(), Some(Unavailable::NotFound), "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_grants_are_ended_only_by_those_who_may() {
    let installation = Installation::new();
    let service = installation.service().await;
    installation.point(&service, "web-1", "p1", 1).await;
    let of_bob = granted(&service, "bob", "web-1").await.grant.id;
    let of_ann = granted(&service, "ann", "web-1").await.grant.id;
    let (ann, bob) = (signed_in(&service, "ann").await, signed_in(&service, "bob").await);
    assert_eq!(service.grants(&ann).await.unwrap().len(), 1);
    assert_eq!(service.grants(&bob).await.unwrap().len(), 2);
    assert_eq!(service.revoke(&ann, "x", &of_bob).await.unwrap_err().kind(), ErrorKind::NotFound);
    service.revoke(&bob, "x", &of_ann).await.unwrap();
    service.revoke(&bob, "x", &of_ann).await.unwrap();
    assert_eq!(
        service.revoke(&bob, "x", &"0".repeat(32).parse().unwrap()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_grant_in_the_vault_is_not_the_one_that_somebody_holds() {
    let installation = Installation::new();
    let service = installation.service().await;
    installation.point(&service, "web-1", "p1", 1).await;
    let granted = granted(&service, "ann", "web-1").await;
    let longer = Grant { expires_at: UnixTime::now().after(Duration::from_secs(86_400)), ..granted.grant.clone() };
    let path = installation.path().join(format!("vault/grants/{}.json", longer.id));
    std::fs::write(&path, serde_json::to_vec(&longer).unwrap()).unwrap();
    let other = installation.service().await;
    let secret = |grant: &Grant| other.key.chap(grant).unwrap().secret;
    assert_ne!(secret(&longer).expose_secret(), secret(&granted.grant).expose_secret());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_kept_signed_in_has_what_the_configuration_says_now() {
    let installation = Installation::new();
    let service = installation.service().await;
    let identity = signed_in(&service, "ann").await.identity();
    assert_eq!(service.resume(&identity).unwrap().name(), "ann");
    let gone = Service::open(installation.config("name = \"ann\"", "name = \"anna\"")).await.unwrap();
    assert_eq!(gone.resume(&identity).unwrap_err().kind(), ErrorKind::NotSignedIn);
    let hash = hex::encode(sha2::Sha256::digest(token("ann").expose_secret()));
    let renewed = Service::open(installation.config(&hash, &"ab".repeat(32))).await.unwrap();
    assert!(renewed.resume(&identity).is_err(), "a replaced token still counts");
    let forged = Identity { name: "oidc:ann".to_owned(), roles: vec!["all".to_owned()], ..identity };
    assert!(service.resume(&forged).is_err(), "there is no provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_process_tells_of_its_use_is_added_up_and_goes_with_it() {
    use crate::usage::{GrantUsage, Usage};
    let installation = Installation::new();
    let (one, other) = (installation.service().await, installation.service().await);
    installation.point(&one, "web-1", "p1", 1).await;
    let granted = granted(&one, "ann", "web-1").await;
    let ann = signed_in(&one, "ann").await;
    let session = crate::SessionStatus {
        initiator: "iqn.x".to_owned(),
        peer: "192.0.2.1".to_owned(),
        since: UnixTime::now(),
        bytes_read: 5,
    };
    let used = |bytes_read| {
        Usage::from([(granted.grant.id.clone(), GrantUsage { sessions: vec![session.clone()], bytes_read })])
    };
    one.usage.tell(used(5)).await.unwrap();
    other.usage.tell(used(7)).await.unwrap();
    let status = one.grants(&ann).await.unwrap().pop().unwrap();
    assert_eq!((status.sessions.len(), status.bytes_read), (2, 12));
    other.usage.withdraw().await.unwrap();
    let status = one.grants(&ann).await.unwrap().pop().unwrap();
    assert_eq!((status.sessions.len(), status.bytes_read), (1, 5));
}
