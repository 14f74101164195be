//! A node, put together: store, compiler, workers, Admin and status API.

mod apply;
pub(crate) mod certificates;
mod counters;
mod documents;
mod facts;
mod health;
mod metrics;
mod plugin_endpoints;
mod status;

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use engine::dns::Names;
use engine::tls::{Alpn, CertificateTable, Certificates, Versions, server_config};
use engine::upstream::PoolSettings;
use engine::worker::{ListenerSpec, Settings as WorkerSettings, Workers};
use gateway_model::registry::Registry;
use gateway_proxy::pdk::{Counters, Definition, Documents, Node as PluginNode};
use gateway_proxy::{AccessLog, Compiler, Gateway, References, Surroundings};
use runtime::serve::{self, BindError, Listener};
use runtime::tasks::Tasks;
use store::StoreError;
use tracing::{info, warn};

use crate::admin::{self, Parts};
use crate::conf::{Conf, Database, Declarative, Listen};
use crate::dao::Dao;
use crate::database::{self, Unprepared};
use crate::declarative::Loader;
use apply::Applier;
pub use apply::InForce;
use facts::Facts;
pub use facts::LogLevel;
use health::ProxyHealth;
use metrics::Numbers;

/// How long open requests have when the node stops at once.
const STOP: Duration = Duration::from_millis(500);

/// How long they have when it stops gracefully; the operator's patience is shorter.
const QUIT: Duration = Duration::from_secs(3600);

/// Why a node does not start, or keeps its settings.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A setting asks for what is not there.
    #[error("{setting}: {reason}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("cannot use {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The declarative configuration is not valid.
    #[error("{0}")]
    Declarative(String),
    /// The database cannot be used.
    #[error(transparent)]
    Store(StoreError),
    /// The database's server does not answer, or refuses us.
    #[error("the database at {address} is not available")]
    DatabaseAway {
        /// Where it should be.
        address: String,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database is to be prepared first.
    #[error(transparent)]
    Unprepared(#[from] Unprepared),
    /// The workers cannot serve.
    #[error(transparent)]
    Workers(#[from] engine::worker::StartError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] engine::worker::BindError),
    /// An address of the Admin or status API cannot be listened on.
    #[error(transparent)]
    BindApi(#[from] BindError),
}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Schema(mismatch) => Self::Unprepared(mismatch.into()),
            other => Self::Store(other),
        }
    }
}

impl NodeError {
    #[expect(clippy::needless_pass_by_value, reason = "it is what map_err has")]
    fn setting(setting: &'static str, reason: impl ToString) -> Self {
        Self::Setting { setting, reason: reason.to_string() }
    }
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    conf: Conf,
    dao: Dao,
    loader: Arc<Loader>,
    in_force: InForce,
    replace: tokio::sync::mpsc::Sender<Compiler>,
    names: Arc<Names>,
    plugin_node: Arc<PluginNode>,
    certificates: Arc<Certificates>,
    workers: Arc<Workers>,
    facts: Arc<Facts>,
}

