use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::Secret;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    api_server: ApiServer,
    store: Store,
    labels: BTreeMap<String, String>,
    #[serde(rename = "dnsCacheTTL")]
    dns_cache_ttl: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiServer {
    port: u16,
    read_only: bool,
    cors_allowed_domains: Vec<String>,
    ports: Vec<u16>,
    sampling: f64,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    #[serde(rename = "type")]
    kind: Kind,
    password: Secret,
    max_connections: Option<u32>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Memory,
    Postgres,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_server: ApiServer {
                port: 5681,
                read_only: false,
                cors_allowed_domains: vec![".*".to_owned()],
                ports: vec![],
                sampling: 0.5,
            },
            store: Store::default(),
            labels: BTreeMap::new(),
            dns_cache_ttl: "10s".to_owned(),
        }
    }
}

const ALIASES: &[(&str, &str)] = &[("KUMA_API_PORT", "apiServer.port"), ("PGPASSWORD", "store.password")];

fn load_with(file: &str, environment: &[(&str, &str)]) -> Result<Loaded<Config>, Problems> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Sources { file: Some(file), environment, prefix: "KUMA", aliases: ALIASES })
}

fn complaints(file: &str, environment: &[(&str, &str)]) -> Vec<String> {
    load_with(file, environment).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_given_leaves_the_defaults() {
    let loaded = load_with("", &[("HOME", "/root")]).unwrap();
    assert_eq!(loaded.value, Config::default());
    assert!(loaded.origins.values().all(|origin| *origin == Origin::Default));
    assert_eq!(loaded.origins.len(), 10);
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let file = "apiServer:\n  port: 1\n  readOnly: true\nstore:\n  type: postgres\n  maxConnections:\n";
    let loaded = load_with(file, &[("KUMA_API_SERVER_PORT", "2")]).unwrap();
    assert_eq!((loaded.value.api_server.port, loaded.value.api_server.read_only), (2, true));
    assert_eq!((loaded.value.store.kind, loaded.value.store.max_connections), (Kind::Postgres, None));
    assert_eq!(loaded.origins["apiServer.port"], Origin::Env("KUMA_API_SERVER_PORT".to_owned()));
    assert_eq!(loaded.origins["apiServer.readOnly"], Origin::File);
    assert_eq!(loaded.origins["store.maxConnections"], Origin::Default);
}

#[test]
fn variables_are_read_as_their_defaults_are() {
    let environment = [
        ("KUMA_API_SERVER_CORS_ALLOWED_DOMAINS", "a.org, 5,"),
        ("KUMA_API_SERVER_PORTS", "1,2"),
        ("KUMA_API_SERVER_READ_ONLY", "T"),
        ("KUMA_API_SERVER_SAMPLING", "1"),
        ("KUMA_STORE_TYPE", "postgres"),
        ("PGPASSWORD", "123"),
        ("KUMA_STORE_MAX_CONNECTIONS", "50"),
        ("KUMA_LABELS", "team:mesh, env:prod"),
        ("KUMA_DNS_CACHE_TTL", "1m"),
    ];
    let value = load_with("", &environment).unwrap().value;
    assert_eq!(value.api_server.cors_allowed_domains, ["a.org", "5"]);
    assert_eq!(value.api_server.ports, [1, 2]);
    assert!(value.api_server.read_only);
    assert_eq!(value.api_server.sampling, 1.0);
    assert_eq!(value.store.password.expose(), "123");
    assert_eq!((value.store.kind, value.store.max_connections), (Kind::Postgres, Some(50)));
    assert_eq!(
        value.labels.into_iter().collect::<Vec<_>>(),
        [("env".to_owned(), "prod".to_owned()), ("team".to_owned(), "mesh".to_owned())]
    );
    assert_eq!(value.dns_cache_ttl, "1m");
}

#[test]
fn empty_variables_set_only_text_and_lists() {
    let environment = [
        ("KUMA_API_SERVER_PORT", ""),
        ("KUMA_DNS_CACHE_TTL", ""),
        ("KUMA_API_SERVER_CORS_ALLOWED_DOMAINS", ""),
        ("KUMA_STORE_MAX_CONNECTIONS", ""),
    ];
    let value = load_with("", &environment).unwrap().value;
    assert_eq!((value.api_server.port, value.dns_cache_ttl.as_str()), (5681, ""));
    assert!(value.api_server.cors_allowed_domains.is_empty());
    assert_eq!(value.store.max_connections, None);
}

#[test]
fn a_name_from_the_path_wins_over_an_alias() {
    assert_eq!(load_with("", &[("KUMA_API_PORT", "7")]).unwrap().value.api_server.port, 7);
    let both = [("KUMA_API_PORT", "7"), ("KUMA_API_SERVER_PORT", "8")];
    assert_eq!(load_with("", &both).unwrap().value.api_server.port, 8);
}

#[test]
fn all_problems_are_told_at_once() {
    let file = "apiServer:\n  prot: 1\n  readOnly: 3\n  corsAllowedDomains: x\nstore:\n  type: mysql\n  password: 5\n\
                labels: {a: 1}\nzzz: 1\n";
    let environment = [("KUMA_API_SERVER_PORT", "70000"), ("KUMA_API_SERVER_SAMPLING", "much")];
    assert_eq!(
        complaints(file, &environment),
        [
            "apiServer.prot: is not a known key (did you mean \"port\"?)",
            "apiServer.readOnly: must be true or false",
            "apiServer.corsAllowedDomains: must be a list",
            "store.password: must be text",
            "zzz: is not a known key",
            "apiServer.sampling: must be a number (set by KUMA_API_SERVER_SAMPLING)",
            "store.type: unknown variant `mysql`, expected `memory` or `postgres`",
            "labels: invalid type: integer `1`, expected a string",
            "apiServer.port: invalid value: integer `70000`, expected u16 (set by KUMA_API_SERVER_PORT)",
        ]
    );
}

#[test]
fn a_number_is_not_cut_to_a_whole_one() {
    assert_eq!(complaints("apiServer: {port: 1.5}", &[]), ["apiServer.port: must be a whole number"]);
    let environment = [("KUMA_API_SERVER_PORT", "1.5")];
    assert_eq!(complaints("", &environment), ["apiServer.port: must be a whole number (set by KUMA_API_SERVER_PORT)"]);
}

#[test]
fn unknown_variables_are_warned_of() {
    let loaded = load_with("", &[("KUMA_API_SERVER_PROT", "1"), ("OTHER", "1")]).unwrap();
    let warning = &loaded.warnings.0[..];
    assert_eq!(warning.len(), 1);
    assert_eq!(
        warning[0].to_string(),
        "KUMA_API_SERVER_PROT: is not a known environment variable and sets nothing (did you mean \
         \"KUMA_API_SERVER_PORT\"?)"
    );
}

#[test]
fn bad_yaml_is_located() {
    let complaint = complaints("apiServer:\n  port: [1\n", &[]).remove(0);
    assert!(complaint.starts_with("the configuration file is not valid YAML: "), "{complaint}");
    assert!(complaint.contains("line "), "{complaint}");
    assert_eq!(complaints("- a\n", &[]), ["the configuration file must be a map"]);
    assert_eq!(complaints("apiServer: !x {}\n", &[]), ["apiServer: must not have a YAML tag"]);
    assert_eq!(complaints("apiServer: {sampling: .nan}\n", &[]), ["apiServer.sampling: must be a finite number"]);
    let duplicate = complaints("store: {}\nstore: {}\n", &[]).remove(0);
    assert!(duplicate.contains("duplicate"), "{duplicate}");
}

#[test]
fn sizes_are_limited() {
    let long = "#".repeat(MAX_FILE + 1);
    assert_eq!(complaints(&long, &[]), ["is larger than 1048576 bytes"]);
    let long = "a".repeat(64 * 1024 + 1);
    let complaint = complaints("", &[("KUMA_DNS_CACHE_TTL", &long)]).remove(0);
    assert_eq!(complaint, "dnsCacheTTL: must not be longer than 65536 bytes (set by KUMA_DNS_CACHE_TTL)");
}

#[test]
fn a_file_that_is_missing_is_named() {
    let problems = read_file(Path::new("/nonexistent/kuma.yaml")).unwrap_err();
    assert!(problems.to_string().starts_with("/nonexistent/kuma.yaml: cannot be read: No such file"), "{problems}");
    assert!(read_file(Path::new("/dev/zero")).unwrap_err().to_string().contains("larger than"));
}

#[test]
fn names_follow_from_paths() {
    let cases = [
        ("apiServer.http.port", "KUMA_API_SERVER_HTTP_PORT"),
        ("general.dnsCacheTTL", "KUMA_GENERAL_DNS_CACHE_TTL"),
        ("a.tlsCertFile", "KUMA_A_TLS_CERT_FILE"),
        ("x.maxTTLSeconds", "KUMA_X_MAX_TTL_SECONDS"),
        ("x.http2Port", "KUMA_X_HTTP2_PORT"),
    ];
    for (path, variable) in cases {
        assert_eq!(variable_name("KUMA", &path.split('.').collect::<Vec<_>>()), variable);
    }
}

proptest! {
    #[test]
    fn no_file_panics(text in "[-a-z0-9:{}\\[\\] \n&*!?|>'\"#,.]{0,80}|.*") {
        if let Ok(loaded) = load_with(&text, &[]) {
            prop_assert!(loaded.origins.len() >= 10);
        }
    }

    #[test]
    fn no_value_panics(value in ".*", file in "(true|1|-1|1e400|\\[\\]|\\{a: b\\}|~|x)") {
        for (path, _) in tree::leaves(&serde_json::to_value(Config::default()).unwrap()) {
            let variable = variable_name("KUMA", &path);
            let text = path.iter().rev().fold(file.clone(), |inner, key| format!("{{{key}: {inner}}}"));
            if let Ok(loaded) = load_with(&text, &[(&variable, &value)]) {
                prop_assert!(loaded.warnings.is_empty());
            }
        }
    }
}
