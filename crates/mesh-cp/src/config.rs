//! Configuration: the tree of known keys, and the checked form everything else works with.
//!
//! Defaults, then a YAML file, then `KUMA_*` variables, are merged by `base::config`; [`Config::check`] turns
//! the result into values that need no further doubt, or reports everything that is wrong with it.

mod env;
mod legacy;
mod postgres;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::Problems;
use base::config::{Loaded, Origin, Sources};
use base::secret::MASK;
use mesh_model::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::resources::Document;
pub use env::ALIASES as ENV_ALIASES;
use reader::Reader;

/// Prefix of the environment variables.
pub const ENV_PREFIX: &str = "KUMA";

const DEFAULTS: &str = include_str!("config/defaults.yaml");

/// The keys and their values, unchecked. The default has every known key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree(pub Value);

impl Default for Tree {
    fn default() -> Self {
        Self(serde_norway::from_str(DEFAULTS).expect("the defaults are YAML: a test reads them"))
    }
}

/// The control plane's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The effective values of all keys, secrets among them: see [`Config::shown`].
    tree: Arc<Value>,
    /// Where state is kept that belongs to this machine.
    pub work_dir: PathBuf,
    /// Where resources are kept.
    pub store: StoreConfig,
    /// `store.unsafeDelete`
    pub unsafe_delete: bool,
    /// The HTTP API.
    pub api: ApiConfig,
    /// The token and certificate API of the old releases.
    pub admin: AdminConfig,
    /// Readiness, health and metrics.
    pub diagnostics: SocketAddr,
    /// Where the old releases had their GUI: JSON about this control plane.
    pub gui: SocketAddr,
    /// What proxies connect to.
    pub dp_server: DpServerConfig,
    /// What proxies are told at start.
    pub bootstrap: BootstrapConfig,
    /// Certificate of all TLS listeners that have no own one.
    pub tls: Option<TlsFiles>,
    /// `general.advertisedHostname`: how others reach this control plane.
    pub advertised_hostname: String,
    /// The mesh that is created at start.
    pub default_mesh: Option<Document>,
    /// `defaults.createMeshRoutingResources`
    pub create_routing_resources: bool,
    /// `metrics.dataplane.subscriptionLimit`: how many connections of a proxy are remembered; 0 for all.
    pub subscription_limit: usize,
    /// `runtime.universal.dataplaneCleanupAge`: how long a proxy stays known after it went offline.
    pub dataplane_cleanup_age: Duration,
    /// Who may do what.
    pub access: Access,
    /// `monitoringAssignmentServer.port`
    pub mads_port: u16,
    /// `sdsServer.grpcPort`
    pub sds_port: u16,
    /// URLs that `/catalog` answers instead of those that follow from the ports.
    pub catalog: CatalogConfig,
}

/// Where resources are kept.
#[derive(Clone, Debug)]
pub enum StoreConfig {
    /// In memory: gone when the program ends.
    Memory,
    /// In a SQLite file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database, which several control planes may share.
    Postgres(Box<store::postgres::Settings>),
}

/// The HTTP API.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Plain HTTP; `None` if switched off.
    pub http: Option<SocketAddr>,
    /// HTTPS, and plain HTTP for the bootstrap clients of old releases, on one port; `None` if switched off.
    pub https: Option<SocketAddr>,
    /// Certificate of the HTTPS listener; `None` for that of [`Config::tls`].
    pub tls: Option<TlsFiles>,
    /// Authority whose client certificates make an administrator.
    pub client_ca_file: Option<PathBuf>,
    /// Refuse clients without certificate.
    pub require_client_cert: bool,
    /// Refuse `PUT` and `DELETE`.
    pub read_only: bool,
    /// Origins that browsers may call from: domains or regular expressions.
    pub cors_allowed_domains: Vec<String>,
    /// Path below which everything is; starts and ends with `/`.
    pub base_path: String,
    /// `apiServer.rootUrl`, if set: what the `next` links of lists start with.
    pub root_url: Option<String>,
    /// How callers prove who they are.
    pub authn: ApiAuthn,
    /// Callers on this machine are administrators.
    pub localhost_is_admin: bool,
    /// Keep a token of the first administrator as a global secret.
    pub bootstrap_admin_token: bool,
    /// Whether user tokens are issued here.
    pub enable_user_token_issuer: bool,
}

/// How callers of the API prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiAuthn {
    /// User tokens.
    Tokens,
    /// Client certificates.
    ClientCerts,
}

/// The admin server of the old releases.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Plain HTTP on loopback.
    pub local: SocketAddr,
    /// HTTPS for clients with one of the allowed certificates.
    pub public: Option<PublicAdmin>,
    /// Whether tokens are issued and asked for.
    pub dataplane_token: bool,
}

