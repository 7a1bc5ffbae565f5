//! What the API does for whom.

use super::support::{ANN, BOB, POINTS, Place, Running};
use crate::http::Limits;
use crate::http::times::Times;
use bundle::sealed::SealedBundle;
use secrecy::SecretString;
use serde_json::json;

#[tokio::test]
async fn a_script_with_a_token_sees_its_vms_and_their_points_newest_first() {
    let service = Running::start().await;
    let vms = service.ask(ANN, "GET", "vms", "").await.json();
    assert_eq!(vms, json!({ "vms": [{ "vm": "web-1", "points": 3 }, { "vm": "web-2", "points": 3 }] }));
    let points = service.ask(ANN, "GET", "vms/web-1/points", "").await.json();
    let names: Vec<_> =
        points["points"].as_array().unwrap().iter().map(|point| point["point"].as_str().unwrap()).collect();
    assert_eq!(names, POINTS);
    let point = service.ask(ANN, "GET", &format!("vms/web-1/points/{}", POINTS[1]), "").await.json();
    assert_eq!((&point["vm"], &point["point"]), (&json!("web-1"), &json!(POINTS[1])));
    assert_eq!(point["disks"], json!([{ "lun": 0, "format": "raw", "block_size": 512, "bytes": 1 << 20 }]));
    assert!(point["layout"]["volumes"].as_array().unwrap().len() > 3);
}

#[tokio::test]
async fn what_a_user_may_not_restore_is_not_there_for_them() {
    let service = Running::start().await;
    for path in
        ["vms/secret-db/points", "vms/secret-db/points/20261128T100000Z", "vms/none/points", "vms/web-1/points/none"]
    {
        let answer = service.ask(ANN, "GET", path, "").await;
        assert_eq!((answer.status, answer.kind().as_str()), (404, "not-found"), "{path}");
    }
    let body = json!({ "vm": "secret-db", "point": POINTS[0] }).to_string();
    assert_eq!(service.ask(ANN, "POST", "grants", &body).await.status, 404);
}

#[tokio::test]
async fn a_grant_gives_a_bundle_that_its_password_opens_and_another_password_does_not() {
    let service = Running::start().await;
    let body = json!({ "vm": "web-1", "point": POINTS[0], "lifetime_seconds": 600 }).to_string();
    let answer = service.ask(ANN, "POST", "grants", &body).await;
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
    let granted = answer.json();
    let sealed = SealedBundle::parse(granted["bundle"].as_str().unwrap()).unwrap();
    assert_eq!((sealed.offer().vm.as_str(), sealed.offer().point.as_str()), ("web-1", POINTS[0]));
    let password = |text: &str| SecretString::from(text);
    assert!(sealed.open(&password(granted["password"].as_str().unwrap())).is_ok());
    assert!(sealed.open(&password("AAAA-AAAA-AAAA-AAAA-AAAA")).is_err());
    let bundle = granted["bundle"].as_str().unwrap().trim_end();
    let secret = granted["password"].as_str().unwrap();
    for system in ["linux", "windows"] {
        let script = granted["launchers"][system]["text"].as_str().unwrap();
        assert!(script.contains(bundle) && !script.contains(secret), "{system}");
        let command = granted["commands"][system].as_str().unwrap();
        assert!(command.contains(granted["file_name"].as_str().unwrap()) && !command.contains(secret), "{command}");
    }
    let grants = service.ask(ANN, "GET", "grants", "").await;
    assert!(!grants.body.contains(secret), "the password was shown a second time");
    assert_eq!(grants.json()["grants"][0]["grant"], granted["grant"]);
}

#[tokio::test]
async fn unmounting_ends_a_grant_for_everybody_and_others_need_a_role_for_it() {
    let service = Running::start().await;
    let grant = async |token, vm| {
        let body = json!({ "vm": vm, "point": POINTS[0] }).to_string();
        let granted = service.ask(token, "POST", "grants", &body).await.json();
        granted["grant"]["id"].as_str().unwrap().to_owned()
    };
    let (first, other, of_bob) = (grant(ANN, "web-1").await, grant(ANN, "web-2").await, grant(BOB, "web-1").await);
    let seen = service.ask(BOB, "GET", "grants", "").await.json();
    let may: Vec<_> = seen["grants"].as_array().unwrap().iter().map(|line| line["may_revoke"].clone()).collect();
    assert_eq!(may, [json!(true), json!(true)], "bob sees his own and ann's of web-1: {seen}");
    // Ann may not know of bob's, bob may not know of web-2.
    assert_eq!(service.ask(ANN, "DELETE", &format!("grants/{of_bob}"), "").await.status, 404);
    assert_eq!(service.ask(BOB, "DELETE", &format!("grants/{other}"), "").await.status, 404);
    assert_eq!(service.ask(BOB, "DELETE", &format!("grants/{first}"), "").await.status, 204);
    let seen = service.ask(ANN, "GET", "grants", "").await.json();
    let line = seen["grants"].as_array().unwrap().iter().find(|line| line["grant"]["id"] == first.as_str());
    let line = line.expect("what ended a moment ago is still shown");
    assert_eq!((&line["state"], &line["revoked_by"]), (&json!("revoked"), &json!("bob")));
    assert!(line["revoked_at"].as_u64().is_some());
}

