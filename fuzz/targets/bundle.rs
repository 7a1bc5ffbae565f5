//! Any text as a sealed bundle; any offer under a signature that holds; any sealed part, opened: never a panic, and no offer
//! that could not be used.
#![no_main]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bundle::sealed::{SealedBundle, looks_like_bundle};
use libfuzzer_sys::fuzz_target;
use ring::signature::{Ed25519KeyPair, KeyPair};
use secrecy::SecretString;
use tunnel::Address;

const OFFER: &str = concat!(
    r#"{"vm":"v","point":"p","taken_at":1,"grant":"g","expires_at":2,"portals":["h:1"],"trust":"system","#,
    r#""target":"iqn.2026-11.x:g"}"#
);

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let bundle = match kind % 3 {
        0 => text.into_owned(),
        1 => signed(&text.replace(['\r', '\n'], " "), b""),
        // The least work that scrypt can be asked for: it is the format behind it that matters here.
        _ => signed(OFFER, &[b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 1\n", rest].concat()),
    };
    let _ = looks_like_bundle(bundle.as_bytes());
    let Ok(parsed) = SealedBundle::parse(&bundle) else { return };
    let offer = parsed.offer();
    assert!(!offer.portals.is_empty());
    assert!(offer.portals.iter().all(|portal| portal.to_string().parse::<Address>().is_ok()));
    assert!(![&offer.vm, &offer.point, &offer.grant].into_iter().any(|text| text.contains(char::is_control)));
    if kind % 3 == 2 {
        assert!(parsed.open(&SecretString::from("password")).is_err());
    }
});

/// A bundle of these parts with a signature that holds.
fn signed(offer: &str, sealed: &[u8]) -> String {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let (sealed, public) = (base64(sealed), base64(key.public_key().as_ref()));
    let text = format!("fr-mount sealed bundle 1\noffer {offer}\nsealed {sealed}\nkey {public}\n");
    let signature = base64(key.sign(text.as_bytes()).as_ref());
    format!("{text}signature {signature}\nend\n")
}
