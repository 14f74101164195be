use serde_json::{Value, json};

use super::RequestSizeLimiting;
use crate::testing::{Exchange, Lab, MemoryBody, configuration, shown, words};

fn verdict(lab: &Lab, config: Value, mut request: Exchange) -> Option<(u16, String)> {
    let answer = request.access(&*lab.plugin(&RequestSizeLimiting, config))?;
    Some((answer.status, words(&answer).to_owned()))
}

fn ten() -> Value {
    json!({ "allowed_payload_size": 10, "size_unit": "bytes" })
}

fn chunked(lab: &Lab, body: &str) -> Exchange {
    let mut request = lab.request("POST", "/").header("Transfer-Encoding", "chunked");
    request.body = MemoryBody { bytes: body.into(), announced: None };
    request
}

#[test]
fn defaults_are_complete() {
    let expected = json!({ "allowed_payload_size": 128, "size_unit": "megabytes", "require_content_length": false });
    assert_eq!(shown("request-size-limiting", json!({})), expected);
    let error = configuration("request-size-limiting", json!({ "size_unit": "miles" })).unwrap_err();
    assert_eq!(error["fields"]["config"]["size_unit"], "expected one of: megabytes, kilobytes, bytes");
}

#[test]
fn announced_lengths_are_compared() {
    let lab = Lab::new();
    let post = |length: usize| lab.request("POST", "/").body("text/plain", &"x".repeat(length));
    let exceeded = "Request size limit exceeded".to_owned();
    assert_eq!(verdict(&lab, ten(), post(10)), None);
    assert_eq!(verdict(&lab, ten(), post(11)), Some((413, exceeded.clone())));
    assert_eq!(verdict(&lab, ten(), post(11).header("Expect", "100-continue")), Some((417, exceeded)));
    let kilobyte = json!({ "allowed_payload_size": 1, "size_unit": "kilobytes" });
    assert_eq!(verdict(&lab, kilobyte.clone(), post(1024)), None);
    assert!(verdict(&lab, kilobyte, post(1025)).is_some());
}

#[test]
fn other_bodies_are_measured() {
    let lab = Lab::new();
    assert_eq!(verdict(&lab, ten(), chunked(&lab, "hello")), None);
    assert_eq!(verdict(&lab, ten(), chunked(&lab, "hello world")).unwrap().0, 413);
    assert_eq!(verdict(&lab, ten(), lab.request("GET", "/")), None);
}

#[test]
fn a_length_may_be_required_unless_the_body_comes_in_chunks() {
    let lab = Lab::new();
    let config = json!({ "allowed_payload_size": 10, "size_unit": "bytes", "require_content_length": true });
    let message = "A valid Content-Length header is required".to_owned();
    assert_eq!(verdict(&lab, config.clone(), lab.request("GET", "/")), Some((411, message)));
    assert_eq!(verdict(&lab, config.clone(), chunked(&lab, "hello")), None);
    assert_eq!(verdict(&lab, config, lab.request("POST", "/").header("Content-Length", "0")), None);
}
