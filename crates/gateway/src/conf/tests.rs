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
        "nginx_http_client_max_body_size = 2m\ntrusted_ips = 10.0.0.0/8, ::1\nheaders = off\nplugins = key-auth,acl\n",
        &[],
    )
    .unwrap()
    .conf;
    assert_eq!(conf.proxy.max_body, Some(2 << 20));
    assert_eq!(conf.proxy.trusted_ips.len(), 2);
    assert!(!conf.proxy.headers.server_tokens && !conf.proxy.headers.request_id);
    assert_eq!(conf.plugins, ["key-auth", "acl"]);
}

#[test]
fn settings_written_to_a_file_are_read_back() {
    let conf = load("pg_password = a\\#b\nproxy_listen = 127.0.0.1:1 ssl, 127.0.0.1:2\n", &[]).unwrap().conf;
    let again = Conf::load(Some(&conf.to_file()), [], []).unwrap().conf;
    assert_eq!(again.values, conf.values);
    assert_eq!(again.proxy_listen.len(), 2);
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
