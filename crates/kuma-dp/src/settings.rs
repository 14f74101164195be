//! From flags, variables and files to what `run` does; all that is wrong at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Problems, Secret};

use crate::admin_port::AdminPort;
use crate::cli::{ProxyType, RunArgs, XdsTransport};
use crate::failure::Failure;
use crate::resource::{self, Resource};

/// The control plane's default address.
const DEFAULT_ADDRESS: &str = "https://localhost:5678";
const ENVOY_LOG_LEVELS: [&str; 8] = ["trace", "debug", "info", "warning", "warn", "error", "critical", "off"];
/// A certificate or token file is small.
const LARGEST_FILE: u64 = 256 * 1024;

/// What `run` does.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    /// Empty for zone proxies.
    pub(crate) mesh: String,
    pub(crate) proxy_type: ProxyType,
    pub(crate) resource: Option<Resource>,
    pub(crate) control_plane: ControlPlaneSettings,
    pub(crate) token: Option<Secret>,
    pub(crate) token_path: Option<PathBuf>,
    pub(crate) admin_port: AdminPort,
    pub(crate) readiness: Readiness,
    pub(crate) work_dir: Option<PathBuf>,
    pub(crate) envoy: EnvoySettings,
    pub(crate) delta: bool,
    pub(crate) metrics_cert_path: Option<PathBuf>,
    pub(crate) metrics_key_path: Option<PathBuf>,
    /// Whether somebody counts on a DNS server.
    pub(crate) wants_dns: bool,
}

/// How to reach the control plane.
#[derive(Clone, Debug)]
pub(crate) struct ControlPlaneSettings {
    pub(crate) address: String,
    /// PEM.
    pub(crate) ca: Option<String>,
    pub(crate) skip_verify: bool,
    /// Longest pause between attempts.
    pub(crate) backoff: Duration,
    pub(crate) within: Duration,
}

/// How to run Envoy.
#[derive(Clone, Debug)]
pub(crate) struct EnvoySettings {
    pub(crate) binary: PathBuf,
    /// 0 leaves it to Envoy.
    pub(crate) concurrency: u32,
    pub(crate) drain_time: Duration,
    pub(crate) log_level: String,
    pub(crate) component_log_level: Option<String>,
}

/// Whether and where there is a readiness endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Off,
    /// There, or nothing.
    Required(u16),
    /// There, or nowhere: another proxy of this machine may have it.
    IfFree(u16),
}

impl Settings {
    /// Checks `args` and reads the files they name.
    pub(crate) fn new(args: RunArgs) -> Result<Self, Failure> {
        let resource = resource(&args)?;
        let mut problems = Problems::default();
        let (name, mesh) = identity(&args, resource.as_ref(), &mut problems);
        let log_level = args.envoy_log_level.to_ascii_lowercase();
        if !ENVOY_LOG_LEVELS.contains(&&*log_level) {
            problems.add("--envoy-log-level", format!("must be one of: {}", ENVOY_LOG_LEVELS.join(", ")));
        }
        let admin_port = args.admin_port.unwrap_or_else(|| {
            let declared = resource.as_ref().and_then(|resource| resource.admin_port);
            declared.map_or_else(AdminPort::default, |port| AdminPort::FirstOf(port..=port))
        });
        let settings = Self {
            name,
            mesh,
            proxy_type: args.proxy_type,
            resource,
            control_plane: ControlPlaneSettings {
                address: non_empty(args.cp_address)
                    .or_else(|| non_empty(args.api_server_url))
                    .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()),
                ca: authority(args.ca_cert, args.ca_cert_file.as_deref(), &mut problems),
                skip_verify: args.skip_verify,
                backoff: args.retry_backoff,
                within: args.retry_max_duration,
            },
            token: token(args.dataplane_token, args.dataplane_token_file.as_deref(), &mut problems),
            token_path: non_empty_path(args.dataplane_token_file),
            admin_port,
            readiness: match args.readiness_port {
                None => Readiness::IfFree(9902),
                Some(0) => Readiness::Off,
                Some(port) => Readiness::Required(port),
            },
            work_dir: non_empty_path(args.work_dir).or_else(|| non_empty_path(args.config_dir)),
            envoy: EnvoySettings {
                binary: args.binary_path,
                concurrency: args.concurrency.unwrap_or(0),
                drain_time: args.drain_time,
                log_level,
                component_log_level: non_empty(args.envoy_component_log_level),
            },
            delta: args.xds_transport == XdsTransport::DeltaGrpc,
            metrics_cert_path: args.metrics_cert_path,
            metrics_key_path: args.metrics_key_path,
            wants_dns: args.dns.is_wanted(),
        };
        problems.into_result(settings).map_err(Failure::Settings)
    }
}

