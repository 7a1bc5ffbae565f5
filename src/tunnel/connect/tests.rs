use super::*;
use crate::test_support::{far, serve, soon};
use tokio::net::TcpListener;

/// An address on which nobody listens: it was free a moment ago.
async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A listener whose queue is full: what connects to it hears nothing, as with a firewall that drops.
#[cfg(target_os = "linux")]
struct Silent {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

#[cfg(target_os = "linux")]
impl Silent {
    async fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        // Until a connection hangs; the kernel takes one or two.
        while let Ok(stream) = timeout_at(soon(), TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
            assert!(queued.len() < 100, "the queue is never full");
        }
        Self { address, _listener: listener, _queued: queued }
    }
}

#[tokio::test]
async fn the_connection_does_not_wait_to_fill_packets() {
    let server = serve(|_stream| async {}).await;
    let stream = connect(&[server.address], far()).await.unwrap();
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn an_address_that_refuses_does_not_hide_the_next_one() {
    let server = serve(|_stream| async {}).await;
    let stream = connect(&[closed_port().await, closed_port().await, server.address], far()).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), server.address);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_is_silent_does_not_use_up_the_time() {
    let silent = Silent::new().await;
    let server = serve(|_stream| async {}).await;
    let stream = connect(&[silent.address, server.address], far()).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), server.address);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_time_out_says_who_was_silent_and_who_refused() {
    let silent = Silent::new().await;
    let closed = closed_port().await;
    let error = connect(&[closed, silent.address], soon()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(error.detail.contains(&format!("nothing from {}; {closed} (", silent.address)), "{error}");
    assert!(error.detail.contains("while connecting"), "{error}");
}

#[tokio::test]
async fn when_all_refuse_all_are_named() {
    let closed = [closed_port().await, closed_port().await];
    let error = connect(&closed, far()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    for address in closed {
        assert!(error.detail.contains(&address.to_string()), "{error}");
    }
    assert!(!error.to_string().contains("os error"), "{error}");
}

#[test]
fn the_most_telling_failure_decides_the_kind() {
    let failed = |kinds: &[io::ErrorKind]| {
        let address: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let failed: Vec<_> = kinds.iter().map(|kind| (address, io::Error::from(*kind))).collect();
        all_failed(&failed).kind
    };
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, Other, TimedOut};
    assert_eq!(failed(&[NetworkUnreachable, ConnectionRefused, TimedOut]), ErrorKind::Refused);
    assert_eq!(failed(&[NetworkUnreachable, TimedOut]), ErrorKind::TimedOut);
    assert_eq!(failed(&[Other, HostUnreachable]), ErrorKind::Unreachable);
    assert_eq!(failed(&[Other]), ErrorKind::Io);
}

#[test]
fn a_long_list_of_failures_is_cut() {
    let address: SocketAddr = "192.0.2.1:1".parse().unwrap();
    let failed: Vec<_> = (0..30).map(|_| (address, io::Error::from(io::ErrorKind::ConnectionRefused))).collect();
    assert!(list(&failed).ends_with(", and others"));
}
