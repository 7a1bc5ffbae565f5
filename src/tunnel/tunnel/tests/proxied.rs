use crate::resolver::Resolver;
use crate::test_support::{
    Authority, Served, assert_works, error_of, far, serve, serve_echo, serve_tls, soon, trusting,
};
use crate::{Address, ErrorKind, ProxyChoice, Security, Trust, Tunnel, TunnelConfig, spki_sha256};
use base64::Engine;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A real CONNECT proxy: whatever the host, it connects to `target`. With `password`, it wants that.
struct TestProxy {
    served: Served,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    async fn new(target: SocketAddr, credentials: Option<&'static str>) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let served = serve(move |stream| {
            let log = Arc::clone(&log);
            async move { relay(stream, target, credentials, &log).await }
        });
        Self { served: served.await, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn relay(client: TcpStream, target: SocketAddr, credentials: Option<&str>, log: &Mutex<Vec<String>>) {
    let mut client = BufReader::new(client);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if client.read_line(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    log.lock().unwrap().push(request.clone());
    let wanted = credentials.map(|pair| {
        format!("Proxy-Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(pair))
    });
    if wanted.is_some_and(|wanted| !request.contains(&wanted)) {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n";
        let _ = client.write_all(refusal).await;
        return;
    }
    let mut server = TcpStream::connect(target).await.unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

/// TLS to a server that is reached through a proxy only: its name has no address here.
async fn tls_server(name: &str) -> (Served, Security) {
    let leaf = Authority::new("any").issue(&[name]);
    let security = Security::Tls(trusting(Trust::Pin(spki_sha256(&leaf.certificate).unwrap())));
    (serve_tls(leaf.server()).await, security)
}

fn through(security: Security, proxy: &str) -> Tunnel {
    let config = TunnelConfig { security, proxy: ProxyChoice::Url(proxy.into()) };
    Tunnel { resolver: Resolver::Table(Vec::new()), ..Tunnel::new(config).unwrap() }
}

fn from_environment(security: Security, variables: &[(&str, String)]) -> Tunnel {
    let config = TunnelConfig { security, proxy: ProxyChoice::FromEnvironment };
    let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
    Tunnel { resolver: Resolver::Table(Vec::new()), ..Tunnel::with_environment(config, &lookup).unwrap() }
}

fn backup() -> Address {
    Address::new("backup.example", 3260)
}

#[tokio::test]
async fn tls_goes_through_the_proxy_to_a_host_that_only_the_proxy_knows() {
    let (server, security) = tls_server("backup.example").await;
    let proxy = TestProxy::new(server.address, Some("us@er:wo:rd")).await;
    let tunnel = through(security, &format!("http://us%40er:wo%3Ard@{}", proxy.served.address));
    assert_works(&tunnel, &backup()).await;
    assert!(proxy.requests().first().unwrap().starts_with("CONNECT backup.example:3260 HTTP/1.1\r\n"));
    assert_eq!(server.seen.lock().unwrap().first().unwrap().server_name.as_deref(), Some("backup.example"));
}

#[tokio::test]
async fn wrong_credentials_are_told_and_not_shown() {
    let (server, security) = tls_server("backup.example").await;
    let proxy = TestProxy::new(server.address, Some("user:right")).await;
    let tunnel = through(security, &format!("http://user:hunter2@{}", proxy.served.address));
    let error = error_of(&tunnel, &backup(), far()).await;
    assert_eq!(error.kind, ErrorKind::ProxyCredentials);
    let text = error.to_string();
    assert!(text.contains(&proxy.served.address.to_string()) && text.contains("backup.example:3260"), "{text}");
    for shown in [text, format!("{error:?}"), format!("{tunnel:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn the_environment_names_the_proxy_and_its_exceptions() {
    let (server, security) = tls_server("backup.example").await;
    let proxy = TestProxy::new(server.address, None).await;
    let url = format!("http://{}", proxy.served.address);
    let tunnel = from_environment(security.clone(), &[("HTTPS_PROXY", url.clone())]);
    assert_works(&tunnel, &backup()).await;
    assert_works(&tunnel, &server.address()).await;
    assert_eq!(proxy.requests().len(), 1, "loopback is reached without it");

    let variables = [("HTTPS_PROXY", url), ("NO_PROXY", "other, .example".to_owned())];
    let error = error_of(&from_environment(security, &variables), &backup(), far()).await;
    assert_eq!(error.kind, ErrorKind::NameNotFound, "directly, where nobody knows the name");
    assert_eq!(proxy.requests().len(), 1);
}

#[tokio::test]
async fn plaintext_through_a_proxy_is_refused_unless_allowed() {
    let server = serve_echo().await;
    let proxy = TestProxy::new(server.address, None).await;
    let url = proxy.served.address.to_string();
    let refusing = through(Security::Plain { allow_remote: false }, &url);
    for address in [backup(), server.address()] {
        let error = error_of(&refusing, &address, far()).await;
        assert_eq!(error.kind, ErrorKind::PlaintextRefused);
    }
    assert!(proxy.requests().is_empty());
    assert_works(&through(Security::Plain { allow_remote: true }, &url), &backup()).await;
}

#[tokio::test]
async fn a_failure_of_tls_behind_the_proxy_is_one_of_the_server() {
    let (server, _) = tls_server("backup.example").await;
    let proxy = TestProxy::new(server.address, None).await;
    let security = Security::Tls(trusting(Trust::Pin([0; 32])));
    let error = error_of(&through(security, &proxy.served.address.to_string()), &backup(), far()).await;
    assert_eq!(error.kind, ErrorKind::PinMismatch);
    assert_eq!(error.place.as_deref(), Some("backup.example:3260"));
}

#[tokio::test]
async fn a_proxy_that_refuses_answers_garbage_or_hangs_up_is_told() {
    for (answer, kind) in [
        (&b"HTTP/1.1 403 Forbidden\r\n\r\nno"[..], ErrorKind::ProxyRefused),
        (b"\x00\x01garbage\r\n\r\n", ErrorKind::ProxyProtocol),
        (b"", ErrorKind::Closed),
    ] {
        let proxy = serve(move |mut stream| async move {
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
        .await;
        let (_server, security) = tls_server("backup.example").await;
        let error = error_of(&through(security, &proxy.address.to_string()), &backup(), far()).await;
        assert_eq!(error.kind, kind, "{error}");
        assert!(
            error.to_string().starts_with(&format!("proxy {} for backup.example:3260: ", proxy.address)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_proxy_that_dribbles_does_not_outlast_the_deadline() {
    let proxy = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    let (_server, security) = tls_server("backup.example").await;
    let error = error_of(&through(security, &proxy.address.to_string()), &backup(), soon()).await;
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(error.to_string().contains("waiting for the proxy"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let (_server, security) = tls_server("backup.example").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = error_of(&through(security.clone(), &closed.to_string()), &backup(), far()).await;
    assert_eq!(refused.kind, ErrorKind::Refused);
    assert!(refused.to_string().starts_with(&format!("proxy {closed} for ")), "{refused}");
    let unknown = error_of(&through(security, "http://nowhere.example"), &backup(), far()).await;
    assert_eq!(unknown.kind, ErrorKind::NameNotFound);
    assert!(unknown.to_string().starts_with("proxy nowhere.example:80 for "), "{unknown}");
}
