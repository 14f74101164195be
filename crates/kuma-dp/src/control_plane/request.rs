//! What the launcher tells about itself.

use std::path::Path;

use serde_json::{Value, json};

use crate::settings::Settings;
use crate::version;

/// Access logs for TCP receivers are written to a named pipe that the launcher reads.
const ACCESS_LOG_PIPE: &str = "feature-tcp-accesslog-via-named-pipe";
/// Envoy uses the incremental discovery protocol.
const DELTA: &str = "feature-delta-grpc";

/// What is found out when the launcher starts.
#[derive(Debug)]
pub(crate) struct Environment<'a> {
    pub(crate) envoy: &'a version::Envoy,
    pub(crate) work_dir: &'a Path,
    pub(crate) access_log: &'a Path,
    /// 0 when off.
    pub(crate) admin_port: u16,
    /// 0 when off.
    pub(crate) readiness_port: u16,
}

/// The body of the bootstrap request.
pub(crate) fn bootstrap_request(settings: &Settings, environment: &Environment<'_>) -> Value {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    json!({
        "mesh": settings.mesh,
        "name": settings.name,
        "proxyType": settings.proxy_type.wire(),
        "adminPort": environment.admin_port,
        "dataplaneToken": settings.token.as_ref().map_or("", |token| token.expose()),
        "dataplaneTokenPath": path(&settings.token_path).unwrap_or_default(),
        "dataplaneResource": settings.resource.as_ref().map_or("", |resource| &resource.json),
        "version": {
            "kumaDp": version::own(),
            "envoy": {
                "version": environment.envoy.version,
                "build": environment.envoy.build,
                "kumaDpCompatible": environment.envoy.is_compatible(),
            },
        },
        "caCert": settings.control_plane.ca.as_deref().unwrap_or_default(),
        "dynamicMetadata": {},
        "readinessPort": environment.readiness_port,
        "operatingSystem": std::env::consts::OS,
        "features": if settings.delta { vec![ACCESS_LOG_PIPE, DELTA] } else { vec![ACCESS_LOG_PIPE] },
        "resources": {},
        "workdir": environment.work_dir.display().to_string(),
        // Control planes before `workdir` take the pipe's path itself.
        "accessLogSocketPath": environment.access_log.display().to_string(),
        "metricsResources": {
            "certPath": path(&settings.metrics_cert_path).unwrap_or_default(),
            "keyPath": path(&settings.metrics_key_path).unwrap_or_default(),
        },
        "systemCaPath": system_authorities().unwrap_or_default(),
        "ipv6Enabled": has_ipv6(),
    })
}

pub(super) fn system_authorities() -> Option<&'static str> {
    const BUNDLES: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    BUNDLES.into_iter().find(|path| Path::new(path).is_file())
}

fn has_ipv6() -> bool {
    std::fs::read_to_string("/proc/net/if_inet6").is_ok_and(|interfaces| !interfaces.trim().is_empty())
}
