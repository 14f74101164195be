//! `MeshGatewayRoute`.

use crate::parse::net;
use crate::parse::reader::{Cursor, Object};
use crate::parse::tags::{self, Rules};

pub(in crate::parse) fn read(route: &Object<'_, '_>) {
    tags::selectors(&route.field("selectors"), Rules::SERVICE_AND_MORE);
    let field = route.field("conf");
    let found = field.section(|conf| {
        conf.field("tcp").object(tcp);
        conf.field("http").object(http);
        if conf.has("tcp") && conf.has("http") {
            field.problem("must have only one type defined: tcp, http");
        }
        conf.has("tcp") || conf.has("http")
    });
    if !found {
        field.problem("cannot be empty");
    }
}

fn tcp(route: &Object<'_, '_>) {
    route.field("rules").list(|rule| rule.object(|rule| backends(&rule.field("backends"))));
}

fn http(route: &Object<'_, '_>) {
    route.field("hostnames").strings();
    let field = route.field("rules");
    if field.list(|rule| rule.object(http_rule)).is_empty() {
        field.problem("cannot be empty");
    }
}

fn http_rule(rule: &Object<'_, '_>) {
    let matches = rule.field("matches");
    let prefixes = matches.list(|one| one.object(http_match));
    if prefixes.is_empty() {
        matches.problem("cannot be empty");
    }
    let has_prefix = prefixes.contains(&true);
    let filters = rule.field("filters");
    let redirects = filters.list(|filter| filter.object(|filter| http_filter(filter, has_prefix)));
    let has_redirect = redirects.contains(&true);
    if has_redirect && redirects.len() != 1 {
        filters.problem("redirects cannot be used with other filters");
        rule.field("backends");
        return;
    }
    let field = rule.field("backends");
    match (backends(&field), has_redirect) {
        (0, false) => field.problem("cannot be empty"),
        (1.., true) => field.problem("must be empty when using redirect filters"),
        _ => {}
    }
}

/// Whether it is a match on a path's prefix.
fn http_match(one: &Object<'_, '_>) -> bool {
    const METHODS: [(&str, ()); 10] = [
        ("NONE", ()),
        ("CONNECT", ()),
        ("DELETE", ()),
        ("GET", ()),
        ("HEAD", ()),
        ("OPTIONS", ()),
        ("PATCH", ()),
        ("POST", ()),
        ("PUT", ()),
        ("TRACE", ()),
    ];
    one.field("method").choice(&METHODS);
    let is_prefix = one.field("path").object(path).unwrap_or_default();
    one.field("headers").list(|header| {
        header.object(|header| {
            let kinds = [("EXACT", true), ("REGEX", true), ("ABSENT", false), ("PRESENT", false)];
            let takes_value = header.field("match").choice(&kinds).unwrap_or(true);
            header.field("name").required();
            let value = header.field("value");
            match (takes_value, value.filled().is_some()) {
                (true, false) => value.problem("cannot be empty"),
                (false, true) => value.problem("cannot be set"),
                _ => {}
            }
        })
    });
    one.field("queryParameters").list(|query| {
        query.object(|query| {
            query.field("match").choice(&[("EXACT", ()), ("REGEX", ())]);
            query.field("name").required();
            query.field("value").required();
        })
    });
    if !["path", "method", "headers", "queryParameters"].into_iter().any(|name| one.has(name)) {
        one.here().problem("cannot be empty");
    }
    is_prefix
}

fn path(path: &Object<'_, '_>) -> bool {
    const REGEX: u8 = 2;
    let kind = path.field("match").choice(&[("EXACT", 0), ("PREFIX", 1), ("REGEX", REGEX)]).unwrap_or(0);
    let field = path.field("value");
    let value = field.text();
    if kind == REGEX && value.is_empty() {
        field.problem("cannot be empty");
    } else if kind != REGEX && !value.starts_with('/') {
        field.problem("must be an absolute path");
    }
    kind == 1
}

/// Whether it redirects.
fn http_filter(filter: &Object<'_, '_>, has_prefix: bool) -> bool {
    filter.field("requestHeader").object(header_filter);
    filter.field("responseHeader").object(header_filter);
    filter.field("mirror").object(|mirror| {
        let field = mirror.field("percentage");
        match field.f64() {
            None if !field.is_present() => field.problem("cannot be empty"),
            Some(percent) if !(0.0..=100.0).contains(&percent) => field.problem("has to be in [0.0 - 100.0] range"),
            _ => {}
        }
        backend(&mirror.field("backend"));
    });
    filter.field("rewrite").object(|fields| rewrite(fields, has_prefix));
    filter.field("redirect").object(|redirect| {
        redirect.field("scheme").string();
        redirect.field("hostname").string();
        let port = redirect.field("port");
        if port.u32().is_some_and(|port| port != 0) {
            net::port(&port);
        }
        let status = redirect.field("statusCode");
        if !status.u32().is_some_and(|status| (300..=308).contains(&status)) {
            status.problem("must be in the range [300, 308]");
        }
        redirect.field("path").object(|fields| rewrite(fields, has_prefix));
    });
    filter.has("redirect")
}

fn rewrite(rewrite: &Object<'_, '_>, has_prefix: bool) {
    rewrite.field("replaceFull").string();
    rewrite.field("hostToBackendHostname").flag();
    let prefix = rewrite.field("replacePrefixMatch");
    if prefix.string().is_some() && !has_prefix {
        prefix.problem("cannot be used without a match on path prefix");
    }
}

fn header_filter(filter: &Object<'_, '_>) {
    let mut count = 0;
    for name in ["set", "add"] {
        let headers = filter.field(name).list(|header| {
            header.object(|header| {
                header.field("name").required();
                header.field("value").required();
            })
        });
        count += headers.len();
    }
    count += filter.field("remove").list(|name| Some(name.required())).len();
    if count == 0 {
        filter.here().problem("cannot be empty");
    }
}

/// How many there are.
fn backends(list: &Cursor<'_, '_>) -> usize {
    list.list(|item| {
        backend(item);
        Some(())
    })
    .len()
}

fn backend(field: &Cursor<'_, '_>) {
    if !field.is_present() {
        field.problem("cannot be empty");
    }
    field.object(|backend| {
        backend.field("weight").u32();
        tags::tags(&backend.field("destination"), Rules::SERVICE_AND_MORE);
    });
}
