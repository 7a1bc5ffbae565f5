//! The API: one function for each thing that can be asked of it.

use super::answers::{
    GrantAnswer, GrantAsked, GrantedAnswer, GrantsAnswer, PointAnswer, PointsAnswer, SessionAnswer, SignInRequest,
    VmsAnswer,
};
use super::app::App;
use super::cookie;
use super::launcher::{Commands, Launchers};
use super::problem::Problem;
use super::request::{Body, One, Peer, SignedIn, Two, by_token};
use crate::{GrantId, GrantRequest, PointId, VmName};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// The description of the API, which is public.
pub(crate) const DESCRIPTION: &str = include_str!("openapi.json");

pub(crate) async fn description() -> Response {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION).into_response()
}

pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    peer: Peer,
    Body(request): Body<SignInRequest>,
) -> Result<Response, Problem> {
    let user = by_token(&app, peer, &SecretString::from(request.token.trim())).await?;
    let (cookie, seconds) = app.cookies.give(user.identity())?;
    let answer = session_answer(&app, user.name(), Some(seconds));
    Ok(([(SET_COOKIE, cookie)], Json(answer)).into_response())
}

pub(crate) async fn session(State(app): State<Arc<App>>, who: SignedIn) -> Json<SessionAnswer> {
    Json(session_answer(&app, who.user.name(), who.seconds_left))
}

fn session_answer(app: &App, user: &str, seconds_left: Option<u64>) -> SessionAnswer {
    let lifetime_max_seconds = app.service.config().lifetime_max.as_secs();
    SessionAnswer { user: user.to_owned(), seconds_left, lifetime_max_seconds }
}

pub(crate) async fn sign_out() -> Response {
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie::taken_away())]).into_response()
}

pub(crate) async fn vms(State(app): State<Arc<App>>, who: SignedIn) -> Result<Json<VmsAnswer>, Problem> {
    Ok(Json(VmsAnswer { vms: app.service.vms(&who.user).await? }))
}

pub(crate) async fn points(
    State(app): State<Arc<App>>,
    who: SignedIn,
    One(vm): One<VmName>,
) -> Result<Json<PointsAnswer>, Problem> {
    Ok(Json(PointsAnswer { points: app.service.points(&who.user, &vm).await? }))
}

pub(crate) async fn point(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Two(vm, point): Two<VmName, PointId>,
) -> Result<Response, Problem> {
    let manifest = app.service.point(&who.user, &vm, &point).await?;
    Ok(Json(PointAnswer::new(&manifest)).into_response())
}

pub(crate) async fn grant(
    State(app): State<Arc<App>>,
    who: SignedIn,
    Body(asked): Body<GrantAsked>,
) -> Result<Response, Problem> {
    let lifetime = asked.lifetime_seconds.map(Duration::from_secs);
    let request = GrantRequest { vm: asked.vm, point: asked.point, lifetime };
    let granted = app.service.grant(&who.user, &who.from, request).await?;
    let answer = GrantedAnswer {
        grant: &granted.grant,
        file_name: &granted.file_name,
        bundle: &granted.bundle,
        password: granted.password.expose_secret(),
        commands: Commands::new(&granted.file_name),
        launchers: Launchers::new(&granted.grant, &granted.file_name, &granted.bundle)?,
    };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

pub(crate) async fn grants(State(app): State<Arc<App>>, who: SignedIn) -> Result<Json<GrantsAnswer>, Problem> {
    let grants = app.service.grants(&who.user).await?;
    let grants = grants.into_iter().map(|status| GrantAnswer::new(status, &who.user)).collect();
    Ok(Json(GrantsAnswer { grants }))
}

pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    who: SignedIn,
    One(grant): One<GrantId>,
) -> Result<StatusCode, Problem> {
    app.service.revoke(&who.user, &who.from, &grant).await?;
    Ok(StatusCode::NO_CONTENT)
}