/// The admin server's public side.
#[derive(Clone, Debug)]
pub struct PublicAdmin {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate.
    pub tls: TlsFiles,
    /// Directory with the certificates of the clients.
    pub client_certs_dir: PathBuf,
}

/// What proxies connect to.
#[derive(Clone, Debug)]
pub struct DpServerConfig {
    /// Port on all interfaces.
    pub port: u16,
    /// Certificate; `None` for that of [`Config::tls`].
    pub tls: Option<TlsFiles>,
    /// How proxies prove who they are.
    pub authn: DpAuthn,
    /// How long a proxy that went away stays registered.
    pub deregistration_delay: Duration,
    /// How often changed statistics of proxies are stored.
    pub status_flush_interval: Duration,
    /// How long a proxy that refused a configuration waits for the next attempt.
    pub nack_backoff: Duration,
}

/// How proxies prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpAuthn {
    /// Not at all.
    None,
    /// Data plane tokens.
    DpToken,
}

/// What proxies are told at start.
#[derive(Clone, Debug)]
pub struct BootstrapConfig {
    /// Address of Envoy's admin interface.
    pub admin_address: IpAddr,
    /// Port of Envoy's admin interface unless the proxy names one; 0 for off.
    pub admin_port: u16,
    /// Whether proxies that name no port get a Unix socket in their work directory.
    pub admin_unix_socket: bool,
    /// Where Envoy logs requests of its admin interface.
    pub admin_access_log_path: String,
    /// Host of the xDS server; `None` for the one the bootstrap was fetched from.
    pub xds_host: Option<String>,
    /// Port of the xDS server.
    pub xds_port: u16,
    /// How long Envoy waits for a connection.
    pub xds_connect_timeout: Duration,
}

/// PEM files of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Who may do what.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Read and write secrets.
    pub admin_resources: Allowed,
    /// Issue tokens for data plane proxies.
    pub generate_dp_token: Allowed,
    /// Issue tokens for users.
    pub generate_user_token: Allowed,
    /// Issue tokens for zones.
    pub generate_zone_token: Allowed,
    /// See what proxies are configured with.
    pub view_config_dump: Allowed,
    /// See the statistics of proxies.
    pub view_stats: Allowed,
    /// See the clusters of proxies.
    pub view_clusters: Allowed,
    /// See how the control plane is configured.
    pub control_plane_metadata: Allowed,
}

/// Users and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// By name.
    pub users: Vec<String>,
    /// By membership.
    pub groups: Vec<String>,
}

/// URLs that `/catalog` answers.
#[derive(Clone, Debug, Default)]
pub struct CatalogConfig {
    /// Of the bootstrap server.
    pub bootstrap: Option<String>,
    /// Of the monitoring assignment server.
    pub monitoring_assignment: Option<String>,
    /// Of the secret discovery server.
    pub sds: Option<String>,
}

/// What the machine adds to the configuration.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Home directory of the user; the default work directory is below.
    pub home: Option<PathBuf>,
}

impl Config {
    /// The configuration that a file's content and the environment make, and warnings about what was set
    /// and does nothing. The error lists everything that is wrong.
    pub fn load(
        file: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
        around: &Surroundings,
    ) -> Result<(Self, Problems), Problems> {
        let sources = Sources { file, environment, prefix: ENV_PREFIX, aliases: ENV_ALIASES };
        let Loaded { value: tree, origins, mut warnings } = base::config::load::<Tree, _>(sources)?;
        let given = |path: &str| origins.get(path).is_some_and(|origin| *origin != Origin::Default);
        let (config, read) = Self::check(tree, &given, around)?;
        let defaults = Tree::default().0;
        // Files are often written with every default spelled out.
        let differs = |path: &str| reader::at(&config.tree, path) != reader::at(&defaults, path);
        for path in origins.keys().filter(|path| given(path)) {
            if !read.contains(path) && !legacy::is_old(path) && differs(path) {
                warnings.add(path, "is set but has no effect in this build");
            }
        }
        Ok((config, warnings))
    }

    /// The checked form of `tree`, and the paths of the keys that mean something. `given` says whether a key
    /// was set by file or variable, as opposed to having its default.
    fn check(
        tree: Tree,
        given: &dyn Fn(&str) -> bool,
        around: &Surroundings,
    ) -> Result<(Self, BTreeSet<String>), Problems> {
        let mut tree = tree.0;
        legacy::carry_over(&mut tree, given);
        let mut reader = Reader::new(&tree);
        let config = read(&mut reader, around);
        let (problems, read) = reader.finish();
        problems.into_result((Self { tree: Arc::new(tree), ..config }, read))
    }

    /// The defaults, with `change` applied to the tree; for tests and programs that embed the control plane.
    pub fn with(change: impl FnOnce(&mut Value)) -> Result<Self, Problems> {
        let mut tree = Tree::default();
        let before = tree.clone();
        change(&mut tree.0);
        let after = tree.clone();
        let given = |path: &str| reader::at(&before.0, path) != reader::at(&after.0, path);
        Self::check(tree, &given, &Surroundings::default()).map(|(config, _)| config)
    }

