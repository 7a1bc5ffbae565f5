//! What a request brings, made into checked values: who it is from, names in its path, JSON in its body.

use super::app::App;
use super::problem::Problem;
use crate::{ErrorKind, User};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

/// The address that a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// As the audit log has it.
    pub(crate) fn name(self) -> String {
        self.0.to_canonical().to_string()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let peer = Extension::<Self>::from_request_parts(parts, state).await;
        peer.map(|Extension(peer)| peer).map_err(|_| crate::Error::internal("a request without an address").into())
    }
}

/// Whoever sent a request, signed in by a cookie or by a token.
pub(crate) struct SignedIn {
    pub(crate) user: User,
    pub(crate) from: String,
    /// Seconds until the cookie ends; nothing with a token.
    pub(crate) seconds_left: Option<u64>,
}

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let peer = Peer::from_request_parts(parts, app).await?;
        if parts.headers.contains_key(AUTHORIZATION) {
            let token = bearer(&parts.headers).ok_or_else(|| {
                Problem::not_signed_in(
                    "The Authorization header is not understood. Send 'Authorization: Bearer TOKEN'.",
                )
            })?;
            let user = by_token(app, peer, &token).await?;
            return Ok(Self { user, from: peer.name(), seconds_left: None });
        }
        let Some(sign_in) = app.cookies.check(&parts.headers) else {
            return Err(Problem::not_signed_in(
                "You are not signed in. Sign in on the page, or send 'Authorization: Bearer TOKEN'.",
            ));
        };
        let user = app.service.resume(&sign_in.identity)?;
        Ok(Self { user, from: peer.name(), seconds_left: Some(sign_in.seconds_left) })
    }
}

/// Who the holder of a token is. An address that failed too often has to wait, so that guessing leads nowhere.
pub(crate) async fn by_token(app: &App, peer: Peer, token: &SecretString) -> Result<User, Problem> {
    if let Some(wait) = app.failures.wait(peer.0, Instant::now()) {
        return Err(Problem::too_many_attempts(wait));
    }
    let user = app.service.sign_in(token, &peer.name()).await;
    if user.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotSignedIn) {
        app.failures.count(peer.0, Instant::now());
    }
    Ok(user?)
}

fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretString::from(token.trim()))
}

/// A checked name that is all of a path that varies.
pub(crate) struct One<A>(pub(crate) A);

/// Two checked names.
pub(crate) struct Two<A, B>(pub(crate) A, pub(crate) B);

impl<S: Send + Sync, A: FromStr<Err = crate::Error>> FromRequestParts<S> for One<A> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = names::<S, String>(parts, state).await?;
        Ok(Self(name.parse()?))
    }
}

impl<S: Send + Sync, A: FromStr<Err = crate::Error>, B: FromStr<Err = crate::Error>> FromRequestParts<S> for Two<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path((first, second)) = names::<S, (String, String)>(parts, state).await?;
        Ok(Self(first.parse()?, second.parse()?))
    }
}

async fn names<S: Send + Sync, T: DeserializeOwned + Send>(parts: &mut Parts, state: &S) -> Result<Path<T>, Problem> {
    let path = Path::from_request_parts(parts, state).await;
    path.map_err(|_| Problem::invalid("A name in this address is not text in UTF-8."))
}

/// A body of JSON.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "The body has to be JSON, and 'Content-Type: application/json' has to say so.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-media-type", detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|refused| unread(&refused))?;
        // What serde says can repeat the value that it did not like, and that may be a token.
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Problem::invalid(format!(
                "The body is not what is expected here (line {line}, column {column}). See /api/v1/openapi.json."
            ))
        })?;
        Ok(Self(value))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn unread(refused: &BytesRejection) -> Problem {
    match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = "The body is too large: nothing that this service understands is.";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
        }
        _ => Problem::invalid("The body ended before all of it was here."),
    }
}
