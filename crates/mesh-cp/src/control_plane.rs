//! Everything together: store, index, servers, and the order in which they start.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use base::Clock;
use pki::tls::{self, Alpn, ClientAuth, Identity};
use pki::{CertificateInfo, PkiError};
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::Metrics;
use runtime::serve::{BindError, Listener, Options, PeerAddr, PeerCertificates, serve_either, serve_http, serve_https};
use runtime::tasks::Tasks;
use serde_json::Value;
use store::{SchemaMismatch, Store, StoreError};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::admin_access::AdminAuthority;
use crate::api::{self, Api, Peer};
use crate::config::{Config, DpAuthn, StoreConfig, TlsFiles};
use crate::dp_server::{self, DpServer};
use crate::identity::{self, Authority, AuthorityError};
use crate::index::Index;
use crate::insight_api::LiveInsights;
use crate::insights::Insights;
use crate::instances::{self, Instances, Patience};
use crate::resources::{ResourceError, Resources, Settings};
use crate::server_identity::{self, IdentityError};
use crate::tokens::Tokens;
use crate::{defaults, diagnostics};

/// How long a control plane that starts waits for its database, and how long between attempts.
const DATABASE_PATIENCE: Duration = Duration::from_secs(30);
const DATABASE_RETRY: Duration = Duration::from_secs(2);

