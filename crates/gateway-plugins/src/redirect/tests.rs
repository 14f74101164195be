use gateway_proxy::pdk::Content;
use serde_json::{Value, json};

use super::Redirect;
use crate::testing::{Lab, configuration, shown};

fn location(config: Value) -> (u16, String) {
    let lab = Lab::new();
    let plugin = lab.plugin(&Redirect, config);
    let mut request = lab.request("GET", "/x/y?z=1&q=a%20b");
    let answer = request.access(&*plugin).unwrap();
    assert!(matches!(&answer.content, Content::Bytes(body) if body == b"redirecting"));
    let head = request.filter_headers(&*plugin, &[("Content-Type", "text/plain")]);
    assert!(!head.headers.contains("content-type"));
    (answer.status, answer.headers.get_str("location").unwrap().to_owned())
}

#[test]
fn defaults_are_complete() {
    let expected = json!({ "status_code": 301, "location": "https://x.com", "keep_incoming_path": false });
    assert_eq!(shown("redirect", json!({ "location": "https://x.com" })), expected);
    for (config, field, message) in [
        (json!({}), "location", "required field missing"),
        (json!({ "location": "x" }), "location", "missing host in url"),
        (json!({ "location": "https://x", "status_code": 99 }), "status_code", "value should be between 100 and 599"),
    ] {
        let error = configuration("redirect", config).unwrap_err();
        assert_eq!(error["fields"]["config"][field], message);
    }
}

#[test]
fn the_location_is_told_as_it_is() {
    assert_eq!(location(json!({ "location": "https://x.com/a?b=c" })), (301, "https://x.com/a?b=c".to_owned()));
}

#[test]
fn the_path_is_told_in_its_plain_form() {
    let lab = Lab::new();
    let plugin = lab.plugin(&Redirect, json!({ "location": "https://x.com/a", "keep_incoming_path": true }));
    let answer = lab.request("GET", "/rdk/a%2Fb/%C3%BC//c?x=%20").access(&*plugin).unwrap();
    assert_eq!(answer.headers.get_str("location"), Some("https://x.com/rdk/a%2Fb/%C3%BC/c?x=%20"));
}

#[test]
fn path_and_query_may_be_the_requests() {
    for (place, expected) in [
        ("https://x.com/a", "https://x.com/x/y?z=1&q=a%20b"),
        ("https://x.com:8443/base/", "https://x.com:8443/x/y?z=1&q=a%20b"),
        ("https://x.com/a?b=c#frag", "https://x.com/x/y?z=1&q=a%20b#frag"),
        ("https://x.com?b=c", "https://x.com/x/y?z=1&q=a%20b"),
    ] {
        let config = json!({ "location": place, "keep_incoming_path": true, "status_code": 307 });
        assert_eq!(location(config), (307, expected.to_owned()));
    }
}
