use std::sync::Arc;
use std::time::Duration;

use gateway_proxy::pdk::{Authenticated, Plugin};
use serde_json::{Value, json};

use super::Sessions;
use crate::testing::{Exchange, Lab, configuration, shown};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.consumer("bob");
    lab
}

fn plugin(lab: &Lab, mut config: Value) -> Arc<dyn Plugin> {
    config["secret"] = SECRET.into();
    lab.plugin(&Sessions, config)
}

/// Cookies set after another plugin has found out who calls.
fn log_in(lab: &Lab, plugin: &dyn Plugin) -> Vec<String> {
    let mut request = lab.request("GET", "/");
    assert!(request.access(plugin).is_none());
    assert!(request.context.consumer.is_none());
    request.context.consumer = lab.directory.consumer("id-bob").map(Arc::clone);
    request.context.credential = Some(Authenticated { id: "cred".into(), identifier: Some("cid".into()) });
    cookies(&mut request, plugin)
}

fn cookies(request: &mut Exchange, plugin: &dyn Plugin) -> Vec<String> {
    let head = request.filter_headers(plugin, &[]);
    head.headers.get_all("set-cookie").map(|line| String::from_utf8(line.to_vec()).unwrap()).collect()
}

/// `name=value` of a cookie.
fn value(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}

#[test]
fn defaults_are_complete() {
    let mut expected = json!({
        "absolute_timeout": 86_400, "audience": "default", "cookie_domain": null, "cookie_http_only": true,
        "cookie_name": "session", "cookie_path": "/", "cookie_same_site": "Strict", "cookie_secure": true,
        "idling_timeout": 900, "logout_methods": ["POST", "DELETE"], "logout_post_arg": "session_logout",
        "logout_query_arg": "session_logout", "read_body_for_logout": false, "remember": false,
        "remember_absolute_timeout": 2_592_000, "remember_cookie_name": "remember",
        "remember_rolling_timeout": 604_800, "request_headers": null, "response_headers": null,
        "rolling_timeout": 3600, "stale_ttl": 10, "storage": "cookie",
    });
    let shown = shown("session", json!({}));
    expected["secret"] = shown["secret"].clone();
    assert_eq!(shown["secret"].as_str().map(str::len), Some(32));
    assert_eq!(shown, expected);
}

#[test]
fn older_names_are_understood() {
    let config = configuration("session", json!({ "cookie_lifetime": 7, "cookie_samesite": "off" })).unwrap();
    assert_eq!((&config["rolling_timeout"], &config["cookie_same_site"]), (&json!(7), &json!("Default")));
}

#[test]
fn sessions_are_in_cookies() {
    let error = configuration("session", json!({ "storage": "kong" })).unwrap_err();
    assert!(error["fields"]["config"]["storage"].as_str().unwrap().contains("use 'cookie'"));
    let error = configuration("session", json!({ "idling_timeout": "a" })).unwrap_err();
    assert_eq!(error["fields"]["config"]["idling_timeout"], "expected a number");
}

#[test]
fn a_session_stands_for_the_credential() {
    let lab = lab();
    let plugin = plugin(&lab, json!({ "response_headers": ["subject"], "request_headers": ["idling-timeout"] }));
    let cookie = log_in(&lab, &*plugin).remove(0);
    assert!(cookie.ends_with("; Path=/; SameSite=Strict; Secure; HttpOnly"), "{cookie}");
    let mut request = lab.request("GET", "/").header("Cookie", &format!("a=b; {}", value(&cookie)));
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.upstream("X-Consumer-Username"), Some("bob"));
    assert_eq!(request.upstream("X-Credential-Identifier"), Some("cid"));
    assert_eq!(request.upstream("Session-Idling-Timeout"), Some("900"));
    assert_eq!(&*request.context.credential.as_ref().unwrap().id, "cred");
    let head = request.filter_headers(&*plugin, &[]);
    assert_eq!(head.headers.get_str("Session-Subject"), Some("id-bob"));
    assert!(!head.headers.contains("set-cookie"));
}

