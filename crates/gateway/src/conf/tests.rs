use store::postgres::{Tls, TlsMode};

use super::*;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Conf::load(Some(file), environment, [])
}

#[test]
fn the_defaults_are_valid_and_the_template_changes_nothing() {
    let loaded = load(&template(), &[]).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.conf.proxy_listen.len(), 2);
    assert!(loaded.conf.admin_listen.iter().all(|listen| listen.address.ip().is_loopback()));
    let template = template();
    let uncommented = template.lines().filter_map(|line| line.strip_prefix('#')).collect::<Vec<_>>();
    let settings: String =
        uncommented.iter().filter(|line| line.contains(" = ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(load(&settings, &[]).unwrap().conf.shown(), loaded.conf.shown());
}

#[test]
fn the_environment_wins_over_the_file() {
    let loaded = load("log_level = debug\nprefix = /a\n", &[("KONG_PREFIX", "/b"), ("PREFIX", "/c")]).unwrap();
    assert_eq!(loaded.conf.prefix, PathBuf::from("/b"));
    assert_eq!(loaded.conf.log_level, "debug");
    assert_eq!(loaded.conf.error_log, PathBuf::from("/b/logs/error.log"));
}

#[test]
fn every_problem_is_told_at_once() {
    let problems = load(
        "database = mysql\nproxy_listen = 1.2.3.4:80 sll\nreal_ip_recursive = maybe\n",
        &[("KONG_DNS_ORDER", "MX"), ("KONG_TRUSTED_IPS", "nowhere")],
    )
    .unwrap_err()
    .to_string();
    for part in ["line 1: database", "sll", "line 3: real_ip_recursive", "dns_order", "trusted_ips"] {
        assert!(problems.contains(part), "{part} is missing in\n{problems}");
    }
}

#[test]
fn a_misspelt_setting_is_a_warning_with_a_proposal() {
    let loaded = load("proxy_lisen = off\n", &[]).unwrap();
    assert_eq!(loaded.warnings.0[0].hint.as_deref(), Some("did you mean proxy_listen?"));
}

#[test]
fn secrets_are_not_shown() {
    let conf = load("pg_password = hush\n", &[]).unwrap().conf;
    assert_eq!(conf.shown()["pg_password"], "******");
    assert!(!conf.shown().to_string().contains("hush"));
}

#[test]
fn sizes_and_lists_are_read() {
    let conf = load(
        "nginx_http_client_max_body_size = 2m\ntrusted_ips = 10.0.0.0/8, ::1\nheaders = off\nplugins = key-auth,acl\n\
         nginx_http_keepalive_requests = 7\n",
        &[],
    )
    .unwrap()
    .conf;
    assert_eq!(conf.proxy.max_body, Some(2 << 20));
    assert_eq!(conf.proxy.trusted_ips.len(), 2);
    assert_eq!(conf.proxy.headers, AddedHeaders::NONE);
    assert_eq!(conf.plugins, ["key-auth", "acl"]);
    assert_eq!(conf.client_requests, 7);
}

#[test]
fn headers_are_added_one_by_one_or_in_groups() {
    let added = |names: &str| load(&format!("headers = {names}\n"), &[]).unwrap().conf.proxy.headers;
    let none = AddedHeaders::NONE;
    assert_eq!(added("Via"), AddedHeaders { via: true, ..none });
    assert_eq!(
        added("serVer_TokEns, off, x-kOng-pRoxy-lAtency"),
        AddedHeaders { via: true, server: true, proxy_latency: true, ..none }
    );
    assert_eq!(
        added("latency_tokens, X-Kong-Upstream-Status"),
        AddedHeaders {
            proxy_latency: true,
            upstream_latency: true,
            response_latency: true,
            upstream_status: true,
            ..none
        }
    );
    assert_eq!(added("off, server_tokens"), none);
    assert_eq!(load("", &[]).unwrap().conf.proxy.headers, AddedHeaders { upstream_status: false, ..AddedHeaders::ALL });
}

#[test]
fn settings_written_to_a_file_are_read_back() {
    let conf = load("pg_password = a\\#b\nproxy_listen = 127.0.0.1:1 ssl, 127.0.0.1:2\n", &[]).unwrap().conf;
    let again = Conf::load(Some(&conf.to_file()), [], []).unwrap().conf;
    assert_eq!(again.values, conf.values);
    assert_eq!(again.proxy_listen.len(), 2);
}

fn postgres(settings: &str) -> store::postgres::Settings {
    let text = format!("database = postgres\nprefix = /p\n{settings}");
    load(&text, &[]).unwrap().conf.postgres.expect("the database is PostgreSQL")
}

#[test]
fn the_database_has_the_usual_defaults() {
    let settings = postgres("");
    let of = &settings.primary;
    assert_eq!((of.host.as_str(), of.port, of.user.as_str(), of.password.expose()), ("127.0.0.1", 5432, "kong", ""));
    assert_eq!((of.database.as_str(), &of.schema, &of.tls), ("kong", &None, &Tls::OFF));
    assert_eq!((of.connect_timeout, settings.commit_timeout), (Duration::from_secs(5), Duration::from_secs(5)));
    assert_eq!(settings.idle_timeout, Duration::from_secs(60));
    assert!(settings.replica.is_none());
    assert!(load("", &[]).unwrap().conf.postgres.is_none());
}

#[test]
fn the_database_is_protected_as_asked_for() {
    let verified = |ca: Option<&str>| Tls { mode: TlsMode::VerifyFull, ca: ca.map(PathBuf::from), client: None };
    let unverified = Tls { mode: TlsMode::VerifyNone, ca: None, client: None };
    for (settings, expected) in [
        ("pg_ssl_verify = on", Tls::OFF),
        ("pg_ssl = on", unverified.clone()),
        ("pg_ssl = on\npg_ssl_required = on", unverified.clone()),
        ("pg_ssl = on\nlua_ssl_trusted_certificate = /ca.pem", unverified),
        ("pg_ssl = on\npg_ssl_verify = on", verified(None)),
        ("pg_ssl = on\npg_ssl_verify = on\nlua_ssl_trusted_certificate = /ca.pem", verified(Some("/ca.pem"))),
        (
            "pg_ssl = on\npg_ssl_verify = on\nlua_ssl_trusted_certificate = system, /a",
            verified(Some("/p/.ca_combined")),
        ),
    ] {
        assert_eq!(postgres(settings).primary.tls, expected, "{settings}");
    }
}

#[test]
fn the_replica_is_as_the_primary_but_for_what_is_said_of_it() {
    let text = "pg_host = a\npg_port = 1\npg_user = u\npg_password = p\npg_schema = s\npg_ssl = on\npg_timeout = 7\n";
    let replica = |more: &str| postgres(&format!("{text}{more}")).replica;
    assert!(replica("pg_ro_port = 2").is_none(), "it has no host");
    let of = replica("pg_ro_host = b").unwrap();
    assert_eq!((of.host.as_str(), of.port, of.user.as_str(), of.password.expose()), ("b", 1, "u", "p"));
    assert_eq!(
        (of.schema.as_deref(), of.tls.mode, of.connect_timeout.as_millis()),
        (Some("s"), TlsMode::VerifyNone, 7)
    );
    let of = replica("pg_ro_host = b\npg_ro_port = 2\npg_ro_user = v\npg_ro_password = q\npg_ro_ssl = off\n").unwrap();
    assert_eq!((of.port, of.user.as_str(), of.password.expose(), of.tls.mode), (2, "v", "q", TlsMode::Disable));
}

#[test]
fn connections_are_bounded_by_the_smaller_setting() {
    for (settings, expected) in [
        ("", 8),
        ("pg_max_concurrent_queries = 0", 8),
        ("pg_max_concurrent_queries = 3", 3),
        ("pg_max_concurrent_queries = 30\npg_pool_size = 20", 20),
    ] {
        assert_eq!(postgres(settings).max_connections, expected, "{settings}");
    }
}

#[test]
fn a_setting_may_refer_to_the_environment() {
    let file = "database = postgres\npg_password = {vault://env/pg-password}\npg_port = {vault://env/db/port}\n";
    let environment = [("PG_PASSWORD", "hush"), ("DB", r#"{"port": 1234}"#)];
    let conf = load(file, &environment).unwrap().conf;
    let of = &conf.postgres.as_ref().unwrap().primary;
    assert_eq!((of.password.expose(), of.port), ("hush", 1234));
    // The node itself is told the values.
    let again = Conf::load(Some(&conf.to_file()), [], []).unwrap().conf;
    assert_eq!(again.values, conf.values);
    let problems = load(file, &environment[1..]).unwrap_err().to_string();
    assert!(problems.contains("PG_PASSWORD is not set"), "{problems}");
    assert!(load("pg_port = {vault://env/p}", &[("P", "many")]).is_err());
}

#[test]
fn settings_of_the_database_that_cannot_be_are_named() {
    for (setting, name) in [
        ("pg_port = 70000", "pg_port"),
        ("pg_port = 0", "pg_port"),
        ("pg_timeout = 1.5", "pg_timeout"),
        ("pg_max_concurrent_queries = -1", "pg_max_concurrent_queries"),
        ("pg_pool_size = 0", "pg_pool_size"),
        ("pg_host =", "pg_host"),
        ("pg_user =", "pg_user"),
        ("pg_ssl_version = tlsv1_1", "pg_ssl_version"),
        ("pg_ssl_required = on", "pg_ssl_required"),
        ("pg_iam_auth = on", "pg_iam_auth"),
        ("pg_ro_iam_auth_assume_role_arn = arn", "pg_ro_iam_auth_assume_role_arn"),
    ] {
        let problems = load(&format!("database = postgres\n{setting}\n"), &[]).unwrap_err();
        assert!(problems.0.iter().any(|problem| problem.path.ends_with(name)), "{setting}: {problems}");
    }
}

/// `docs/gateway/settings.md` names every setting once, in the section it belongs to, with its default.
#[test]
fn the_documented_settings_are_those_there_are() {
    let document = include_str!("../../../../docs/gateway/settings.md");
    let section = |title: &str| {
        let (_, rest) = document.split_once(&format!("\n## {title}\n")).expect("the section is there");
        rest.split("\n## ").next().unwrap_or_default()
    };
    let rows: Vec<_> = section("In force").lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let expected = KEYS.iter().filter(|key| key.effect == Effect::Yes).map(|key| match key.default {
        "" => format!("{}` |  |", key.name),
        default => format!("{}` | `{default}` |", key.name),
    });
    let expected: Vec<_> = expected.collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert!(row.starts_with(expected.as_str()), "{row:?} should begin with {expected:?}");
        assert!(row.len() > expected.len() + 5, "{row:?} says nothing");
    }
    for (title, effect) in [("Refused", Effect::Unsupported), ("Without effect", Effect::None)] {
        // What ends with an underscore is the beginning of names.
        let quoted = section(title).split('`').skip(1).step_by(2).filter(|name| !name.ends_with('_'));
        let expected = KEYS.iter().filter(|key| key.effect == effect).map(|key| key.name);
        assert_eq!(quoted.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{title}");
    }
}
