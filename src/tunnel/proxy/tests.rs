use super::*;
use crate::test_support::far;
use tokio::io::DuplexStream;
use tokio::time::timeout_at;

fn proxy(url: &str) -> Result<Proxy, Error> {
    Proxy::parse(&SecretString::from(url), "--proxy")
}

/// What a proxy says, in one piece, and what comes of it; and the request that it saw.
async fn ask(url: &str, host: &str, answer: &[u8]) -> (Result<(), Error>, String) {
    let (mut near, mut far_end) = tokio::io::duplex(256 * 1024);
    far_end.write_all(answer).await.unwrap();
    far_end.shutdown().await.unwrap();
    let proxy = proxy(url).unwrap();
    let host = Host::parse(host).unwrap();
    let result = timeout_at(far(), proxy.connect(&mut near, &host, 3260)).await.unwrap();
    drop(near);
    let mut request = String::new();
    far_end.read_to_string(&mut request).await.unwrap();
    (result, request)
}

async fn answered(answer: impl AsRef<[u8]>) -> Result<(), Error> {
    ask("http://p:8080", "a.example", answer.as_ref()).await.0
}

#[test]
fn a_url_names_host_and_port() {
    for (url, address) in [
        ("http://p:8080", "p:8080"),
        ("http://p", "p:80"),
        ("p:8080", "p:8080"),
        (" http://p:8080/ ", "p:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://10.0.0.1", "10.0.0.1:80"),
        ("http://user:word@p:1", "p:1"),
    ] {
        assert_eq!(proxy(url).unwrap().address.to_string(), address, "{url}");
    }
}

#[test]
fn a_url_of_another_form_is_refused_and_not_repeated() {
    for url in [
        "",
        "http://",
        "https://hunter2:hunter2@p:1",
        "socks5://hunter2@p:1",
        "http://hunter2@p:99999",
        "http://p:0",
        "http://p:1/hunter2",
        "http://p:1?hunter2",
        "http://us%3aer:hunter2@p:1",
        "http://user:hunter2%0d%0aX@p:1",
    ] {
        let error = proxy(url).expect_err(url);
        assert_eq!(error.kind, ErrorKind::BadConfig);
        let text = error.to_string();
        assert!(text.contains("--proxy") && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn the_request_names_the_host_and_shows_credentials_decoded() {
    let url = "http://us%40er:p%C3%A4ss%3Aword@p:1";
    let (result, request) = ask(url, "A.Example.", b"HTTP/1.1 200 OK\r\n\r\n").await;
    result.unwrap();
    let credentials = STANDARD.encode("us@er:päss:word");
    let wanted = format!(
        "CONNECT a.example:3260 HTTP/1.1\r\nHost: a.example:3260\r\nProxy-Authorization: Basic {credentials}\r\n\r\n"
    );
    assert_eq!(request, wanted);
}

#[tokio::test]
async fn an_ipv6_address_is_asked_for_in_brackets() {
    let (result, request) = ask("p:1", "2001:db8::1", b"HTTP/1.0 200\r\n\r\n").await;
    result.unwrap();
    assert_eq!(request, "CONNECT [2001:db8::1]:3260 HTTP/1.1\r\nHost: [2001:db8::1]:3260\r\n\r\n");
}

#[test]
fn credentials_are_not_in_debug_output() {
    let proxy = proxy("http://user:hunter2@p:1").unwrap();
    let shown = format!("{proxy:?}");
    assert!(!shown.contains("hunter2") && !shown.contains(&STANDARD.encode("user:hunter2")), "{shown}");
}

#[tokio::test]
async fn every_success_status_opens_the_tunnel() {
    answered("HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    answered("HTTP/1.1 204 Fine\r\nContent-Length: 7\r\nVia: x\r\n\r\n").await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_with_its_status() {
    for (status, said) in [(403, "403 Forbidden"), (404, "404 Forbidden"), (502, "502 Forbidden"), (302, "302 Forb")] {
        let error = answered(format!("HTTP/1.1 {status} Forbidden\r\n\r\n<html>no</html>")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ProxyRefused);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn missing_wrong_and_unsupported_credentials_are_told_apart() {
    let basic = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: basic realm=\"x\"\r\n\r\n";
    let missing = ask("p:1", "a", basic).await.0.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::ProxyCredentials);
    assert!(missing.to_string().contains("USER:PASSWORD"), "{missing}");

    let wrong = ask("http://user:hunter2@p:1", "a", basic).await.0.unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::ProxyCredentials);
    let text = wrong.to_string();
    assert!(text.contains("does not accept") && !text.contains("hunter2"), "{text}");

    let other = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n";
    let unsupported = ask("http://user:hunter2@p:1", "a", other).await.0.unwrap_err();
    assert!(unsupported.to_string().contains("Negotiate, NTLM"), "{unsupported}");
}

#[tokio::test]
async fn what_is_not_http_is_not_understood() {
    for answer in
        ["SSH-2.0-OpenSSH_9.2\r\n", "\x15\x03\x01\x00\x02\x02\x46", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 2x0\r\n\r\n"]
    {
        let error = answered(answer).await.expect_err(answer);
        assert_eq!(error.kind, ErrorKind::ProxyProtocol, "{error}");
    }
    let interim = answered("HTTP/1.1 100 Continue\r\n\r\n").await.unwrap_err();
    assert_eq!(interim.kind, ErrorKind::ProxyProtocol);
}

#[tokio::test]
async fn bytes_behind_the_answer_are_an_error_and_not_lost() {
    let error = answered("HTTP/1.1 200 OK\r\n\r\nhello").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ProxyProtocol);
}

#[tokio::test]
async fn a_cut_answer_is_a_closed_connection() {
    for answer in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1."] {
        assert_eq!(answered(answer).await.unwrap_err().kind, ErrorKind::Closed);
    }
}

#[tokio::test]
async fn the_head_of_an_answer_is_bounded() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
    assert!(answered(&long).await.unwrap_err().to_string().contains("16384"));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(HEADERS_MAX + 1));
    assert_eq!(answered(&many).await.unwrap_err().kind, ErrorKind::ProxyProtocol);
    let just = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX - 24));
    assert_eq!(just.len(), HEAD_BYTES_MAX);
    answered(&just).await.unwrap();
}

#[tokio::test]
async fn a_reason_cannot_write_to_the_terminal() {
    let error = answered(format!("HTTP/1.1 403 no\t{}\r\n\r\n", "y".repeat(5000))).await.unwrap_err();
    assert!(error.to_string().len() < 400 && !error.to_string().contains('\t'), "{error}");
}

async fn dribble(mut to: DuplexStream, answer: &[u8]) -> DuplexStream {
    for byte in answer {
        to.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    to
}

#[tokio::test]
async fn an_answer_may_come_byte_by_byte_and_the_stream_goes_on_behind_it() {
    let (mut near, far_end) = tokio::io::duplex(1024);
    let proxy = proxy("p:1").unwrap();
    let host = Host::parse("a.example").unwrap();
    let answer = dribble(far_end, b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n");
    let (result, mut far_end) = tokio::join!(proxy.connect(&mut near, &host, 1), answer);
    result.unwrap();
    far_end.write_all(b"tunnel").await.unwrap();
    let mut got = [0; 6];
    near.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"tunnel");
}
