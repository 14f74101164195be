//! Configurations and the requests that go with them.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

/// The key that the only consumer has.
pub(crate) const KEY: &str = "sekret";

/// One service with a route for each kind of traffic. Without `prometheus` for a build that lacks it.
pub(crate) fn traffic(upstream: u16, prometheus: bool) -> Value {
    let key_auth = json!({ "name": "key-auth" });
    let limit = json!({ "name": "rate-limiting", "config": { "minute": 1_000_000_000, "policy": "local" } });
    let mut all = vec![
        key_auth.clone(),
        limit.clone(),
        json!({ "name": "cors" }),
        json!({ "name": "request-transformer", "config": {
            "add": { "headers": ["x-added:1"] }, "remove": { "headers": ["x-removed"] },
        }}),
    ];
    if prometheus {
        all.push(json!({ "name": "prometheus" }));
    }
    let url = format!("http://127.0.0.1:{upstream}");
    let route = |name: &str, plugins: Value| json!({ "name": name, "paths": [format!("/{name}")], "plugins": plugins });
    json!({
        "_format_version": "3.0",
        "consumers": [{ "username": "ann", "keyauth_credentials": [{ "key": KEY }] }],
        "services": [
            { "name": "small", "url": url, "routes": [
                route("plain", json!([])),
                route("key", json!([key_auth])),
                route("limited", json!([key_auth, limit])),
                route("full", json!(all)),
            ]},
            { "name": "large", "url": format!("{url}/64k"), "routes": [route("large", json!([]))] },
        ],
    })
}

/// A configuration with many routes: of ten, seven have a path, two a host and a path, one a pattern; ten
/// belong to a service. `generation` changes the last one of them.
pub(crate) fn many_routes(upstream: u16, routes: u64, generation: u64) -> String {
    let mut text = String::from(r#"{"_format_version":"3.0","services":["#);
    let infallible = "writing to a string does not fail";
    for route in 0..routes {
        if route % 10 == 0 {
            let end = if route == 0 { "" } else { "]}," };
            write!(text, r#"{end}{{"name":"s{route}","url":"http://127.0.0.1:{upstream}","routes":["#)
                .expect(infallible);
        } else {
            text.push(',');
        }
        write!(text, r#"{{"name":"r{route:06}","#).expect(infallible);
        match kind(route) {
            Kind::Path => write!(text, r#""paths":["/api/r{route:06}"]"#),
            Kind::Host => write!(text, r#""hosts":["h{route:06}.example"],"paths":["/v/r{route:06}"]"#),
            Kind::Pattern => write!(text, r#""paths":["~/rx/r{route:06}/\\d+"]"#),
        }
        .expect(infallible);
        if route + 1 == routes {
            write!(text, r#","headers":{{"x-generation":["{generation}"]}}"#).expect(infallible);
        }
        text.push('}');
    }
    text.push_str("]}]}");
    text
}

enum Kind {
    Path,
    Host,
    Pattern,
}

fn kind(route: u64) -> Kind {
    match route % 10 {
        0..=6 => Kind::Path,
        7 | 8 => Kind::Host,
        _ => Kind::Pattern,
    }
}

/// A request that only `route` of [`many_routes`] takes, with a path that `number` makes new.
pub(crate) fn request_to(route: u64, number: u64, generation: u64, request: &mut Vec<u8>) {
    match kind(route) {
        Kind::Path => write!(request, "GET /api/r{route:06}/{number} HTTP/1.1\r\nhost: localhost\r\n"),
        Kind::Host => write!(request, "GET /v/r{route:06}/{number} HTTP/1.1\r\nhost: h{route:06}.example\r\n"),
        Kind::Pattern => write!(request, "GET /rx/r{route:06}/{number} HTTP/1.1\r\nhost: localhost\r\n"),
    }
    .and_then(|()| write!(request, "x-generation: {generation}\r\n\r\n"))
    .expect("writing to a vector does not fail");
}

/// Requests to one route after the other, beginning somewhere; each lap has paths of its own.
pub(crate) fn round_robin(routes: u64, first: u64, lap: u64, generation: u64) -> impl Fn(u64, &mut Vec<u8>) + Sync {
    move |number, request| {
        let number = first + number;
        request_to(number.wrapping_mul(7919) % routes, lap * 1_000_000_000 + number, generation, request);
    }
}
