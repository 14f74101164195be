use serde_json::{Value, json};

use super::Cors;
use crate::testing::{Lab, configuration, shown};

/// What an answer to `GET` from `origin` says: origin, vary, credentials.
fn answer(config: Value, origin: Option<&str>) -> (Option<String>, bool, bool) {
    let lab = Lab::new();
    let plugin = lab.plugin(&Cors, config);
    let mut request = lab.request("GET", "/");
    if let Some(origin) = origin {
        request = request.header("Origin", origin);
    }
    assert!(request.access(&*plugin).is_none());
    let head = request.filter_headers(&*plugin, &[("Access-Control-Allow-Origin", "upstream")]);
    (
        head.headers.get_str("access-control-allow-origin").map(str::to_owned),
        head.headers.get_str("vary") == Some("Origin"),
        head.headers.get_str("access-control-allow-credentials") == Some("true"),
    )
}

fn allowed(origins: &[&str], origin: &str) -> Option<String> {
    answer(json!({ "origins": origins }), Some(origin)).0
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "origins": null, "headers": null, "exposed_headers": null,
        "methods": ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"],
        "max_age": null, "credentials": false, "private_network": false, "preflight_continue": false,
    });
    assert_eq!(shown("cors", json!({})), expected);
}

#[test]
fn origins_compile() {
    let error = configuration("cors", json!({ "origins": ["("] })).unwrap_err();
    assert_eq!(error["fields"]["config"]["origins"], json!(["'(' is not a valid regex"]));
    assert!(configuration("cors", json!({ "origins": ["*"] })).is_ok());
}

#[test]
fn any_origin_is_a_star_without_vary() {
    let star = Some("*".to_owned());
    assert_eq!(answer(json!({}), Some("http://a.com")), (star.clone(), false, false));
    assert_eq!(answer(json!({ "origins": ["*"] }), None), (star.clone(), false, false));
    assert_eq!(answer(json!({ "origins": ["*"], "credentials": true }), None), (star, false, false));
}

#[test]
fn credentials_for_any_origin_name_it() {
    let config = json!({ "origins": ["*"], "credentials": true });
    assert_eq!(answer(config, Some("http://A.com/")), (Some("http://A.com/".to_owned()), true, true));
}

#[test]
fn a_single_literal_is_told_whoever_asks() {
    assert_eq!(answer(json!({ "origins": ["http://a.com"] }), None), (Some("http://a.com".to_owned()), true, false));
    assert_eq!(allowed(&["a.com"], "http://b.com").unwrap(), "a.com");
    assert_eq!(allowed(&["null"], "http://b.com").unwrap(), "null");
}

#[test]
fn one_of_several_origins_is_echoed_without_its_path_and_default_port() {
    let two = ["http://a.com", "https://b.com:8443"];
    assert_eq!(allowed(&two, "http://a.com").unwrap(), "http://a.com");
    assert_eq!(allowed(&two, "http://a.com:80/").unwrap(), "http://a.com");
    assert_eq!(allowed(&two, "https://b.com:8443").unwrap(), "https://b.com:8443");
    for other in ["https://a.com", "http://A.com", "http://a.com:8080", "http://b.com", "a.com", "null", "*", ""] {
        assert_eq!(allowed(&two, other), None, "{other}");
    }
    assert_eq!(allowed(&["a.com", "b.com"], "http://a.com"), None);
    let config = json!({ "origins": two, "credentials": true });
    assert_eq!(answer(config, Some("http://c.com")), (None, true, true));
}

#[test]
fn a_star_among_others_is_any_origin_that_is_named() {
    assert_eq!(allowed(&["http://a.com", "*"], "null").unwrap(), "*");
    assert_eq!(answer(json!({ "origins": ["http://a.com", "*"] }), None), (None, true, false));
}

#[test]
fn patterns_match_from_end_to_end() {
    let pattern = ["^http://(.+)\\.ex\\.com$", "http://z.com"];
    assert_eq!(allowed(&pattern, "http://x.ex.com").unwrap(), "http://x.ex.com");
    assert_eq!(allowed(&pattern, "http://x.ex.com.evil.org"), None);
    let hosts = [".*\\.ex\\.com(:[0-9]+)?$"];
    assert_eq!(allowed(&hosts, "https://x.ex.com:99").unwrap(), "https://x.ex.com:99");
    assert_eq!(allowed(&["http://.*\\.one\\.com"], "http://q.one.com.evil"), None);
    assert_eq!(allowed(&["(a|b)\\.com"], "https://b.com:1").unwrap(), "https://b.com:1", "no colon: the host counts");
}

#[test]
fn preflights_are_answered() {
    let lab = Lab::new();
    let config = json!({
        "origins": ["http://a.com", "http://b.com"], "methods": ["GET", "PUT"], "exposed_headers": ["X-E"],
        "credentials": true, "max_age": 1.5, "private_network": true,
    });
    let plugin = lab.plugin(&Cors, config);
    let mut request = lab
        .request("OPTIONS", "/")
        .header("Origin", "http://a.com")
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "X-Z, X-Y")
        .header("Access-Control-Request-Private-Network", "true");
    let answer = request.access(&*plugin).unwrap();
    assert_eq!(answer.status, 200);
    let fields: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (std::str::from_utf8(name).unwrap(), std::str::from_utf8(value).unwrap()))
        .collect();
    let expected = [
        ("vary", "Origin"),
        ("Access-Control-Allow-Origin", "http://a.com"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Headers", "X-Z, X-Y"),
        ("Access-Control-Allow-Methods", "GET,PUT"),
        ("Access-Control-Max-Age", "1.5"),
        ("Access-Control-Allow-Private-Network", "true"),
    ];
    assert_eq!(fields, expected);
    assert!(request.filter_headers(&*plugin, &[]).headers.is_empty(), "the answer is complete already");
}

#[test]
fn what_is_no_preflight_goes_on() {
    let lab = Lab::new();
    let plugin = lab.plugin(&Cors, json!({ "exposed_headers": ["X-E", "X-F"] }));
    let mut request = lab.request("OPTIONS", "/").header("Origin", "http://a.com");
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.filter_headers(&*plugin, &[]).headers.get_str("Access-Control-Expose-Headers"), Some("X-E,X-F"));
}

#[test]
fn preflights_may_be_left_to_the_upstream() {
    let lab = Lab::new();
    let plugin = lab.plugin(&Cors, json!({ "preflight_continue": true }));
    let mut request = lab.request("OPTIONS", "/").header("Origin", "a").header("Access-Control-Request-Method", "PUT");
    assert!(request.access(&*plugin).is_none());
    assert!(request.filter_headers(&*plugin, &[]).headers.is_empty());
}
