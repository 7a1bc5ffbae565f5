//! Which address leads where.

use super::app::App;
use super::problem::Problem;
use super::{assets, guard, handlers};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use std::sync::Arc;

/// The longest body in bytes: a token of an OpenID provider has a few thousand.
pub(crate) const BODY_BYTES_MAX: usize = 32 << 10;

/// Everything of the API, as its description lists it.
pub(crate) fn api() -> Vec<(Method, &'static str, MethodRouter<Arc<App>>)> {
    vec![
        (Method::GET, "/api/v1/openapi.json", get(handlers::description)),
        (Method::GET, "/api/v1/session", get(handlers::session)),
        (Method::POST, "/api/v1/session", post(handlers::sign_in)),
        (Method::DELETE, "/api/v1/session", delete(handlers::sign_out)),
        (Method::GET, "/api/v1/vms", get(handlers::vms)),
        (Method::GET, "/api/v1/vms/{vm}/points", get(handlers::points)),
        (Method::GET, "/api/v1/vms/{vm}/points/{point}", get(handlers::point)),
        (Method::GET, "/api/v1/grants", get(handlers::grants)),
        (Method::POST, "/api/v1/grants", post(handlers::grant)),
        (Method::DELETE, "/api/v1/grants/{grant}", delete(handlers::revoke)),
    ]
}

/// All of it, with the checks before and the headers after.
pub(crate) fn router(app: Arc<App>) -> Router {
    let routes = api().into_iter().fold(Router::new(), |router, (_, path, route)| router.route(path, route));
    routes
        .route("/", get(assets::page))
        .route("/assets/{name}", get(assets::asset_named))
        .fallback(|| async { Problem::no_such_page() })
        .layer(from_fn(|request, next: axum::middleware::Next| async move { worded(next.run(request).await) }))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

/// The router itself refuses methods without a word.
fn worded(response: Response) -> Response {
    if response.status() != axum::http::StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allowed = response.headers().get(axum::http::header::ALLOW).cloned();
    Problem::wrong_method(allowed).into_response()
}
