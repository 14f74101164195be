//! The way to the control plane: its address in either form, and the bootstrap with all the patience that takes.

mod bootstrap;
mod request;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, Uri};
use serde_json::Value;
use tokio::time::Instant;

pub(crate) use bootstrap::Bootstrap;
use request::system_authorities;
pub(crate) use request::{Environment, bootstrap_request};

use crate::failure::Failure;
use crate::http::{Answer, HttpError, Server, send};
use crate::pause::{backoff, pause};
use crate::settings::ControlPlaneSettings;

/// Port of the server for proxies.
const PROXY_PORT: u16 = 5678;
/// Port of the HTTP API, whose catalog names the bootstrap server.
const API_PORT: u16 = 5681;
const ATTEMPT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A control plane.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    /// As the operator wrote it.
    address: String,
    origin: Origin,
    tls: Arc<rustls::ClientConfig>,
    backoff: Duration,
    within: Duration,
}

/// Scheme, host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    fn is_this_machine(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// How an attempt failed.
enum Attempt {
    /// It may succeed later.
    Again(String),
    /// The control plane does not know the proxy, which may be created any moment.
    Unknown,
    /// It never will.
    Final(Failure),
}

impl ControlPlane {
    /// Checks the address; connects to nothing.
    pub(crate) fn new(settings: &ControlPlaneSettings) -> Result<Self, Failure> {
        let invalid = |message: String| {
            let mut problems = base::Problems::default();
            problems.add_with_hint("--cp-address", message, "https://host:5678 or http://host:5681");
            Failure::Settings(problems)
        };
        let origin = parse_address(&settings.address).map_err(invalid)?;
        let system;
        let trust = match &settings.ca {
            _ if settings.skip_verify => pki::tls::Trust::SkipVerify,
            Some(pem) => pki::tls::Trust::Pem(pem),
            // Nobody stands between two programs of one machine, and without this a first try would need a file.
            None if origin.is_this_machine() => pki::tls::Trust::SkipVerify,
            None => {
                system = system_authorities().map(std::fs::read_to_string).transpose().ok().flatten();
                let missing =
                    || invalid("this machine has no authorities to verify it with: pass --ca-cert-file".to_owned());
                pki::tls::Trust::Pem(system.as_deref().ok_or_else(missing)?)
            }
        };
        let tls = pki::tls::client_config(trust, None, pki::tls::Alpn::Http1)
            .map_err(|error| invalid(base::report(&error)))?;
        Ok(Self {
            address: settings.address.clone(),
            origin,
            tls: Arc::new(tls),
            backoff: settings.backoff,
            within: settings.within,
        })
    }

    /// The bootstrap for `request`. Tries again, at growing intervals, until it is given, refused, or time is up.
    pub(crate) async fn bootstrap(&self, request: &Value) -> Result<Bootstrap, Failure> {
        let deadline = Instant::now() + self.within;
        let mut backoff = backoff(FIRST_PAUSE, self.backoff);
        loop {
            let failure = match self.attempt(request).await {
                Ok(bootstrap) => return Ok(bootstrap),
                Err(Attempt::Final(failure)) => return Err(failure),
                Err(Attempt::Again(reason)) => {
                    Failure::Unreachable { address: self.address.clone(), within: self.within, last: reason }
                }
                Err(Attempt::Unknown) => unknown(request, self.within),
            };
            let pause_for = backoff.next_delay();
            if Instant::now() + pause_for >= deadline {
                return Err(failure);
            }
            match &failure {
                Failure::Unreachable { last, .. } => {
                    tracing::info!(address = self.address, error = last, "Waiting for the control plane");
                }
                _ => tracing::info!("Waiting until the control plane knows this dataplane"),
            }
            pause(pause_for).await;
        }
    }

    async fn attempt(&self, request: &Value) -> Result<Bootstrap, Attempt> {
        let (origin, path) = self.bootstrap_server().await?;
        let answer = self.exchange(&origin, Method::POST, path, Some(request.to_string())).await?;
        judge(&answer, origin.port)
    }