impl Node {
    /// Starts a node and returns once it serves. Its tasks end with `tasks`.
    pub async fn start(
        conf: Conf,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
        log_level: Arc<dyn LogLevel>,
    ) -> Result<Self, NodeError> {
        let definitions = enabled(&conf)?;
        let registry = Arc::new(registry(&conf, &definitions));
        let store = database::open(&conf, Arc::clone(&clock)).await?;
        let id = facts::node_id(&conf)?;
        let plugin_node = Arc::new(PluginNode::new(
            facts::hostname(),
            id,
            crate::COMPATIBLE_VERSION,
            conf.prefix.clone(),
            Arc::clone(&clock),
            tasks.clone(),
        ));
        if let Some(authorities) = certificates::trusted(&conf.trusted_certificates)? {
            gateway_plugins::trust_authorities(&plugin_node, authorities.into());
        }
        let (shared_counters, additions) = Counters::new();
        shared_counters.offer(&plugin_node);
        tasks.spawn_detached("counters", counters::serve(Arc::clone(&store), additions, tasks.shutdown()));
        let (shared_documents, calls) = Documents::new();
        // A declarative configuration that is loaded would take what plugins wrote away.
        if conf.database != Database::Off {
            shared_documents.offer(&plugin_node);
        }
        let names = start_names(&conf, &clock, &tasks)?;
        let default = certificates::default(&conf, &conf.ssl, clock.now())?;
        let certificates = Certificates::new(CertificateTable::new(default.clone()));
        let compiler = Compiler::new(Surroundings {
            settings: Arc::new(proxy_settings(&conf)?),
            node: Arc::clone(&plugin_node),
            definitions,
            names: Arc::clone(&names),
            certificates: Arc::clone(&certificates),
            default_identity: default,
            probe_tls: certificates::probe_tls(),
            references: references(),
        });
        let (replace, replacements) = tokio::sync::mpsc::channel(1);
        let (applier, in_force) = Applier::new(Arc::clone(&store), compiler, replacements);
        tasks.spawn("configuration", applier.run(tasks.shutdown()));

        let waiting = in_force.clone();
        let dao = Dao::new(store, registry, clock).after_write(Arc::new(move |revision| {
            let waiting = waiting.clone();
            Box::pin(async move { waiting.wait(revision).await })
        }));
        let loader = Arc::new(Loader::new(dao.clone()));
        let dao = if conf.database == Database::Off { dao.read_only() } else { dao };
        tasks.spawn_detached("documents", documents::serve(dao.clone(), calls, tasks.shutdown()));
        if let Some(text) = declarative(&conf)? {
            loader.load_text(&text).await.map_err(NodeError::Declarative)?;
        }

        let workers = start_workers(&conf, &in_force, &certificates)?;
        let workers = Arc::new(workers);
        let store = Arc::downgrade(dao.store());
        let numbers = Numbers { workers: Arc::clone(&workers), in_force: in_force.clone(), store };
        gateway_plugins::prometheus::set_sources(&plugin_node, Arc::new(numbers));
        let facts = Arc::new(Facts::new(
            &conf,
            Arc::clone(&plugin_node),
            Arc::clone(&workers),
            Arc::clone(&loader),
            Arc::clone(dao.store()),
            log_level,
        ));
        let node = Self { conf, dao, loader, in_force, replace, names, plugin_node, certificates, workers, facts };
        node.serve_admin(&tasks)?;
        node.serve_status(&tasks)?;
        for address in node.workers.addresses().await {
            info!(%address, "Serving clients");
        }
        Ok(node)
    }

    /// Takes over new settings: listeners of the proxy, everything that concerns requests, and the declarative
    /// configuration. What is under way is not disturbed; what cannot be taken over leaves all as it was.
    pub async fn reload(&mut self, conf: Conf) -> Result<(), NodeError> {
        for (setting, changed) in [
            ("database", conf.database != self.conf.database || !conf.has_database_of(&self.conf)),
            ("plugins", conf.plugins != self.conf.plugins),
            ("admin_listen", conf.admin_listen != self.conf.admin_listen),
            ("status_listen", conf.status_listen != self.conf.status_listen),
            ("nginx_worker_processes", conf.workers != self.conf.workers),
            ("dns_resolver", conf.dns != self.conf.dns),
        ] {
            if changed {
                warn!(setting, "Setting takes effect after a restart");
            }
        }
        let now = self.plugin_node.clock.now();
        let default = certificates::default(&conf, &conf.ssl, now)?;
        let settings = Arc::new(proxy_settings(&conf)?);
        let text = declarative(&conf)?;
        self.workers.reconfigure(listeners(&conf.proxy_listen, &self.certificates)?).await?;
        if let Some(text) = text {
            self.loader.load_text(&text).await.map_err(NodeError::Declarative)?;
        }
        let compiler = Compiler::new(Surroundings {
            settings,
            node: Arc::clone(&self.plugin_node),
            definitions: enabled(&self.conf)?,
            names: Arc::clone(&self.names),
            certificates: Arc::clone(&self.certificates),
            default_identity: default,
            probe_tls: certificates::probe_tls(),
            references: references(),
        });
        if self.replace.send(compiler).await.is_err() {
            warn!("Settings come too late: the node stops");
        }
        self.facts.set_configuration(&conf);
        self.conf = conf;
        Ok(())
    }

    /// Ends the node. Gracefully: open requests end in their own time.
    pub async fn stop(self, gracefully: bool) {
        self.workers.shutdown(if gracefully { QUIT } else { STOP }).await;
    }

