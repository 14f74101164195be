//! Which route, and where its service wants the request.

use std::sync::Arc;

use engine::headers::Headers;
use gateway_router::{Request, path};
use smallvec::SmallVec;

use crate::config::{Config, RouteRuntime, ServiceRuntime};
use crate::pdk::Context;

/// A request that a route matched.
pub(super) struct Routed<'a> {
    pub(super) route: &'a RouteRuntime,
    pub(super) service: Option<&'a ServiceRuntime>,
    /// What is stripped off the path.
    pub(super) prefix: Option<Prefix>,
}

/// The beginning of a path.
pub(super) type Prefix = SmallVec<[u8; 32]>;

/// Finds the route, and notes in the context what follows from it.
pub(super) fn route<'a>(config: &'a Config, context: &mut Context) -> Option<Routed<'a>> {
    let (path, query) = context.request.split_target();
    let normal = path::normalize(path_of(path));
    // As the client wrote it: routes' hosts are in lower case, and the reference does not fold the request's.
    let host = context.request.headers.get("Host").map_or(b"".as_slice(), without_port);
    let request = Request {
        method: context.request.method.as_str(),
        host,
        path: &normal,
        query: query.get(1..).unwrap_or_default(),
        headers: &Fields(&context.request.headers),
        tls: context.client.tls.is_some(),
        sni: context.client.tls.as_ref().and_then(|tls| tls.sni.as_deref()),
        source: std::net::SocketAddr::new(context.client.ip, context.client.port),
        destination: context.client.local,
    };
    let matched = config.router.find(&request)?;
    let route: &RouteRuntime = matched.payload;
    let service = route.service.and_then(|at| config.services.get(at)?.as_deref());
    let strip = matched.captured.path.filter(|_| route.document.strip_path);
    // Most of the time nothing or the first slash, of which upstreams are not told.
    let prefix =
        strip.filter(|length| *length > 1).map(|length| Prefix::from_slice(&normal[..length.min(normal.len())]));

    if let Some(service) = service {
        let target = &mut context.target;
        // A route without paths that strips takes no more than the first slash away.
        let strip = strip.or(route.document.strip_path.then_some(1));
        path::upstream_path(&service.path, &normal, strip, route.handling, &mut target.path);
        target.query.clear();
        target.query.extend_from_slice(query);
        target.tls = service.tls;
        target.port = service.document.port;
        context.service = Some(Arc::clone(&service.document));
    }
    context.captures = matched.captured.groups;
    context.route = Some(Arc::clone(&route.document));
    Some(Routed { route, service, prefix })
}

/// `example.com:80` and `[::1]:80` as `example.com` and `[::1]`; what has colons without brackets stays.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(colon)
            if host[colon] == b':'
                && (!host[..colon].contains(&b':') || (host.starts_with(b"[") && host[..colon].ends_with(b"]"))) =>
        {
            &host[..colon]
        }
        _ => host,
    }
}

/// The path of a target, which may be a whole URL.
pub(super) fn path_of(target: &[u8]) -> &[u8] {
    if target.starts_with(b"/") {
        return target;
    }
    let after_scheme = memchr::memmem::find(target, b"://").map_or(target, |at| &target[at + 3..]);
    memchr::memchr(b'/', after_scheme).map_or(b"/", |at| &after_scheme[at..])
}

/// The request's fields as routes ask for them.
struct Fields<'a>(&'a Headers);

impl gateway_router::Headers for Fields<'_> {
    fn any(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.0.iter().any(|(field, value)| gateway_router::same_name(field, name.as_bytes()) && visit(value))
    }
}