#[tokio::test]
async fn a_lifetime_beyond_what_is_allowed_is_refused_in_words() {
    let service = Running::start().await;
    for seconds in [0, 43_201, u64::MAX] {
        let body = json!({ "vm": "web-1", "point": POINTS[0], "lifetime_seconds": seconds }).to_string();
        let answer = service.ask(ANN, "POST", "grants", &body).await;
        assert_eq!((answer.status, answer.kind().as_str()), (400, "invalid"), "{seconds}");
    }
}

#[tokio::test]
async fn the_page_signs_in_once_and_every_process_of_the_service_accepts_its_cookie() {
    let place = Place::new();
    let first = place.serve(Limits::default(), Times::default()).await;
    let second = place.serve(Limits::default(), Times::default()).await;
    let cookie = first.sign_in(ANN).await;
    for service in [&first, &second] {
        let session = service.ask_as_page(&cookie, "GET", "session", "").await.json();
        assert_eq!((&session["user"], &session["lifetime_max_seconds"]), (&json!("ann"), &json!(43_200)));
        assert!((43_100..=43_200).contains(&session["seconds_left"].as_u64().unwrap()), "{session}");
        let body = json!({ "vm": "web-1", "point": POINTS[0] }).to_string();
        assert_eq!(service.ask_as_page(&cookie, "POST", "grants", &body).await.status, 201);
    }
    let elsewhere = Running::start().await;
    assert_eq!(elsewhere.ask_as_page(&cookie, "GET", "vms", "").await.kind(), "not-signed-in");
}

#[tokio::test]
async fn signing_out_takes_the_cookie_away() {
    let service = Running::start().await;
    let cookie = service.sign_in(ANN).await;
    let answer = service.ask_as_page(&cookie, "DELETE", "session", "").await;
    assert_eq!(answer.status, 204);
    let header = answer.header("set-cookie").unwrap();
    assert!(header.starts_with("__Host-fr-session=; ") && header.ends_with("Max-Age=0"), "{header}");
}

#[tokio::test]
async fn nobody_gets_anything_without_signing_in_and_a_wrong_token_is_not_repeated() {
    let service = Running::start().await;
    for (method, path) in [
        ("GET", "session"),
        ("GET", "vms"),
        ("GET", "vms/web-1/points"),
        ("GET", "vms/web-1/points/20261128T100000Z"),
        ("GET", "grants"),
    ] {
        let answer = service.request(method, &format!("/api/v1/{path}"), &[], "").await;
        assert_eq!((answer.status, answer.kind().as_str()), (401, "not-signed-in"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    for token in ["wrong-token-9", "", "the token of ann x"] {
        let answer = service.ask(token, "GET", "vms", "").await;
        assert_eq!((answer.status, answer.kind().as_str()), (401, "not-signed-in"), "{token}");
        assert!(!answer.body.contains("wrong-token-9"));
    }
    // A token that is wrong is not made up for by a cookie that is right.
    let cookie = service.sign_in(ANN).await;
    let headers = [("Cookie", cookie.as_str()), ("Authorization", "Basic YW5uOng=")];
    assert_eq!(service.request("GET", "/api/v1/vms", &headers, "").await.status, 401);
}

#[tokio::test]
async fn what_changes_something_has_to_come_from_the_page_itself() {
    let service = Running::start().await;
    let cookie = service.sign_in(ANN).await;
    let body = json!({ "vm": "web-1", "point": POINTS[0] }).to_string();
    let post = |origin: Option<String>| {
        let (service, cookie, body) = (&service, cookie.as_str(), body.as_str());
        async move {
            let mut headers = vec![("Cookie", cookie), ("Content-Type", "application/json")];
            headers.extend(origin.as_deref().map(|origin| ("Origin", origin)));
            service.request("POST", "/api/v1/grants", &headers, body).await
        }
    };
    for origin in [None, Some("https://evil.example".to_owned()), Some("null".to_owned())] {
        let answer = post(origin).await;
        assert_eq!((answer.status, answer.kind().as_str()), (403, "wrong-origin"));
    }
    let grants = service.ask_as_page(&cookie, "GET", "grants", "").await.json();
    assert_eq!(grants, json!({ "grants": [] }), "a request of another page made a grant");
    assert_eq!(post(Some(service.origin())).await.status, 201);
    let foreign = [("Cookie", cookie.as_str()), ("Origin", "https://evil.example")];
    assert_eq!(service.request("DELETE", "/api/v1/session", &foreign, "").await.status, 403);
}

#[tokio::test]
async fn after_ten_failed_sign_ins_an_address_has_to_wait_and_a_good_token_does_not_help_it() {
    let service = Running::start().await;
    for number in 0..10 {
        let answer = if number % 2 == 0 {
            service.try_to_sign_in("guess").await
        } else {
            service.ask("guess", "GET", "vms", "").await
        };
        assert_eq!(answer.kind(), "not-signed-in");
    }
    let answer = service.try_to_sign_in(ANN).await;
    assert_eq!((answer.status, answer.kind().as_str()), (429, "too-many-attempts"));
    assert!((1..=60).contains(&answer.header("retry-after").unwrap().parse::<u32>().unwrap()));
}