    fn serve_admin(&self, tasks: &Tasks) -> Result<(), NodeError> {
        let config: Option<Arc<dyn admin::ConfigEndpoint>> = match self.conf.database {
            Database::Off => Some(Arc::clone(&self.loader) as _),
            Database::Sqlite | Database::Postgres => None,
        };
        let router = admin::router(Parts {
            dao: self.dao.clone(),
            node: Arc::clone(&self.facts) as _,
            health: Arc::new(ProxyHealth::new(self.in_force.clone(), self.dao.clone())),
            config,
            plugins: Some(Arc::new(plugin_endpoints::Endpoints::new(&self.plugin_node))),
            origins: self.conf.admin_origins.clone(),
        });
        self.serve_api(tasks, &self.conf.admin_listen, "admin_listen", &self.conf.admin_ssl, &router)
    }

    fn serve_status(&self, tasks: &Tasks) -> Result<(), NodeError> {
        let router = status::router(Arc::clone(&self.facts));
        self.serve_api(tasks, &self.conf.status_listen, "status_listen", &self.conf.status_ssl, &router)
    }

    fn serve_api(
        &self,
        tasks: &Tasks,
        listens: &[Listen],
        setting: &'static str,
        pairs: &[(PathBuf, PathBuf)],
        router: &axum::Router,
    ) -> Result<(), NodeError> {
        for listen in listens {
            let listener = Listener::bind(listen.address, setting)?;
            let options = serve::Options::default();
            if listen.ssl {
                let identity = certificates::default(&self.conf, pairs, self.plugin_node.clock.now())?;
                let table = Certificates::new(CertificateTable::new(identity));
                let alpn = if listen.http2 { Alpn::Http2AndHttp1 } else { Alpn::Http1 };
                let tls = server_config(table, alpn, Versions::Tls12And13)
                    .map_err(|error| NodeError::setting(setting, error))?;
                tasks.spawn(setting, serve::serve_https(listener, tls, router.clone(), options, tasks.clone()));
            } else {
                tasks.spawn(setting, serve::serve_http(listener, router.clone(), options, tasks.clone()));
            }
        }
        Ok(())
    }
}

/// References to secrets lead into the process's environment.
fn references() -> References {
    References::new(std::env::vars())
}

/// The plugins the settings enable.
pub(crate) fn enabled(conf: &Conf) -> Result<Vec<Arc<dyn Definition>>, NodeError> {
    let all = gateway_plugins::definitions();
    let mut enabled = Vec::new();
    for name in &conf.plugins {
        match name.as_str() {
            "bundled" => enabled.extend(all.iter().cloned()),
            "off" => {}
            name => match all.iter().find(|definition| definition.name() == name) {
                Some(definition) => enabled.push(Arc::clone(definition)),
                None => return Err(NodeError::setting("plugins", format!("there is no plugin {name}"))),
            },
        }
    }
    enabled.sort_by_key(|definition| definition.name());
    enabled.dedup_by_key(|definition| definition.name());
    Ok(enabled)
}

/// The kinds of documents of a node with these plugins.
pub(crate) fn registry(conf: &Conf, definitions: &[Arc<dyn Definition>]) -> Registry {
    let is_enabled = |name: &str| definitions.iter().any(|definition| definition.name() == name);
    let schemas = match conf.database {
        Database::Off => gateway_plugins::schemas_without_database(),
        Database::Sqlite | Database::Postgres => gateway_plugins::schemas(),
    };
    let schemas = schemas.into_iter().filter(|schema| is_enabled(schema.name()));
    let flavor = match conf.proxy.router_flavor {
        gateway_proxy::Flavor::Expressions => gateway_model::entities::RouterFlavor::Expressions,
        gateway_proxy::Flavor::Traditional => gateway_model::entities::RouterFlavor::Traditional,
        gateway_proxy::Flavor::TraditionalCompatible => gateway_model::entities::RouterFlavor::TraditionalCompatible,
    };
    Registry::new(flavor, schemas)
}

