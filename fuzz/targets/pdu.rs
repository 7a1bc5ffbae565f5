//! Any bytes from the other side of a connection: never a panic; however they are cut, the same PDUs come out; and what
//! was understood is sent as it came.
#![no_main]

use bytes::BytesMut;
use iscsi::pdu::{Decoder, Digests, InitiatorPdu, Pdu, PduError, TargetPdu, encode};
use libfuzzer_sys::fuzz_target;

fn decode(digests: Digests, portions: &[&[u8]]) -> (Vec<Pdu>, Option<PduError>) {
    let mut decoder = Decoder::new(1 << 16);
    decoder.set_digests(digests);
    let mut pdus = Vec::new();
    for portion in portions {
        decoder.feed(portion);
        loop {
            match decoder.next_pdu() {
                Ok(Some(pdu)) => pdus.push(pdu),
                Ok(None) => break,
                Err(error) => return (pdus, Some(error)),
            }
        }
    }
    (pdus, None)
}

fuzz_target!(|data: &[u8]| {
    let [flags, cut, rest @ ..] = data else { return };
    let digests = Digests { header: flags & 1 != 0, data: flags & 2 != 0 };
    let (first, second) = rest.split_at(usize::from(*cut).min(rest.len()));
    let (pdus, error) = decode(digests, &[rest]);
    assert_eq!((pdus.clone(), error), decode(digests, &[first, second]));
    for pdu in pdus {
        let mut bytes = BytesMut::new();
        encode(&pdu, digests, &mut bytes);
        assert_eq!(decode(digests, &[&bytes]), (vec![pdu.clone()], None));
        let _ = InitiatorPdu::parse(pdu.clone());
        if let Ok(TargetPdu::ScsiResponse(response)) = TargetPdu::parse(pdu) {
            let _ = iscsi::scsi::Sense::parse(&response.sense()).map(|sense| sense.to_string());
        }
    }
});
