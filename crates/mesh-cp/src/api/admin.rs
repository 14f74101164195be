//! The admin server of the old releases: tokens, certificate authorities and secrets on loopback.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode};
use mesh_model::Kind;
use pki::CertificateAuthority;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::route::{Route, TokenKind};
use super::{Api, body, crud, json_response, token};
use crate::resources::ResourceError;
use crate::secrets;

/// Id of the one certificate that a provided authority has.
const PROVIDED: &str = "ca-1";
/// Secrets of the mesh that hold it; a mesh with `ca: {provided: {}}` reads them.
const CERT_SECRET: &str = "provided-ca-cert";
const KEY_SECRET: &str = "provided-ca-key";
const FAILED: &str = "Could not process the certificate authority";

pub(super) async fn handle(State(api): State<Api>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    answer(&api, &parts, body).await.unwrap_or_else(IntoResponse::into_response)
}

/// Whoever reaches this listener is trusted: it is on loopback, or asks for a known client certificate.
async fn answer(api: &Api, parts: &Parts, body: Body) -> Result<Response, ApiError> {
    let path = parts.uri.path();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if let ["meshes", mesh, "ca", "provided", "certificates", rest @ ..] = segments.as_slice() {
        return provided_ca(api, parts, mesh, rest, body).await;
    }
    match (Route::parse(path), &parts.method) {
        (Some(Route::Token(kind)), &Method::POST | &Method::PUT) => {
            if kind == TokenKind::Dataplane && !api.config().admin.dataplane_token {
                return Err(ApiError::not_found("Data plane tokens are switched off"));
            }
            token::issue_unchecked(api, kind, body::object(parts, body).await?).await
        }
        (Some(Route::Item { kind, mesh, name }), method) if is_secret(kind) => {
            let caller = super::auth::Caller::admin();
            let at = crud::Address { kind, mesh: &mesh, name: &name };
            match *method {
                Method::GET => crud::get(api, &caller, at).await,
                Method::PUT => crud::put(api, &caller, at, parts, body).await,
                Method::DELETE => crud::delete(api, &caller, at).await,
                _ => Err(ApiError::method("GET, PUT, DELETE", "This method is not available here")),
            }
        }
        (Some(Route::List { kind, mesh }), &Method::GET) if is_secret(kind) => {
            let caller = super::auth::Caller::admin();
            let list = crud::list(api, &caller, kind, mesh.as_deref(), parts).await?;
            Ok(json_response(StatusCode::OK, &list))
        }
        (Some(Route::Token(_)), _) => Err(ApiError::method("POST", "Tokens are issued with POST")),
        _ => Err(ApiError::not_found("Not Found")),
    }
}

fn is_secret(kind: &Kind) -> bool {
    matches!(kind.name, "Secret" | "GlobalSecret")
}

/// Certificate and key of a provided authority, kept as secrets of the mesh.
async fn provided_ca(api: &Api, parts: &Parts, mesh: &str, rest: &[&str], body: Body) -> Result<Response, ApiError> {
    crud::require_mesh(api, mesh).await?;
    let resources = api.resources();
    let failed = |error: ResourceError| ApiError::resource(FAILED, error);
    match (rest, &parts.method) {
        ([], &Method::POST) => {
            let request = body::object(parts, body).await?;
            let (cert_pem, key_pem) = (pem(&request, "cert")?, pem(&request, "key")?);
            CertificateAuthority::from_pem(cert_pem, key_pem, api.now())
                .map_err(|error| ApiError::field(FAILED, "Resource is not valid", "cert", base::report(&error)))?;
            secrets::write(resources, mesh, CERT_SECRET, cert_pem.as_bytes()).await.map_err(failed)?;
            secrets::write(resources, mesh, KEY_SECRET, key_pem.as_bytes()).await.map_err(failed)?;
            Ok(json_response(StatusCode::OK, &json!({ "id": PROVIDED })))
        }
        ([], &Method::GET) => {
            let stored = secrets::read(resources, mesh, CERT_SECRET).await.map_err(failed)?;
            let certs: Vec<Value> =
                stored.iter().map(|cert| json!({ "id": PROVIDED, "cert": String::from_utf8_lossy(cert) })).collect();
            Ok(json_response(StatusCode::OK, &certs))
        }
        ([id], &Method::DELETE) if *id == PROVIDED => {
            for name in [CERT_SECRET, KEY_SECRET] {
                resources.delete(secrets::kind(mesh), mesh, name).await.map_err(failed)?;
            }
            Ok(json_response(StatusCode::OK, &json!({})))
        }
        ([], _) => Err(ApiError::method("GET, POST", "Certificates are listed with GET and added with POST")),
        _ => Err(ApiError::not_found("Not Found")),
    }
}

fn pem<'a>(request: &'a Map<String, Value>, field: &str) -> Result<&'a str, ApiError> {
    let text = request.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| ApiError::field(FAILED, "Resource is not valid", field, "cannot be empty"))
}
