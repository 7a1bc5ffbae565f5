//! Whatever an initiator sends in its login, nobody comes in who does not know the secret, and every answer can be
//! understood.
//!
//! The input is a list of Login Requests: a byte of flags (T, C, CSG, NSG), a byte, a length, and as many bytes of text. The
//! second byte says with which text that leads further it begins.
#![no_main]

#[path = "support/initiator.rs"]
mod initiator;

use bytes::Bytes;
use initiator::{answers, bytes};
use iscsi::ChapCredentials;
use iscsi::pdu::{Pdu, Stage, TargetPdu};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;
use std::sync::Arc;
use target::{Export, ExportConfig, Exports, Lookup, Unavailable};

struct Grant(Arc<Export>);

impl Exports for Grant {
    fn by_user<'a>(&'a self, user: &'a str) -> Lookup<'a> {
        let found = if user == "user" { Ok(Arc::clone(&self.0)) } else { Err(Unavailable::NotFound) };
        Box::pin(std::future::ready(found))
    }
}

fn credentials(user: &str, secret: &str) -> ChapCredentials {
    ChapCredentials { user: user.to_owned(), secret: SecretString::from(secret) }
}

/// Texts that a right login has, in their order.
const TEXTS: [&[u8]; 4] = [
    b"",
    b"InitiatorName=iqn.i\0TargetName=iqn.t\0AuthMethod=CHAP,None\0",
    b"CHAP_A=7,5\0",
    b"CHAP_N=user\0CHAP_I=1\0CHAP_C=0x0102\0CHAP_R=0x00000000000000000000000000000000\0",
];

fuzz_target!(|data: &[u8]| {
    let mut input = Bytes::copy_from_slice(data);
    let mut sent = Vec::new();
    while input.len() >= 3 {
        let (flags, text, length) = (input[0], usize::from(input[1] & 3), usize::from(input[2]));
        let _ = input.split_to(3);
        let rest = input.split_to(length.min(input.len()));
        let mut header = [0; 48];
        header[0] = 0x43; // Login Request, immediate
        header[1] = flags;
        header[8] = 0x80;
        sent.extend_from_slice(&bytes(&Pdu::new(header, [TEXTS[text], &rest].concat().into())));
    }
    let config = ExportConfig {
        chap: Some(credentials("user", "a secret that nobody guesses")),
        reverse: Some(credentials("target", "another that nobody guesses")),
        ..ExportConfig::new("iqn.t", Vec::new())
    };
    let export = Export::new(config).expect("the configuration makes sense");
    for pdu in answers(Arc::new(Grant(Arc::new(export))), &sent) {
        let TargetPdu::Login(response) = pdu else { panic!("an answer to something else: {pdu:?}") };
        assert_ne!(response.stage.transit_to, Some(Stage::FullFeature), "somebody came in");
        let text = String::from_utf8_lossy(&response.data);
        assert!(!text.contains("CHAP_R"), "a proof for somebody who proved nothing");
    }
});
