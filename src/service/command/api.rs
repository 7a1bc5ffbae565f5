//! The API of a service that runs, for the commands that can do without the vault.

use super::args::ServiceArgs;
use crate::{
    Error, ErrorKind, Grant, GrantId, PointId, PointSummary, SessionStatus, UnixTime, VmName, VmSummary, crypto,
};
use reqwest::{Certificate, Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;
use zeroize::{Zeroize, Zeroizing};

/// How long an answer may take: sealing a bundle takes a second or two.
const PATIENCE: Duration = Duration::from_secs(90);
/// The longest answer in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A service that runs somewhere.
pub(crate) struct Api {
    client: Client,
    base: Url,
    token: SecretString,
}

/// A grant that was made, and what its holder needs.
#[derive(Deserialize)]
pub(crate) struct Made {
    pub(crate) grant: Grant,
    pub(crate) file_name: String,
    pub(crate) bundle: String,
    pub(crate) password: String,
}

impl Drop for Made {
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

/// A line in the list of grants.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GrantLine {
    pub(crate) grant: Grant,
    /// `active`, `revoked` or `expired`.
    pub(crate) state: String,
    pub(crate) revoked_by: Option<String>,
    pub(crate) revoked_at: Option<UnixTime>,
    pub(crate) sessions: Vec<SessionStatus>,
    pub(crate) bytes_read: u64,
    pub(crate) seconds_left: u64,
}

#[derive(Deserialize)]
struct Vms {
    vms: Vec<VmSummary>,
}

#[derive(Deserialize)]
struct Points {
    points: Vec<PointSummary>,
}

#[derive(Deserialize)]
struct Grants {
    grants: Vec<GrantLine>,
}

impl Api {
    /// The service that the arguments name; `None` when they name none.
    pub(crate) fn of(args: &ServiceArgs) -> Result<Option<Self>, Error> {
        let (Some(url), Some(token)) = (&args.url, &args.token) else { return Ok(None) };
        if url.scheme() != "https" || !url.username().is_empty() || url.query().is_some() {
            return Err(Error::invalid("--url: write https://HOST:PORT"));
        }
        crypto::install();
        let mut client =
            Client::builder().https_only(true).timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &args.ca {
            let unusable = |why: String| Error::invalid(format!("'{}' cannot be used: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|error| unusable(block::io_reason(&error)))?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
            client = client.tls_certs_only(authorities);
        }
        let client = client.build().map_err(|error| Error::internal(format!("HTTPS: {error}")))?;
        let base = url.join("/api/v1/").map_err(|error| Error::invalid(format!("--url: {error}")))?;
        let token = SecretString::from(program::secret::read(token, "the token")?.as_str());
        Ok(Some(Self { client, base, token }))
    }

    pub(crate) async fn vms(&self) -> Result<Vec<VmSummary>, Error> {
        self.get::<Vms>("vms").await.map(|answer| answer.vms)
    }

    pub(crate) async fn points(&self, vm: &VmName) -> Result<Vec<PointSummary>, Error> {
        self.get::<Points>(&format!("vms/{vm}/points")).await.map(|answer| answer.points)
    }

    pub(crate) async fn grants(&self) -> Result<Vec<GrantLine>, Error> {
        self.get::<Grants>("grants").await.map(|answer| answer.grants)
    }

    pub(crate) async fn grant(&self, vm: &VmName, point: &PointId, lifetime: Option<Duration>) -> Result<Made, Error> {
        let asked = json!({"vm": vm, "point": point, "lifetime_seconds": lifetime.map(|time| time.as_secs())});
        self.understood(&self.send(Method::POST, "grants", Some(asked)).await?)
    }

    pub(crate) async fn revoke(&self, grant: &GrantId) -> Result<(), Error> {
        self.send(Method::DELETE, &format!("grants/{grant}"), None).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.understood(&self.send(Method::GET, path, None).await?)
    }

    fn understood<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(answer).map_err(|_| {
            Error::unavailable(format!("what answers at {} is no fr-serve, or another version", self.base))
        })
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let failed = |error: reqwest::Error| {
            let reason = crate::vault::reason(&error.without_url());
            Error::unavailable(format!("the service at {} does not answer: {reason}", self.base))
        };
        let url = self.base.join(path).map_err(|error| Error::internal(error.to_string()))?;
        let mut request = self.client.request(method, url).bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let mut text = Zeroizing::new(Vec::new());
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            text.extend_from_slice(&piece);
            if text.len() > ANSWER_BYTES_MAX {
                return Err(Error::unavailable("the answer of the service is too long"));
            }
        }
        if status.is_success() { Ok(text) } else { Err(refusal(status, &text)) }
    }
}

/// A failure as the API tells it (RFC 9457).
fn refusal(status: StatusCode, answer: &[u8]) -> Error {
    let kind = match status.as_u16() {
        401 => ErrorKind::NotSignedIn,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        400..=428 => ErrorKind::Invalid,
        500 => ErrorKind::Internal,
        _ => ErrorKind::Unavailable,
    };
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let texts = ["message", "detail", "title"].into_iter();
    let found = [&answer, answer.get("error").unwrap_or(&Value::Null)];
    let message = texts.flat_map(|name| found.map(|object| object.get(name))).flatten().find_map(Value::as_str);
    let message = message.map_or_else(|| format!("the service answers with status {status}"), session::printable);
    Error::new(kind, message)
}
