use gateway_proxy::pdk::{Content, Method};
use serde_json::{Value, json};

use super::RequestTransformer;
use crate::testing::{Exchange, Lab, configuration, shown, words};

const QUERY: &str = "/a?one=1&two=2&dup=a&dup=b&empty=&flag&q=a%20b%2Fc";
const JSON: &str = r#"{"one": 1, "two": "2", "dup": ["a", "b"], "o": {"x": 1}, "o.x": "flat", "nul": null, "eo": {}}"#;
const FORM: &str = "one=1&two=2&dup=a&dup=b&o%5Bx%5D=1&sp=a+b";
const MULTIPART: &str = "multipart/form-data; boundary=xx";

/// A request with several of everything, after the plugin.
fn change(config: Value, with: impl FnOnce(Exchange) -> Exchange) -> Exchange {
    let mut exchange = start(with);
    let answer = run(&mut exchange, config);
    assert!(answer.is_none(), "{answer:?}");
    exchange
}

fn start(with: impl FnOnce(Exchange) -> Exchange) -> Exchange {
    let fields = [("X-One", "1"), ("X-Two", "2"), ("X-Dup", "a"), ("X-Dup", "b")];
    with(
        fields
            .into_iter()
            .fold(Lab::new().request("POST", QUERY), |request, (name, value)| request.header(name, value)),
    )
}

fn run(exchange: &mut Exchange, config: Value) -> Option<(u16, String)> {
    let plugin = Lab::new().plugin(&RequestTransformer, config);
    exchange.access(&*plugin).map(|answer| (answer.status, words(&answer).to_owned()))
}

fn query(config: Value) -> String {
    change(config, |request| request).query().to_owned()
}

fn header<'a>(exchange: &'a Exchange, name: &'a str) -> Vec<&'a str> {
    exchange.context.request.headers.get_all(name).map(|value| std::str::from_utf8(value).unwrap()).collect()
}

/// The body that goes upstream; `None` for the client's.
fn body(config: Value, kind: &str, body: &str) -> Option<String> {
    let exchange = change(config, |request| request.body(kind, body));
    let changed = exchange.context.replaced_body.clone()?;
    let length = changed.len().to_string();
    assert_eq!(header(&exchange, "content-length"), [&length]);
    Some(String::from_utf8(changed).unwrap())
}

fn json_body(config: Value, text: &str) -> Option<Value> {
    Some(serde_json::from_str(&body(config, "application/json; charset=utf-8", text)?).unwrap())
}

fn refused(config: Value, with: impl FnOnce(Exchange) -> Exchange) -> bool {
    run(&mut start(with), config) == Some((500, "An unexpected error occurred".to_owned()))
}

#[test]
fn defaults_are_complete() {
    let section = json!({ "body": [], "headers": [], "querystring": [] });
    let mut replace = section.clone();
    replace["uri"] = Value::Null;
    let expected = json!({
        "http_method": null, "remove": section, "rename": section, "replace": replace, "add": section,
        "append": section,
    });
    assert_eq!(shown("request-transformer", json!({})), expected);
}

#[test]
fn entries_are_checked() {
    for (config, path, message) in [
        (json!({ "add": { "headers": ["nocolon"] } }), "/add/headers", "invalid value: nocolon"),
        (json!({ "add": { "headers": ["a b:c"] } }), "/add/headers", "'a b' is not a valid header"),
        (json!({ "rename": { "headers": ["a:"] } }), "/rename/headers", "'' is not a valid header"),
        (json!({ "remove": { "headers": ["ü"] } }), "/remove/headers", "'ü' is not a valid header"),
        (json!({ "add": { "body": ["a"] } }), "/add/body", "key 'a' has no value"),
        (
            json!({ "add": { "querystring": ["a:$(1 +)"] } }),
            "/add/querystring",
            "value '$(1 +)' is not in supported format, error:malformed expression '1 +' near its end",
        ),
    ] {
        let error = configuration("request-transformer", config).unwrap_err();
        let told = error["fields"]["config"].pointer(path).unwrap_or_else(|| panic!("{error}"));
        assert_eq!(told, &json!([message]));
    }
    assert!(configuration("request-transformer", json!({ "http_method": "get" })).is_err());
}

