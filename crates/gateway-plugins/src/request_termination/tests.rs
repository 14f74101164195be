use gateway_proxy::pdk::{Answer, Content};
use serde_json::{Value, json};

use super::RequestTermination;
use crate::testing::{Exchange, Lab, configuration, shown};

fn answer(config: Value) -> Answer {
    let lab = Lab::new();
    lab.request("GET", "/").access(&*lab.plugin(&RequestTermination, config)).unwrap()
}

fn text(answer: &Answer) -> String {
    match &answer.content {
        Content::Empty => String::new(),
        Content::Json(body) => body.to_string(),
        Content::Bytes(body) => String::from_utf8(body.clone()).unwrap(),
        Content::Error(message) => panic!("{message}"),
    }
}

#[test]
fn defaults_are_complete() {
    let expected = json!({
        "status_code": 503, "message": null, "content_type": null, "body": null, "echo": false, "trigger": null,
    });
    assert_eq!(shown("request-termination", json!({})), expected);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told() {
    let complaint =
        |config: Value| configuration("request-termination", config).unwrap_err()["fields"]["config"].clone();
    assert_eq!(complaint(json!({ "status_code": 600 }))["status_code"], "value should be between 100 and 599");
    let both = complaint(json!({ "message": "m", "body": "b" }));
    assert_eq!(both, "message cannot be used with content_type or body");
    assert_eq!(complaint(json!({ "content_type": "text/html" })), "content_type requires a body");
    assert_eq!(complaint(json!({ "echo": true, "body": "b" })), "echo cannot be used with content_type and body");
}

#[test]
fn messages_are_json() {
    let message = |config: Value| text(&answer(config));
    assert_eq!(message(json!({})), r#"{"message":"Service unavailable"}"#);
    assert_eq!(message(json!({ "status_code": 404, "message": "gone \"q\"" })), r#"{"message":"gone \"q\""}"#);
    assert_eq!(message(json!({ "status_code": 404 })), r#"{"message":"Not found"}"#);
}

#[test]
fn bodies_are_as_configured() {
    let with_type = |kind: Option<&str>| {
        let answer = answer(json!({ "status_code": 200, "body": "<b>x</b>", "content_type": kind }));
        assert_eq!(text(&answer), "<b>x</b>");
        answer.headers.get_str("content-type").map(str::to_owned)
    };
    assert_eq!(with_type(None), None);
    assert_eq!(with_type(Some("text/html")).unwrap(), "text/html; charset=UTF-8");
    assert_eq!(with_type(Some("text/html; charset=utf-8")).unwrap(), "text/html; charset=utf-8");
    assert_eq!(with_type(Some("image/png")).unwrap(), "image/png");
}

#[test]
fn statuses_without_words_are_empty_or_a_page() {
    for status in [204, 304, 418, 599] {
        assert_eq!(text(&answer(json!({ "status_code": status }))), "", "{status}");
    }
    assert_eq!(crate::testing::words(&answer(json!({ "status_code": 413 }))), "Payload too large");
    let page = "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<center><h1>403 Forbidden</h1></center>\
                \r\n</body>\r\n</html>\r\n";
    let answer = answer(json!({ "status_code": 403 }));
    assert_eq!(text(&answer), page);
    assert_eq!(answer.headers.get_str("content-type"), Some("text/html; charset=UTF-8"));
}

#[test]
fn only_requests_with_the_trigger_are_answered() {
    let lab = Lab::new();
    let plugin = lab.plugin(&RequestTermination, json!({ "trigger": "x-term" }));
    let answered = |mut request: Exchange| request.access(&*plugin).is_some();
    assert!(answered(lab.request("GET", "/?x-term")));
    assert!(answered(lab.request("GET", "/").header("X-Term", "")));
    assert!(!answered(lab.request("GET", "/?term=1")));
    let plugin = lab.plugin(&RequestTermination, json!({ "trigger": "x_term" }));
    assert!(lab.request("GET", "/").header("X-Term", "1").access(&*plugin).is_some());
}

#[test]
fn what_there_is_nothing_of_is_not_echoed() {
    let lab = Lab::new();
    let plugin = lab.plugin(&RequestTermination, json!({ "echo": true, "status_code": 202 }));
    let Content::Json(body) = lab.request("GET", "/").access(&*plugin).unwrap().content else { panic!("not JSON") };
    assert!(["message", "matched_route", "matched_service"].iter().all(|name| body.get(*name).is_none()), "{body}");
    assert_eq!((body["request"].get("body"), &body["request"]["raw_body"]), (None, &json!("")));
}

#[test]
fn requests_are_echoed() {
    let lab = Lab::new();
    let plugin = lab.plugin(&RequestTermination, json!({ "echo": true }));
    let mut request = lab
        .request("POST", "/a?x=1&x=2&y")
        .routed()
        .served()
        .header("X-B", "1")
        .header("x-b", "2")
        .body("application/json", r#"{"a": 1}"#);
    request.context.captures = vec![("0".into(), "/a/5".into()), ("1".into(), "5".into()), ("id".into(), "5".into())];
    let answer = request.access(&*plugin).unwrap();
    let Content::Json(body) = answer.content else { panic!("not JSON") };
    assert_eq!((answer.status, &body["message"]), (503, &json!("Service unavailable")));
    assert_eq!(body["kong"]["hostname"], "host");
    let echoed = &body["request"];
    assert_eq!((&echoed["method"], &echoed["path"]), (&json!("POST"), &json!("/a")));
    assert_eq!(echoed["query"], json!({ "x": ["1", "2"], "y": true }));
    assert_eq!(echoed["headers"]["x-b"], json!(["1", "2"]));
    assert_eq!((&echoed["body"], &echoed["raw_body"]), (&json!({ "a": 1 }), &json!(r#"{"a": 1}"#)));
    assert_eq!(echoed["uri_captures"], json!({ "named": { "id": "5" }, "unnamed": ["5"] }));
    assert_eq!(
        (&body["matched_route"]["id"], &body["matched_service"]["id"]),
        (&json!("route-id"), &json!("service-id"))
    );
}
