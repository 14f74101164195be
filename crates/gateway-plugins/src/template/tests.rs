use gateway_proxy::pdk::Headers;
use serde_json::json;

use super::{Scope, Template};

/// The text for a request with one of everything; `Err` with the reason why there is none.
fn render(text: &str) -> Result<String, String> {
    let mut headers = Headers::new();
    headers.append("X-One", "1");
    headers.append("X-Two", "2");
    headers.append("x_und", "u");
    headers.append("X-Dup", "a");
    headers.append("X-Dup", "b");
    let shared = json!({ "foo": "bar", "num": 42, "tbl": { "a": "deep" }, "list": ["x"] });
    let captures = [("1".into(), "12".into()), ("id".into(), "12".into())];
    let scope = Scope {
        headers: &headers,
        query: b"one=1&dup=a&dup=b&empty=&flag&q=a%20b",
        captures: &captures,
        shared: shared.as_object(),
    };
    let template = Template::new(text).map_err(|error| error.to_string())?;
    let text = template.render(&scope).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn requests_are_seen() {
    for (template, expected) in [
        ("plain $ text $5 (x)", "plain $ text $5 (x)"),
        ("$(headers.x_one)$(headers['X-Two'])", "12"),
        ("$(headers.x_und)", "u"),
        ("$(headers.x_none)", ""),
        ("$(headers.x_none or 'dflt')", "dflt"),
        ("pre-$(headers.x_two)-post", "pre-2-post"),
        ("$(headers.x_dup[2])", "b"),
        ("$(headers.x_one == \"1\" and \"yes\" or \"no\")", "yes"),
        ("$(query_params.q)$(query_params.flag)$(query_params.empty)", "a btrue"),
        ("$(query_params.none or 'n')", "n"),
        ("$(#query_params.dup)", "2"),
        ("$(uri_captures.id)/$(uri_captures[1])/$(uri_captures[2])", "12/12/"),
        ("$(shared.foo)$(shared.num)$(shared.tbl.a)$(shared.list[1])", "bar42deepx"),
        ("$(never closed", "$(never closed"),
        ("$$(headers.x_one)", "$1"),
        ("$()", ""),
    ] {
        assert_eq!(render(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn operators_bind_as_in_lua() {
    for (template, expected) in [
        ("$(1 + 2 * 3 - 4 / 2)", "5"),
        ("$(-2 ^ 2)", "-4"),
        ("$(2 ^ 3 ^ 2)", "512"),
        ("$(7 % 3)$(-7 % 3)", "12"),
        ("$(0.1 + 0.2)", "0.3"),
        ("$(10 / 3)", "3.3333333333333"),
        ("$(2 ^ 70)", "1.1805916207174e+21"),
        ("$(0x10)$(1e3)$(.5)", "1610000.5"),
        ("$('5' + 1)", "6"),
        ("$(\"a\" .. 1 .. 'b')", "a1b"),
        ("$(not nil)$(not 0)", "true"),
        ("$(1 < 2 and 'a' < 'b' and 2 >= 2)", "true"),
        ("$(nil == false)$(1 ~= 2)", "true"),
        ("$(('a'):rep(3):upper():sub(-2))", "AA"),
        ("$(#'abc')$(('abc'):len())", "33"),
        ("$(('a b'):gsub(' ', '_'))", "a_b"),
        ("$(type(headers))$(type(nil))$(type(type))", "tablenilfunction"),
        ("$('it\\'s \\\\')", "it's \\"),
    ] {
        assert_eq!(render(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn faults_are_told() {
    for (template, expected) in [
        ("$(nosuch.field)", "attempt to index a nil value"),
        ("$(os.time())", "attempt to index a nil value"),
        ("$(error('x'))", "attempt to call a nil value"),
        ("$(string.upper('x'))", "attempt to index a nil value"),
        ("$(1 .. nil)", "attempt to concatenate a nil value"),
        ("$(1 < 'a')", "attempt to compare number with string"),
        ("$({} + 1)", "malformed expression '{} + 1' near '{} + 1'"),
        ("$(a b)", "malformed expression 'a b' near 'b'"),
        ("$(1 +)", "malformed expression '1 +' near its end"),
        ("$('open)", "malformed expression ''open' near ''open'"),
        ("$(('a'):rep(1e9))", "a text of more than 1048576 bytes"),
        ("$(('a'):gsub('%w', ''))", "gsub takes plain text here, not patterns"),
        ("$(('a'):dump())", "attempt to call method 'dump' (a nil value)"),
    ] {
        assert_eq!(render(template).unwrap_err(), expected, "{template}");
    }
}

#[test]
fn expressions_cannot_go_deep() {
    for deep in ["(".repeat(5000) + &")".repeat(5000), "-".repeat(5000) + "1", "1+".repeat(5000) + "1"] {
        assert_eq!(render(&format!("$({deep})")).unwrap_err(), "an expression has at most 256 parts");
    }
    assert!(render(&"x".repeat(20_000)).is_err());
}
