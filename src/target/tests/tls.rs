use super::disks::{content, disk};
use super::initiator::Initiator;
use super::{IQN, config};
use crate::Target;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

const NAME: &str = "target.test.invalid";

/// Both sides of TLS with a certificate made for this test.
fn configurations() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    (Arc::new(server), Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
}

#[tokio::test]
async fn disks_are_served_in_tls_and_not_to_who_does_not_speak_it() {
    let (server, client) = configurations();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut config = config(vec![disk(0, 1 << 20)]);
    config.portal = Some("elsewhere:1".to_owned());
    let target = Target::new(config).serve(listener, Some(server)).unwrap();

    let mut plain = Initiator::connect(&target).await;
    let request = plain.login_request(
        super::initiator::stage(iscsi::pdu::Stage::Operational, None),
        super::initiator::pairs(&[("TargetName", IQN)]).encode(),
    );
    plain.send(request.into_pdu()).await;
    let mut received = Vec::new();
    // TLS says farewell with an alert; no byte of iSCSI comes.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut plain.stream, &mut received).await;
    assert!(received.len() < 48, "{received:?}");

    let stream = TcpStream::connect(target.address()).await.unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let stream = TlsConnector::from(client).connect(name, stream).await.unwrap();
    let mut initiator = Initiator::new(stream);
    initiator.begin_session(&[("MaxRecvDataSegmentLength", "262144")]).await;
    for lba in (0..2048).step_by(512) {
        let from = lba as usize * 512;
        assert_eq!(initiator.read(0, lba, 512).await, content(0, 1 << 20).slice(from..from + 512 * 512));
    }
    assert_eq!(initiator.log_out(0, 0).await, 0);
    initiator.stream.shutdown().await.unwrap();
    initiator.assert_closed().await;
    target.shutdown().await;
}
