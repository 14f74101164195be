//! `kong.conf` and `KONG_*`: defaults, then the file, then the environment, then the command line.
//!
//! All problems are reported at once, each with the setting it is about.

mod file;
mod keys;
mod listener;
mod postgres;
mod shown;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Problems;
use gateway_proxy::{AddedHeaders, ErrorFormat, Flavor, References, Settings};

use keys::{Effect, IGNORED_PREFIXES, KEYS, Key, Kind};
pub use listener::Listen;

/// Where several files of authorities are put together, below the prefix.
const COMBINED_AUTHORITIES: &str = ".ca_combined";

/// What a file without any of its own settings looks like: all settings, commented out, with their defaults.
pub fn template() -> String {
    let mut out = String::from(
        "# Settings of the gateway. Each may also be given as an environment variable: KONG_ and the name in\n\
         # capitals, such as KONG_LOG_LEVEL; the environment wins. What is commented out is the default.\n\n",
    );
    for key in KEYS {
        out.push_str(&format!("#{} = {}\n", key.name, key.default));
    }
    out
}

/// Where state and entities are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// In a file below the prefix.
    Sqlite,
    /// In a database of a PostgreSQL server, which several nodes share.
    Postgres,
    /// Nowhere: a declarative configuration is all there is.
    Off,
}

/// Settings that were read and checked.
#[derive(Clone)]
pub struct Conf {
    /// The directory of everything the process writes.
    pub prefix: PathBuf,
    /// Where entities are kept.
    pub database: Database,
    /// The server, with [`Database::Postgres`].
    pub postgres: Option<store::postgres::Settings>,
    /// A declarative configuration to begin with, when there is no database.
    pub declarative: Option<Declarative>,
    /// Where clients connect to.
    pub proxy_listen: Vec<Listen>,
    /// Where operators connect to.
    pub admin_listen: Vec<Listen>,
    /// Where readiness and metrics are.
    pub status_listen: Vec<Listen>,
    /// Certificate and key files shown to clients that name no server we know.
    pub ssl: Vec<(PathBuf, PathBuf)>,
    /// The same for the Admin API.
    pub admin_ssl: Vec<(PathBuf, PathBuf)>,
    /// The same for the status API.
    pub status_ssl: Vec<(PathBuf, PathBuf)>,
    /// Origins that browsers may call the Admin API from; empty for any.
    pub admin_origins: Vec<String>,
    /// Plugins that are enabled: names, `bundled` resolved by the caller.
    pub plugins: Vec<String>,
    /// `debug` to `emerg`.
    pub log_level: String,
    /// Whether `start` returns and leaves the node running.
    pub daemon: bool,
    /// How many threads serve requests; `None` for one a core.
    pub workers: Option<usize>,
    /// Requests of a client's connection before it is closed.
    pub client_requests: u64,
    /// The node's id, if it is given.
    pub node_id: Option<String>,
    /// Where a line a request goes; `None` for nowhere.
    pub access_log: Option<PathBuf>,
    /// Where the node's own messages go.
    pub error_log: PathBuf,
    /// What the proxy needs.
    pub proxy: Settings,
    /// Name resolution.
    pub dns: Dns,
    /// Files with authorities for [`Settings::trusted_certificates`]; `system` stands for the machine's.
    pub trusted_certificates: Vec<String>,
    /// Files with bodies for errors: of HTML, JSON, plain text and XML.
    pub error_templates: [Option<PathBuf>; 4],
    /// Files of the client certificate and its key.
    pub client_ssl: Option<(PathBuf, PathBuf)>,
    /// Every setting as it was given, or its default.
    values: BTreeMap<&'static str, String>,
}

/// Where a declarative configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declarative {
    /// A file.
    File(PathBuf),
    /// The text itself.
    Text(String),
}

/// Settings of name resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Name servers; empty for those of the machine.
    pub resolvers: Vec<SocketAddr>,
    /// Kinds of records in the order in which they are tried.
    pub order: Vec<String>,
    /// A file of names that are known without asking.
    pub hosts_file: PathBuf,
    /// How long an answer is used after its time, while a new one is fetched.
    pub stale_ttl: Duration,
    /// How long a name stays unknown.
    pub not_found_ttl: Duration,
    /// How long a failure stands.
    pub error_ttl: Duration,
    /// Replaces the answers' own times.
    pub valid_ttl: Option<Duration>,
    /// How many names are kept.
    pub cache_size: usize,
}

