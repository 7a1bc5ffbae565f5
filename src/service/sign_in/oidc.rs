//! Bearer tokens of an OpenID provider (RFC 7519, RFC 7517): signed by a key that the provider publishes, for this service, not
//! expired. Only asymmetric signatures are taken.

use crate::config::{OidcConfig, OidcKeys};
use crate::user::Role;
use crate::{Error, UnixTime, crypto};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Keys are fetched anew after this time.
const KEYS_KEPT: Duration = Duration::from_secs(60 * 60);
/// A key that is not known is looked for no more often than this.
const KEYS_FETCHED_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// The longest list of keys in bytes.
const KEYS_BYTES_MAX: usize = 1 << 20;
/// How long the provider may take to tell its keys.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest name of a user in bytes.
const NAME_BYTES_MAX: usize = 200;

/// What a token says of its holder.
pub(super) struct Claimed {
    pub(super) name: String,
    pub(super) roles: Vec<Arc<Role>>,
    pub(super) until: UnixTime,
}

/// An OpenID provider.
pub(super) struct Provider {
    config: OidcConfig,
    client: reqwest::Client,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    set: Option<Arc<JwkSet>>,
    fetched_at: Duration,
}

/// Whether a token has the form of a signed one: three parts.
pub(super) fn looks_like_token(token: &SecretString) -> bool {
    token.expose_secret().split('.').count() == 3
}

impl Provider {
    pub(super) fn new(config: OidcConfig) -> Result<Self, Error> {
        crypto::install();
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| Error::internal(format!("OpenID: {}", error.without_url())))?;
        Ok(Self { config, client, keys: Mutex::default() })
    }

    /// What a token says, once it is sure that the provider said it.
    pub(super) async fn verify(&self, token: &SecretString) -> Result<Claimed, Error> {
        let token = token.expose_secret();
        let refused = |error: &jsonwebtoken::errors::Error| {
            Error::not_signed_in(format!("the token is refused: {}", reason(error)))
        };
        let header = decode_header(token).map_err(|error| refused(&error))?;
        let key_id = header.kid.as_deref();
        let key = self.key(key_id).await?.ok_or_else(|| {
            Error::not_signed_in("the token is refused: it is signed with a key that its issuer does not publish")
        })?;
        let algorithms = algorithms(&key);
        if !algorithms.contains(&header.alg) {
            return Err(Error::not_signed_in("the token is refused: its signature is not of the kind of its key"));
        }
        let mut validation = Validation::new(header.alg);
        validation.algorithms = algorithms;
        validation.set_audience(&[&self.config.audience]);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        let decoding = DecodingKey::from_jwk(&key).map_err(|error| refused(&error))?;
        let claims =
            decode::<BTreeMap<String, Value>>(token, &decoding, &validation).map_err(|error| refused(&error))?;
        self.claimed(&claims.claims)
    }

    fn claimed(&self, claims: &BTreeMap<String, Value>) -> Result<Claimed, Error> {
        let config = &self.config;
        let name = find(claims, &config.user_claim).and_then(Value::as_str);
        let legal = |name: &&str| {
            !name.is_empty()
                && name.len() <= NAME_BYTES_MAX
                && !name.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        let name = name.filter(legal).ok_or_else(|| {
            Error::not_signed_in(format!("the token is refused: its claim '{}' names nobody", config.user_claim))
        })?;
        let until = claims.get("exp").and_then(Value::as_f64).map_or(0, whole_seconds);
        let roles = texts(find(claims, &config.roles_claim));
        let roles = roles.iter().filter_map(|value| config.roles.get(*value)).flatten().cloned().collect();
        Ok(Claimed { name: name.to_owned(), roles, until: UnixTime::from_seconds(until) })
    }

    /// The key with this id; without one, the only key that there is.
    async fn key(&self, id: Option<&str>) -> Result<Option<Jwk>, Error> {
        let mut keys = self.keys.lock().await;
        let now = program::since_boot();
        let age = now.saturating_sub(keys.fetched_at);
        let found = keys.set.as_ref().and_then(|set| choose(set, id));
        let is_due = keys.set.is_none() || age > KEYS_KEPT || (found.is_none() && age > KEYS_FETCHED_AGAIN_AFTER);
        if !is_due {
            return Ok(found);
        }
        match self.fetch().await {
            Ok(set) => {
                *keys = Keys { set: Some(Arc::new(set)), fetched_at: now };
            }
            Err(error) if found.is_some() => tracing::warn!("{error}; the keys from before are used"),
            Err(error) => return Err(error),
        }
        Ok(keys.set.as_ref().and_then(|set| choose(set, id)))
    }

    async fn fetch(&self) -> Result<JwkSet, Error> {
        let unavailable =
            |why: String| Error::unavailable(format!("the keys of the OpenID provider are not available: {why}"));
        let text = match &self.config.keys {
            OidcKeys::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                let read = read.map_err(|error| unavailable(error.to_string()))?;
                read.map_err(|error| unavailable(block::io_reason(&error)))?
            }
            OidcKeys::Url(url) => self.download(url).await.map_err(unavailable)?,
        };
        serde_json::from_slice(&text).map_err(|_| unavailable("they are not a JSON Web Key Set".to_owned()))
    }

    async fn download(&self, url: &url::Url) -> Result<Vec<u8>, String> {
        let failed = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = self.client.get(url.clone()).send().await.map_err(failed)?;
        answer.error_for_status_ref().map_err(failed)?;
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            text.extend_from_slice(&piece);
            if text.len() > KEYS_BYTES_MAX {
                return Err("the answer is too long".to_owned());
            }
        }
        Ok(text)
    }
}

fn choose(set: &JwkSet, id: Option<&str>) -> Option<Jwk> {
    match (id, set.keys.as_slice()) {
        (Some(id), _) => set.find(id).cloned(),
        (None, [only]) => Some(only.clone()),
        (None, _) => None,
    }
}

/// The signatures that a key can make. A secret that both sides know is not a key of a provider.
fn algorithms(key: &Jwk) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match &key.algorithm {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![ES256],
            EllipticCurve::P384 => vec![ES384],
            EllipticCurve::P521 | EllipticCurve::Ed25519 => Vec::new(),
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![EdDSA],
        AlgorithmParameters::OctetKey(_) => Vec::new(),
    }
}

/// A claim by its name; where there is none, by a path with dots between names.
fn find<'a>(claims: &'a BTreeMap<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// The texts of a claim: one, or a list of them.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A NumericDate (RFC 7519 section 2), which may have a fraction.
fn whole_seconds(seconds: f64) -> u64 {
    let seconds = Duration::try_from_secs_f64(seconds.max(0.0));
    seconds.map_or(0, |seconds| seconds.as_secs())
}

fn reason(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "its time is over; sign in at the provider again",
        ErrorKind::ImmatureSignature => "it is not valid yet; the clocks may differ",
        ErrorKind::InvalidIssuer => "it was issued by somebody else",
        ErrorKind::InvalidAudience => "it was issued for another service",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "it does not say all that it has to",
        _ => "it is no token of the provider",
    }
}

#[cfg(test)]
mod tests;
