use super::*;
use crate::user::{Role, VmPattern};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

/// A provider of one key, and what signs with it.
struct Issuer {
    directory: tempfile::TempDir,
    key: EncodingKey,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let secret = URL_SAFE_NO_PAD.encode(b"a secret that both sides know");
        let keys = json!({"keys": [
            {"kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y},
            {"kty": "oct", "kid": "shared", "k": secret},
        ]});
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("jwks.json"), keys.to_string()).unwrap();
        Self { directory, key: EncodingKey::from_ec_der(pkcs8.as_ref()) }
    }

    fn provider(&self) -> Provider {
        let role = Role {
            name: "restore".to_owned(),
            vms: vec![VmPattern::new("*").unwrap()],
            revoke_others: false,
            see_all: false,
        };
        Provider::new(OidcConfig {
            issuer: "https://login.example".to_owned(),
            audience: "fr-serve".to_owned(),
            keys: OidcKeys::File(self.directory.path().join("jwks.json")),
            user_claim: "email".to_owned(),
            roles_claim: "realm.roles".to_owned(),
            roles: BTreeMap::from([("operators".to_owned(), vec![Arc::new(role)])]),
        })
        .unwrap()
    }

    fn sign(&self, claims: &Value) -> SecretString {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.key).unwrap().into()
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example",
        "aud": "fr-serve",
        "exp": UnixTime::now().seconds() + 600,
        "email": "ann@example.com",
        "realm": {"roles": ["operators", "others"]},
    })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

#[tokio::test]
async fn a_token_of_the_provider_names_a_user_and_roles() {
    let issuer = Issuer::new();
    let claimed = issuer.provider().verify(&issuer.sign(&claims())).await.unwrap();
    assert_eq!((claimed.name.as_str(), claimed.roles.len()), ("ann@example.com", 1));
    assert_eq!(claimed.roles[0].name, "restore");
    assert!(claimed.until > UnixTime::now());
}

#[tokio::test]
async fn tokens_for_others_of_others_and_of_another_time_are_refused() {
    let issuer = Issuer::new();
    let provider = issuer.provider();
    let now = UnixTime::now().seconds();
    let bad = [
        with("iss", "https://evil.example"),
        with("aud", "another"),
        with("exp", now - 3600),
        with("nbf", now + 3600),
        with("email", ""),
        with("email", "a\nb"),
        with("email", 7),
        json!({"iss": "https://login.example", "aud": "fr-serve", "email": "ann"}),
    ];
    for claims in bad {
        let refused = provider.verify(&issuer.sign(&claims)).await.err().unwrap();
        assert_eq!(refused.kind(), crate::ErrorKind::NotSignedIn, "{claims}");
    }
    let stranger = Issuer::new();
    assert!(provider.verify(&stranger.sign(&claims())).await.is_err(), "anybody's signature counts");
}

#[tokio::test]
async fn a_token_without_a_real_signature_is_refused() {
    let issuer = Issuer::new();
    let provider = issuer.provider();
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());
    let part = |header: Value| URL_SAFE_NO_PAD.encode(header.to_string());
    let none = format!("{}.{body}.", part(json!({"alg": "none", "kid": "k1"})));
    let confused = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
    let confused = encode(&confused, &claims(), &EncodingKey::from_secret(b"x")).unwrap();
    let shared = Header { kid: Some("shared".to_owned()), ..Header::new(Algorithm::HS256) };
    let shared = encode(&shared, &claims(), &EncodingKey::from_secret(b"a secret that both sides know")).unwrap();
    for token in [none, confused, shared, "a.b.c".to_owned(), "..".to_owned()] {
        let refused = provider.verify(&token.as_str().into()).await.err().unwrap();
        assert_eq!(refused.kind(), crate::ErrorKind::NotSignedIn, "{token}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_no_reason_to_let_anybody_in() {
    let issuer = Issuer::new();
    std::fs::write(issuer.directory.path().join("jwks.json"), "not json").unwrap();
    let refused = issuer.provider().verify(&issuer.sign(&claims())).await.err().unwrap();
    assert_eq!(refused.kind(), crate::ErrorKind::Unavailable);
}