#[test]
fn what_others_wrote_is_no_session() {
    let lab = lab();
    let own = plugin(&lab, json!({}));
    let cookie = log_in(&lab, &*own).remove(0);
    let other_audience = plugin(&lab, json!({ "audience": "other" }));
    let other_secret = lab.plugin(&Sessions, json!({ "secret": "another" }));
    let mut changed = value(&cookie).to_owned();
    changed.replace_range(20..21, if &changed[20..21] == "A" { "B" } else { "A" });
    let known = |plugin: &dyn Plugin, cookie: &str| {
        let mut request = lab.request("GET", "/").header("Cookie", cookie);
        assert!(request.access(plugin).is_none());
        request.context.consumer.is_some()
    };
    assert!(known(&*own, value(&cookie)));
    assert!(!known(&*other_audience, value(&cookie)));
    assert!(!known(&*other_secret, value(&cookie)));
    assert!(!known(&*own, &changed));
    for junk in ["session=", "session=x", "session=%%%"] {
        assert!(!known(&*own, junk));
    }
}

#[test]
fn sessions_end() {
    let lab = lab();
    let plugin = plugin(&lab, json!({ "idling_timeout": 100, "rolling_timeout": 300, "absolute_timeout": 1000 }));
    let mut cookie = log_in(&lab, &*plugin).remove(0);
    let mut use_after = |seconds: u64| {
        lab.clock.advance(Duration::from_secs(seconds));
        let mut request = lab.request("GET", "/").header("Cookie", value(&cookie));
        assert!(request.access(&*plugin).is_none());
        let known = request.context.consumer.is_some();
        if let Some(renewed) = cookies(&mut request, &*plugin).pop() {
            cookie = renewed;
        }
        known
    };
    // Used often enough, it goes on; but not forever.
    for _ in 0..12 {
        assert!(use_after(80));
    }
    assert!(!use_after(80));
    let cookie = log_in(&lab, &*plugin).remove(0);
    lab.clock.advance(Duration::from_secs(100));
    let mut request = lab.request("GET", "/").header("Cookie", value(&cookie));
    assert!(request.access(&*plugin).is_none());
    assert!(request.context.consumer.is_none());
}

#[test]
fn callers_log_out() {
    let lab = lab();
    let plugin = plugin(&lab, json!({ "read_body_for_logout": true }));
    let cookie = log_in(&lab, &*plugin).remove(0);
    let ends = |mut request: Exchange| {
        request = request.header("Cookie", value(&cookie));
        let answer = request.access(&*plugin);
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 200));
        let cookies = cookies(&mut request, &*plugin);
        assert_eq!(answer.is_some(), cookies.first().is_some_and(|line| line.starts_with("session=; Max-Age=0")));
        answer.is_some()
    };
    let form = "application/x-www-form-urlencoded";
    assert!(ends(lab.request("POST", "/?session_logout=1")));
    assert!(ends(lab.request("DELETE", "/?session_logout")));
    assert!(ends(lab.request("POST", "/").body(form, "session_logout=1")));
    assert!(!ends(lab.request("GET", "/?session_logout=1")));
    assert!(!ends(lab.request("POST", "/").body(form, "other=1")));
    assert!(lab.request("POST", "/?session_logout=1").access(&*plugin).is_none());
}

#[test]
fn some_are_remembered() {
    let lab = lab();
    let plugin = plugin(&lab, json!({ "remember": true }));
    let cookies_set = log_in(&lab, &*plugin);
    assert!(cookies_set[1].starts_with("remember=") && cookies_set[1].contains("; Max-Age=604800; "));
    lab.clock.advance(Duration::from_secs(100_000));
    let both = format!("{}; {}", value(&cookies_set[0]), value(&cookies_set[1]));
    let mut request = lab.request("GET", "/").header("Cookie", &both);
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.upstream("X-Consumer-Username"), Some("bob"));
    assert_eq!(cookies(&mut request, &*plugin).len(), 2);
}

#[test]
fn the_anonymous_consumer_gets_no_session() {
    let lab = lab();
    let plugin = plugin(&lab, json!({}));
    let mut request = lab.request("GET", "/");
    assert!(request.access(&*plugin).is_none());
    request.context.consumer = lab.directory.consumer("id-bob").map(Arc::clone);
    assert!(cookies(&mut request, &*plugin).is_empty());
}
