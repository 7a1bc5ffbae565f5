use crate::test_support::{
    Authority, Leaf, Served, assert_echoes, assert_works, far, serve, serve_tls, tls_tunnel, trusting, write,
};
use crate::{ClientIdentity, Dial, Error, ErrorKind, TlsConfig, Trust, Tunnel, spki_sha256};
use rcgen::KeyPair;
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server that wants a certificate of `clients`, and its own.
async fn serve_clients_of(clients: &Authority, version: &'static rustls::SupportedProtocolVersion) -> (Served, Trust) {
    let leaf = Authority::new("servers").issue(&["127.0.0.1"]);
    let server = serve_tls(leaf.server_of(&[version], Some(clients))).await;
    (server, Trust::Pin(spki_sha256(&leaf.certificate).unwrap()))
}

fn identity(dir: &TempDir, leaf: &Leaf) -> ClientIdentity {
    ClientIdentity {
        certificate: write(dir, "client.pem", &leaf.pem),
        key: write(dir, "client.key", &leaf.key.serialize_pem()),
    }
}

fn with_identity(trust: Trust, client: Option<ClientIdentity>) -> Result<Tunnel, Error> {
    tls_tunnel(TlsConfig { client, ..trusting(trust) })
}

/// What a user of the stream hears: from dialling, or from the first use.
async fn refusal(tunnel: &Tunnel, server: &Served) -> Error {
    let mut stream = match tunnel.dial(&server.address(), far()).await {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    let error = match stream.read(&mut [0; 16]).await {
        Ok(count) => panic!("{count} bytes came"),
        Err(error) => error,
    };
    assert_eq!(error.to_string(), Error::inside(&error).expect("an error of ours").to_string());
    Error::inside(&error).unwrap().clone()
}

#[tokio::test]
async fn the_client_certificate_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let clients = Authority::new("clients");
    let leaf = clients.issue(&["client"]);
    for version in [&TLS12, &TLS13] {
        let (server, trust) = serve_clients_of(&clients, version).await;
        let tunnel = with_identity(trust, Some(identity(&dir, &leaf))).unwrap();
        assert_works(&tunnel, &server.address()).await;
        assert!(server.seen.lock().unwrap().first().unwrap().has_client_certificate);
    }
}

#[tokio::test]
async fn certificate_and_key_may_be_in_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let clients = Authority::new("clients");
    let leaf = clients.issue(&["client"]);
    let both = write(&dir, "both.pem", &format!("{}{}", leaf.key.serialize_pem(), leaf.pem));
    let (server, trust) = serve_clients_of(&clients, &TLS13).await;
    let tunnel = with_identity(trust, Some(ClientIdentity { certificate: both.clone(), key: both })).unwrap();
    assert_works(&tunnel, &server.address()).await;
}