/// Why a control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened, or not read.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// The database cannot be reached, or refuses us.
    #[error("the database {database} cannot be used (store.postgres, KUMA_STORE_POSTGRES_*)")]
    Database {
        /// Where it should be.
        database: String,
        /// Why it cannot be used.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database has another schema.
    #[error("{}", schema_advice(.database, .mismatch))]
    Schema {
        /// Where it is.
        database: String,
        /// What is different.
        mismatch: SchemaMismatch,
    },
    /// What every control plane needs cannot be created.
    #[error("the initial resources cannot be created")]
    Defaults(#[from] ResourceError),
    /// A port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// What control planes have in common cannot be had.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A certificate cannot be had.
    #[error("no certificate for the servers")]
    Identity(#[from] IdentityError),
    /// A certificate is not usable.
    #[error("the servers' certificate is not usable")]
    Pki(#[from] PkiError),
    /// A file or thread cannot be had.
    #[error("{what}")]
    Io {
        /// What was wanted.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

fn schema_advice(database: &str, mismatch: &SchemaMismatch) -> String {
    match mismatch {
        SchemaMismatch::Absent => format!("the database {database} has no schema yet; run: kuma-cp migrate up"),
        SchemaMismatch::Older { found, known } => format!(
            "the schema of the database {database} is at version {found}, this program needs {known}; run: kuma-cp migrate up"
        ),
        _ => format!("the database {database} cannot be used by this version: {mismatch}"),
    }
}

/// Opens the store that `config` names.
pub async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> Result<Store, StartError> {
    match &config.store {
        StoreConfig::Memory => Ok(store::memory::open(Arc::clone(clock))),
        StoreConfig::Sqlite(path) => {
            let dir = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(dir).map_err(|source| {
                let what = format!("{} cannot be created (general.workDir, KUMA_GENERAL_WORK_DIR)", dir.display());
                StartError::Io { what, source }
            })?;
            Ok(store::sqlite::open(path, Arc::clone(clock)).await?)
        }
        StoreConfig::Postgres(settings) => open_database(settings, clock).await,
    }
}

/// A server that is away is waited for, for a while: it may be starting at the same time.
async fn open_database(settings: &store::postgres::Settings, clock: &Arc<dyn Clock>) -> Result<Store, StartError> {
    let deadline = Instant::now() + DATABASE_PATIENCE;
    loop {
        match store::postgres::open(settings.clone(), Arc::clone(clock)).await {
            Ok(store) => return Ok(store),
            Err(StoreError::Schema(mismatch)) => {
                return Err(StartError::Schema { database: place(settings), mismatch });
            }
            Err(error @ StoreError::Unavailable(_)) if Instant::now() < deadline => {
                warn!(database = place(settings), error = %base::report(&error), "The database cannot be used; it will be tried again");
                tokio::time::sleep_until(Instant::now() + DATABASE_RETRY).await;
            }
            Err(StoreError::Unavailable(source)) => {
                return Err(StartError::Database { database: place(settings), source });
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Brings the store that `config` names up to date. Safe to repeat, and for several at once; says what was done.
pub async fn migrate(config: &Config, clock: &Arc<dyn Clock>) -> Result<String, StartError> {
    match &config.store {
        StoreConfig::Memory => Ok("Nothing to migrate: store.type is memory.".to_owned()),
        StoreConfig::Sqlite(path) => {
            // Opening is what migrates.
            open_store(config, clock).await?;
            Ok(format!("{} is up to date.", path.display()))
        }
        StoreConfig::Postgres(settings) => {
            let database = place(settings);
            match store::postgres::migrate(settings).await {
                Ok(done) if done.from == done.to => Ok(format!("The database {database} is up to date.")),
                Ok(done) => {
                    Ok(format!("The database {database} is at version {} now; it was at {}.", done.to, done.from))
                }
                Err(StoreError::Schema(mismatch)) => Err(StartError::Schema { database, mismatch }),
                Err(StoreError::Unavailable(source)) => Err(StartError::Database { database, source }),
                Err(error) => Err(error.into()),
            }
        }
    }
}

fn place(settings: &store::postgres::Settings) -> String {
    let primary = &settings.primary;
    format!("{}:{}/{}", primary.host, primary.port, primary.database)
}

/// Starts a control plane; it runs in `tasks` until they end.
pub async fn start(config: Config, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<(), StartError> {
    let config = Arc::new(config);
    let listeners = Listeners::bind(&config)?;
    let store = open_store(&config, &clock).await?;
    let settings =
        Settings { create_routing_resources: config.create_routing_resources, unsafe_delete: config.unsafe_delete };
    let resources = Resources::new(store.clone(), settings);
    let tokens = Tokens::new(resources.clone(), Arc::clone(&clock));
    defaults::ensure(&resources, &config, &tokens).await?;
    let identity = identity::of_this_run(&resources).await?;
    let membership = instances::join(&store, &identity.instance_id).await?;
    let insights = Arc::new(Insights::new(
        identity.instance_id.clone(),
        resources.clone(),
        Arc::clone(&clock),
        config.subscription_limit,
    ));
    let admin_ca = identity::authority(&resources, Authority::EnvoyAdmin, &*clock).await?;
    let admin = Arc::new(AdminAuthority::new(admin_ca, clock.now())?);
    let (shown, shutdown) = (Some(Arc::clone(&admin)), tasks.shutdown());
    let index = Index::start(resources.clone(), Arc::clone(&clock), Arc::clone(&insights), shown, shutdown)
        .map_err(|source| StartError::Io { what: "the index cannot be started".to_owned(), source })?;
    let (server_identity, mut authority) = own_identity(&config, &resources, &*clock).await?;
    let mut dp_identity = server_identity.clone();
    if let Some(files) = &config.dp_server.tls {
        dp_identity = read(files)?;
        authority.clone_from(&dp_identity.cert_pem);
    }
    let dp_server = DpServer::new(
        dp_settings(&config, &dp_identity, authority),
        resources.clone(),
        index,
        Arc::clone(&insights),
        tokens.clone(),
        Arc::clone(&clock),
        tasks.clone(),
    );
    let api = Api::new(Arc::clone(&config), resources, tokens, Arc::clone(&insights) as _, admin, clock, identity);
    let tls = Tls::new(&config, &server_identity, &dp_identity)?;
    let metrics = Metrics::new();
    metrics.register_process();
    let leads = Gauge::<i64>::default();
    metrics.register(|registry| registry.register("leader", "1 while this control plane leads", leads.clone()));
    let (insights_of_all, proxies) = (Arc::clone(&insights), Arc::clone(&dp_server));
    let patience = Patience { comeback: instances::COMEBACK, cleanup_age: config.dataplane_cleanup_age };
    let instances = Instances::new(store.clone(), insights_of_all, proxies, leads, patience);
    listeners.serve(&config, &api, &dp_server, tls, tasks, diagnostics::router(metrics, store));
    let period = config.dp_server.status_flush_interval;
    tasks.spawn_detached("insights", insights.keep_flushed(period, tasks.shutdown()));
    tasks.spawn_detached("membership", Arc::clone(&instances).stay(membership, tasks.shutdown()));
    tasks.spawn_detached("other instances", Arc::clone(&instances).look_after_others(tasks.shutdown()));
    tasks.spawn_detached("leader", instances.lead(tasks.shutdown()));
    Ok(())
}

impl LiveInsights for Insights {
    fn dataplane_insight(&self, mesh: &str, name: &str, stored: Option<Value>) -> Option<Value> {
        self.merged(mesh, name, stored)
    }
}

/// The servers' certificate and the authority (PEM) to verify it with. It is the operator's; or issued by an authority
/// that all control planes on one database have in common, so that proxies can go from one to another; or one kept in
/// the work directory. With everything in memory that may be out of reach; then it lasts as long as the rest.
async fn own_identity(
    config: &Config,
    resources: &Resources,
    clock: &dyn Clock,
) -> Result<(Identity, String), StartError> {
    let own = |identity: Identity| {
        let authority = identity.cert_pem.clone();
        (identity, authority)
    };
    if let Some(files) = &config.tls {
        return read(files).map(own);
    }
    let mut hosts = vec![config.advertised_hostname.clone()];
    hosts.extend(config.bootstrap.xds_host.clone());
    if let StoreConfig::Postgres(_) = config.store {
        let ca = identity::authority(resources, Authority::Servers, clock).await?;
        let identity = server_identity::issue(&ca, &config.work_dir, &hosts, clock)?;
        return Ok((identity, ca.cert_pem().to_owned()));
    }
    match server_identity::keep(&config.work_dir, &hosts, clock) {
        Err(error) if matches!(config.store, StoreConfig::Memory) => {
            warn!(error = %base::report(&error), "The servers' certificate lasts for this run only");
            Ok(own(server_identity::make(&hosts, clock)?))
        }
        other => Ok(own(other?)),
    }
}

fn read(files: &TlsFiles) -> Result<Identity, StartError> {
    Ok(server_identity::read(&files.cert, &files.key)?)
}

fn dp_settings(config: &Config, identity: &Identity, authority: String) -> dp_server::Settings {
    let bootstrap = &config.bootstrap;
    dp_server::Settings {
        authenticate: config.dp_server.authn == DpAuthn::DpToken,
        deregistration_delay: config.dp_server.deregistration_delay,
        xds_host: bootstrap.xds_host.clone(),
        xds_port: bootstrap.xds_port,
        xds_connect_timeout: bootstrap.xds_connect_timeout,
        certificate: CertificateInfo::from_pem(&identity.cert_pem).ok(),
        ca_pem: authority,
        admin_address: bootstrap.admin_address.to_string(),
        admin_port: bootstrap.admin_port,
        admin_unix_socket: bootstrap.admin_unix_socket,
        admin_access_log: bootstrap.admin_access_log_path.clone(),
    }
}

/// Every port, bound before anything is written, so that a second instance fails early and whole.
struct Listeners {
    http: Option<Listener>,
    https: Option<Listener>,
    dp: Listener,
    admin: Listener,
    admin_public: Option<Listener>,
    gui: Option<Listener>,
    diagnostics: Listener,
}

impl Listeners {
    fn bind(config: &Config) -> Result<Self, BindError> {
        let bind =
            |address: Option<_>, setting: &str| address.map(|address| Listener::bind(address, setting)).transpose();
        let dp = ([0, 0, 0, 0], config.dp_server.port).into();
        let admin_public = config.admin.public.as_ref().map(|public| public.address);
        Ok(Self {
            http: bind(config.api.http, "KUMA_API_SERVER_HTTP_PORT")?,
            https: bind(config.api.https, "KUMA_API_SERVER_HTTPS_PORT")?,
            dp: Listener::bind(dp, "KUMA_DP_SERVER_PORT")?,
            admin: Listener::bind(config.admin.local, "KUMA_ADMIN_SERVER_LOCAL_PORT")?,
            admin_public: bind(admin_public, "KUMA_ADMIN_SERVER_PUBLIC_PORT")?,
            // Nothing depends on it, so a second control plane on a machine goes without.
            gui: Listener::bind(config.gui, "KUMA_GUI_SERVER_PORT")
                .inspect_err(|error| warn!(%error, "What the GUI needs is not served"))
                .ok(),
            diagnostics: Listener::bind(config.diagnostics, "KUMA_DIAGNOSTICS_SERVER_PORT")?,
        })
    }

    fn serve(
        self,
        config: &Config,
        api: &Api,
        dp_server: &Arc<DpServer>,
        tls: Tls,
        tasks: &Tasks,
        diagnostics: Router,
    ) {
        let options = Options::default();
        let api_router = with_peer(api::router(api.clone()), false);
        if let Some(listener) = self.http {
            info!(address = %listener.local_addr(), "Serving the API");
            tasks.spawn("API", serve_http(listener, api_router, options, tasks.clone()));
        }
        if let Some(listener) = self.https {
            // The oldest launchers ask for their bootstrap here, in plain HTTP.
            let router = with_peer(dp_server.bootstrap_router().fallback_service(api::router(api.clone())), true);
            tasks.spawn("API over TLS", serve_either(listener, tls.api, router, options, tasks.clone()));
        }
        info!(address = %self.dp.local_addr(), "Serving proxies");
        tasks.spawn("proxies", serve_https(self.dp, tls.dp, dp_server.router(), options, tasks.clone()));
        let admin = with_peer(api::admin_router(api.clone()), false);
        tasks.spawn("admin", serve_http(self.admin, admin.clone(), options, tasks.clone()));
        if let (Some(listener), Some(tls)) = (self.admin_public, tls.admin) {
            tasks.spawn("public admin", serve_https(listener, tls, admin, options, tasks.clone()));
        }
        if let Some(listener) = self.gui {
            let router = with_peer(api::gui_router(api.clone()), false);
            tasks.spawn("GUI", serve_http(listener, router, options, tasks.clone()));
        }
        info!(address = %self.diagnostics.local_addr(), work_dir = %config.work_dir.display(), "Ready");
        tasks.spawn("diagnostics", serve_http(self.diagnostics, diagnostics, options, tasks.clone()));
    }
}

/// What the API wants to know of the other end, from what the listener knows.
fn with_peer(router: Router, tls: bool) -> Router {
    let layer = middleware::from_fn(move |mut request: Request, next: Next| async move {
        let extensions = request.extensions_mut();
        if let Some(PeerAddr(address)) = extensions.get::<PeerAddr>().copied() {
            let has_certificate = extensions.get::<PeerCertificates>().is_some();
            extensions.insert(Peer { address, tls: tls || has_certificate, has_certificate });
        }
        let response: Response = next.run(request).await;
        response
    });
    router.layer(layer)
}

/// One configuration a TLS port.
struct Tls {
    api: Arc<rustls::ServerConfig>,
    dp: Arc<rustls::ServerConfig>,
    admin: Option<Arc<rustls::ServerConfig>>,
}

impl Tls {
    fn new(config: &Config, own: &Identity, dp: &Identity) -> Result<Self, StartError> {
        let api_identity = config.api.tls.as_ref().map(read).transpose()?;
        let client_ca = config.api.client_ca_file.as_deref().map(text).transpose()?;
        let client_auth = match client_ca.as_deref() {
            Some(authorities) if config.api.require_client_cert => ClientAuth::Required(authorities),
            Some(authorities) => ClientAuth::Optional(authorities),
            None => ClientAuth::None,
        };
        let api = tls::server_config(api_identity.as_ref().unwrap_or(own), client_auth, Alpn::Http)?;
        let dp = tls::server_config(dp, ClientAuth::None, Alpn::Http)?;
        let admin = config.admin.public.as_ref().map(|public| {
            let clients = certificates_in(&public.client_certs_dir)?;
            Ok::<_, StartError>(tls::server_config(&read(&public.tls)?, ClientAuth::Required(&clients), Alpn::Http)?)
        });
        Ok(Self { api, dp, admin: admin.transpose()? })
    }
}

fn text(path: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(path)
        .map_err(|source| StartError::Io { what: format!("{} cannot be read", path.display()), source })
}

/// All certificates of a directory, one after the other.
fn certificates_in(dir: &Path) -> Result<String, StartError> {
    let failed = |source| StartError::Io { what: format!("{} cannot be read", dir.display()), source };
    let mut all = String::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            all.push_str(&text(&path)?);
            all.push('\n');
        }
    }
    Ok(all)
}