#[test]
fn headers_are_changed() {
    let removed = change(json!({ "remove": { "headers": ["x-one", "X-DUP", "x-none", "host"] } }), |r| r);
    assert_eq!((header(&removed, "x-one").len(), header(&removed, "x-dup").len()), (0, 0));
    assert_eq!(header(&removed, "host"), ["example.com"]);

    let renamed = change(json!({ "rename": { "headers": ["x-one:x-new", "x-dup:x-dn", "x-none:x-two"] } }), |r| r);
    assert_eq!((header(&renamed, "x-new"), header(&renamed, "x-dn")), (vec!["1"], vec!["a", "b"]));
    assert_eq!((header(&renamed, "x-one").len(), header(&renamed, "x-two")), (0, vec!["2"]));

    let replaced = change(json!({ "replace": { "headers": ["x-one:R", "x-none:N", "x-dup:D:E"] } }), |r| r);
    assert_eq!((header(&replaced, "x-one"), header(&replaced, "x-dup")), (vec!["R"], vec!["D:E"]));
    assert!(header(&replaced, "x-none").is_empty());

    let entries = ["x-one:A", "x-none:N", "x-none:N2", "x-dup:D"];
    let added = change(json!({ "add": { "headers": entries } }), |r| r);
    assert_eq!((header(&added, "x-one"), header(&added, "x-none")), (vec!["1"], vec!["N"]));
    let appended = change(json!({ "append": { "headers": entries } }), |r| r);
    assert_eq!((header(&appended, "x-one"), header(&appended, "x-none")), (vec!["1", "A"], vec!["N", "N2"]));
    assert_eq!(header(&appended, "x-dup"), ["a", "b", "D"]);
}

#[test]
fn the_host_can_only_be_replaced() {
    let host = |config| change(config, |r| r).context.target.host_header;
    assert_eq!(host(json!({ "replace": { "headers": ["Host:r.h"] } })).as_deref(), Some(&b"r.h"[..]));
    assert_eq!(host(json!({ "add": { "headers": ["host:a"] }, "append": { "headers": ["host:b"] } })), None);
    assert_eq!(host(json!({ "rename": { "headers": ["host:x-old"] }, "remove": { "headers": ["host"] } })), None);
}

#[test]
fn fields_of_the_connection_are_not_set_and_values_begin_no_other() {
    let own = ["connection:close", "te:trailers", "transfer-encoding:chunked"];
    let changed = change(json!({ "add": { "headers": own }, "append": { "headers": own } }), |r| r);
    assert!(["connection", "te", "transfer-encoding"].iter().all(|name| header(&changed, name).is_empty()));

    let mut request = Lab::new().request("GET", "/?v=a%0D%0Ab:%20c");
    assert!(run(&mut request, json!({ "add": { "headers": ["x-v:$(query_params.v)"] } })).is_none());
    assert_eq!(header(&request, "x-v"), ["a%0D%0Ab: c"]);
}

#[test]
fn a_body_without_its_length_is_none() {
    let gone = change(json!({ "remove": { "headers": ["content-length"] } }), |r| r.body("text/plain", "x"));
    assert_eq!(gone.context.replaced_body.as_deref(), Some(&b""[..]));
}

#[test]
fn queries_are_changed_and_sorted() {
    let entries = ["one:A", "none:N", "none:N2", "dup:D"];
    for (config, expected) in [
        (json!({ "remove": { "querystring": ["one", "dup", "none"] } }), "?empty=&flag&q=a%20b%2Fc&two=2"),
        (
            json!({ "rename": { "querystring": ["one:new", "dup:dn", "none:two"] } }),
            "?dn=a&dn=b&empty=&flag&new=1&q=a%20b%2Fc",
        ),
        (
            json!({ "replace": { "querystring": ["one:R", "none:N", "dup:D", "flag:F"] } }),
            "?dup=D&empty=&flag=F&one=R&q=a%20b%2Fc&two=2",
        ),
        (json!({ "add": { "querystring": entries } }), "?dup=a&dup=b&empty=&flag&none=N&one=1&q=a%20b%2Fc&two=2"),
        (
            json!({ "append": { "querystring": entries } }),
            "?dup=a&dup=b&dup=D&empty=&flag&none=N&none=N2&one=1&one=A&q=a%20b%2Fc&two=2",
        ),
        (json!({}), "?one=1&two=2&dup=a&dup=b&empty=&flag&q=a%20b%2Fc"),
    ] {
        assert_eq!(query(config), expected);
    }
}

