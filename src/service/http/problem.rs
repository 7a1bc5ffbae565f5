//! Refusals, as RFC 9457 writes them: `application/problem+json` with a `kind` that programs decide by, and a `detail`
//! for people.

use crate::{Error, ErrorKind};
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;

/// The media type of a refusal.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What is sent of it.
#[derive(Serialize)]
struct Written<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    kind: &'static str,
    detail: &'a str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), header: None }
    }

    /// What was sent makes no sense.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    pub(crate) fn not_signed_in(detail: impl Into<String>) -> Self {
        let header = Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        Self { header, ..Self::new(StatusCode::UNAUTHORIZED, "not-signed-in", detail) }
    }

    /// A page of somebody else asks, by way of the user's browser.
    pub(crate) fn wrong_origin() -> Self {
        let detail = "This request did not come from the page of this service. Open the page itself; scripts send \
                      'Authorization: Bearer'.";
        Self::new(StatusCode::FORBIDDEN, "wrong-origin", detail)
    }

    pub(crate) fn no_such_page() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is nothing at this address. The API is described at /api/v1/openapi.json.",
        )
    }

    /// The methods that there are go into a header.
    pub(crate) fn wrong_method(allowed: Option<HeaderValue>) -> Self {
        let header = allowed.map(|allowed| (ALLOW, allowed));
        let detail = "This cannot be done at this address. The API is described at /api/v1/openapi.json.";
        Self { header, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", detail) }
    }

    pub(crate) fn too_many_attempts(wait: Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        let detail = format!("Too many failed sign-ins from your address. Wait {seconds} seconds and try again.");
        let header = Some((RETRY_AFTER, HeaderValue::from(seconds)));
        Self { header, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", detail) }
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "This took too long and was given up. Try again.")
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let kind = error.kind().name();
        match error.kind() {
            ErrorKind::NotSignedIn => Self::not_signed_in(detail),
            ErrorKind::Forbidden => Self::new(StatusCode::FORBIDDEN, kind, detail),
            ErrorKind::NotFound => Self::new(StatusCode::NOT_FOUND, kind, detail),
            ErrorKind::Invalid => Self::invalid(detail),
            ErrorKind::Unavailable => Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail),
            ErrorKind::Internal => {
                tracing::error!(error = %detail, "a request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, kind, detail)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let written = Written {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Refused"),
            status: self.status.as_u16(),
            kind: self.kind,
            detail: &self.detail,
        };
        let mut response = (self.status, axum::Json(written)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some((name, value)) = self.header {
            headers.insert(name, value);
        }
        response
    }
}
