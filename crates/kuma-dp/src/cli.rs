//! The command line, and the environment variables that stand in for its flags.

use std::path::PathBuf;
use std::time::Duration;

use base::Secret;
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::admin_port::AdminPort;

/// Runs an Envoy proxy next to a service and keeps it in the mesh.
#[derive(Debug, Parser)]
#[command(name = "kuma-dp", disable_version_flag = true, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How much to log
    #[arg(long, global = true, value_enum, default_value_t = LogLevel::Info)]
    pub(crate) log_level: LogLevel,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Launch the proxy
    Run(Box<RunArgs>),
    /// Wait until a proxy is ready
    Wait(WaitArgs),
    /// Print the version
    Version {
        /// Print what it was built from, too
        #[arg(short = 'a', long)]
        detailed: bool,
    },
    /// Print a completion script
    Completion {
        /// Shell to complete for
        shell: clap_complete::Shell,
    },
}

/// How much to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    Info,
    Debug,
}

/// Role of the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyType {
    /// Next to a service
    #[default]
    Dataplane,
    /// Entrance of a zone
    Ingress,
    /// Exit of a zone
    Egress,
}

impl ProxyType {
    /// Its name on the wire.
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Dataplane => "dataplane",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The type of the resource that describes such a proxy.
    pub(crate) fn resource_type(self) -> &'static str {
        match self {
            Self::Dataplane => "Dataplane",
            Self::Ingress => "ZoneIngress",
            Self::Egress => "ZoneEgress",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Name of the proxy; may come from the resource instead
    #[arg(long, env = "KUMA_DATAPLANE_NAME")]
    pub(crate) name: Option<String>,
    /// Mesh of the proxy; may come from the resource instead [default: default]
    #[arg(long, env = "KUMA_DATAPLANE_MESH")]
    pub(crate) mesh: Option<String>,
    /// Role of the proxy
    #[arg(long, env = "KUMA_DATAPLANE_PROXY_TYPE", value_enum, default_value_t)]
    pub(crate) proxy_type: ProxyType,

    /// Address of the control plane: https://host:5678, or http://host:5681 of a control plane with a catalog
    /// [default: https://localhost:5678]
    #[arg(long, env = "KUMA_CONTROL_PLANE_URL")]
    pub(crate) cp_address: Option<String>,
    /// The same, under the name it had in old releases
    #[arg(long, hide = true, env = "KUMA_CONTROL_PLANE_API_SERVER_URL")]
    pub(crate) api_server_url: Option<String>,
    /// File with the PEM of the authority that signed the control plane's certificate
    #[arg(long, env = "KUMA_CONTROL_PLANE_CA_CERT_FILE")]
    pub(crate) ca_cert_file: Option<PathBuf>,
    /// The PEM itself
    #[arg(long, hide = true, env = "KUMA_CONTROL_PLANE_CA_CERT")]
    pub(crate) ca_cert: Option<String>,
    /// Do not verify the control plane's certificate
    #[arg(
        long,
        env = "KUMA_CONTROL_PLANE_TLS_SKIP_VERIFY",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        hide_default_value = true,
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) skip_verify: bool,
    /// Longest pause between two attempts to reach the control plane
    #[arg(long, hide = true, env = "KUMA_CONTROL_PLANE_RETRY_BACKOFF", default_value = "3s", value_parser = duration)]
    pub(crate) retry_backoff: Duration,
    /// How long to try to reach the control plane
    #[arg(long, hide = true, env = "KUMA_CONTROL_PLANE_RETRY_MAX_DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) retry_max_duration: Duration,

    /// File with the token of the proxy
    #[arg(long, env = "KUMA_DATAPLANE_RUNTIME_TOKEN_PATH", conflicts_with = "dataplane_token")]
    pub(crate) dataplane_token_file: Option<PathBuf>,
    /// Token of the proxy
    #[arg(long, env = "KUMA_DATAPLANE_RUNTIME_TOKEN", hide_env_values = true, value_parser = secret)]
    pub(crate) dataplane_token: Option<Secret>,

    /// Resource that describes the proxy, as YAML or JSON
    #[arg(long, env = "KUMA_DATAPLANE_RUNTIME_RESOURCE", conflicts_with = "dataplane_file")]
    pub(crate) dataplane: Option<String>,
    /// File with the resource that describes the proxy; - is standard input
    #[arg(short = 'd', long, env = "KUMA_DATAPLANE_RUNTIME_RESOURCE_PATH")]
    pub(crate) dataplane_file: Option<PathBuf>,
    /// Value for {{ name }} in the resource, as name=value; may be repeated, or separated by commas
    #[arg(short = 'v', long, value_delimiter = ',', value_parser = variable)]
    pub(crate) dataplane_var: Vec<(String, String)>,

