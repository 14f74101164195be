//! `POST /bootstrap`: everything that can be found wrong before Envoy starts is said here, in plain text.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::report;
use mesh_model::Dataplane;
use mesh_xds::bootstrap::{BootstrapAnswer, BootstrapParams, BootstrapRequest, render};
use tracing::{debug, warn};

use super::DpServer;
use super::registration::{Denied, WORKLOAD};
use crate::index::ProxyId;

pub(super) async fn handle(State(server): State<Arc<DpServer>>, headers: HeaderMap, body: Bytes) -> Response {
    match server.bootstrap(&headers, &body).await {
        Ok(answer) => ([(header::CONTENT_TYPE, answer.content_type)], answer.body).into_response(),
        Err((status, reason)) => {
            debug!(%status, reason, "A bootstrap request is refused");
            (status, reason).into_response()
        }
    }
}

type Refusal = (StatusCode, String);

impl DpServer {
    async fn bootstrap(&self, headers: &HeaderMap, body: &[u8]) -> Result<BootstrapAnswer, Refusal> {
        let request = BootstrapRequest::parse(body).map_err(|error| (StatusCode::BAD_REQUEST, report(&error)))?;
        if request.proxy_type() != "dataplane" {
            let reason = format!("proxies of type {:?} are not served yet", request.proxy_type());
            return Err((StatusCode::UNPROCESSABLE_ENTITY, reason));
        }
        let proxy = ProxyId { mesh: request.mesh.as_str().into(), name: request.name.as_str().into() };
        // Launchers take a 404 without a word for "not yet" and try again.
        let dataplane = self.admit(&proxy, &request).await.map_err(|denied| refusal(&denied))?;
        let dataplane = dataplane.ok_or_else(|| (StatusCode::NOT_FOUND, String::new()))?;
        let params = self.params(headers, &dataplane)?;
        let bootstrap = render(&request, &params, dataplane.identifying_service());
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        Ok(BootstrapAnswer::new(&bootstrap, accept, &dataplane.address))
    }

    /// The same checks as when the proxy connects, so that it fails early and with words.
    async fn admit(&self, proxy: &ProxyId, request: &BootstrapRequest) -> Result<Option<Arc<Dataplane>>, Denied> {
        self.registrar.require_mesh(proxy).await?;
        let mut workload = None;
        let dataplane = match request.dataplane_resource.trim() {
            "" => self.registrar.stored(proxy).await?,
            text => {
                let (mut document, dataplane) = self.registrar.read(proxy, text)?;
                workload = document.labels.remove(WORKLOAD);
                Some(dataplane)
            }
        };
        let token = Some(request.dataplane_token.expose()).filter(|token| !token.is_empty());
        if token.is_none() && !request.dataplane_token_path.is_empty() {
            // The oldest launchers give Envoy the path and keep the token to themselves; Envoy shows it later.
            warn!(mesh = %proxy.mesh, dataplane = %proxy.name, "The bootstrap request has no token, only its path");
            return Ok(dataplane);
        }
        match self.registrar.authenticate(proxy, token, dataplane.as_deref(), workload.as_deref()).await {
            // What the token demands cannot be held against a Dataplane that is not there yet.
            Err(Denied::WrongToken(_)) if dataplane.is_none() => Ok(None),
            checked => checked.map(|()| dataplane),
        }
    }

    fn params(&self, headers: &HeaderMap, dataplane: &Dataplane) -> Result<BootstrapParams, Refusal> {
        let host = match &self.settings.xds_host {
            Some(host) => host.clone(),
            None => self.asked_host(headers).map_err(|reason| (StatusCode::BAD_REQUEST, reason))?,
        };
        Ok(BootstrapParams {
            xds_host: host,
            xds_port: self.settings.xds_port,
            xds_connect_timeout: self.settings.xds_connect_timeout,
            ca_pem: self.settings.ca_pem.clone(),
            admin_address: self.settings.admin_address.clone(),
            dataplane_admin_port: dataplane.admin_port,
            default_admin_port: self.settings.admin_port,
            admin_unix_socket: self.settings.admin_unix_socket,
            admin_access_log_path: self.settings.admin_access_log.clone(),
        })
    }

    /// The host that the request was sent to. Envoy will connect to the same and verify the certificate for it:
    /// what would fail there again and again, without an end and only in its log, is said here.
    fn asked_host(&self, headers: &HeaderMap) -> Result<String, String> {
        let authority = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = authority
            .map(host_of)
            .ok_or_else(|| "the request has no Host header to derive the control plane's address from".to_owned())?;
        match &self.settings.certificate {
            Some(certificate) if !certificate.covers_host(host) => {
                let addresses = certificate.ip_addresses.iter().map(ToString::to_string);
                let names: Vec<_> = certificate.dns_names.iter().cloned().chain(addresses).collect();
                Err(format!(
                    "the proxy connects to the control plane as {host:?}, but the control plane's certificate is for {}; use one of these as --cp-address, or give the control plane a certificate for {host:?} (general.tlsCertFile, KUMA_GENERAL_TLS_CERT_FILE)",
                    names.join(", ")
                ))
            }
            _ => Ok(host.to_owned()),
        }
    }
}

fn refusal(denied: &Denied) -> Refusal {
    let status = match denied {
        Denied::NoToken | Denied::BadToken(_) | Denied::WrongToken(_) | Denied::Invalid(_) | Denied::NoMesh(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Denied::Resource(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, denied.to_string())
}

/// `host:port` and `[v6]:port` without the port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}
