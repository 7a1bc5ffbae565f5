//! The other end of a target: what is sent to it, and what came back.

use bytes::{Bytes, BytesMut};
use iscsi::pdu::{Decoder, Digests, Pdu, TargetPdu, encode};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use target::{Exports, Portal, PortalConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends all of this to a portal, which has to end the connection, and gives what it answered: PDUs, all of them whole.
pub fn answers(exports: Arc<dyn Exports>, sent: &[u8]) -> Vec<TargetPdu> {
    let config = PortalConfig {
        refusal_delay: Duration::ZERO,
        login_timeout: Duration::from_secs(3600),
        commands_max: 8,
        bytes_in_flight_max: 1 << 16,
        ..PortalConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let received = runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let address = SocketAddr::from(([127, 0, 0, 1], 3260));
        let serving = Portal::new(config, exports).serve_stream(theirs, address, address);
        let (mut from_target, mut to_target) = tokio::io::split(ours);
        let sending = async {
            // The target may close before it took everything.
            let _ = to_target.write_all(sent).await;
            let _ = to_target.shutdown().await;
        };
        let mut received = Vec::new();
        let (served, (), read) = tokio::join!(serving, sending, from_target.read_to_end(&mut received));
        served.expect("the configuration makes sense");
        read.expect("it can be read until its end");
        received
    });
    let mut decoder = Decoder::new(1 << 24);
    decoder.feed(&received);
    let mut pdus = Vec::new();
    while let Some(pdu) = decoder.next_pdu().expect("what a target sends is iSCSI") {
        pdus.push(TargetPdu::parse(pdu).expect("what a target sends is understood"));
    }
    assert_eq!(decoder.buffered(), 0, "the last PDU is whole");
    pdus
}

pub fn bytes(pdu: &Pdu) -> Bytes {
    let mut bytes = BytesMut::new();
    encode(pdu, Digests::default(), &mut bytes);
    bytes.freeze()
}
