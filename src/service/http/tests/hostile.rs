//! Clients that do not mean well, or are very slow.

use super::support::{ANN, PATIENCE, POINTS, Running, read_to_end};
use crate::http::Limits;
use crate::http::times::Times;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Long enough for an honest client on a busy machine, short enough for a test.
const SHORT: Duration = Duration::from_millis(400);

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_the_page() {
    let service = Running::start_with(Limits { hsts: true, ..Limits::default() }, Times::default()).await;
    let cookie = service.sign_in(ANN).await;
    let answers = [
        service.request("GET", "/", &[], "").await,
        service.request("GET", "/assets/page.js", &[], "").await,
        service.request("GET", "/nowhere", &[], "").await,
        service.request("GET", "/api/v1/vms", &[], "").await,
        service.request("POST", "/api/v1/grants", &[], "").await,
        service.request("PUT", "/api/v1/grants", &[("Authorization", "Bearer x")], "").await,
        service.ask_as_page(&cookie, "GET", "vms", "").await,
    ];
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 404, 401, 403, 405, 200]);
    for answer in &answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("safe-inline") && !policy.contains("safe-eval"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    }
    let kept: Vec<_> = answers.iter().map(|answer| answer.header("cache-control").unwrap()).collect();
    assert_eq!(kept, ["no-cache", "no-cache", "no-store", "no-store", "no-store", "no-store", "no-store"]);
}

#[tokio::test]
async fn a_file_of_the_page_is_sent_once_and_then_only_when_it_changed() {
    let service = Running::start().await;
    let first = service.request("GET", "/assets/page.js", &[], "").await;
    let tag = first.header("etag").unwrap().to_owned();
    assert!(first.body.contains("#get-access") || first.body.contains("get-access"));
    for (kept, status) in [(tag.as_str(), 304), (&format!("\"x\", W/{tag}"), 304), ("\"x\"", 200)] {
        let answer = service.request("GET", "/assets/page.js", &[("If-None-Match", kept)], "").await;
        assert_eq!((answer.status, answer.body.is_empty()), (status, status == 304), "{kept}");
    }
    for name in ["/assets/none", "/assets/..%2fpage.html", "/assets/../Cargo.toml", "/page.html"] {
        assert_eq!(service.request("GET", name, &[], "").await.status, 404, "{name}");
    }
}

#[tokio::test]
async fn headers_that_are_too_long_or_too_many_are_refused() {
    let service = Running::start().await;
    let long = "a".repeat(64 << 10);
    let many: Vec<_> = (0..200).map(|number| (format!("X-{number}"), "x".to_owned())).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(service.request("GET", "/", &[("X-Long", &long)], "").await.status, 431);
    assert_eq!(service.request("GET", "/", &many, "").await.status, 431);
    let status = service.request("GET", &format!("/{long}"), &[], "").await.status;
    assert!(status == 414 || status == 431, "{status}");
    assert_eq!(service.request("GET", "/", &[], "").await.status, 200);
}

#[tokio::test]
async fn bodies_that_are_too_large_or_not_what_is_expected_are_refused_without_repeating_them() {
    let service = Running::start().await;
    let token = json!({ "token": "t".repeat(1 << 20) }).to_string();
    let origin = service.origin();
    let headers = [("Origin", origin.as_str()), ("Content-Type", "application/json")];
    let answer = service.request("POST", "/api/v1/session", &headers, &token).await;
    assert_eq!((answer.status, answer.kind().as_str()), (413, "too-large"));
    for body in [
        "{",
        "null",
        "[]",
        "\"SECRET\"",
        "{\"token\": 1}",
        "{\"token\": {\"SECRET\": 1}}",
        "{\"token\": \"SECRET\", \"more\": 1}",
        "{\"tokens\": \"SECRET\"}",
        &"[".repeat(20_000),
    ] {
        let answer = service.request("POST", "/api/v1/session", &headers, body).await;
        assert_eq!((answer.status, answer.kind().as_str()), (400, "invalid"), "{body:.40}");
        assert!(!answer.body.contains("SECRET"), "{}", answer.body);
    }
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let headers = [("Origin", origin.as_str()), ("Content-Type", media_type)];
        let answer = service.request("POST", "/api/v1/session", &headers, "{\"token\": \"x\"}").await;
        assert_eq!((answer.status, answer.kind().as_str()), (415, "wrong-media-type"), "{media_type}");
    }
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    let service = Running::start().await;
    for path in [
        "vms/..%2f..%2fgrants/points",
        "vms/%2e%2e/points",
        "vms/a%00b/points",
        "vms/%ff/points",
        "vms/web-1/points/%2e%2e",
        "vms/%1b%5b2J/points",
        "grants/..%2fx",
    ] {
        let method = if path.starts_with("grants") { "DELETE" } else { "GET" };
        let answer = service.ask(ANN, method, path, "").await;
        assert_eq!((answer.status, answer.kind().as_str()), (400, "invalid"), "{path}");
        assert!(!answer.body.contains('\u{1b}'));
    }
}

