use crate::resolver::Resolver;
use crate::test_support::{assert_works, error_of, far, serve_at, serve_echo, soon};
use crate::{Address, ErrorKind, ProxyChoice, Security, Tunnel, TunnelConfig};
use tokio::net::TcpListener;

fn plain(allow_remote: bool) -> Tunnel {
    let security = Security::Plain { allow_remote };
    Tunnel::new(TunnelConfig { security, proxy: ProxyChoice::None }).unwrap()
}

#[tokio::test]
async fn loopback_is_reached_without_tls() {
    let server = serve_echo().await;
    assert_works(&plain(false), &server.address()).await;
    assert_works(&plain(false), &Address::new("localhost", server.address.port())).await;
}

#[tokio::test]
async fn ipv6_loopback_is_reached_where_there_is_one() {
    let echo = |mut stream: tokio::net::TcpStream| async move {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    };
    let Ok(server) = serve_at("[::1]:0", echo).await else {
        println!("skipped: this machine has no ::1");
        return;
    };
    assert_works(&plain(false), &server.address()).await;
}

#[tokio::test]
async fn other_addresses_are_refused_before_anything_is_sent() {
    let resolver = || {
        Resolver::Table(vec![
            ("far", vec!["192.0.2.1:3260".parse().unwrap()]),
            ("localhost", vec!["127.0.0.1:1".parse().unwrap(), "192.0.2.2:3260".parse().unwrap()]),
        ])
    };
    let tunnel = Tunnel { resolver: resolver(), ..plain(false) };
    for host in ["far", "localhost", "192.0.2.1", "::ffff:192.0.2.1", "0.0.0.0", "169.254.1.1"] {
        let error = error_of(&tunnel, &Address::new(host, 3260), far()).await;
        assert_eq!(error.kind, ErrorKind::PlaintextRefused, "{host}");
        assert!(error.to_string().contains("--insecure-plaintext"), "{error}");
    }
}

#[tokio::test]
async fn other_addresses_are_reached_when_that_is_allowed() {
    // A name that is not of this computer, as far as the rule can see, but ends on loopback.
    let server = serve_echo().await;
    let wildcard = Address::new("0.0.0.0", server.address.port());
    assert_eq!(error_of(&plain(false), &wildcard, far()).await.kind, ErrorKind::PlaintextRefused);
    #[cfg(target_os = "linux")]
    assert_works(&plain(true), &wildcard).await;
}

#[tokio::test]
async fn a_closed_port_is_told_as_refused() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let address = Address::new("127.0.0.1", port);
    let error = error_of(&plain(false), &address, far()).await;
    assert_eq!(error.kind, ErrorKind::Refused);
    assert_eq!(error.place.unwrap(), address.to_string());
}

#[tokio::test]
async fn an_unknown_name_is_told_with_the_name() {
    let tunnel = Tunnel { resolver: Resolver::Table(Vec::new()), ..plain(false) };
    let error = error_of(&tunnel, &Address::new("nowhere.example", 3260), far()).await;
    assert_eq!(error.kind, ErrorKind::NameNotFound);
    assert!(error.to_string().starts_with("nowhere.example:3260: host name not found: `nowhere.example`"), "{error}");
}

#[tokio::test]
async fn the_systems_resolver_finds_no_invalid_name() {
    // RFC 6761 section 6.4: `invalid` never has addresses; without a name server there is none either.
    let error = error_of(&plain(false), &Address::new("fr-mount.invalid", 3260), far()).await;
    assert_eq!(error.kind, ErrorKind::NameNotFound);
}

#[tokio::test]
async fn a_silent_name_server_does_not_outlast_the_deadline() {
    let tunnel = Tunnel { resolver: Resolver::Silent, ..plain(false) };
    let error = error_of(&tunnel, &Address::new("slow.example", 3260), soon()).await;
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(error.to_string().contains("resolving"), "{error}");
}

#[tokio::test]
async fn a_host_that_could_break_out_of_a_request_is_refused() {
    for host in ["a\r\nX: y", "a b", "", "a/b"] {
        assert_eq!(error_of(&plain(true), &Address::new(host, 1), far()).await.kind, ErrorKind::BadConfig);
    }
}