#[test]
fn changes_are_made_in_order() {
    let section = |one: &str, new: &str| json!({ "headers": [one], "querystring": [new] });
    let config = json!({
        "remove": section("x-one", "one"), "rename": section("x-two:x-one", "two:one"),
        "replace": section("x-one:rep", "one:rep"), "add": section("x-one:add", "one:add"),
        "append": section("x-one:app", "one:app"),
    });
    let changed = change(config, |r| r);
    assert_eq!(header(&changed, "x-one"), ["rep", "app"]);
    assert_eq!(changed.query(), "?dup=a&dup=b&empty=&flag&one=rep&one=app&q=a%20b%2Fc");
}

#[test]
fn json_bodies_are_changed() {
    let entries = ["one:A", "none:N", "none:N2", "dup:D", "nul:x", "eo:y", "o:z"];
    let expected = json!({
        "one": 1, "two": "2", "dup": ["a", "b"], "o": { "x": 1 }, "o.x": "flat", "nul": null, "eo": {}, "none": "N",
    });
    assert_eq!(json_body(json!({ "add": { "body": entries } }), JSON).unwrap(), expected);
    let expected = json!({
        "one": ["A"], "two": "2", "dup": ["a", "b", "D"], "o": { "x": 1, "1": "z" }, "o.x": "flat", "nul": ["x"],
        "eo": ["y"], "none": ["N", "N2"],
    });
    assert_eq!(json_body(json!({ "append": { "body": entries } }), JSON).unwrap(), expected);
    let config = json!({
        "remove": { "body": ["one", "o.x", "dup", "list[1]"] }, "rename": { "body": ["two:new", "none:eo"] },
        "replace": { "body": ["nul:R", "none:N"] },
    });
    assert_eq!(json_body(config, JSON).unwrap(), json!({ "o": { "x": 1 }, "nul": "R", "new": "2" }));
}

