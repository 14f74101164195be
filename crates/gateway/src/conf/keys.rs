//! The settings there are, with their defaults.

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// `on`, `off`, `true` or `false`.
    Boolean,
    Number,
    /// Comma separated.
    List,
    /// Text that is shown as `******`.
    Secret,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// What a setting does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is in force.
    Yes,
    /// It is accepted and shown, and does nothing: what it tunes does not exist here or is always so.
    None,
    /// A value other than the default asks for something that is not there.
    Unsupported,
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) kind: Kind,
    pub(super) effect: Effect,
}

const fn key(name: &'static str, default: &'static str, kind: Kind, effect: Effect) -> Key {
    Key { name, default, kind, effect }
}

use Effect::{None, Unsupported, Yes};
use Kind::{Boolean, Choice, List, Number, Secret, Text};

/// Settings that begin with these pass directives to nginx; there is none, but for the few in [`KEYS`].
pub(super) const IGNORED_PREFIXES: [&str; 3] = ["nginx_", "pluginserver_", "wasm_"];

/// All settings, by name.
pub(super) const KEYS: &[Key] = &[
    key("admin_access_log", "logs/admin_access.log", Text, None),
    key("admin_error_log", "logs/error.log", Text, None),
    key("admin_gui_api_url", "", Text, None),
    key("admin_gui_listen", "off", List, Unsupported),
    key("admin_gui_origin", "", List, Yes),
    key("admin_gui_path", "/", Text, None),
    key("admin_gui_ssl_cert", "", List, None),
    key("admin_gui_ssl_cert_key", "", Secret, None),
    key("admin_gui_url", "", List, Yes),
    key(
        "admin_listen",
        "127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384",
        List,
        Yes,
    ),
    key("admin_ssl_cert", "", List, Yes),
    key("admin_ssl_cert_key", "", Secret, Yes),
    key("allow_debug_header", "off", Boolean, Yes),
    key("anonymous_reports", "off", Boolean, None),
    key("client_body_buffer_size", "8k", Text, None),
    key("client_max_body_size", "0", Text, Yes),
    key("client_ssl", "off", Boolean, Yes),
    key("client_ssl_cert", "", Text, Yes),
    key("client_ssl_cert_key", "", Secret, Yes),
    key("cluster_control_plane", "127.0.0.1:8005", Text, None),
    key("cluster_listen", "0.0.0.0:8005", List, None),
    key("database", "sqlite", Choice(&["sqlite", "off", "postgres"]), Yes),
    key("db_cache_neg_ttl", "", Text, None),
    key("db_cache_ttl", "0", Number, None),
    key("db_cache_warmup_entities", "services", List, None),
    key("db_resurrect_ttl", "30", Number, None),
    key("db_update_frequency", "5", Number, None),
    key("db_update_propagation", "0", Number, None),
    key("declarative_config", "", Text, Yes),
    key("declarative_config_string", "", Text, Yes),
    key("dedicated_config_processing", "on", Boolean, None),
    key("dns_cache_size", "10000", Number, Yes),
    key("dns_error_ttl", "1", Number, Yes),
    key("dns_hostsfile", "/etc/hosts", Text, Yes),
    key("dns_no_sync", "off", Boolean, None),
    key("dns_not_found_ttl", "30", Number, Yes),
    key("dns_order", "LAST,SRV,A,CNAME", List, Yes),
    key("dns_resolver", "", List, Yes),
    key("dns_stale_ttl", "3600", Number, Yes),
    key("dns_valid_ttl", "", Text, Yes),
    key(
        "error_default_type",
        "text/plain",
        Choice(&["text/plain", "text/html", "application/json", "application/xml"]),
        Yes,
    ),
    key("headers", "server_tokens, latency_tokens, X-Kong-Request-Id", List, Yes),
    key("headers_upstream", "X-Kong-Request-Id", List, Yes),
    key("kic", "off", Boolean, None),
    key("lmdb_environment_path", "dbless.lmdb", Text, None),
    key("lmdb_map_size", "2048m", Text, None),
    key("log_level", "notice", Choice(&["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"]), Yes),
    key("lua_max_post_args", "100", Number, None),
    key("lua_max_req_headers", "100", Number, None),
    key("lua_max_resp_headers", "100", Number, None),
    key("lua_max_uri_args", "100", Number, None),
    key("lua_package_cpath", "", Text, None),
    key("lua_package_path", "./?.lua;./?/init.lua;", Text, None),
    key("lua_socket_pool_size", "256", Number, None),
    key("lua_ssl_protocols", "TLSv1.2 TLSv1.3", Text, None),
    key("lua_ssl_trusted_certificate", "system", List, Yes),
    key("lua_ssl_verify_depth", "1", Number, None),
    key("mem_cache_size", "128m", Text, None),
    key("new_dns_client", "off", Boolean, None),
    key("nginx_daemon", "on", Boolean, Yes),
    key("nginx_http_client_max_body_size", "0", Text, Yes),
    key("nginx_http_keepalive_requests", "10000", Number, None),
    key("nginx_main_worker_processes", "auto", Text, Yes),
    key("nginx_proxy_real_ip_header", "X-Real-IP", Text, Yes),
    key("nginx_proxy_real_ip_recursive", "off", Boolean, Yes),
    key("nginx_user", "", Text, None),
    key("nginx_worker_processes", "auto", Text, Yes),
    key("node_id", "", Text, Yes),
    key("opentelemetry_tracing", "off", List, None),
    key("opentelemetry_tracing_sampling_rate", "0.01", Number, None),
    key("pg_database", "kong", Text, None),
    key("pg_host", "127.0.0.1", Text, None),
    key("pg_password", "", Secret, None),
    key("pg_port", "5432", Number, None),
    key("pg_schema", "", Text, None),
    key("pg_ssl", "off", Boolean, None),
    key("pg_ssl_verify", "off", Boolean, None),
    key("pg_timeout", "5000", Number, None),
    key("pg_user", "kong", Text, None),
    key("plugins", "bundled", List, Yes),
    key("pluginserver_names", "", List, Unsupported),
    key("port_maps", "", List, Unsupported),
    key("prefix", "/usr/local/kong", Text, Yes),
    key("proxy_access_log", "logs/access.log", Text, Yes),
    key("proxy_error_log", "logs/error.log", Text, Yes),
    key(
        "proxy_listen",
        "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
        List,
        Yes,
    ),
    key("real_ip_header", "X-Real-IP", Text, Yes),
    key("real_ip_recursive", "off", Boolean, Yes),
    key("request_debug", "on", Boolean, None),
    key("resolver_error_ttl", "1", Number, None),
    key("resolver_family", "A,SRV", List, None),
    key("resolver_stale_ttl", "3600", Number, None),
    key("role", "traditional", Choice(&["traditional", "control_plane", "data_plane"]), Unsupported),
    key(
        "router_flavor",
        "traditional_compatible",
        Choice(&["traditional_compatible", "traditional", "expressions"]),
        Yes,
    ),
    key("ssl_cert", "", List, Yes),
    key("ssl_cert_key", "", Secret, Yes),
    key("ssl_cipher_suite", "intermediate", Choice(&["modern", "intermediate", "old", "fips", "custom"]), None),
    key("ssl_ciphers", "", Text, None),
    key("ssl_dhparam", "ffdhe2048", Text, None),
    key("ssl_prefer_server_ciphers", "on", Boolean, None),
    key("ssl_protocols", "TLSv1.2 TLSv1.3", Text, None),
    key("ssl_session_cache_size", "10m", Text, None),
    key("ssl_session_tickets", "on", Boolean, None),
    key("ssl_session_timeout", "1d", Text, None),
    key("status_access_log", "off", Text, None),
    key("status_error_log", "logs/status_error.log", Text, None),
    key("status_listen", "127.0.0.1:8007 reuseport backlog=16384", List, Yes),
    key("status_ssl_cert", "", List, Yes),
    key("status_ssl_cert_key", "", Secret, Yes),
    key("stream_listen", "off", List, Unsupported),
    key("tracing_instrumentations", "off", List, None),
    key("tracing_sampling_rate", "0.01", Number, None),
    key("trusted_ips", "", List, Yes),
    key("untrusted_lua", "sandbox", Choice(&["sandbox", "on", "off"]), None),
    key("untrusted_lua_sandbox_environment", "", List, None),
    key("untrusted_lua_sandbox_requires", "", List, None),
    key("upstream_keepalive_idle_timeout", "60", Number, Yes),
    key("upstream_keepalive_max_requests", "10000", Number, Yes),
    key("upstream_keepalive_pool_size", "512", Number, Yes),
    key("vaults", "bundled", List, None),
    key("wasm", "off", Boolean, Unsupported),
    key("worker_consistency", "eventual", Choice(&["eventual", "strict"]), None),
    key("worker_state_update_frequency", "5", Number, None),
];
