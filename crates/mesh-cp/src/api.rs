//! The HTTP API: what kumactl, the GUI and people with curl use.
//!
//! One handler takes a path apart by the table of kinds ([`route`]), finds out who is calling ([`auth`]) and
//! answers. Every error leaves through [`error::ApiError`], so that all have one body.

mod admin;
mod auth;
mod body;
mod cors;
mod crud;
mod error;
mod info;
mod insights;
mod inspect;
mod overview;
mod paging;
mod proxy_view;
mod route;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base::Clock;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::admin_access::AdminAuthority;
use crate::config::Config;
use crate::insight_api::LiveInsights;
use crate::resources::Resources;
use crate::tokens::Tokens;
use auth::Caller;
use error::ApiError;
use route::Route;

pub use auth::Peer;
pub use info::COMPATIBLE_RELEASE;

/// Everything the API answers from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    resources: Resources,
    tokens: Tokens,
    live: Arc<dyn LiveInsights>,
    admin: Arc<AdminAuthority>,
    clock: Arc<dyn Clock>,
    identity: Identity,
    cors: cors::Cors,
}

/// Which control plane this is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Name of the machine.
    pub hostname: String,
    /// Unique to this run.
    pub instance_id: String,
    /// Shared by all instances that share a store.
    pub cluster_id: String,
}

impl Api {
    /// An API over these parts.
    pub fn new(
        config: Arc<Config>,
        resources: Resources,
        tokens: Tokens,
        live: Arc<dyn LiveInsights>,
        admin: Arc<AdminAuthority>,
        clock: Arc<dyn Clock>,
        identity: Identity,
    ) -> Self {
        let cors = cors::Cors::new(&config.api.cors_allowed_domains);
        Self(Arc::new(Shared { config, resources, tokens, live, admin, clock, identity, cors }))
    }

    fn config(&self) -> &Config {
        &self.0.config
    }

    fn resources(&self) -> &Resources {
        &self.0.resources
    }

    fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    fn live(&self) -> &dyn LiveInsights {
        &*self.0.live
    }

    fn admin(&self) -> &AdminAuthority {
        &self.0.admin
    }

    fn now(&self) -> jiff::Timestamp {
        self.0.clock.now()
    }

    fn identity(&self) -> &Identity {
        &self.0.identity
    }
}

/// Status and body of the answer to a request that failed so.
#[cfg(test)]
pub(crate) fn error_of(title: &str, error: crate::resources::ResourceError) -> (StatusCode, serde_json::Value) {
    ApiError::resource(title, error).parts()
}

/// What is served on the ports of the API. Routes that are added to it go before its own.
pub fn router(api: Api) -> Router {
    Router::new().fallback(handle).with_state(api)
}

/// What is served where the old releases had their GUI: facts for it, and the API below `/api`.
pub fn gui_router(api: Api) -> Router {
    let facts = axum::routing::get(async |State(api): State<Api>| json_response(StatusCode::OK, &info::gui(&api)));
    Router::new().route("/", facts.clone()).route("/config", facts).with_state(api.clone()).nest("/api", router(api))
}

/// What is served on the port of the admin server of the old releases.
pub fn admin_router(api: Api) -> Router {
    Router::new().fallback(admin::handle).with_state(api)
}

async fn handle(State(api): State<Api>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = if cors::is_preflight(&parts) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        answer(&api, &parts, body).await.unwrap_or_else(IntoResponse::into_response)
    };
    api.0.cors.decorate(&parts, response.headers_mut());
    if parts.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

async fn answer(api: &Api, parts: &Parts, body: Body) -> Result<Response, ApiError> {
    let base = &api.config().api.base_path;
    let path = parts.uri.path();
    let path = if path == base.trim_end_matches('/') { Some("") } else { path.strip_prefix(base.as_str()) };
    let route = path.and_then(Route::parse).ok_or_else(|| ApiError::not_found("Not Found"))?;
    let caller = auth::caller(api, parts).await?;
    match &route {
        Route::Item { kind, mesh, name } => {
            let at = crud::Address { kind, mesh, name };
            match parts.method {
                Method::GET | Method::HEAD => crud::get(api, &caller, at).await,
                Method::PUT => crud::put(api, &caller, at, parts, body).await,
                Method::DELETE => crud::delete(api, &caller, at).await,
                _ => Err(ApiError::method(
                    "GET, HEAD, PUT, DELETE",
                    "This method is not available here: use GET, PUT or DELETE",
                )),
            }
        }
        Route::Token(kind) => match parts.method {
            Method::POST | Method::PUT => token::issue(api, &caller, *kind, parts, body).await,
            _ => Err(ApiError::method("POST", "Tokens are issued with POST")),
        },
        _ if !matches!(parts.method, Method::GET | Method::HEAD) => {
            Err(ApiError::method("GET, HEAD", "This path can only be read"))
        }
        Route::ProxyView { mesh, name, view } => proxy_view::get(api, &caller, mesh, name, *view, parts).await,
        _ => read(api, &caller, parts, &route).await,
    }
}

async fn read(api: &Api, caller: &Caller, parts: &Parts, route: &Route) -> Result<Response, ApiError> {
    let value = match route {
        Route::Index => info::index(api),
        Route::Config => info::config(api, caller)?,
        Route::Versions => info::versions(),
        Route::Policies => info::policies(api),
        Route::ResourceTypes => info::resource_types(api),
        Route::WhoAmI => json!({ "name": caller.name, "groups": caller.groups }),
        Route::Catalog => crate::catalog::catalog(api.config(), host(parts)),
        // One zone, this one: nobody reports to it.
        Route::ZoneStatus => json!([]),
        Route::GlobalInsights => insights::global_counts(api).await?,
        Route::GlobalInsight => insights::global(api).await?,
        Route::List { kind, mesh } => crud::list(api, caller, kind, mesh.as_deref(), parts).await?,
        Route::Overviews { kind, mesh } => overview::list(api, kind, mesh.as_deref(), parts).await?,
        Route::Overview { kind, mesh, name } => overview::one(api, kind, mesh, name).await?,
        Route::MatchedPolicies { mesh, name } => inspect::policies_of(api, mesh, name).await?,
        Route::Rules { mesh, name } => inspect::rules_of(api, mesh, name).await?,
        Route::MatchedDataplanes { kind, mesh, name } => inspect::dataplanes_of(api, kind, mesh, name).await?,
        Route::Item { .. } | Route::Token(_) | Route::ProxyView { .. } => unreachable!("answered before"),
    };
    Ok(json_response(StatusCode::OK, &value))
}

/// The host the caller used.
fn host(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| parts.uri.authority().map(|authority| authority.as_str()))
}

fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    let mut text = serde_json::to_vec_pretty(value).expect("answers are maps with text keys");
    text.push(b'\n');
    let mut response = (status, text).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