#[test]
fn json_bodies_that_are_no_objects() {
    let json = |config: &Value, text: &str| body(config.clone(), "application/json", text);
    let remove = json!({ "remove": { "body": ["a"] } });
    let replace = json!({ "replace": { "body": ["a:1"] } });
    let append = json!({ "append": { "body": ["a:1"] } });
    assert_eq!(json(&remove, "[1, 2]").as_deref(), Some("[1,2]"));
    assert_eq!(json(&append, "").as_deref(), Some(r#"{"a":["1"]}"#));
    assert_eq!(json(&remove, "{bad"), None);
    assert_eq!(json(&remove, ""), None);
    assert_eq!(json(&replace, "\"s\""), None);
    assert_eq!(json(&replace, "{\"b\": 1}"), None);
    for (config, text) in [(&remove, "\"s\""), (&append, "\"s\""), (&replace, "5"), (&replace, "null")] {
        assert!(refused(config.clone(), |r| r.body("application/json", text)), "{text}");
    }
    assert_eq!(body(remove, "application/vnd.api+json", "{\"a\":1}"), None);
}

#[test]
fn forms_are_changed() {
    let form = |config| body(config, "application/x-www-form-urlencoded", FORM).unwrap();
    let section = json!({ "body": ["one:A", "none:N", "dup:D"] });
    assert_eq!(form(json!({ "remove": { "body": ["one", "dup"] } })), "two=2&o%5Bx%5D=1&sp=a%20b");
    assert_eq!(form(json!({ "rename": { "body": ["dup:dn"] } })), "one=1&two=2&o%5Bx%5D=1&sp=a%20b&dn=a&dn=b");
    assert_eq!(form(json!({ "add": section })), "one=1&two=2&dup=a&dup=b&o%5Bx%5D=1&sp=a%20b&none=N");
    assert_eq!(form(json!({ "replace": section })), "one=A&two=2&dup=D&o%5Bx%5D=1&sp=a%20b");
    let appended = form(json!({ "append": section }));
    assert_eq!(appended, "one=1&one=A&two=2&dup=a&dup=b&dup=D&o%5Bx%5D=1&sp=a%20b&none=N");
    assert_eq!(body(json!({ "remove": { "body": ["a"] } }), "application/x-www-form-urlencoded", ""), None);
}

#[test]
fn parts_are_changed() {
    let part =
        |name: &str, value: &str| format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let file =
        "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\nContent-Type: a/b\r\n\r\ndata\r\n";
    let sent = part("one", "1") + &part("two", "2") + file + "--xx--\r\n";
    let changed = |config| body(config, MULTIPART, &sent);
    let expected = part("two", "2") + file + &part("one", "R") + "--xx--\r\n";
    assert_eq!(changed(json!({ "replace": { "body": ["one:R", "none:N"] } })).unwrap(), expected);
    let expected = file.to_owned() + &part("new", "1") + &part("add", "A") + "--xx--\r\n";
    let config =
        json!({ "rename": { "body": ["one:new"] }, "remove": { "body": ["two"] }, "add": { "body": ["add:A"] } });
    assert_eq!(changed(config).unwrap(), expected);
    assert_eq!(changed(json!({ "append": { "body": ["one:A"] } })), None);
}

#[test]
fn a_form_moves_into_the_query_with_a_method_that_has_no_body() {
    let merge = |method: &str| {
        let mut request = Lab::new().request("POST", "/?x=1&one=0").body("application/x-www-form-urlencoded", FORM);
        assert!(run(&mut request, json!({ "http_method": method })).is_none());
        assert_eq!(request.context.request.method, Method::from_token(method));
        request.query().to_owned()
    };
    assert_eq!(merge("GET"), "?dup=a&dup=b&o%5Bx%5D=1&one=0&one=1&sp=a%20b&two=2&x=1");
    assert_eq!(merge("DELETE"), "?x=1&one=0");
}

#[test]
fn paths_are_templates() {
    let path = |uri: &str| {
        let changed = change(json!({ "replace": { "uri": uri } }), |r| r);
        assert_eq!(changed.query(), "?one=1&two=2&dup=a&dup=b&empty=&flag&q=a%20b%2Fc");
        String::from_utf8(changed.context.target.path).unwrap()
    };
    assert_eq!(path("/a b/ü/$(query_params.q)/$(headers.x_one)"), "/a%20b/%C3%BC/a%20b/c/1");
    assert_eq!(path("/x//y/../z/%41%2f"), "/x//y/../z/%41%2f");
    assert!(refused(json!({ "replace": { "uri": "$(headers.x_one)" } }), |r| r));
    assert!(refused(json!({ "replace": { "uri": "$(headers.none)" } }), |r| r));
}

#[test]
fn templates_see_the_headers_as_they_came() {
    let config = json!({
        "remove": { "headers": ["x-dup"] }, "replace": { "headers": ["x-one:$(headers.x_dup[1])"] },
        "add": { "headers": ["x-t:$(headers.x_one)"] },
    });
    let changed = change(config, |r| r);
    assert_eq!((header(&changed, "x-one"), header(&changed, "x-t")), (vec!["a"], vec!["1"]));
    assert!(refused(json!({ "add": { "headers": ["x-t:$(nosuch.field)"] } }), |r| r));
}

#[test]
fn bodies_are_limited() {
    let long = "x".repeat(super::BODY_LIMIT + 1);
    let mut request = Lab::new().request("POST", "/").body("application/json", &long);
    let plugin = Lab::new().plugin(&RequestTransformer, json!({ "add": { "body": ["a:1"] } }));
    let answer = request.access(&*plugin).unwrap();
    assert_eq!(answer.status, 413);
    assert!(matches!(answer.content, Content::Error(_)));
}
