//! Who is calling, and what they may do.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use super::error::ApiError;
use super::{Api, host};
use crate::config::{Allowed, ApiAuthn};
use crate::tokens::{ADMIN, Reason};

const ANONYMOUS: &str = "mesh-system:anonymous";
const AUTHENTICATED: &str = "mesh-system:authenticated";
const UNAUTHENTICATED: &str = "mesh-system:unauthenticated";

/// The other end of the connection; the listener puts it into the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether it showed a certificate that the listener's authority has signed.
    pub has_certificate: bool,
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

impl Caller {
    /// May do everything.
    pub(super) fn admin() -> Self {
        Self { name: ADMIN.to_owned(), groups: vec![ADMIN.to_owned(), AUTHENTICATED.to_owned()] }
    }

    fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED.to_owned()] }
    }

    /// Refuses callers who are neither among the users nor in one of the groups.
    pub(super) fn require(&self, allowed: &Allowed, action: &str) -> Result<(), ApiError> {
        let in_group = |group: &String| allowed.groups.contains(group);
        if allowed.users.contains(&self.name) || self.groups.iter().any(in_group) {
            return Ok(());
        }
        let detail = format!("user {:?} cannot {action}", format!("{}/{}", self.name, self.groups.join(",")));
        Err(ApiError::new(StatusCode::FORBIDDEN, "Access Denied", detail))
    }
}

/// Who is calling: what a token or a client certificate proves, else the administrator if the call comes from
/// this machine, else nobody in particular.
pub(super) async fn caller(api: &Api, parts: &Parts) -> Result<Caller, ApiError> {
    let config = &api.config().api;
    let peer = parts.extensions.get::<Peer>();
    if config.authn == ApiAuthn::ClientCerts && peer.is_some_and(|peer| peer.has_certificate) {
        return Ok(Caller::admin());
    }
    if config.authn == ApiAuthn::Tokens
        && let Some(token) = bearer(&parts.headers)
    {
        return by_token(api, token).await;
    }
    let is_local = peer.is_some_and(|peer| peer.address.ip().to_canonical().is_loopback()) && is_direct(parts);
    Ok(if config.localhost_is_admin && is_local { Caller::admin() } else { Caller::anonymous() })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn by_token(api: &Api, token: &str) -> Result<Caller, ApiError> {
    match api.tokens().validate_user(token).await {
        Ok(mut claims) => {
            claims.groups.push(AUTHENTICATED.to_owned());
            Ok(Caller { name: claims.name, groups: claims.groups })
        }
        Err(Reason::Store(error)) => Err(ApiError::resource("Could not read the signing keys", error)),
        Err(reason) => {
            tracing::debug!(%reason, "User token refused");
            Err(ApiError::new(StatusCode::UNAUTHORIZED, "Invalid authentication data", "Unauthenticated"))
        }
    }
}

/// Whether a call that comes from this machine was also made on it: not by a proxy for somebody else, and
/// not by a page of another site in a browser that runs here.
fn is_direct(parts: &Parts) -> bool {
    const PROXY_HEADERS: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];
    let host = host(parts).unwrap_or_default();
    let headers = &parts.headers;
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let same_site = text("sec-fetch-site").is_none_or(|site| ["same-origin", "same-site", "none"].contains(&site));
    let same_origin =
        text("origin").is_none_or(|origin| origin.split_once("://").is_some_and(|(_, from)| from == host));
    PROXY_HEADERS.iter().all(|name| !headers.contains_key(*name)) && is_loopback_host(host) && same_site && same_origin
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback_hosts() {
        for host in ["localhost", "localhost:5681", "127.0.0.1:5681", "[::1]:5681", "LOCALHOST", "127.1.2.3"] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["", "evil.example:5681", "localhost.evil.example", "10.0.0.1", "::ffff:10.0.0.1"] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