#[tokio::test]
async fn what_is_not_http_gets_no_further_than_the_parser() {
    let service = Running::start().await;
    for bytes in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/v1/session HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    ] {
        let answer = service.send(bytes).await;
        assert!(answer.status == 0 || (400..=505).contains(&answer.status), "{bytes:?}: {answer:?}");
    }
    assert_eq!(service.request("GET", "/", &[], "").await.status, 200);
}

#[tokio::test]
async fn cookies_that_are_nonsense_are_no_sign_in() {
    let service = Running::start().await;
    let good = service.sign_in(ANN).await;
    let cut = &good[..good.len() - 3];
    for cookie in
        ["__Host-fr-session", "__Host-fr-session=", "__Host-fr-session=a.b.c", "=;;=", "__Host-fr-session=\"x\"", cut]
    {
        assert_eq!(service.ask_as_page(cookie, "GET", "vms", "").await.status, 401, "{cookie}");
    }
    let other_name = good.replace("__Host-fr-session", "__Host-fr-sessionx");
    assert_eq!(service.ask_as_page(&other_name, "GET", "vms", "").await.status, 401);
    assert_eq!(service.ask_as_page(&format!("a=b; {good}; c=d"), "GET", "vms", "").await.status, 200);
}

#[tokio::test]
async fn who_is_slow_in_the_handshake_the_header_or_between_requests_is_cut() {
    let times = Times { handshake: SHORT, header: SHORT, ..Times::default() };
    let service = Running::start_with(Limits::default(), times).await;
    let mut silent = TcpStream::connect(service.address).await.unwrap();
    let read = tokio::time::timeout(PATIENCE, silent.read(&mut [0; 16])).await.expect("a silent client is kept");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    let mut slow = service.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    // Either nothing or 408, and then the end; what matters is that it ends.
    read_to_end(&mut slow).await;
    let mut idle = service.connect().await;
    idle.write_all(b"GET /assets/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut idle).await.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let times = Times { request: SHORT, ..Times::default() };
    let service = Running::start_with(Limits::default(), times).await;
    let mut head = format!("POST /api/v1/grants HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ANN}\r\n");
    head.push_str("Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"vm\":");
    let answer = service.send(head.as_bytes()).await;
    assert_eq!((answer.status, answer.kind().as_str()), (408, "too-slow"));
}

#[tokio::test]
async fn who_never_reads_is_cut_when_the_connection_is_old() {
    let times = Times { connection: SHORT, farewell: SHORT, ..Times::default() };
    let limits = Limits { connections: 1, ..Limits::default() };
    let service = Running::start_with(limits, times).await;
    let mut deaf = service.connect().await;
    // More answers than the buffers on the way can hold.
    let request = b"GET /assets/page.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2_000);
    let _ = tokio::time::timeout(SHORT, deaf.write_all(&request)).await;
    let room = async {
        loop {
            let mut stream = TcpStream::connect(service.address).await.unwrap();
            if tokio::time::timeout(SHORT / 4, stream.read(&mut [0; 1])).await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 8).await;
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("who never reads holds the only connection");
}

#[tokio::test]
async fn one_client_cannot_have_all_connections() {
    let limits = Limits { connections_per_client: 2, ..Limits::default() };
    let service = Running::start_with(limits, Times::default()).await;
    let (first, _second) = (service.connect().await, service.connect().await);
    let mut third = TcpStream::connect(service.address).await.unwrap();
    let read = tokio::time::timeout(PATIENCE, third.read(&mut [0; 16])).await.expect("a third connection is kept");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    drop(first);
    let room = async {
        loop {
            let mut stream = TcpStream::connect(service.address).await.unwrap();
            if tokio::time::timeout(SHORT / 4, stream.read(&mut [0; 1])).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("a closed connection makes no room");
}

#[tokio::test]
async fn a_service_that_stops_lets_the_request_under_way_end_and_closes_what_is_idle() {
    let service = Running::start().await;
    let mut idle = service.connect().await;
    let address = service.address;
    service.stop().await;
    assert!(read_to_end(&mut idle).await.is_empty());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn grants_are_made_by_post_only() {
    let service = Running::start().await;
    let path = format!("/api/v1/grants?vm=web-1&point={}", POINTS[0]);
    let bearer = format!("Bearer {ANN}");
    let answer = service.request("GET", &path, &[("Authorization", &bearer)], "").await;
    assert_eq!(answer.json(), json!({ "grants": [] }));
}
