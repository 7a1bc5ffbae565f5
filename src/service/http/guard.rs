//! What is checked before any request is looked at, and what every answer carries.

use super::app::App;
use super::problem::Problem;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Nothing but what this service itself sends is loaded or run, nobody frames it, and text never becomes markup.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                              form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
                              require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
    ),
];
/// One year.
const HSTS: &str = "max-age=31536000";

/// Lets a request through that may come, for no longer than it should take, and puts the headers on its answer.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = if may_change_something(request.method()) && !is_from_here(request.headers()) {
        Problem::wrong_origin().into_response()
    } else {
        let answer = tokio::time::timeout(app.request_time_max, next.run(request)).await;
        answer.unwrap_or_else(|_| Problem::too_slow().into_response())
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is not said to be public (the page's files are) stays out of every cache.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    response
}

fn may_change_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether this is from our page, or from a program that shows a token: browsers say where a request comes from, and
/// send a cookie along by themselves, but never a token.
fn is_from_here(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return headers.contains_key(AUTHORIZATION) };
    let origin = origin.to_str().ok().and_then(|text| url::Url::parse(text).ok());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = host.and_then(|host| url::Url::parse(&format!("https://{host}/")).ok());
    matches!((origin, own), (Some(origin), Some(own)) if origin.origin() == own.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_request_of_our_own_page_is_from_here_whatever_the_port() {
        for (origin, host) in [
            ("https://recovery.example.com", "recovery.example.com"),
            ("https://recovery.example.com", "Recovery.Example.com:443"),
            ("https://127.0.0.1:8443", "127.0.0.1:8443"),
            ("https://[::1]:8443", "[::1]:8443"),
        ] {
            assert!(is_from_here(&headers(&[(ORIGIN, origin), (HOST, host)])), "{origin} {host}");
        }
    }

    #[test]
    fn a_request_of_another_page_is_not_even_with_a_token() {
        for origin in
            ["https://evil.example", "http://here", "https://here:444", "https://here.evil", "null", "", "https://"]
        {
            let headers = headers(&[(ORIGIN, origin), (HOST, "here"), (AUTHORIZATION, "Bearer x")]);
            assert!(!is_from_here(&headers), "{origin}");
        }
    }

    #[test]
    fn without_an_origin_only_a_token_shows_that_no_browser_was_misled() {
        assert!(!is_from_here(&headers(&[(HOST, "here")])));
        assert!(is_from_here(&headers(&[(HOST, "here"), (AUTHORIZATION, "Bearer x")])));
    }
}