/// Settings, and what is probably a mistake in them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub conf: Conf,
    /// Unknown settings, and settings that have no effect.
    pub warnings: Problems,
}

impl Conf {
    /// Reads settings out of a file's text, the environment (all of it; of what does not begin with `KONG_` only
    /// what values such as `{vault://env/my-secret}` refer to) and the command line's overrides.
    pub fn load(
        file: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, Problems> {
        let mut problems = Problems::default();
        let mut warnings = Problems::default();
        let mut values: BTreeMap<&'static str, String> =
            KEYS.iter().map(|key| (key.name, key.default.to_owned())).collect();
        let in_file = file.map(|text| file::parse(text, &mut problems)).unwrap_or_default();
        let in_file = in_file.into_iter().map(|(line, key, value)| (format!("line {line}: {key}"), key, value));
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let references = References::new(environment.iter().cloned());
        let in_environment = environment.into_iter().filter_map(|(name, value)| {
            let key = name.strip_prefix("KONG_")?.to_ascii_lowercase();
            Some((name, key, value))
        });
        let given = overrides.into_iter().map(|(key, value)| (key.clone(), key, value));
        for (origin, name, value) in in_file.chain(in_environment).chain(given) {
            match KEYS.iter().find(|key| key.name == name) {
                Some(key) => match checked(key, value, &references) {
                    Ok(value) => drop(values.insert(key.name, value)),
                    Err(reason) => problems.add(origin, reason),
                },
                // Internal to the reference's own start, and set in its containers.
                None if matches!(name.as_str(), "docker_arg" | "password") => {}
                None if IGNORED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => {
                    warnings.add(origin, "has no effect: there is no nginx here");
                }
                None => match closest(&name) {
                    Some(known) => warnings.add_with_hint(origin, "is not a setting", format!("did you mean {known}?")),
                    None => warnings.add(origin, "is not a setting"),
                },
            }
        }
        for key in KEYS {
            let changed = values[key.name].trim() != key.default;
            match key.effect {
                Effect::Unsupported if changed && values[key.name].trim() != "off" => {
                    problems.add(key.name, "is not supported by this version");
                }
                Effect::None if changed => warnings.add(key.name, "has no effect in this version"),
                _ => {}
            }
        }
        let conf = Reader { values: &values, problems: &mut problems }.conf();
        match conf {
            Some(conf) if problems.is_empty() => Ok(Loaded { conf, warnings }),
            _ => Err(problems),
        }
    }

    /// Whether these settings name the same database, in the same way.
    pub(crate) fn has_database_of(&self, other: &Self) -> bool {
        let of = |conf: &Self| conf.values.clone().into_iter().filter(|(name, _)| name.starts_with("pg_"));
        of(self).eq(of(other))
    }

    /// The file that the authorities of [`Self::trusted_certificates`] are to be written to before the database is
    /// opened, if there are several and it is to be verified.
    pub fn combined_authorities(&self) -> Option<&Path> {
        let settings = self.postgres.as_ref()?;
        let mut endpoints = std::iter::once(&settings.primary).chain(&settings.replica);
        endpoints.find_map(|endpoint| endpoint.tls.ca.as_deref().filter(|ca| ca.ends_with(COMBINED_AUTHORITIES)))
    }

    /// All settings in the form of a file, secrets included; reading it gives the same settings.
    pub fn to_file(&self) -> String {
        let mut out = String::new();
        for (name, value) in &self.values {
            out.push_str(&format!("{name} = {}\n", file::write(value)));
        }
        out
    }
}

/// Without the values: some are secrets.
impl std::fmt::Debug for Conf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conf").field("prefix", &self.prefix).field("database", &self.database).finish_non_exhaustive()
    }
}

/// The value a setting was given or refers to, if it is one for it.
fn checked(key: &Key, value: String, references: &References) -> Result<String, String> {
    let value = references.lookup(value.trim())?.unwrap_or(value);
    check(key, &value)?;
    Ok(value)
}