    /// Port of Envoy's admin interface: a port, a range of which the first free port is taken, or empty for none
    /// [default: 30001-65535, or the port in the resource]
    #[arg(long, env = "KUMA_DATAPLANE_ADMIN_PORT", value_parser = crate::admin_port::parse)]
    pub(crate) admin_port: Option<AdminPort>,
    /// Port of the readiness endpoint; 0 for none [default: 9902 when it is free]
    #[arg(long, env = "KUMA_READINESS_PORT")]
    pub(crate) readiness_port: Option<u16>,

    /// The Envoy program
    #[arg(long, env = "KUMA_DATAPLANE_RUNTIME_BINARY_PATH", default_value = "envoy")]
    pub(crate) binary_path: PathBuf,
    /// Number of worker threads of Envoy [default: one for each processor]
    #[arg(long, env = "KUMA_DATAPLANE_RUNTIME_CONCURRENCY")]
    pub(crate) concurrency: Option<u32>,
    /// Directory for the bootstrap and for pipes; a temporary one when absent
    #[arg(long, visible_alias = "config-dir", env = "KUMA_DATAPLANE_RUNTIME_WORK_DIR")]
    pub(crate) work_dir: Option<PathBuf>,
    /// The same, under the name its variable had in old releases
    #[arg(long = "work-dir-of-old", hide = true, env = "KUMA_DATAPLANE_RUNTIME_CONFIG_DIR")]
    pub(crate) config_dir: Option<PathBuf>,
    /// How long connections may take to end after a request to stop
    #[arg(long, env = "KUMA_DATAPLANE_DRAIN_TIME", default_value = "30s", value_parser = duration)]
    pub(crate) drain_time: Duration,
    /// Log level of Envoy: trace, debug, info, warning, error, critical, off
    #[arg(long, env = "KUMA_DATAPLANE_RUNTIME_ENVOY_LOG_LEVEL", default_value = "info")]
    pub(crate) envoy_log_level: String,
    /// Log levels of parts of Envoy: upstream:debug,connection:trace
    #[arg(long, env = "KUMA_DATAPLANE_RUNTIME_ENVOY_COMPONENT_LOG_LEVEL")]
    pub(crate) envoy_component_log_level: Option<String>,
    /// Protocol between Envoy and the control plane: DELTA_GRPC or GRPC
    #[arg(
        long,
        hide = true,
        env = "KUMA_DATAPLANE_RUNTIME_ENVOY_XDS_TRANSPORT_PROTOCOL_VARIANT",
        value_enum,
        ignore_case = true,
        default_value = "DELTA_GRPC"
    )]
    pub(crate) xds_transport: XdsTransport,
    /// Certificate that the metrics endpoint is served with
    #[arg(long, env = "KUMA_DATAPLANE_RUNTIME_METRICS_CERT_PATH")]
    pub(crate) metrics_cert_path: Option<PathBuf>,
    /// Key that the metrics endpoint is served with
    #[arg(long, env = "KUMA_DATAPLANE_RUNTIME_METRICS_KEY_PATH")]
    pub(crate) metrics_key_path: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) dns: DnsArgs,
}

/// Flags about the DNS server of the mesh. There is none yet: they are taken so that command lines that turn it
/// off, or leave it on without a need, go on to work.
#[derive(Debug, Args)]
pub(crate) struct DnsArgs {
    /// Whether to run a DNS server for names of the mesh
    #[arg(
        id = "dns-enabled",
        long,
        hide = true,
        env = "KUMA_DNS_ENABLED",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) enabled: Option<bool>,
    /// How to run it
    #[arg(
        id = "dns-coredns-port",
        long,
        hide = true,
        aliases = [
            "dns-envoy-port",
            "dns-coredns-path",
            "dns-coredns-config-template-path",
            "dns-server-config-dir",
            "dns-prometheus-port",
        ]
    )]
    pub(crate) details: Vec<String>,
    /// Whether it logs
    #[arg(
        id = "dns-enable-logging",
        long,
        hide = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) logging: Option<bool>,
}

impl DnsArgs {
    /// Whether somebody counts on a DNS server.
    pub(crate) fn is_wanted(&self) -> bool {
        self.enabled.unwrap_or(!self.details.is_empty() || self.logging == Some(true))
    }
}

/// Variant of the discovery protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum XdsTransport {
    /// Only what changed is sent
    #[value(name = "DELTA_GRPC")]
    DeltaGrpc,
    /// Everything of a type is sent on each change
    #[value(name = "GRPC")]
    Grpc,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Readiness endpoint, over plain HTTP
    #[arg(long, default_value = "http://localhost:9901/ready")]
    pub(crate) url: String,
    /// Time between two attempts
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub(crate) checking_frequency: Duration,
    /// Longest time for one attempt
    #[arg(long, default_value = "500ms", value_parser = duration)]
    pub(crate) request_timeout: Duration,
    /// Longest time for all attempts
    #[arg(long, default_value = "180s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    base::duration::parse(text).ok_or_else(|| "must be a duration such as 30s, 1m30s or 500ms".into())
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must have the form name=value".into()),
    }
}

#[cfg(test)]
mod tests;
