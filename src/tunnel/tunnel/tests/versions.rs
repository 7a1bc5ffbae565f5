use crate::test_support::{
    Authority, Served, assert_works, error_of, far, serve, serve_tls, soon, tls_tunnel, trusting,
};
use crate::{ErrorKind, Trust, spki_sha256};
use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server that answers the first bytes of a client with these, and closes.
async fn serve_answer(answer: &'static [u8]) -> Served {
    serve(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer).await;
        // Until the client has gone: closing with unread bytes would cut the answer off.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await
}

async fn error_from(server: &Served) -> crate::Error {
    error_of(&tls_tunnel(trusting(Trust::Pin([0; 32]))).unwrap(), &server.address(), far()).await
}

#[tokio::test]
async fn both_versions_are_spoken_and_the_newer_one_is_preferred() {
    let leaf = Authority::new("any").issue(&["127.0.0.1"]);
    let tunnel = tls_tunnel(trusting(Trust::Pin(spki_sha256(&leaf.certificate).unwrap()))).unwrap();
    for (versions, spoken) in [(vec![&TLS12], TLSv1_2), (vec![&TLS13], TLSv1_3), (vec![&TLS12, &TLS13], TLSv1_3)] {
        let server = serve_tls(leaf.server_of(&versions, None)).await;
        assert_works(&tunnel, &server.address()).await;
        assert_eq!(server.seen.lock().unwrap().first().unwrap().version, spoken);
    }
}

#[tokio::test]
async fn a_server_of_older_versions_is_told_by_its_alert() {
    // Fatal alert protocol_version (70) in a record of TLS 1.0, 1.1, 1.2.
    for answer in [b"\x15\x03\x01\x00\x02\x02\x46", b"\x15\x03\x02\x00\x02\x02\x46", b"\x15\x03\x03\x00\x02\x02\x46"] {
        let error = error_from(&serve_answer(answer).await).await;
        assert_eq!(error.kind, ErrorKind::TlsVersion);
        assert!(error.to_string().contains("protocol_version") && error.to_string().contains("1.2"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_chooses_an_older_version_is_told() {
    // ServerHello of TLS 1.1: version 3.2, random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    const HELLO: &[u8] = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
        0123456789abcdef0123456789abcdef\x00\x00\x2f\x00";
    let error = error_from(&serve_answer(HELLO).await).await;
    assert_eq!(error.kind, ErrorKind::TlsVersion, "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    for answer in [&b"SSH-2.0-OpenSSH_9.2p1\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0; 48], &[0x3f; 48]] {
        let error = error_from(&serve_answer(answer).await).await;
        assert_eq!(error.kind, ErrorKind::NotTls, "{error}");
        assert!(error.to_string().contains("iscsi://"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_told() {
    let polite = serve(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.shutdown().await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    // Closing while bytes are unread resets the connection.
    let rude = serve(|stream| async move { drop(stream.readable().await) });
    for server in [polite.await, rude.await] {
        let error = error_from(&server).await;
        assert_eq!(error.kind, ErrorKind::Closed, "{error}");
        assert!(error.to_string().contains("during the TLS handshake"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_does_not_outlast_the_deadline() {
    let server = serve(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let tunnel = tls_tunnel(trusting(Trust::Pin([0; 32]))).unwrap();
    let error = error_of(&tunnel, &server.address(), soon()).await;
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(error.to_string().contains("during the TLS handshake"), "{error}");
}

#[tokio::test]
async fn other_alerts_keep_their_names() {
    let handshake_failure = error_from(&serve_answer(b"\x15\x03\x03\x00\x02\x02\x28").await).await;
    assert_eq!(handshake_failure.kind, ErrorKind::TlsFailed);
    assert!(handshake_failure.to_string().contains("handshake_failure"), "{handshake_failure}");
    assert!(handshake_failure.to_string().contains("--client-cert"), "{handshake_failure}");
    let unrecognised_name = error_from(&serve_answer(b"\x15\x03\x03\x00\x02\x02\x70").await).await;
    assert_eq!(unrecognised_name.kind, ErrorKind::WrongName);
}