fn check(key: &Key, value: &str) -> Result<(), String> {
    let value = value.trim();
    match key.kind {
        // Not set, as some are.
        _ if value.is_empty() && key.default.is_empty() => Ok(()),
        Kind::Boolean if boolean(value).is_none() => Err(format!("{value:?} is not on or off")),
        Kind::Number if value.parse::<f64>().is_err() => Err(format!("{value:?} is not a number")),
        Kind::Choice(choices) if !choices.contains(&value) => {
            Err(format!("{value:?} is not one of {}", choices.join(", ")))
        }
        _ => Ok(()),
    }
}

fn boolean(value: &str) -> Option<bool> {
    match value {
        "on" | "true" => Some(true),
        "off" | "false" => Some(false),
        _ => None,
    }
}

fn list(value: &str) -> Vec<&str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn closest(name: &str) -> Option<&'static str> {
    let score = |key: &&Key| strsim::jaro_winkler(key.name, name);
    KEYS.iter().max_by(|a, b| score(a).total_cmp(&score(b))).filter(|key| score(key) > 0.85).map(|key| key.name)
}

/// Turns checked texts into values; what does not fit is a problem.
struct Reader<'a> {
    values: &'a BTreeMap<&'static str, String>,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn conf(mut self) -> Option<Conf> {
        let prefix = PathBuf::from(self.text("prefix"));
        let database = match self.text("database") {
            "off" => Database::Off,
            "postgres" => Database::Postgres,
            _ => Database::Sqlite,
        };
        let postgres = self.postgres();
        let declarative = match (self.text("declarative_config"), self.text("declarative_config_string")) {
            ("", "") => None,
            ("", text) => Some(Declarative::Text(text.to_owned())),
            (path, "") => Some(Declarative::File(path.into())),
            _ => {
                self.problems.add("declarative_config", "declarative_config_string is set as well; only one can be");
                None
            }
        };
        let proxy = self.proxy();
        let dns = self.dns();
        let listen = |reader: &mut Self, name| reader.listeners(name);
        Some(Conf {
            database,
            postgres: (database == Database::Postgres).then_some(postgres),
            declarative,
            proxy_listen: listen(&mut self, "proxy_listen"),
            admin_listen: listen(&mut self, "admin_listen"),
            status_listen: listen(&mut self, "status_listen"),
            ssl: self.pairs("ssl_cert", "ssl_cert_key"),
            admin_ssl: self.pairs("admin_ssl_cert", "admin_ssl_cert_key"),
            status_ssl: self.pairs("status_ssl_cert", "status_ssl_cert_key"),
            admin_origins: self.origins(),
            plugins: self.list("plugins"),
            log_level: self.text("log_level").to_owned(),
            daemon: self.is_on("nginx_daemon"),
            workers: self.workers(),
            client_requests: self.number("nginx_http_keepalive_requests"),
            node_id: Some(self.text("node_id")).filter(|id| !id.is_empty()).map(str::to_owned),
            access_log: log_path(&prefix, self.text("proxy_access_log")),
            error_log: log_path(&prefix, self.text("proxy_error_log")).unwrap_or_else(|| "/dev/stderr".into()),
            trusted_certificates: self.list("lua_ssl_trusted_certificate"),
            error_templates: ["html", "json", "plain", "xml"].map(|form| {
                let path = self.text(&format!("error_template_{form}"));
                (!path.is_empty()).then(|| prefix.join(path))
            }),
            client_ssl: self.client_ssl(),
            prefix,
            proxy,
            dns,
            values: self.values.clone(),
        })
    }

    fn proxy(&mut self) -> Settings {
        let defaults = Settings::default();
        let router_flavor = match self.text("router_flavor") {
            "traditional" => Flavor::Traditional,
            "expressions" => Flavor::Expressions,
            _ => Flavor::TraditionalCompatible,
        };
        let error_default_type = match self.text("error_default_type") {
            "text/html" => ErrorFormat::Html,
            "application/json" => ErrorFormat::Json,
            "application/xml" => ErrorFormat::Xml,
            _ => ErrorFormat::Plain,
        };
        let real_ip_header = self.either("nginx_proxy_real_ip_header", "real_ip_header").to_ascii_lowercase();
        let real_ip_recursive = self.is_on("real_ip_recursive") || self.is_on("nginx_proxy_real_ip_recursive");
        let max_body = self.either("nginx_http_client_max_body_size", "client_max_body_size").to_owned();
        Settings {
            router_flavor,
            error_default_type,
            headers: self.added_headers(),
            request_id_upstream: self
                .list("headers_upstream")
                .iter()
                .any(|name| name.eq_ignore_ascii_case("x-kong-request-id")),
            allow_debug_header: self.is_on("allow_debug_header"),
            trusted_ips: self.trusted_ips(),
            real_ip_header: real_ip_header.into(),
            real_ip_recursive,
            max_body: self.size("client_max_body_size", &max_body).filter(|size| *size > 0),
            upstream_idle: self.number("upstream_keepalive_pool_size") as usize,
            upstream_requests: self.number("upstream_keepalive_max_requests"),
            upstream_idle_timeout: Duration::from_secs(self.number("upstream_keepalive_idle_timeout")),
            ..defaults
        }
    }

    fn added_headers(&mut self) -> AddedHeaders {
        let mut added = AddedHeaders::NONE;
        let names = self.list("headers");
        // In front, `off` means what it says; further on it means nothing.
        if names.first().is_some_and(|name| name.eq_ignore_ascii_case("off")) {
            return added;
        }
        for name in names {
            match name.to_ascii_lowercase().as_str() {
                "off" => {}
                "server_tokens" => (added.server, added.via) = (true, true),
                "server" => added.server = true,
                "via" => added.via = true,
                "latency_tokens" => {
                    (added.proxy_latency, added.upstream_latency, added.response_latency) = (true, true, true);
                }
                "x-kong-proxy-latency" => added.proxy_latency = true,
                "x-kong-upstream-latency" => added.upstream_latency = true,
                "x-kong-response-latency" => added.response_latency = true,
                "x-kong-upstream-status" => added.upstream_status = true,
                "x-kong-request-id" => added.request_id = true,
                "x-kong-admin-latency"
                | "x-kong-total-latency"
                | "x-kong-third-party-latency"
                | "x-kong-client-latency" => {}
                other => self.problems.add_with_hint(
                    "headers",
                    format!("{other:?} is not a header the gateway adds"),
                    "there are server_tokens, latency_tokens, X-Kong-Upstream-Status, X-Kong-Request-Id, or off",
                ),
            }
        }
        added
    }

    fn trusted_ips(&mut self) -> Vec<ipnet::IpNet> {
        let mut nets = Vec::new();
        for text in self.list("trusted_ips") {
            let net = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from));
            match net {
                Ok(net) => nets.push(net),
                // The reference also takes this for connections over Unix sockets, which there are none of.
                Err(_) if text == "unix:" => {}
                Err(_) => self
                    .problems
                    .add("trusted_ips", format!("{text:?} is not an address or a network such as 10.0.0.0/8")),
            }
        }
        nets
    }

    fn dns(&mut self) -> Dns {
        let mut resolvers = Vec::new();
        for text in self.list("dns_resolver") {
            let address = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
            match address {
                Ok(address) => resolvers.push(address),
                Err(_) => self.problems.add("dns_resolver", format!("{text:?} is not an address such as 10.0.0.2:53")),
            }
        }
        let order = self.list("dns_order").into_iter().map(|kind| kind.to_ascii_uppercase()).collect::<Vec<_>>();
        for kind in order.iter().filter(|kind| !["LAST", "SRV", "A", "AAAA", "CNAME"].contains(&kind.as_str())) {
            self.problems.add("dns_order", format!("{kind:?} is not one of LAST, SRV, A, AAAA, CNAME"));
        }
        let seconds = |reader: &mut Self, name| Duration::from_secs(reader.number(name));
        Dns {
            resolvers,
            order,
            hosts_file: self.text("dns_hostsfile").into(),
            stale_ttl: seconds(self, "dns_stale_ttl"),
            not_found_ttl: seconds(self, "dns_not_found_ttl"),
            error_ttl: seconds(self, "dns_error_ttl"),
            valid_ttl: Some(self.text("dns_valid_ttl"))
                .filter(|text| !text.is_empty())
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs),
            cache_size: self.number("dns_cache_size") as usize,
        }
    }

    fn listeners(&mut self, name: &'static str) -> Vec<Listen> {
        let text = self.text(name).to_owned();
        let mut listeners = Vec::new();
        for entry in list(&text).into_iter().filter(|entry| *entry != "off") {
            match Listen::parse(entry) {
                Ok(listen) => listeners.push(listen),
                Err(reason) => self.problems.add(name, reason),
            }
        }
        listeners
    }

    fn pairs(&mut self, certs: &'static str, keys: &'static str) -> Vec<(PathBuf, PathBuf)> {
        let (cert_files, key_files) = (self.list(certs), self.list(keys));
        if cert_files.len() != key_files.len() {
            self.problems.add(
                certs,
                format!("there are {} certificates and {} keys in {keys}", cert_files.len(), key_files.len()),
            );
        }
        cert_files.into_iter().map(PathBuf::from).zip(key_files.into_iter().map(PathBuf::from)).collect()
    }

    fn client_ssl(&mut self) -> Option<(PathBuf, PathBuf)> {
        if !self.is_on("client_ssl") {
            return None;
        }
        let (cert, key) = (self.text("client_ssl_cert"), self.text("client_ssl_cert_key"));
        if cert.is_empty() || key.is_empty() {
            self.problems.add("client_ssl", "needs client_ssl_cert and client_ssl_cert_key");
            return None;
        }
        Some((cert.into(), key.into()))
    }

    fn origins(&self) -> Vec<String> {
        let origins = self.list("admin_gui_origin");
        let urls = if origins.is_empty() { self.list("admin_gui_url") } else { origins };
        urls.into_iter().map(|url| origin(&url).to_owned()).collect()
    }

    fn workers(&mut self) -> Option<usize> {
        let text = self.either("nginx_main_worker_processes", "nginx_worker_processes");
        if text == "auto" {
            return None;
        }
        let workers = text.parse().ok().filter(|workers| (1..=1024).contains(workers));
        if workers.is_none() {
            let reason = format!("{text:?} is not auto or a number from 1 to 1024");
            self.problems.add("nginx_worker_processes", reason);
        }
        workers
    }

    fn text(&self, name: &str) -> &str {
        self.values[name].trim()
    }

    /// The value of the first of two names of a setting, unless only the other one was set.
    fn either(&self, first: &str, second: &str) -> &str {
        let default = KEYS.iter().find(|key| key.name == first).map_or("", |key| key.default);
        if self.text(first) == default { self.text(second) } else { self.text(first) }
    }

    fn list(&self, name: &str) -> Vec<String> {
        list(self.text(name)).into_iter().map(str::to_owned).collect()
    }

    fn is_on(&self, name: &str) -> bool {
        boolean(self.text(name)) == Some(true)
    }

    fn number(&mut self, name: &'static str) -> u64 {
        let text = self.text(name).to_owned();
        text.parse().unwrap_or_else(|_| {
            self.problems.add(name, format!("{text:?} is not a whole number"));
            0
        })
    }

    /// `8k`, `10m`, `1g` in bytes.
    fn size(&mut self, name: &'static str, text: &str) -> Option<u64> {
        let (number, unit) = match text.char_indices().last() {
            Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
            Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
            Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
            _ => (text, 1),
        };
        let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        if size.is_none() {
            self.problems.add(name, format!("{text:?} is not a size such as 10m"));
        }
        size
    }
}

/// `https://host:port` of a URL.
fn origin(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    url[after_scheme..].find('/').map_or(url, |slash| &url[..after_scheme + slash])
}

/// The file of a log setting, whose further words are formats; relative ones are below the prefix.
fn log_path(prefix: &Path, setting: &str) -> Option<PathBuf> {
    let path = setting.split_whitespace().next().filter(|path| *path != "off")?;
    Some(prefix.join(path))
}

#[cfg(test)]
mod tests;