#[tokio::test]
async fn a_missing_client_certificate_is_asked_for() {
    for version in [&TLS12, &TLS13] {
        let (server, trust) = serve_clients_of(&Authority::new("clients"), version).await;
        let error = refusal(&with_identity(trust, None).unwrap(), &server).await;
        assert_eq!(error.kind, ErrorKind::ClientCertificate, "{error}");
        assert!(error.to_string().contains("--client-cert"), "{error}");
    }
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_told_as_not_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let stranger = Authority::new("strangers").issue(&["client"]);
    for version in [&TLS12, &TLS13] {
        let (server, trust) = serve_clients_of(&Authority::new("clients"), version).await;
        let tunnel = with_identity(trust, Some(identity(&dir, &stranger))).unwrap();
        let error = refusal(&tunnel, &server).await;
        assert_eq!(error.kind, ErrorKind::ClientCertificate, "{error}");
        assert!(error.to_string().contains("unknown_ca"), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_that_comes_while_writing_is_told_as_well() {
    let (server, trust) = serve_clients_of(&Authority::new("clients"), &TLS13).await;
    let tunnel = with_identity(trust, None).unwrap();
    let mut stream = tunnel.dial(&server.address(), far()).await.unwrap();
    // The server hangs up, so that sooner or later a write fails, and the alert is found behind it.
    let error = loop {
        if let Err(error) = stream.write_all(&[0; 64 * 1024]).await {
            break error;
        }
    };
    assert_eq!(Error::inside(&error).expect("the alert").kind, ErrorKind::ClientCertificate);
}

#[tokio::test]
async fn a_server_that_asks_for_no_certificate_is_not_shown_one() {
    let dir = tempfile::tempdir().unwrap();
    let leaf = Authority::new("any").issue(&["127.0.0.1"]);
    let server = serve_tls(leaf.server()).await;
    let trust = Trust::Pin(spki_sha256(&leaf.certificate).unwrap());
    let tunnel = with_identity(trust, Some(identity(&dir, &leaf))).unwrap();
    let mut stream = tunnel.dial(&server.address(), far()).await.unwrap();
    assert_echoes(&mut *stream).await;
    assert!(!server.seen.lock().unwrap().first().unwrap().has_client_certificate);
}

#[test]
fn a_certificate_and_key_that_do_not_belong_together_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let leaf = Authority::new("clients").issue(&["client"]);
    let other = KeyPair::generate().unwrap();
    let client = ClientIdentity { key: write(&dir, "other.key", &other.serialize_pem()), ..identity(&dir, &leaf) };
    let error = with_identity(Trust::Pin([0; 32]), Some(client)).err().unwrap();
    assert_eq!(error.kind, ErrorKind::BadConfig);
    assert!(error.to_string().contains("does not belong"), "{error}");
}

#[test]
fn client_files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let leaf = Authority::new("clients").issue(&["client"]);
    let good = || identity(&dir, &leaf);
    let not_a_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cases = [
        (ClientIdentity { certificate: dir.path().join("none.pem"), ..good() }, "none.pem"),
        (ClientIdentity { key: dir.path().join("none.key"), ..good() }, "none.key"),
        (ClientIdentity { certificate: write(&dir, "empty.pem", ""), ..good() }, "no certificate"),
        (ClientIdentity { key: write(&dir, "empty.key", ""), ..good() }, "no private key"),
        (ClientIdentity { key: write(&dir, "bad.key", not_a_key), ..good() }, "cannot be used"),
    ];
    for (client, said) in cases {
        let error = with_identity(Trust::Pin([0; 32]), Some(client)).expect_err(said);
        assert_eq!(error.kind, ErrorKind::BadConfig);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn keys_of_the_usual_forms_are_read() {
    let dir = tempfile::tempdir().unwrap();
    for (certificate, key) in [
        (include_str!("../../testdata/rsa.pem"), include_str!("../../testdata/rsa-pkcs1.key")),
        (include_str!("../../testdata/rsa.pem"), include_str!("../../testdata/rsa-pkcs8.key")),
        (include_str!("../../testdata/ec.pem"), include_str!("../../testdata/ec-sec1.key")),
        (include_str!("../../testdata/ed25519.pem"), include_str!("../../testdata/ed25519.key")),
    ] {
        let client = ClientIdentity { certificate: write(&dir, "c", certificate), key: write(&dir, "k", key) };
        with_identity(Trust::Pin([0; 32]), Some(client)).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn data_that_came_before_a_failed_write_is_still_read() {
    let leaf = Authority::new("any").issue(&["127.0.0.1"]);
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(leaf.server()));
    let server = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // At once: a reset drops what still waits to be sent.
            stream.set_nodelay(true).unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream.write_all(b"last words").await.unwrap();
            stream.flush().await.unwrap();
            // Hang up once bytes of the client have come: they are unread, so the connection is reset.
            stream.get_ref().0.readable().await.unwrap();
        }
    })
    .await;
    let tunnel = with_identity(Trust::Pin(spki_sha256(&leaf.certificate).unwrap()), None).unwrap();
    let mut stream = tunnel.dial(&server.address(), far()).await.unwrap();
    while stream.write_all(&[0; 64 * 1024]).await.is_ok() {}
    let mut said = [0; 10];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"last words");
}