fn resource(args: &RunArgs) -> Result<Option<Resource>, Failure> {
    let variables = args.dataplane_var.iter().cloned().collect();
    if let Some(text) = args.dataplane.as_deref().filter(|text| !text.trim().is_empty()) {
        return resource::load("--dataplane", text, &variables, args.proxy_type).map(Some);
    }
    let Some(path) = args.dataplane_file.as_deref().filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let text = resource::read(path)?;
    resource::load(&path.display().to_string(), &text, &variables, args.proxy_type).map(Some)
}

/// The resource says who the proxy is; flags may only agree.
fn identity(args: &RunArgs, resource: Option<&Resource>, problems: &mut Problems) -> (String, String) {
    let (name, mesh) = (non_empty(args.name.clone()), non_empty(args.mesh.clone()));
    let zone_proxy = args.proxy_type != ProxyType::Dataplane;
    let Some(resource) = resource else {
        if name.is_none() {
            problems.add_with_hint("--name", "cannot be empty", "or pass the resource with --dataplane-file");
        }
        let mesh = if zone_proxy { String::new() } else { mesh.unwrap_or_else(|| "default".to_owned()) };
        return (name.unwrap_or_default(), mesh);
    };
    let mut agree = |flag: &str, value: Option<String>, declared: &str| {
        if let Some(value) = value.filter(|value| value != declared) {
            problems.add(flag, format!("says {value:?}, but the resource passed says {declared:?}"));
        }
    };
    agree("--name", name, &resource.name);
    if !zone_proxy {
        agree("--mesh", mesh, &resource.mesh);
    }
    (resource.name.clone(), resource.mesh.clone())
}

fn authority(inline: Option<String>, file: Option<&Path>, problems: &mut Problems) -> Option<String> {
    let pem = match non_empty(inline) {
        Some(pem) => pem,
        None => read_small("--ca-cert-file", file?, problems)?,
    };
    match pki::tls::client_config(pki::tls::Trust::Pem(&pem), None, pki::tls::Alpn::Http1) {
        Ok(_) => Some(pem),
        Err(error) => {
            problems.add("--ca-cert-file", base::report(&error));
            None
        }
    }
}

fn token(inline: Option<Secret>, file: Option<&Path>, problems: &mut Problems) -> Option<Secret> {
    let inline = inline.filter(|token| !token.expose().trim().is_empty());
    let (flag, token) = match inline {
        Some(token) => ("--dataplane-token", token),
        None => {
            const FLAG: &str = "--dataplane-token-file";
            let text = read_small(FLAG, file.filter(|path| !path.as_os_str().is_empty())?, problems)?;
            if text.trim().is_empty() {
                problems.add(FLAG, "names an empty file");
                return None;
            }
            (FLAG, Secret::new(text))
        }
    };
    let token = token.expose().trim();
    // It becomes a header's value.
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.add(flag, "holds no token: tokens consist of printable ASCII characters without spaces");
        return None;
    }
    Some(Secret::new(token))
}

fn read_small(flag: &str, path: &Path, problems: &mut Problems) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 <= LARGEST_FILE => return Some(text),
        Ok(_) => problems.add(flag, format!("{} is larger than {LARGEST_FILE} bytes", path.display())),
        Err(error) => problems.add(flag, format!("{} cannot be read: {error}", path.display())),
    }
    None
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn non_empty_path(path: Option<PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

#[cfg(test)]
mod tests;