    /// Where bootstraps are given: at the address itself over TLS, else where the catalog says.
    async fn bootstrap_server(&self) -> Result<(Origin, Uri), Attempt> {
        let path = Uri::from_static("/bootstrap");
        if self.origin.secure {
            return Ok((self.origin.clone(), path));
        }
        let answer = self.exchange(&self.origin, Method::GET, Uri::from_static("/catalog"), None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            let origin = Origin { secure: true, port: PROXY_PORT, ..self.origin.clone() };
            tracing::info!(host = origin.host, port = origin.port, "There is no catalog, using the server for proxies");
            return Ok((origin, path));
        }
        if !answer.status.is_success() {
            return Err(Attempt::Again(format!("catalog: {}", describe(&answer))));
        }
        let catalog: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| Attempt::Final(Failure::Bootstrap(format!("its catalog is not JSON: {error}"))))?;
        let url = catalog.pointer("/apis/bootstrap/url").and_then(Value::as_str).unwrap_or_default();
        let unusable =
            |_| Attempt::Final(Failure::Bootstrap(format!("its catalog names {url:?} as the bootstrap server")));
        Ok((parse_address(url).map_err(unusable)?, path))
    }

    async fn exchange(
        &self,
        origin: &Origin,
        method: Method,
        path: Uri,
        json: Option<String>,
    ) -> Result<Answer, Attempt> {
        let (host, port) = (origin.host.clone(), origin.port);
        let server = if origin.secure {
            Server::Tls { host, port, config: Arc::clone(&self.tls) }
        } else {
            Server::Tcp { host, port }
        };
        send(&server, method, path, json, ATTEMPT).await.map_err(|error| match error {
            HttpError::Untrusted(reason) => {
                Attempt::Final(Failure::Untrusted { address: self.address.clone(), reason: reason.to_string() })
            }
            HttpError::Handshake(_) => Attempt::Again(format!("{} (is it https on that port?)", base::report(&error))),
            error => Attempt::Again(base::report(&error)),
        })
    }
}

/// What an answer to the bootstrap request means.
fn judge(answer: &Answer, port: u16) -> Result<Bootstrap, Attempt> {
    let text = answer.text();
    match answer.status {
        StatusCode::OK => Bootstrap::parse(&answer.body).map_err(|reason| Attempt::Final(Failure::Bootstrap(reason))),
        StatusCode::NOT_FOUND if text.to_ascii_lowercase().contains("page not found") => {
            Err(Attempt::Final(Failure::Refused(format!(
                "port {port} has no bootstrap server; is --cp-address the server for proxies (https, {PROXY_PORT}) \
                 or the HTTP API (http, {API_PORT})?"
            ))))
        }
        StatusCode::NOT_FOUND => Err(Attempt::Unknown),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Attempt::Final(Failure::Token(describe(answer)))),
        // Later answers may differ: the request was not judged at all.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Err(Attempt::Again(describe(answer))),
        status if status.is_client_error() && text.to_ascii_lowercase().contains("token") => {
            Err(Attempt::Final(Failure::Token(text)))
        }
        status if status.is_client_error() => Err(Attempt::Final(Failure::Refused(describe(answer)))),
        _ => Err(Attempt::Again(describe(answer))),
    }
}

fn describe(answer: &Answer) -> String {
    let text = answer.text();
    if text.is_empty() { answer.status.to_string() } else { format!("{text} ({})", answer.status.as_u16()) }
}

fn unknown(request: &Value, within: Duration) -> Failure {
    let word = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
    Failure::UnknownDataplane { name: word("name"), mesh: word("mesh"), within }
}

fn parse_address(text: &str) -> Result<Origin, String> {
    let uri: Uri = text.trim().parse().map_err(|_| format!("{text:?} is not a URL"))?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(format!("{text:?} must start with https:// or http://")),
    };
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    if host.is_empty() || !bare || authority.contains('@') {
        return Err(format!("{text:?} must consist of scheme, host and port"));
    }
    let port = match uri.port_u16() {
        Some(0) => return Err(format!("{text:?} has port 0")),
        Some(port) => port,
        None if authority.ends_with(host) || authority.ends_with(']') => {
            if secure {
                PROXY_PORT
            } else {
                API_PORT
            }
        }
        None => return Err(format!("{text:?} has no valid port")),
    };
    Ok(Origin { secure, host: host.to_owned(), port })
}

#[cfg(test)]
mod tests;