fn declarative(conf: &Conf) -> Result<Option<String>, NodeError> {
    if conf.database != Database::Off {
        return Ok(None);
    }
    match &conf.declarative {
        None => Ok(None),
        Some(Declarative::Text(text)) => Ok(Some(text.clone())),
        Some(Declarative::File(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(source) => Err(NodeError::File { path: path.clone(), source }),
        },
    }
}

fn start_names(conf: &Conf, clock: &Arc<dyn Clock>, tasks: &Tasks) -> Result<Arc<Names>, NodeError> {
    use engine::dns::{Record, Settings};
    let dns = &conf.dns;
    let order = dns.order.iter().map(|record| match record.as_str() {
        "LAST" => Record::Last,
        "SRV" => Record::Srv,
        "AAAA" => Record::Aaaa,
        "CNAME" => Record::Cname,
        _ => Record::A,
    });
    let settings = Settings {
        order: order.collect(),
        servers: dns.resolvers.clone(),
        hosts: dns.hosts_file.clone(),
        valid_ttl: dns.valid_ttl,
        stale_ttl: dns.stale_ttl,
        not_found_ttl: dns.not_found_ttl,
        error_ttl: dns.error_ttl,
        cache_size: dns.cache_size,
        ..Settings::default()
    };
    let (names, service) =
        Names::new(settings, Arc::clone(clock)).map_err(|error| NodeError::setting("dns_resolver", error))?;
    let mut shutdown = tasks.shutdown();
    tasks.spawn_detached("names", async move {
        tokio::select! {
            () = service.run() => {}
            () = shutdown.wait() => {}
        }
    });
    Ok(names)
}

fn start_workers(conf: &Conf, in_force: &InForce, certificates: &Arc<Certificates>) -> Result<Workers, NodeError> {
    let access_log = match &conf.access_log {
        None => None,
        Some(path) => Some(AccessLog::open(path).map_err(|source| NodeError::File { path: path.clone(), source })?),
    };
    let defaults = WorkerSettings::default();
    let settings = WorkerSettings {
        workers: conf.workers.and_then(NonZeroUsize::new).unwrap_or(defaults.workers),
        max_requests: conf.client_requests,
        pool: PoolSettings {
            max_idle: conf.proxy.upstream_idle,
            idle_timeout: conf.proxy.upstream_idle_timeout,
            max_requests: u32::try_from(conf.proxy.upstream_requests).unwrap_or(u32::MAX),
        },
        ..defaults
    };
    let config = Arc::clone(&in_force.config);
    let listeners = listeners(&conf.proxy_listen, certificates)?;
    Ok(Workers::start(settings, listeners, move |_| {
        // Ids are told apart by where they start.
        let seed = uuid::Uuid::new_v4().as_u128();
        Gateway::new(Arc::clone(&config), access_log.clone(), seed)
    })?)
}

fn listeners(listens: &[Listen], certificates: &Arc<Certificates>) -> Result<Vec<ListenerSpec>, NodeError> {
    let specs = listens.iter().map(|listen| {
        let tls = match listen.ssl {
            false => None,
            true => {
                let alpn = if listen.http2 { Alpn::Http2AndHttp1 } else { Alpn::Http1 };
                let tls = server_config(Arc::clone(certificates), alpn, Versions::Tls12And13);
                Some(tls.map_err(|error| NodeError::setting("proxy_listen", error))?)
            }
        };
        let plain = ListenerSpec::plain(listen.address);
        Ok(ListenerSpec {
            tls,
            http2: listen.http2,
            proxy_protocol: listen.proxy_protocol,
            backlog: listen.backlog.unwrap_or(plain.backlog),
            ..plain
        })
    });
    specs.collect()
}

/// The proxy's settings with the files they name.
fn proxy_settings(conf: &Conf) -> Result<gateway_proxy::Settings, NodeError> {
    let read =
        |path: &PathBuf| std::fs::read_to_string(path).map_err(|source| NodeError::File { path: path.clone(), source });
    let client_certificate = match &conf.client_ssl {
        Some((cert, key)) => Some((read(cert)?, base::Secret::new(read(key)?))),
        None => None,
    };
    // Without its template an error still has its usual body.
    let [html, json, plain, xml] = conf.error_templates.each_ref().map(|path| {
        let text = read(path.as_ref()?);
        text.inspect_err(|error| tracing::error!(%error, "Template of errors is not used")).ok().map(String::into)
    });
    Ok(gateway_proxy::Settings {
        error_templates: gateway_proxy::ErrorTemplates { html, json, plain, xml },
        client_certificate,
        trusted_certificates: certificates::trusted(&conf.trusted_certificates)?,
        ..conf.proxy.clone()
    })
}
