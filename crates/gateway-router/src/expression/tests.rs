use super::*;
use crate::request::{Headers, Request, same_name};

struct Fields(&'static [(&'static str, &'static str)]);

impl Headers for Fields {
    fn any(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.0.iter().any(|(key, value)| same_name(key.as_bytes(), name.as_bytes()) && visit(value.as_bytes()))
    }
}

fn accepts(expression: &str) -> bool {
    captured(expression).is_some()
}

fn captured(expression: &str) -> Option<Captured> {
    let request = Request {
        method: "GET",
        host: b"example.com",
        path: b"/foo/bar/42",
        query: b"q=1&q=2&x=%20",
        headers: &Fields(&[("X-A", "1"), ("x_a", "2"), ("X-B", "v1")]),
        tls: false,
        sni: None,
        source: "10.1.2.3:1000".parse().unwrap(),
        destination: "127.0.0.1:8000".parse().unwrap(),
    };
    let mut captured = Captured::default();
    Expression::parse(expression).unwrap().matches(&request, &mut captured).then_some(captured)
}

#[test]
fn predicates_hold_or_not() {
    for (expression, expected) in [
        (r#"http.path ^= "/foo""#, true),
        (r#"http.path =^ "42""#, true),
        (r#"http.path contains "bar""#, true),
        (r#"http.path == "/foo""#, false),
        (r#"lower(http.method) == "get""#, true),
        (r#"http.host != "foo.test""#, true),
        (r#"http.path.segments.0 == "foo""#, true),
        (r#"http.path.segments.0_1 == "foo/bar""#, true),
        (r#"http.path.segments.3 == "x""#, false),
        ("http.path.segments.len == 3", true),
        ("http.path.segments.len >= 4", false),
        (r#"http.headers.x_b ~ "^v[12]$""#, true),
        (r#"http.headers.x_a == "1""#, false),
        (r#"any(http.headers.x_a) == "1""#, true),
        (r#"http.headers.x_none != "1""#, false),
        (r#"any(http.queries.q) == "2""#, true),
        (r#"http.queries.x == " ""#, true),
        ("net.src.ip in 10.0.0.0/8", true),
        ("net.src.ip not in 10.1.0.0/16", false),
        ("net.dst.port == 8000", true),
        ("net.port == 0x1f40", true),
        (r#"net.protocol == "https""#, false),
        (r#"!(http.method == "GET")"#, false),
        (r#"tls.sni == "a""#, false),
    ] {
        assert_eq!(accepts(expression), expected, "{expression}");
    }
}

#[test]
fn what_is_stripped_is_as_long_as_what_was_found() {
    for (expression, length) in [
        (r#"http.path == "/foo/bar/42""#, Some(11)),
        (r#"http.path ^= "/foo""#, Some(4)),
        (r#"http.path =^ "/42""#, Some(3)),
        (r#"http.path ~ "/b.r/""#, Some(5)),
        (r#"http.path contains "bar""#, None),
        (r#"http.path.segments.0 == "foo""#, None),
    ] {
        assert_eq!(captured(expression).map(|captured| captured.path), Some(length), "{expression}");
    }
}

#[test]
fn or_binds_tighter_than_and() {
    let no = r#"http.method == "POST""#;
    let yes = r#"http.method == "GET""#;
    assert!(!accepts(&format!("{no} && {yes} || {yes}")));
    assert!(accepts(&format!("({no} && {yes}) || {yes}")));
}

#[test]
fn what_is_wrong_is_told() {
    for (expression, message) in [
        ("", "expected a field"),
        ("http.nothing == \"a\"", "Unknown LHS field"),
        ("http.path == 1", "Type mismatch"),
        ("http.path > \"a\"", "Greater/Lesser"),
        ("http.path == \"a", "does not end"),
        ("http.path ~ \"(\"", "unclosed group"),
        ("!http.path == \"a\"", "expected ( after !"),
        ("http.path ~ r\"x\"", "expected a string"),
        ("http.path == \"a\" http", "expected &&, ||"),
        ("upper(http.path) == \"A\"", "unknown transformation"),
        ("(http.path == \"a\"", "expected )"),
        ("net.src.ip in 10.0.0.0/33", "expected a string"),
    ] {
        let error = Expression::parse(expression).unwrap_err().message;
        assert!(error.contains(message), "{expression}: {error}");
    }
    assert!(Expression::parse(&"(".repeat(100_000)).is_err());
    assert!(Expression::parse(&"(".repeat(5_000)).unwrap_err().message.contains("nested"));
}
