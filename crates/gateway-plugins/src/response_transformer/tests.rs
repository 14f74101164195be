use gateway_proxy::pdk::ResponseHead;
use serde_json::{Value, json};

use super::ResponseTransformer;
use crate::testing::{Lab, configuration, shown};

const SENT: [(&str, &str); 7] = [
    ("Content-Type", "application/json"),
    ("Content-Length", "10"),
    ("X-Up-A", "1"),
    ("X-Up-B", "b1"),
    ("X-Up-B", "b2"),
    ("Set-Cookie", "a=b"),
    ("Set-Cookie", "c=d"),
];

fn headers(config: Value) -> ResponseHead {
    let lab = Lab::new();
    lab.request("GET", "/").filter_headers(&*lab.plugin(&ResponseTransformer, config), &SENT)
}

fn values<'a>(head: &'a ResponseHead, name: &'a str) -> Vec<&'a str> {
    head.headers.get_all(name).map(|value| std::str::from_utf8(value).unwrap()).collect()
}

/// A body as it is sent on when it comes in two parts.
fn body_of(config: Value, kind: &str, body: &str) -> String {
    let lab = Lab::new();
    let plugin = lab.plugin(&ResponseTransformer, config);
    assert!(plugin.phases().body_filter);
    let mut request = lab.request("GET", "/");
    request.filter_headers(&*plugin, &[("Content-Type", kind)]);
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    let mut sent = Vec::new();
    for (part, last) in [(first, false), (second, false), (&[][..], true)] {
        let mut part = part.to_vec();
        plugin.body_filter(&mut request.context, &mut part, last);
        sent.extend_from_slice(&part);
    }
    String::from_utf8(sent).unwrap()
}

fn json_body(config: Value, body: &Value) -> Value {
    serde_json::from_str(&body_of(config, "application/json; charset=utf-8", &body.to_string())).unwrap()
}

#[test]
fn defaults_are_complete() {
    let typed = json!({ "json": [], "json_types": [], "headers": [] });
    let plain = json!({ "json": [], "headers": [] });
    let expected = json!({ "remove": plain, "rename": plain, "replace": typed, "add": typed, "append": typed });
    assert_eq!(shown("response-transformer", json!({})), expected);
}

#[test]
fn entries_are_checked() {
    for (config, path, message) in [
        (json!({ "add": { "json": ["a"] } }), "/add/json", "invalid value: a"),
        (json!({ "rename": { "headers": ["a:b c"] } }), "/rename/headers", "'b c' is not a valid header"),
        (json!({ "add": { "json_types": ["x"] } }), "/add/json_types", "expected one of: boolean, number, string"),
    ] {
        let error = configuration("response-transformer", config).unwrap_err();
        assert_eq!(error["fields"]["config"].pointer(path), Some(&json!([message])), "{error}");
    }
}

#[test]
fn headers_are_changed() {
    let removed = headers(json!({ "remove": { "headers": ["X-Up-A", "x-up-b:b1", "x-none"] } }));
    assert!(values(&removed, "x-up-a").is_empty() && values(&removed, "x-up-b").is_empty());
    assert_eq!(values(&removed, "content-length"), ["10"]);

    let renamed = headers(json!({ "rename": { "headers": ["X-Up-B:X-Bn", "x-none:X-Up-A"] } }));
    assert_eq!(values(&renamed, "x-bn"), ["b1", "b2"]);
    assert_eq!((values(&renamed, "x-up-b").len(), values(&renamed, "x-up-a")), (0, vec!["1"]));

    let replaced = headers(json!({ "replace": { "headers": ["X-Up-B:RB", "x-none:N", "Content-Type:text/plain"] } }));
    assert_eq!((values(&replaced, "x-up-b"), values(&replaced, "x-none").len()), (vec!["RB"], 0));
    assert_eq!(values(&replaced, "content-type"), ["text/plain; charset=UTF-8"]);

    let entries = ["X-Up-A:A", "X-New:1", "X-New:2", "Set-Cookie:e=f", "X-Col:a:b", "X-E:"];
    let added = headers(json!({ "add": { "headers": entries } }));
    assert_eq!((values(&added, "x-up-a"), values(&added, "x-new")), (vec!["1"], vec!["2"]));
    assert_eq!((values(&added, "x-col"), values(&added, "x-e").len()), (vec!["a:b"], 0));
    let appended = headers(json!({ "append": { "headers": entries } }));
    assert_eq!((values(&appended, "x-up-a"), values(&appended, "x-new")), (vec!["1", "A"], vec!["1", "2"]));
    assert_eq!(values(&appended, "set-cookie"), ["a=b", "c=d", "e=f"]);
}