    /// All effective values, secrets masked.
    pub fn shown(&self) -> Value {
        let mut tree = (*self.tree).clone();
        mask(&mut tree);
        tree
    }
}

/// Replaces what must not be seen: passwords and keys given in place.
fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if is_secret(name) && !text.is_empty() => MASK.clone_into(text),
                    other => mask(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", "token", "key"].contains(&name)
}

fn read(reader: &mut Reader<'_>, around: &Surroundings) -> Config {
    reader.one_of("environment", &["universal"], "Kubernetes is not available in this build yet");
    reader.one_of("mode", &["zone", "standalone"], "multi-zone is not available in this build yet");
    let default_dir = around.home.clone().unwrap_or_else(|| PathBuf::from(".")).join(".kuma");
    let work_dir = reader.path("general.workDir").unwrap_or(default_dir);
    Config {
        tree: Arc::default(),
        store: store(reader, &work_dir),
        work_dir,
        unsafe_delete: reader.flag("store.unsafeDelete"),
        api: api(reader),
        admin: admin(reader),
        diagnostics: SocketAddr::new(EVERYWHERE, reader.port("diagnostics.serverPort")),
        gui: SocketAddr::new(EVERYWHERE, reader.port("guiServer.port")),
        dp_server: dp_server(reader),
        bootstrap: bootstrap(reader),
        tls: tls(reader, "general"),
        advertised_hostname: reader.text("general.advertisedHostname"),
        default_mesh: default_mesh(reader),
        create_routing_resources: reader.flag("defaults.createMeshRoutingResources"),
        subscription_limit: reader.count("metrics.dataplane.subscriptionLimit"),
        dataplane_cleanup_age: reader.duration("runtime.universal.dataplaneCleanupAge"),
        access: access(reader),
        mads_port: reader.port("monitoringAssignmentServer.port"),
        sds_port: reader.port("sdsServer.grpcPort"),
        catalog: CatalogConfig {
            bootstrap: reader.some_text("apiServer.catalog.bootstrap.url"),
            monitoring_assignment: reader.some_text("apiServer.catalog.monitoringAssignment.url"),
            sds: reader.some_text("apiServer.catalog.sds.url"),
        },
    }
}

const EVERYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn store(reader: &mut Reader<'_>, work_dir: &Path) -> StoreConfig {
    let kinds = ["memory", "sqlite", "postgres"];
    match reader.one_of("store.type", &kinds, "Kubernetes is not available in this build yet").as_str() {
        "memory" => StoreConfig::Memory,
        "postgres" => StoreConfig::Postgres(Box::new(postgres::settings(reader))),
        _ => StoreConfig::Sqlite(reader.path("store.sqlite.path").unwrap_or_else(|| work_dir.join("kuma.db"))),
    }
}

fn api(reader: &mut Reader<'_>) -> ApiConfig {
    let http = reader.listener("apiServer.http");
    let https = reader.listener("apiServer.https");
    let base_path = reader.text("apiServer.basePath");
    let authn = match reader.one_of("apiServer.authn.type", &["tokens", "clientCerts"], "").as_str() {
        "clientCerts" => ApiAuthn::ClientCerts,
        _ => ApiAuthn::Tokens,
    };
    ApiConfig {
        http,
        https,
        tls: tls(reader, "apiServer.https"),
        client_ca_file: reader.path("apiServer.https.tlsCaFile"),
        require_client_cert: reader.flag("apiServer.https.requireClientCert"),
        read_only: reader.flag("apiServer.readOnly"),
        cors_allowed_domains: reader.texts("apiServer.corsAllowedDomains"),
        base_path: format!("/{}/", base_path.trim_matches('/')).replace("//", "/"),
        root_url: reader.some_text("apiServer.rootUrl"),
        authn,
        localhost_is_admin: reader.flag("apiServer.authn.localhostIsAdmin"),
        bootstrap_admin_token: reader.flag("apiServer.authn.tokens.bootstrapAdminToken"),
        enable_user_token_issuer: reader.flag("apiServer.authn.tokens.enableIssuer"),
    }
}

fn admin(reader: &mut Reader<'_>) -> AdminConfig {
    let local = reader.port("adminServer.local.port");
    AdminConfig {
        local: SocketAddr::new(LOOPBACK, local),
        public: reader.flag("adminServer.public.enabled").then(|| public_admin(reader, local)).flatten(),
        dataplane_token: reader.flag("adminServer.apis.dataplaneToken.enabled"),
    }
}

