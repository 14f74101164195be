use serde_json::{Value, json};

use super::{COLLECTION, KeyAuth};
use crate::testing::{Lab, configuration, shown, words, write};

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.consumer("bob");
    lab.consumer("anon");
    lab.credential(&KeyAuth, COLLECTION, "bob", json!({ "id": "cred", "key": "kb" }));
    lab.credential(&KeyAuth, COLLECTION, "bob", json!({ "id": "old", "key": "late", "ttl": 1_767_323_045_000_i64 }));
    lab
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "key_names": ["apikey"], "hide_credentials": false, "anonymous": null, "key_in_header": true,
        "key_in_query": true, "key_in_body": false, "run_on_preflight": true, "realm": null,
    });
    assert_eq!(shown("key-auth", json!({})), expected);
}

#[test]
fn names_of_keys_are_names_of_headers() {
    let error = configuration("key-auth", json!({ "key_names": ["a b"] })).unwrap_err();
    assert!(error["fields"]["config"]["key_names"][0].as_str().unwrap().starts_with("bad header name 'a b'"));
}

#[test]
fn keys_are_generated() {
    let credential =
        write("keyauth_credentials", json!({ "consumer": { "id": "00000000-0000-4000-8000-000000000000" } }));
    assert_eq!(credential.unwrap()["key"].as_str().unwrap().len(), 32);
}

#[test]
fn the_consumer_is_told_the_upstream_and_spoofed_headers_are_not() {
    let lab = lab();
    let plugin = lab.plugin(&KeyAuth, json!({}));
    let mut request = lab
        .request("GET", "/?apikey=kb&z=1")
        .header("X-Anonymous-Consumer", "true")
        .header("X-Consumer-Username", "eve");
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.upstream("X-Consumer-ID"), Some("id-bob"));
    assert_eq!(request.upstream("X-Consumer-Custom-ID"), Some("custom-bob"));
    assert_eq!(request.upstream("X-Consumer-Username"), Some("bob"));
    assert_eq!(request.upstream("X-Credential-Identifier"), Some("cred"));
    assert_eq!(request.upstream("X-Anonymous-Consumer"), None);
    assert_eq!(request.query(), "?apikey=kb&z=1");
    assert_eq!(&*request.context.credential.unwrap().id, "cred");
}

#[test]
fn what_is_no_key_is_refused() {
    let lab = lab();
    let plugin = lab.plugin(&KeyAuth, json!({ "realm": "r" }));
    let refused = |target: &str, header: &[&str], message: &str| {
        let mut request = lab.request("GET", target);
        for value in header {
            request = request.header("apikey", value);
        }
        let answer = request.access(&*plugin).unwrap();
        assert_eq!((answer.status, words(&answer)), (401, message));
        assert_eq!(answer.headers.get_str("WWW-Authenticate"), Some("Key realm=\"r\""));
    };
    refused("/", &[], "No API key found in request");
    refused("/?apikey", &[], "No API key found in request");
    refused("/?apikey=", &[], "No API key found in request");
    refused("/?APIKEY=kb", &[], "No API key found in request");
    refused("/", &["KB"], "Unauthorized");
    refused("/", &["late"], "Unauthorized");
    refused("/?apikey=kb", &["bad"], "Unauthorized");
    refused("/", &["kb", "kb"], "Duplicate API key found");
    refused("/?apikey=kb&apikey=kb", &[], "Duplicate API key found");
}

#[test]
fn the_anonymous_consumer_has_no_credential() {
    let lab = lab();
    let plugin = lab.plugin(&KeyAuth, json!({ "anonymous": "anon" }));
    let mut request = lab.request("GET", "/").header("apikey", "bad").header("X-Credential-Identifier", "spoof");
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.upstream("X-Consumer-Username"), Some("anon"));
    assert_eq!(request.upstream("X-Anonymous-Consumer"), Some("true"));
    assert_eq!(request.upstream("X-Credential-Identifier"), None);
    assert!(request.context.credential.is_none());
}

#[test]
fn a_missing_anonymous_consumer_is_an_error() {
    let lab = lab();
    let plugin = lab.plugin(&KeyAuth, json!({ "anonymous": "ghost" }));
    let answer = lab.request("GET", "/").access(&*plugin).unwrap();
    assert_eq!((answer.status, words(&answer)), (500, "anonymous consumer ghost is configured but doesn't exist"));
}

#[test]
fn preflights_may_pass() {
    let lab = lab();
    let plugin = lab.plugin(&KeyAuth, json!({ "run_on_preflight": false }));
    assert!(lab.request("OPTIONS", "/").access(&*plugin).is_none());
    assert!(lab.request("GET", "/").access(&*plugin).is_some());
}

#[test]
fn hidden_credentials_do_not_go_upstream() {
    let lab = lab();
    let plugin =
        lab.plugin(&KeyAuth, json!({ "key_names": ["x-a", "xc"], "hide_credentials": true, "key_in_body": true }));
    let mut request = lab.request("GET", "/?xc=zz").header("x-a", "kb").header("xc", "other");
    assert!(request.access(&*plugin).is_none());
    assert_eq!((request.upstream("x-a"), request.upstream("xc"), request.query()), (None, Some("other"), "?xc=zz"));

    let mut request = lab.request("POST", "/?xc=kb").body("application/json", r#"{"xc": "bad", "o": 1}"#);
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.query(), "?");
    assert_eq!(request.context.replaced_body.as_deref(), Some(br#"{"o":1}"#.as_slice()));
}

#[test]
fn bodies_hold_keys() {
    let lab = lab();
    let plugin = lab.plugin(&KeyAuth, json!({ "key_names": ["xc"], "key_in_body": true, "hide_credentials": true }));
    let replaced = |kind: &str, body: &str| -> Result<String, String> {
        let mut request = lab.request("POST", "/").body(kind, body);
        match request.access(&*plugin) {
            None => Ok(String::from_utf8(request.context.replaced_body.unwrap()).unwrap()),
            Some(answer) => Err(words(&answer).to_owned()),
        }
    };
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    assert_eq!(replaced(form, "xc=kb&o=1&o=2").unwrap(), "o=1&o=2");
    assert_eq!(replaced("application/json", r#"{"xc":"kb","o":[1,{"a":null}]}"#).unwrap(), r#"{"o":[1,{"a":null}]}"#);
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"xc\"\r\n\r\nkb\r\n--b--\r\n";
    assert_eq!(replaced("multipart/form-data; boundary=b", multipart).unwrap(), "--b--\r\n");
    assert_eq!(replaced("application/json", r#"{"xc":["kb","ke"]}"#).unwrap_err(), "Duplicate API key found");
    for (kind, body) in [("application/json", "{bad"), ("application/json", "[1]"), ("text/plain", "xc=kb")] {
        assert_eq!(replaced(kind, body).unwrap_err(), "No API key found in request", "{body}");
    }
}

#[test]
fn an_earlier_alternative_is_enough() {
    let lab = lab();
    let plugin = lab.plugin(&KeyAuth, json!({ "anonymous": "anon" }));
    let mut request = lab.request("GET", "/").header("apikey", "kb");
    assert!(request.access(&*plugin).is_none());
    request.context.request.headers.set("apikey", "bad");
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.upstream("X-Consumer-Username"), Some("bob"));
    assert_ne!(request.context.credential.map(|credential| Value::from(&*credential.id)), None);
}