#[test]
fn conditions_are_those_of_the_headers_that_came() {
    let config = json!({
        "remove": { "headers": ["X-Up-A"] }, "rename": { "headers": ["X-Up-B:X-Up-A"] },
        "replace": { "headers": ["X-Up-A:rep"] }, "add": { "headers": ["X-Up-A:add", "X-N:add"] },
        "append": { "headers": ["X-Up-A:app", "X-N:app"] },
    });
    let changed = headers(config);
    assert_eq!(values(&changed, "x-up-a"), ["rep", "app"]);
    assert_eq!(values(&changed, "x-n"), ["add", "app"]);
    assert!(values(&changed, "x-up-b").is_empty());
}

#[test]
fn values_that_would_break_out_are_refused() {
    let lab = Lab::new();
    let config = configuration("response-transformer", json!({ "add": { "headers": ["X-A:a\r\nX-B: c"] } })).unwrap();
    let error = gateway_proxy::pdk::Definition::compile(&ResponseTransformer, &config, &lab.environment());
    assert!(error.unwrap_err().contains("is not a header field"));
}

#[test]
fn a_changed_body_has_no_length_in_advance() {
    assert!(values(&headers(json!({ "add": { "json": ["z:1"] } })), "content-length").is_empty());
    let other = headers(json!({ "add": { "json": ["z:1"] }, "replace": { "headers": ["Content-Type:a/b"] } }));
    assert!(values(&other, "content-length").is_empty());
}

#[test]
fn json_bodies_are_changed() {
    let sent = json!({ "method": "GET", "path": "/", "body": "", "n": null, "f": false, "l": [1], "o.x": 1 });
    let config = json!({
        "remove": { "json": ["o.x", "none"] }, "rename": { "json": ["path:body", "none:l"] },
        "replace": { "json": ["method:{\"a\":1}", "none:1", "f:x", "n:y"] },
        "add": { "json": ["method:no", "f:true", "n4:null", "n5:"] }, "append": { "json": ["l:2", "new:3", "n4:x"] },
    });
    let expected = json!({
        "method": "{\"a\":1}", "body": "/", "n": "y", "f": "true", "l": [1, "2"], "n4": ["null", "x"], "n5": "null",
        "new": ["3"],
    });
    assert_eq!(json_body(config, &sent), expected);
}

#[test]
fn values_have_types() {
    let config = json!({
        "add": {
            "json": ["s:5", "n:5", "b:true", "f:-2.5e3", "x:0x10", "bad:abc", "maybe:maybe", "rest:1.50"],
            "json_types": ["string", "number", "boolean", "number", "number", "number", "boolean"],
        },
    });
    let expected = json!({ "s": "5", "n": 5, "b": true, "f": -2500, "x": 16, "maybe": false, "rest": "1.50" });
    assert_eq!(json_body(config, &json!({})), expected);
}

#[test]
fn other_bodies_pass() {
    let add = || json!({ "add": { "json": ["z:1"] } });
    for (kind, body) in [
        ("application/json", "{bad"),
        ("application/json", " "),
        ("application/json", ""),
        ("application/json", "\"str\""),
        ("application/vnd.api+json", "{}"),
        ("text/plain", "{}"),
    ] {
        assert_eq!(body_of(add(), kind, body), body, "{kind}");
    }
    assert_eq!(body_of(add(), "application/json", "[1, 2]"), "[1,2]");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(super::BODY_LIMIT));
    assert!(body_of(add(), "application/json", &long) == long);
}