fn public_admin(reader: &mut Reader<'_>, local: u16) -> Option<PublicAdmin> {
    let port = reader.port("adminServer.public.port");
    let interface = reader.address("adminServer.public.interface");
    let files = tls(reader, "adminServer.public");
    let clients = reader.path("adminServer.public.clientCertsDir");
    if files.is_none() {
        reader.problem("adminServer.public.tlsCertFile", "must be set when adminServer.public.enabled is true", "");
    }
    if clients.is_none() {
        reader.problem("adminServer.public.clientCertsDir", "must be set when adminServer.public.enabled is true", "");
    }
    let port = if port == 0 { local } else { port };
    Some(PublicAdmin { address: SocketAddr::new(interface?, port), tls: files?, client_certs_dir: clients? })
}

fn dp_server(reader: &mut Reader<'_>) -> DpServerConfig {
    let tokens = reader.flag("adminServer.apis.dataplaneToken.enabled");
    let authn = match reader.one_of("dpServer.authn.dpProxy.type", &["", "dpToken", "none"], "").as_str() {
        "none" => DpAuthn::None,
        "" if !tokens => DpAuthn::None,
        _ => DpAuthn::DpToken,
    };
    DpServerConfig {
        port: reader.port("dpServer.port"),
        tls: tls(reader, "dpServer"),
        authn,
        deregistration_delay: reader.duration("xdsServer.dataplaneDeregistrationDelay"),
        status_flush_interval: reader.positive_duration("xdsServer.dataplaneStatusFlushInterval"),
        nack_backoff: reader.duration("xdsServer.nackBackoff"),
    }
}

fn bootstrap(reader: &mut Reader<'_>) -> BootstrapConfig {
    let xds_port = reader.port("bootstrapServer.params.xdsPort");
    let own_port = reader.port("dpServer.port");
    BootstrapConfig {
        admin_address: reader.address("bootstrapServer.params.adminAddress").unwrap_or(LOOPBACK),
        admin_port: reader.port("bootstrapServer.params.adminPort"),
        admin_unix_socket: reader.flag("bootstrapServer.params.envoyAdminUnixSocket"),
        admin_access_log_path: reader.text("bootstrapServer.params.adminAccessLogPath"),
        xds_host: reader.some_text("bootstrapServer.params.xdsHost"),
        xds_port: if xds_port == 0 { own_port } else { xds_port },
        xds_connect_timeout: reader.positive_duration("bootstrapServer.params.xdsConnectTimeout"),
    }
}

/// `<section>.tlsCertFile` and `<section>.tlsKeyFile`: both or none.
fn tls(reader: &mut Reader<'_>, section: &str) -> Option<TlsFiles> {
    let (cert_key, key_key) = (format!("{section}.tlsCertFile"), format!("{section}.tlsKeyFile"));
    match (reader.path(&cert_key), reader.path(&key_key)) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (None, None) => None,
        (cert, _) => {
            let (missing, present) = if cert.is_none() { (cert_key, key_key) } else { (key_key, cert_key) };
            reader.problem(&missing, format!("must be set too, as {present} is"), "certificate and key go together");
            None
        }
    }
}

fn default_mesh(reader: &mut Reader<'_>) -> Option<Document> {
    let skip = reader.flag("defaults.skipMeshCreation");
    let path = "defaults.mesh";
    let text = reader.text(path);
    if skip || text.trim().is_empty() {
        return None;
    }
    let document = match serde_norway::from_str::<Map<String, Value>>(&text) {
        Ok(document) => document,
        Err(error) => {
            reader.problem(path, format!("must be a Mesh in YAML: {error}"), "");
            return None;
        }
    };
    let name = document.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = Kind::by_name("Mesh").expect("the table has meshes");
    let read = Document::at(kind, "", &name, document);
    match read.and_then(|document| document.check().map(|_| document)) {
        Ok(document) => Some(document),
        Err(problems) => {
            reader.problems_below(path, problems);
            None
        }
    }
}

fn access(reader: &mut Reader<'_>) -> Access {
    reader.one_of("access.type", &["static"], "");
    let mut allowed = |name: &str| Allowed {
        users: reader.texts(&format!("access.static.{name}.users")),
        groups: reader.texts(&format!("access.static.{name}.groups")),
    };
    Access {
        admin_resources: allowed("adminResources"),
        generate_dp_token: allowed("generateDpToken"),
        generate_user_token: allowed("generateUserToken"),
        generate_zone_token: allowed("generateZoneToken"),
        view_config_dump: allowed("viewConfigDump"),
        view_stats: allowed("viewStats"),
        view_clusters: allowed("viewClusters"),
        control_plane_metadata: allowed("controlPlaneMetadata"),
    }
}

/// Every key of the tree with its default, by path; for the reference page and its test.
pub fn known_keys() -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    reader::leaves(&Tree::default().0, "", &mut |path, value| {
        keys.insert(path.to_owned(), value.clone());
    });
    keys
}
